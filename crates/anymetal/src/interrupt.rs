//! Stopping evaluations: cancel tokens, deadlines, and a hook that the evaluating thread calls.
//!
//! A scope belongs to a thread. What it says about stopping (its [`Limits`]) is shared with the
//! threads that work for it; its hooks never leave it. The evaluator looks between operations and
//! while it waits, a custom kernel while it runs; a native kernel runs to its end.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::device::Event;
use crate::error::{Error, Result};

/// Asks evaluations to stop, from any thread. Clones are the same token.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that asks for nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the evaluations under this token to stop, for good.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether they were asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What can stop the evaluations of a thread.
///
/// A stopped evaluation returns [`Error::Interrupted`], or [`Error::Timeout`] after the deadline.
/// Neither sticks: what has been computed stays, the operation that was stopped goes back to
/// pending, and evaluating again goes on from there. Two cases are different: launches on a device
/// that runs asynchronously cannot be taken back, so what a stopped kernel was to compute there
/// has failed; and so have the outputs of an [`Operation`](crate::Operation) from outside that was
/// stopped after it gave its inputs away.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use anymetal::{Array, Error, EvalOptions, fast};
/// # fn main() -> anymetal::Result<()> {
/// # #[cfg(feature = "metal-kernels")] {
/// let kernel = fast::metal_kernel("spin", &[], &["out"], "while (true) {} out[0] = 1;").build()?;
/// let y = kernel.call(&[]).output(&[1], anymetal::Dtype::F32).run()?.remove(0);
/// let deadline = Some(Instant::now() + Duration::from_millis(50));
/// let result = EvalOptions { deadline, ..Default::default() }.scope(|| y.eval());
/// assert!(matches!(result, Err(Error::Timeout { .. })));
/// # }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct EvalOptions {
    /// Stops when it is cancelled.
    pub cancel: Option<CancelToken>,
    /// Stops when it has passed.
    pub deadline: Option<Instant>,
    /// Stops when it returns `false`, or panics; the rest of the scope is then stopped as well.
    /// Called about every 20 milliseconds while something is evaluated, on the thread that called
    /// for the evaluation and never while a lock is held. It may evaluate arrays itself.
    pub poll: Option<Rc<dyn Fn() -> bool>>,
}

impl EvalOptions {
    /// Runs `f`; what it evaluates on this thread, or begins with
    /// [`async_eval`](crate::async_eval), stops as these options say, and as those of the scopes
    /// around this one do.
    pub fn scope<R>(&self, f: impl FnOnce() -> R) -> R {
        let outer = current();
        // Set when a hook says stop. Hooks of outer scopes set their own scope's.
        let own = CancelToken::new();
        let mut limits = outer.as_ref().map(|o| (*o.limits).clone()).unwrap_or_default();
        limits.tokens.push(own.clone());
        limits.tokens.extend(self.cancel.clone());
        limits.deadline = limits.deadline.into_iter().chain(self.deadline).min();
        let mut hooks = outer.map(|o| o.hooks.clone()).unwrap_or_default();
        hooks.extend(self.poll.clone().map(|poll| (poll, own)));
        Scope::new(Arc::new(limits), hooks, false).enter(f)
    }
}

/// When to stop, as every thread may see it.
#[derive(Clone, Default)]
pub(crate) struct Limits {
    tokens: SmallVec<[CancelToken; 3]>,
    deadline: Option<Instant>,
}

impl Limits {
    /// Whether a token was cancelled or a hook said stop.
    pub(crate) fn stopped(&self) -> bool {
        self.tokens.iter().any(CancelToken::is_cancelled)
    }
}

/// The limits of the calling thread's evaluations, to be carried to a thread that works for it.
pub(crate) fn limits() -> Option<Arc<Limits>> {
    current().map(|scope| scope.limits.clone())
}

/// Runs `f` under limits carried from another thread.
pub(crate) fn with_limits<R>(limits: Option<Arc<Limits>>, f: impl FnOnce() -> R) -> R {
    match limits {
        Some(limits) => Scope::new(limits, SmallVec::new(), false).enter(f),
        None => f(),
    }
}

type Hooks = SmallVec<[(Rc<dyn Fn() -> bool>, CancelToken); 1]>;

/// What can stop the evaluations of this thread.
pub(crate) struct Scope {
    limits: Arc<Limits>,
    hooks: Hooks,
    /// Whether this is the thread of [`crate::async_eval`].
    pub(crate) background: bool,
    polled: Cell<Instant>,
    looked: Cell<Instant>,
    /// Work until the next look at the clock.
    credit: Cell<usize>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Scope>>> = const { RefCell::new(None) };
}

/// The innermost scope of this thread.
pub(crate) fn current() -> Option<Rc<Scope>> {
    CURRENT.with_borrow(Clone::clone)
}

/// How often hooks are called, and waiting threads look up.
pub(crate) const PERIOD: Duration = Duration::from_millis(20);

/// Work between two looks at the clock, in elements read and written: some microseconds' worth,
/// so that a look's 30 nanoseconds do not count.
const WORK: usize = 16 << 10;

/// Work an operation counts for at least.
const LEAST_WORK: usize = 256;

/// Operations that take so long are looked at one by one.
const SLOW: Duration = Duration::from_millis(1);

impl Scope {
    fn new(limits: Arc<Limits>, hooks: Hooks, background: bool) -> Rc<Scope> {
        let now = Cell::new(Instant::now());
        let (polled, looked) = (now.clone(), now);
        Rc::new(Scope { limits, hooks, background, polled, looked, credit: Cell::new(WORK) })
    }

    fn enter<R>(self: Rc<Self>, f: impl FnOnce() -> R) -> R {
        struct Restore(Option<Rc<Scope>>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _restore = Restore(CURRENT.replace(Some(self)));
        f()
    }

    /// Whether to go on: looks at everything. `during` describes, after "the deadline passed",
    /// what is going on.
    pub(crate) fn look(&self, during: impl FnOnce() -> String) -> Result<()> {
        if self.limits.stopped() {
            return Err(Error::Interrupted);
        }
        let now = Instant::now();
        if self.limits.deadline.is_some_and(|deadline| now >= deadline) {
            return Err(Error::Timeout { during: during() });
        }
        if self.poll_at(now) { Ok(()) } else { Err(Error::Interrupted) }
    }

    /// [`look`](Scope::look) after an operation of so much work; the clock is read now and then.
    pub(crate) fn after(&self, work: usize, during: impl FnOnce() -> String) -> Result<()> {
        match self.credit.get().checked_sub(work.max(LEAST_WORK)) {
            Some(credit) if !self.limits.stopped() => {
                self.credit.set(credit);
                Ok(())
            }
            _ => {
                let now = Instant::now();
                let slow = now - self.looked.replace(now) > SLOW;
                self.credit.set(if slow { 0 } else { WORK });
                self.look(during)
            }
        }
    }

    fn poll_at(&self, now: Instant) -> bool {
        if self.hooks.is_empty() || now.saturating_duration_since(self.polled.get()) < PERIOD {
            return true;
        }
        self.polled.set(now);
        let mut go_on = true;
        for (hook, token) in &self.hooks {
            if !catch_unwind(AssertUnwindSafe(|| hook())).unwrap_or(false) {
                token.cancel();
                go_on = false;
            }
        }
        go_on
    }
}

/// What a custom kernel looks at while it runs.
#[cfg(feature = "metal-kernels")]
impl Scope {
    /// What other threads may see of it.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Time until the deadline, if there is one.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        Some(self.limits.deadline?.saturating_duration_since(Instant::now()))
    }

    /// Calls the hooks if it is time to. `false`: one of them said stop.
    pub(crate) fn poll(&self) -> bool {
        self.poll_at(Instant::now())
    }
}

/// Waits for an event. The outer error is an interruption of the wait, the inner the event's.
pub(crate) fn wait_for(event: &Event) -> Result<Result<()>> {
    let Some(scope) = current() else { return Ok(event.wait()) };
    loop {
        if let Some(result) = event.wait_for(PERIOD) {
            return Ok(result);
        }
        scope.look(|| "while a device was at work".into())?;
    }
}

/// Token of the job that the thread of [`crate::async_eval`] runs.
static BACKGROUND: Mutex<Option<CancelToken>> = Mutex::new(None);

/// Runs a job of [`crate::async_eval`] under limits carried from another thread.
pub(crate) fn in_background(limits: Option<Arc<Limits>>, f: impl FnOnce()) {
    let set = |token| *BACKGROUND.lock().unwrap_or_else(PoisonError::into_inner) = token;
    let mut limits = limits.map(|l| (*l).clone()).unwrap_or_default();
    let token = CancelToken::new();
    limits.tokens.push(token.clone());
    set(Some(token));
    Scope::new(Arc::new(limits), SmallVec::new(), true).enter(f);
    set(None);
}

/// Stops the job that [`crate::async_eval`]'s thread runs: nobody else could. What it leaves
/// pending is computed by those who read it.
pub(crate) fn stop_background() {
    if let Some(token) = &*BACKGROUND.lock().unwrap_or_else(PoisonError::into_inner) {
        token.cancel();
    }
}
