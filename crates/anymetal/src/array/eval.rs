//! Evaluation: order the graph, run each node once, free what is no longer needed.
//!
//! Architecture invariants: exactly one thread runs a node and the others wait for it; no lock is
//! held while a kernel runs; a failure settles the node's outputs and reaches every dependant; an
//! interruption leaves the node as it was; nothing recurses over the graph.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};

use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use super::node::{Node, NodeId, Output, State, view_in};
use crate::device::{self, Buffer, Event, Inputs, Primitive, Space, Spec, Stream, View};
use crate::error::{Error, Result};
use crate::interrupt::{self, Limits, Scope};
use crate::{Array, Layout};

/// Computes the values of arrays, all of them before the first error is returned.
///
/// # Errors
/// The first failure among them; at once, an interruption ([`crate::EvalOptions`]).
pub fn eval<'a>(arrays: impl IntoIterator<Item = &'a Array>) -> Result<()> {
    let arrays: Vec<&Array> = arrays.into_iter().collect();
    run_all(&arrays)?;
    arrays.into_iter().try_for_each(wait)
}

/// Starts computing the values of arrays on a worker thread. Reading them, or [`eval`], waits for
/// them; errors appear there.
pub fn async_eval<'a>(arrays: impl IntoIterator<Item = &'a Array>) {
    struct Job {
        arrays: Vec<Array>,
        threads: usize,
        limits: Option<Arc<Limits>>,
    }
    static WORKER: OnceLock<Option<Mutex<mpsc::Sender<Job>>>> = OnceLock::new();
    let worker = WORKER.get_or_init(|| {
        let (sender, receiver) = mpsc::channel::<Job>();
        let work = move || {
            for job in receiver {
                let arrays: Vec<&Array> = job.arrays.iter().collect();
                let run = || device::with_threads(job.threads, || run_all(&arrays));
                // What an interruption leaves pending is computed when it is read.
                interrupt::in_background(job.limits, || drop(run()));
            }
        };
        let thread = std::thread::Builder::new().name("anymetal-eval".into()).spawn(work);
        thread.is_ok().then_some(Mutex::new(sender))
    });
    let arrays = arrays.into_iter().cloned().collect();
    let job = Job { arrays, threads: device::threads(), limits: interrupt::limits() };
    if let Some(sender) = worker {
        // Without a worker the arrays stay lazy and are computed when they are read.
        let _ = sender.lock().unwrap_or_else(PoisonError::into_inner).send(job);
    }
}

pub(crate) fn eval_one(array: &Array) -> Result<()> {
    if let Some(node) = array.0.pending_node() {
        // The usual case of a loop over single operations needs no ordering.
        if node.inputs.iter().all(|i| i.0.is_settled()) {
            let scope = interrupt::current();
            begin(scope.as_deref())?;
            if run(&node, scope.as_deref())? {
                return Ok(());
            }
        } else {
            drop(node);
            run_all(&[array])?;
        }
    }
    wait(array)
}

/// The array's values in host memory, computed and copied there if necessary.
pub(crate) fn host_view(array: &Array) -> Result<View> {
    eval_one(array)?;
    view_for(&array.0, Space::HOST, false).map(|(view, _)| view)
}

/// The array's values in the memory space of a stream's device.
pub(crate) fn view_on(array: &Array, stream: Stream) -> Result<View> {
    eval_one(array)?;
    let (view, event) = view_for(&array.0, stream.device.backend().space(), false)?;
    event.map_or(Ok(Ok(())), |event| interrupt::wait_for(&event))??;
    Ok(view)
}

/// Number of active transformations in the process: while there is any, evaluated arrays that
/// depend on a transformation's inputs keep their graph.
static TRACES: AtomicUsize = AtomicUsize::new(0);

/// Marks a transformation as active until it is dropped.
pub(crate) struct TraceGuard(());

impl TraceGuard {
    pub(crate) fn new() -> Self {
        TRACES.fetch_add(1, Ordering::SeqCst);
        TraceGuard(())
    }
}

impl Drop for TraceGuard {
    fn drop(&mut self) {
        TRACES.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits until a scheduled value is there.
fn wait(array: &Array) -> Result<()> {
    let event = match &array.0.lock().state {
        State::Ready { event: None, .. } => return Ok(()),
        State::Ready { event: Some(event), .. } => event.clone(),
        State::Failed(error) => return Err(Error::Failed(error.clone())),
        State::Abstract => return Err(Error::Abstract),
        State::Taken | State::Pending => return Err(lost()),
    };
    settle_event(&array.0, &event)
}

fn settle_event(output: &Output, event: &Event) -> Result<()> {
    let result = interrupt::wait_for(event)?;
    let mut slot = output.lock();
    match result {
        Ok(()) => {
            if let State::Ready { event, .. } = &mut slot.state {
                *event = None;
            }
            Ok(())
        }
        Err(error) => {
            let error = Arc::new(error);
            slot.state = State::Failed(error.clone());
            Err(Error::Failed(error))
        }
    }
}

fn lost() -> Error {
    Error::runtime("eval", "the array's value was given away; please report this")
}

/// Runs everything that `roots` need. The only errors are interruptions; failures are in the
/// outputs.
fn run_all(roots: &[&Array]) -> Result<()> {
    let order = order(roots);
    let (count, scope) = (order.len(), interrupt::current());
    let scope = scope.as_deref();
    if count > 0 {
        begin(scope)?;
    }
    // Dropping a node as soon as it has run frees its inputs.
    for (i, node) in order.into_iter().enumerate() {
        run(&node, scope)?;
        if let Some(scope) = scope
            && i + 1 < count
        {
            scope.after(node.work(), || {
                let name = node.operation.name();
                format!("after {} of {count} operations, the last one `{name}`", i + 1)
            })?;
        }
    }
    Ok(())
}

fn begin(scope: Option<&Scope>) -> Result<()> {
    scope.map_or(Ok(()), |scope| scope.look(|| "before the first operation".into()))
}

/// Nodes that must run for `roots`, inputs before users.
fn order(roots: &[&Array]) -> Vec<Arc<Node>> {
    let mut order = Vec::new();
    let mut seen: FxHashSet<NodeId> = FxHashSet::default();
    let mut stack: Vec<(Arc<Node>, usize)> = Vec::new();
    for root in roots {
        if let Some(node) = root.0.pending_node()
            && seen.insert(node.id())
        {
            stack.push((node, 0));
        }
        while let Some((node, next)) = stack.last_mut() {
            match node.inputs.get(*next) {
                Some(input) => {
                    *next += 1;
                    if let Some(node) = input.0.pending_node()
                        && seen.insert(node.id())
                    {
                        stack.push((node, 0));
                    }
                }
                None => order.extend(stack.pop().map(|(node, _)| node)),
            }
        }
    }
    order
}

/// Runs a node, or waits for the thread that does. The only errors are interruptions, after which
/// the node is pending again. `true`: all outputs that somebody holds have got complete values
/// here; else their slots say what they have.
fn run(node: &Arc<Node>, scope: Option<&Scope>) -> Result<bool> {
    while !node.claim(scope.is_some_and(|scope| scope.background)) {
        if node.wait(scope)? {
            return Ok(false);
        }
    }
    let outputs = node.outputs();
    let mut cx = EvalContext {
        inputs: Inputs::new(),
        specs: node.specs(&outputs),
        held: &outputs,
        views: SmallVec::new(),
        stream: node.stream,
        event: None,
    };
    let result = catch_unwind(AssertUnwindSafe(|| compute(node, &outputs, &mut cx)));
    let result = result.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(|s| s.to_string())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Err(Error::runtime("eval", format!("{} panicked: {text}", node.operation.name())))
    });
    if let Err(error @ (Error::Interrupted | Error::Timeout { .. })) = &result
        && put_back(node, &cx.inputs, &cx.event)
    {
        node.release();
        return Err(error.clone());
    }
    cx.inputs.clear();
    let keep = TRACES.load(Ordering::SeqCst) > 0;
    let mut complete = false;
    match result {
        Ok(()) => {
            let mut done = cx.views.iter().zip(&outputs).map(|(v, o)| v.is_some() || o.is_none());
            complete = cx.event.is_none() && done.all(|done| done);
            for (i, (view, output)) in cx.views.into_iter().zip(&outputs).enumerate() {
                let Some(output) = output else { continue };
                let state = match view {
                    Some(view) => {
                        State::Ready { views: SmallVec::from_buf([view]), event: cx.event.clone() }
                    }
                    None => State::Failed(Arc::new(Error::runtime(
                        "eval",
                        format!("{} left output {i} without a value", node.operation.name()),
                    ))),
                };
                output.0.settle(state, keep && output.0.traced);
            }
        }
        Err(error) => {
            let error = match error {
                Error::Failed(error) => error,
                error => Arc::new(error),
            };
            for output in outputs.iter().flatten() {
                output.0.settle(State::Failed(error.clone()), keep && output.0.traced);
            }
        }
    }
    node.finish();
    Ok(complete)
}

/// Gives the inputs of an interrupted node their values back, of which `views` are left. `false`:
/// the operation has given them away.
fn put_back(node: &Node, views: &Inputs, event: &Option<Event>) -> bool {
    // Only this node held an input whose value it took.
    let taken = |input: &Array| matches!(input.0.lock().state, State::Taken);
    let lost = node.inputs.iter().skip(views.len()).any(taken);
    if !lost {
        for (input, view) in node.inputs.iter().zip(views).filter(|(input, _)| taken(input)) {
            let views = SmallVec::from_iter([view.clone()]);
            input.0.lock().state = State::Ready { views, event: event.clone() };
        }
    }
    !lost
}

/// Computes a node's outputs, of which somebody holds some. `cx` is left with them, and with what
/// the operation did not use up of the inputs.
fn compute(node: &Node, outputs: &[Option<Array>], cx: &mut EvalContext<'_>) -> Result<()> {
    let space = node.stream.device.backend().space();
    outputs.iter().for_each(|_| cx.views.push(None));
    for input in &node.inputs {
        // Nobody but this node holds the input: the operation may reuse its memory. A traced
        // array's graph, and with it this node, may be walked again.
        let last_use = Arc::strong_count(&input.0) == 1 && !input.0.traced;
        if !last_use && let Some(view) = available_view(&input.0, space) {
            cx.inputs.push(view);
            continue;
        }
        let (view, pending) = view_for(&input.0, space, last_use)?;
        cx.inputs.push(view);
        // Launches of a back end run in order, so the newest event covers the others.
        cx.event = pending.or(cx.event.take());
    }
    if outputs.iter().any(Option::is_some) {
        node.operation.eval(cx)?;
    }
    Ok(())
}

/// A complete output's view in `space`, if it has one there: the usual case of [`view_for`].
fn available_view(output: &Output, space: Space) -> Option<View> {
    match &output.lock().state {
        State::Ready { views, event: None } => view_in(views, space).cloned(),
        _ => None,
    }
}

/// A computed output's view in `space`, transferred (once) if it is elsewhere, and the event that
/// completes it if it is not complete.
fn view_for(output: &Output, space: Space, take: bool) -> Result<(View, Option<Event>)> {
    let mut slot = output.lock();
    let (source, pending) = match &mut slot.state {
        State::Ready { views, event } => match view_in(views, space) {
            Some(_) if take && views.len() == 1 => {
                let event = event.take();
                let State::Ready { mut views, .. } =
                    std::mem::replace(&mut slot.state, State::Taken)
                else {
                    return Err(lost());
                };
                return Ok((views.remove(0), event));
            }
            Some(view) => return Ok((view.clone(), event.clone())),
            None => (views[0].clone(), event.clone()),
        },
        State::Failed(error) => return Err(Error::Failed(error.clone())),
        State::Abstract => return Err(Error::Abstract),
        State::Taken | State::Pending => return Err(lost()),
    };
    drop(slot);
    if let Some(event) = pending {
        settle_event(output, &event)?;
    }
    let (view, event) = transfer(&source, space)?;
    if let State::Ready { views, .. } = &mut output.lock().state
        && view_in(views, space).is_none()
        && event.is_none()
    {
        views.push(view.clone());
    }
    Ok((view, event))
}

fn transfer(source: &View, space: Space) -> Result<(View, Option<Event>)> {
    let host = if source.buffer.space() == Space::HOST {
        source.buffer.clone()
    } else {
        device::backend_of(source.buffer.space())?.download(&source.buffer)?
    };
    let (buffer, event) = if space == Space::HOST {
        (host, None)
    } else {
        device::backend_of(space)?.upload(&host)?
    };
    Ok((View { buffer, dtype: source.dtype, layout: source.layout.clone() }, event))
}

/// What an operation evaluates with: its inputs' values and the means to make its outputs'.
pub struct EvalContext<'a> {
    inputs: Inputs,
    specs: &'a [Spec],
    held: &'a [Option<Array>],
    views: SmallVec<[Option<View>; 1]>,
    stream: Stream,
    event: Option<Event>,
}

impl<'a> EvalContext<'a> {
    /// The stream the node belongs to.
    pub fn stream(&self) -> Stream {
        self.stream
    }

    /// Number of inputs.
    pub fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// An input's values.
    pub fn input(&self, index: usize) -> &View {
        &self.inputs[index]
    }

    /// Whether to go on, for operations that take long: see [`crate::EvalOptions`]. One that
    /// returns the error with its inputs still here is evaluated again later.
    ///
    /// # Errors
    /// If the evaluation is to stop.
    pub fn check(&self) -> Result<()> {
        interrupt::current().map_or(Ok(()), |scope| scope.look(|| "within an operation".into()))
    }

    /// Gives the inputs away: a launch may write over those that nobody else holds.
    pub fn take_inputs(&mut self) -> Inputs {
        std::mem::take(&mut self.inputs)
    }

    /// Shape and dtype of an output.
    pub fn output(&self, index: usize) -> &'a Spec {
        &self.specs[index]
    }

    /// Whether somebody holds an output; one that nobody holds need not be computed.
    pub fn is_held(&self, index: usize) -> bool {
        self.held[index].is_some()
    }

    /// Sets an output to a view, usually of an input.
    pub fn alias(&mut self, index: usize, view: View) {
        self.views[index] = Some(view);
    }

    /// Runs a primitive over all inputs; its outputs are the operation's.
    ///
    /// # Errors
    /// The back end's.
    pub fn launch(&mut self, primitive: &Primitive) -> Result<()> {
        let inputs = self.take_inputs();
        self.launch_on(primitive, inputs)
    }

    /// Runs a primitive over views of one's own; its outputs are the operation's.
    ///
    /// # Errors
    /// The back end's.
    pub fn launch_on(&mut self, primitive: &Primitive, inputs: Inputs) -> Result<()> {
        self.launch_first(self.specs.len(), primitive, inputs)
    }

    /// As [`EvalContext::launch_on`], for the first `count` outputs.
    ///
    /// # Errors
    /// The back end's.
    pub fn launch_first(
        &mut self,
        count: usize,
        primitive: &Primitive,
        inputs: Inputs,
    ) -> Result<()> {
        let specs = &self.specs[..count];
        let buffers = self.start(primitive, inputs, specs)?;
        for ((view, buffer), spec) in self.views.iter_mut().zip(buffers).zip(specs) {
            *view = Some(View::contiguous(buffer, spec.dtype, &spec.shape));
        }
        Ok(())
    }

    /// Runs a primitive over views of one's own to intermediate results.
    ///
    /// # Errors
    /// The back end's.
    pub fn compute(
        &mut self,
        primitive: &Primitive,
        inputs: Inputs,
        outputs: &[Spec],
    ) -> Result<SmallVec<[View; 1]>> {
        let buffers = self.start(primitive, inputs, outputs)?.into_iter().zip(outputs);
        Ok(buffers.map(|(b, spec)| View::contiguous(b, spec.dtype, &spec.shape)).collect())
    }

    fn start(
        &mut self,
        primitive: &Primitive,
        inputs: Inputs,
        outputs: &[Spec],
    ) -> Result<SmallVec<[Buffer; 1]>> {
        let launched = self.stream.device.backend().launch(primitive, inputs, outputs)?;
        self.event = launched.event.or(self.event.take());
        Ok(launched.buffers)
    }

    /// A view's elements in row-major order without gaps: the view itself if they are so.
    ///
    /// # Errors
    /// The back end's.
    pub fn contiguous(&mut self, view: View) -> Result<View> {
        if view.layout.is_contiguous() {
            return Ok(view);
        }
        let spec = Spec { shape: view.layout.shape.clone(), dtype: view.dtype };
        let mut copy = self.compute(&Primitive::Copy, Inputs::from_iter([view]), &[spec])?;
        Ok(copy.remove(0))
    }

    /// An input with another layout over the same elements, as an output.
    pub(crate) fn alias_layout(&mut self, output: usize, layout: Layout) {
        let view = self.inputs[0].with_layout(layout);
        self.alias(output, view);
    }
}
