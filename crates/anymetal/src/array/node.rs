//! The graph: nodes, their outputs and the states of outputs.
//!
//! An output refers to the node that computes it, a node to its inputs' outputs, so a graph lives
//! as long as somebody holds its end; a node knows its own outputs weakly, and outputs that nobody
//! holds are not stored. Evaluation cuts an output from its node, which frees the inputs.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use smallvec::SmallVec;

use crate::device::{Event, Space, Spec, Stream, View};
use crate::error::{Error, Result};
use crate::interrupt::{self, Scope};
use crate::{Array, Operation, copy_axes};

/// Inputs of a node.
pub(crate) type NodeInputs = SmallVec<[Array; 3]>;

/// One output of a node, or a leaf.
pub(crate) struct Output {
    pub(crate) spec: Spec,
    /// Whether it depends on an input of a transformation: its graph is kept while one is active.
    pub(crate) traced: bool,
    /// Whether the slot's state is past [`State::Pending`], which it never becomes again. Answers
    /// the usual question about inputs without the lock.
    settled: AtomicBool,
    slot: Mutex<Slot>,
}

/// What an output is made by, and how far that is.
pub(crate) struct Slot {
    /// The node it is an output of, while its graph is needed.
    pub(crate) node: Option<Arc<Node>>,
    pub(crate) state: State,
}

/// The value of an output.
pub(crate) enum State {
    /// Not computed yet.
    Pending,
    /// Computed, or launched if there is an event. One view per memory space; the first is where
    /// it was computed.
    Ready { views: SmallVec<[View; 1]>, event: Option<Event> },
    /// Given to the only operation that still needed it.
    Taken,
    /// Its computation failed.
    Failed(Arc<Error>),
    /// A stand-in of a transformation, without value.
    Abstract,
}

/// An operation applied to inputs. The operation lies in the node: one allocation for both.
pub(crate) struct Node<O: Operation + ?Sized = dyn Operation> {
    pub(crate) inputs: NodeInputs,
    outputs: Outputs,
    pub(crate) stream: Stream,
    claim: AtomicU8,
    pub(crate) operation: O,
}

/// What a node knows of its outputs.
enum Outputs {
    /// The only one.
    One(Weak<Output>),
    /// Several, and their specs: a rule may need those of outputs nobody holds.
    Several(Mutex<Vec<Weak<Output>>>, Vec<Spec>),
}

/// A node's address, its identity.
pub(crate) type NodeId = *const ();

const UNCLAIMED: u8 = 0;
const RUNNING: u8 = 1;
/// Running on the thread of [`crate::async_eval`].
const IN_BACKGROUND: u8 = 2;
const DONE: u8 = 3;

impl Output {
    pub(crate) fn ready(view: View) -> Output {
        let spec = Spec { shape: copy_axes(&view.layout.shape), dtype: view.dtype };
        let state = State::Ready { views: SmallVec::from_buf([view]), event: None };
        Output::new(spec, false, Slot { node: None, state })
    }

    pub(crate) fn placeholder(spec: Spec) -> Output {
        Output::new(spec, true, Slot { node: None, state: State::Abstract })
    }

    pub(crate) fn failed(spec: Spec, error: Error) -> Output {
        Output::new(spec, false, Slot { node: None, state: State::Failed(Arc::new(error)) })
    }

    /// An output of `node`, which may be filled in later.
    fn pending(spec: Spec, traced: bool, node: Option<Arc<Node>>) -> Output {
        Output::new(spec, traced, Slot { node, state: State::Pending })
    }

    fn new(spec: Spec, traced: bool, slot: Slot) -> Output {
        let settled = AtomicBool::new(!matches!(slot.state, State::Pending));
        Output { spec, traced, settled, slot: Mutex::new(slot) }
    }

    /// The slot. Its mutex is only held for moments and never while something runs, so a
    /// poisoned one (a panic in a `clone` or `drop`) still holds a consistent value.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_available(&self) -> bool {
        matches!(self.lock().state, State::Ready { event: None, .. })
    }

    /// Whether nothing needs to run for this output: it has a value, or never will.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    /// The node that must run for this output, if it has not.
    pub(crate) fn pending_node(&self) -> Option<Arc<Node>> {
        if self.is_settled() {
            return None;
        }
        let slot = self.lock();
        match (&slot.state, &slot.node) {
            (State::Pending, Some(node)) => Some(node.clone()),
            _ => None,
        }
    }

    /// The node of this output, evaluated or not, if the graph is still there.
    pub(crate) fn node(&self) -> Option<Arc<Node>> {
        self.lock().node.clone()
    }

    /// Sets the value, and cuts the output from its graph unless that must stay.
    pub(crate) fn settle(&self, state: State, keep_graph: bool) {
        let mut slot = self.lock();
        slot.state = state;
        self.settled.store(true, Ordering::Release);
        let node = if keep_graph { None } else { slot.node.take() };
        drop(slot);
        drop(node);
    }
}

/// The view in a space.
pub(crate) fn view_in(views: &[View], space: Space) -> Option<&View> {
    views.iter().find(|v| v.buffer.space() == space)
}

/// Adds a node to the graph.
pub(crate) fn record(
    operation: impl Operation,
    inputs: NodeInputs,
    specs: Vec<Spec>,
    stream: Stream,
) -> SmallVec<[Array; 1]> {
    let traced = inputs.iter().any(|a| a.0.traced);
    let arrays: SmallVec<[Array; 1]> = specs
        .iter()
        .map(|spec| Array(Arc::new(Output::pending(spec.clone(), traced, None))))
        .collect();
    let known = arrays.iter().map(|a| Arc::downgrade(&a.0)).collect();
    let outputs = Outputs::Several(Mutex::new(known), specs);
    let claim = AtomicU8::new(UNCLAIMED);
    let node: Arc<Node> = Arc::new(Node { inputs, outputs, stream, claim, operation });
    for array in &arrays {
        array.0.lock().node = Some(node.clone());
    }
    arrays
}

/// [`record`] for one output.
pub(crate) fn record_one(
    operation: impl Operation,
    inputs: NodeInputs,
    spec: Spec,
    stream: Stream,
) -> Array {
    let traced = inputs.iter().any(|a| a.0.traced);
    record_output(operation, inputs, (spec, traced), stream)
}

/// A new name for an array, from which a transformation traces.
pub(crate) fn trace(array: &Array) -> Array {
    let output = (array.spec().clone(), true);
    let inputs = NodeInputs::from_iter([array.clone()]);
    record_output(crate::ops::Identity, inputs, output, Stream::current())
}

fn record_output(
    operation: impl Operation,
    inputs: NodeInputs,
    (spec, traced): (Spec, bool),
    stream: Stream,
) -> Array {
    let claim = AtomicU8::new(UNCLAIMED);
    // The node knows its output and the output its node from the start: no lock to fill one in.
    Array(Arc::new_cyclic(|output| {
        let outputs = Outputs::One(output.clone());
        let node = Arc::new(Node { inputs, outputs, stream, claim, operation });
        Output::pending(spec, traced, Some(node))
    }))
}

impl Node {
    pub(crate) fn id(self: &Arc<Self>) -> NodeId {
        Arc::as_ptr(self).cast()
    }

    /// Shapes and dtypes of the outputs, of which some are held by somebody.
    pub(crate) fn specs<'a>(&'a self, outputs: &'a [Option<Array>]) -> &'a [Spec] {
        match (&self.outputs, outputs) {
            (Outputs::Several(_, specs), _) => specs,
            (Outputs::One(_), [Some(only)]) => std::slice::from_ref(only.spec()),
            (Outputs::One(_), _) => &[],
        }
    }

    /// A measure of how long it runs: elements of the largest input or output.
    pub(crate) fn work(&self) -> usize {
        let output = self.output(0).map_or(0, |o| o.size());
        self.inputs.iter().map(|a| a.size()).fold(output, usize::max)
    }

    pub(crate) fn output_count(&self) -> usize {
        match &self.outputs {
            Outputs::One(_) => 1,
            Outputs::Several(_, specs) => specs.len(),
        }
    }

    /// The outputs that somebody holds.
    pub(crate) fn outputs(&self) -> SmallVec<[Option<Array>; 1]> {
        match &self.outputs {
            Outputs::One(only) => SmallVec::from_buf([only.upgrade().map(Array)]),
            Outputs::Several(known, _) => {
                lock(known).iter().map(|o| o.upgrade().map(Array)).collect()
            }
        }
    }

    /// An output, if somebody holds it.
    pub(crate) fn output(&self, index: usize) -> Option<Array> {
        match &self.outputs {
            Outputs::One(only) => only.upgrade(),
            Outputs::Several(known, _) => lock(known)[index].upgrade(),
        }
        .map(Array)
    }

    /// An output even if nobody held it any more, unless the node has begun to run without it.
    pub(crate) fn ask(self: &Arc<Self>, index: usize) -> Option<Array> {
        let Outputs::Several(known, specs) = &self.outputs else { return self.output(index) };
        // A node that runs claims itself before it looks at this list, so what is put in while it
        // is unclaimed will be seen.
        let mut known = lock(known);
        let held = known[index].upgrade();
        let output = match held {
            Some(held) => held,
            None if self.claim.load(Ordering::SeqCst) == UNCLAIMED => {
                let traced = self.inputs.iter().any(|a| a.0.traced);
                Arc::new(Output::pending(specs[index].clone(), traced, Some(self.clone())))
            }
            None => return None,
        };
        known[index] = Arc::downgrade(&output);
        Some(Array(output))
    }

    /// Takes the right to evaluate this node. `false`: another thread has, or had, it.
    pub(crate) fn claim(&self, background: bool) -> bool {
        let claimed = if background { IN_BACKGROUND } else { RUNNING };
        self.claim
            .compare_exchange(UNCLAIMED, claimed, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Ends the evaluation that [`Node::claim`] began, after the outputs are settled.
    pub(crate) fn finish(&self) {
        self.leave(DONE);
    }

    /// Ends the evaluation that [`Node::claim`] began with the outputs still pending.
    pub(crate) fn release(&self) {
        self.leave(UNCLAIMED);
    }

    fn leave(&self, state: u8) {
        self.claim.store(state, Ordering::SeqCst);
        if WAITERS.load(Ordering::SeqCst) > 0 {
            let (mutex, condvar) = self.meeting_point();
            let _guard = mutex.lock().unwrap_or_else(PoisonError::into_inner);
            condvar.notify_all();
        }
    }

    /// Returns when another thread has finished (`true`) or released this node.
    ///
    /// # Errors
    /// If the scope is stopped meanwhile.
    pub(crate) fn wait(&self, scope: Option<&Scope>) -> Result<bool> {
        struct Waiting;
        impl Drop for Waiting {
            fn drop(&mut self) {
                WAITERS.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let over = || match self.claim.load(Ordering::SeqCst) {
            DONE => Some(true),
            UNCLAIMED => Some(false),
            _ => None,
        };
        if let Some(done) = over() {
            return Ok(done);
        }
        WAITERS.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting;
        let (mutex, condvar) = self.meeting_point();
        let lock = || mutex.lock().unwrap_or_else(PoisonError::into_inner);
        let mut guard = lock();
        loop {
            if let Some(done) = over() {
                return Ok(done);
            }
            let Some(scope) = scope else {
                guard = condvar.wait(guard).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = condvar.wait_timeout(guard, interrupt::PERIOD);
            let (held, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            guard = held;
            if timeout.timed_out() {
                drop(guard);
                let name = self.operation.name();
                let looked = scope.look(|| format!("while another thread ran `{name}`"));
                if let Err(Error::Interrupted) = looked
                    && self.claim.load(Ordering::SeqCst) == IN_BACKGROUND
                {
                    interrupt::stop_background();
                }
                looked?;
                guard = lock();
            }
        }
    }

    fn meeting_point(&self) -> &'static (Mutex<()>, Condvar) {
        let address = std::ptr::from_ref(self).cast::<()>().addr();
        &MEETING_POINTS[(address >> 6) % MEETING_POINTS.len()]
    }
}

/// The mutex is only held for moments, while nothing can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Number of threads in [`Node::wait`]: finishing a node nobody waits for costs one load.
static WAITERS: AtomicUsize = AtomicUsize::new(0);
static MEETING_POINTS: [(Mutex<()>, Condvar); 16] =
    [const { (Mutex::new(()), Condvar::new()) }; 16];

thread_local! {
    /// Inputs of dropped nodes, while some drop on this thread is emptying the list.
    static DROPPED: RefCell<Option<Vec<NodeInputs>>> = const { RefCell::new(None) };
}

impl<O: Operation + ?Sized> Drop for Node<O> {
    /// Drops long chains in a loop instead of by recursion.
    fn drop(&mut self) {
        let inputs = std::mem::take(&mut self.inputs);
        if inputs.is_empty() {
            return;
        }
        let first = DROPPED.try_with(|list| match &mut *list.borrow_mut() {
            Some(list) => {
                list.push(inputs);
                None
            }
            list @ None => {
                *list = Some(Vec::new());
                Some(inputs)
            }
        });
        // An error means that the thread is ending; then `inputs` was dropped with the closure.
        let Ok(Some(mut next)) = first else { return };
        loop {
            drop(next);
            let more = DROPPED.with(|list| {
                let mut list = list.borrow_mut();
                let more = list.as_mut().and_then(Vec::pop);
                if more.is_none() {
                    *list = None;
                }
                more
            });
            match more {
                Some(inputs) => next = inputs,
                None => return,
            }
        }
    }
}
