//! Evaluations that are stopped: by a token, by the polling hook, by a deadline; and what is left.

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anymetal::device::Spec;
use anymetal::{
    Array, CancelToken, Category, Dtype, Error, EvalContext, EvalOptions, Operation, Result,
    async_eval, fast, ops,
};
use support::everywhere;

/// Long enough for a slow machine; everything here takes a fraction of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// `x[0]` plus the number of rounds of a loop; endless without `rounds`.
fn spin(x: &Array, rounds: Option<u32>, threads: u32) -> Result<Array> {
    let condition = rounds.map_or("true".into(), |n| format!("i < {n}u"));
    let source = format!("uint i = 0;\nwhile ({condition}) {{ i++; }}\nout[0] = inp[0] + i;");
    let kernel = fast::metal_kernel("spin", &["inp"], &["out"], &source).build()?;
    let call = kernel.call(&[x.into()]).grid([threads, 1, 1]).threadgroup([1, 1, 1]);
    Ok(call.output(&[1], Dtype::F32).run()?.remove(0))
}

fn one() -> Result<Array> {
    ops::ones(&[1], Dtype::F32)
}

fn after(wait: Duration, calls: Rc<Cell<usize>>) -> EvalOptions {
    let (caller, start) = (std::thread::current().id(), Instant::now());
    let poll = move || {
        assert_eq!(std::thread::current().id(), caller);
        calls.set(calls.get() + 1);
        start.elapsed() < wait
    };
    EvalOptions { poll: Some(Rc::new(poll)), ..Default::default() }
}

fn until(deadline: Duration) -> EvalOptions {
    EvalOptions { deadline: Some(Instant::now() + deadline), ..Default::default() }
}

fn under(token: &CancelToken) -> EvalOptions {
    EvalOptions { cancel: Some(token.clone()), ..Default::default() }
}

#[test]
fn another_thread_stops_an_endless_kernel() {
    everywhere(|| {
        let token = CancelToken::new();
        let canceller = std::thread::spawn({
            let token = token.clone();
            move || {
                std::thread::sleep(Duration::from_millis(50));
                token.cancel();
            }
        });
        let start = Instant::now();
        let y = (&spin(&(&one()? * 2.0)?, None, 4)? + 1.0)?;
        let error = under(&token).scope(|| y.eval()).unwrap_err();
        assert_eq!(error.category(), Category::Interrupted, "{error}");
        assert!(start.elapsed() >= Duration::from_millis(50) && start.elapsed() < PATIENCE);
        canceller.join().unwrap();
        // The token stays cancelled, the process goes on.
        let z = (&one()? + 1.0)?;
        assert!(matches!(under(&token).scope(|| z.eval()), Err(Error::Interrupted)));
        assert_eq!(z.item::<f32>()?, 2.0);
        Ok(())
    });
}

#[test]
fn the_calling_thread_polls_while_kernels_run() {
    everywhere(|| {
        for threads in [1, 8] {
            let calls = Rc::new(Cell::new(0));
            let y = spin(&one()?, None, threads)?;
            let result = after(Duration::from_millis(70), calls.clone()).scope(|| y.eval());
            assert_eq!(result.unwrap_err().category(), Category::Interrupted);
            // At most every 20 milliseconds.
            assert!(calls.get() >= 2, "{}", calls.get());
        }
        Ok(())
    });
}

#[test]
fn a_deadline_names_the_loop() {
    everywhere(|| {
        let y = spin(&one()?, None, 2)?;
        let error = until(Duration::from_millis(300)).scope(|| y.eval()).unwrap_err();
        assert_eq!(error.category(), Category::Timeout);
        let text = error.to_string();
        // On an asynchronous device the wait may end before the kernel does.
        let waited = text.contains("while a device was at work");
        let named = text.contains("kernel `spin`") && text.contains("source:2:");
        assert!(waited || named && text.contains("thread (0, 0, 0)"), "{text}");
        Ok(())
    });
}

#[test]
fn what_was_stopped_can_be_evaluated_again() -> Result<()> {
    const ROUNDS: u32 = 200_000;
    // Nobody else holds the kernel's input: it must survive the interruption.
    let y = (&spin(&(&one()? * 2.0)?, Some(ROUNDS), 1)? * 2.0)?;
    for _ in 0..2 {
        let error = until(Duration::from_millis(5)).scope(|| y.eval()).unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
    }
    assert_eq!(y.item::<f32>()?, 2.0 * (2.0 + ROUNDS as f32));
    Ok(())
}

/// Adds nothing, counts its evaluations, and stops the evaluation in the first.
#[derive(Debug)]
struct Stopper(CancelToken, &'static AtomicUsize);

impl Operation for Stopper {
    fn name(&self) -> &str {
        "Stopper"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![Spec::new(inputs[0].shape(), inputs[0].dtype())])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        if self.1.fetch_add(1, Ordering::SeqCst) == 0 {
            self.0.cancel();
            cx.check()?;
        }
        let view = cx.input(0).clone();
        cx.alias(0, view);
        Ok(())
    }
}

#[test]
fn an_operation_that_checks_runs_again() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    everywhere(|| {
        RUNS.store(0, Ordering::SeqCst);
        let token = CancelToken::new();
        let x = (0..100).try_fold(one()?, |x, _| &x + 1.0)?;
        let y = Array::apply(Stopper(token.clone(), &RUNS), &[x])?.remove(0);
        let z = (&y * 2.0)?;
        assert!(matches!(under(&token).scope(|| z.eval()), Err(Error::Interrupted)));
        assert!(!y.is_available());
        assert_eq!(z.item::<f32>()?, 202.0);
        assert_eq!(RUNS.load(Ordering::SeqCst), 2);
        Ok(())
    });
}

#[test]
fn long_chains_stop_between_operations() {
    everywhere(|| {
        const N: usize = 100_000;
        let y = (0..N).try_fold(one()?, |x, _| &x + 1.0)?;
        let calls = Rc::new(Cell::new(0));
        let result = after(Duration::ZERO, calls.clone()).scope(|| y.eval());
        assert!(matches!(result, Err(Error::Interrupted)), "{result:?}");
        assert_eq!(calls.get(), 1);
        assert_eq!(y.item::<f32>()?, (N + 1) as f32);
        Ok(())
    });
}

/// Takes its time and cannot be stopped.
#[derive(Debug)]
struct Sleeper(Duration);

impl Operation for Sleeper {
    fn name(&self) -> &str {
        "Sleeper"
    }

    fn infer(&self, inputs: &[Array]) -> Result<Vec<Spec>> {
        Ok(vec![Spec::new(inputs[0].shape(), inputs[0].dtype())])
    }

    fn eval(&self, cx: &mut EvalContext<'_>) -> Result<()> {
        std::thread::sleep(self.0);
        let view = cx.input(0).clone();
        cx.alias(0, view);
        Ok(())
    }
}

#[test]
fn a_deadline_between_operations_names_the_last() {
    everywhere(|| {
        let sleeper = Sleeper(Duration::from_millis(300));
        let x = Array::apply(sleeper, &[(&one()? + 1.0)?])?.remove(0);
        let y = (0..100).try_fold(x, |x, _| &x + 1.0)?;
        let error = until(Duration::from_millis(200)).scope(|| y.eval()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("of 205 operations, the last one `add`"), "{text}");
        assert_eq!(y.item::<f32>()?, 102.0);
        Ok(())
    });
}

#[test]
fn waiting_for_another_thread_ends_too() -> Result<()> {
    let (y, token) = (spin(&one()?, None, 1)?, CancelToken::new());
    std::thread::scope(|s| {
        let runner = s.spawn(|| under(&token).scope(|| y.eval()));
        std::thread::sleep(Duration::from_millis(30));
        let error = until(Duration::from_millis(30)).scope(|| y.eval()).unwrap_err();
        assert!(error.to_string().contains("while another thread ran `CustomKernel`"), "{error}");
        token.cancel();
        assert!(matches!(runner.join().unwrap(), Err(Error::Interrupted)));
    });
    // The node is free again.
    let error = until(Duration::from_millis(30)).scope(|| y.eval()).unwrap_err();
    assert!(error.to_string().contains("kernel `spin`"), "{error}");
    Ok(())
}

#[test]
fn stopping_to_read_stops_background_work() -> Result<()> {
    let y = spin(&one()?, None, 1)?;
    async_eval([&y]);
    std::thread::sleep(Duration::from_millis(30));
    let calls = Rc::new(Cell::new(0));
    let result = after(Duration::from_millis(30), calls).scope(|| y.eval());
    assert!(matches!(result, Err(Error::Interrupted)), "{result:?}");
    // The background thread takes new work.
    let z = (&one()? + 1.0)?;
    async_eval([&z]);
    let start = Instant::now();
    while !z.is_available() {
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

#[test]
fn scopes_nest() -> Result<()> {
    let (outer, inner) = (CancelToken::new(), CancelToken::new());
    let y = (&one()? + 1.0)?;
    inner.cancel();
    under(&outer).scope(|| {
        let result = under(&inner).scope(|| y.eval());
        assert!(matches!(result, Err(Error::Interrupted)));
        y.eval()
    })?;
    outer.cancel();
    let z = (&y + 1.0)?;
    let result = under(&outer).scope(|| under(&CancelToken::new()).scope(|| z.eval()));
    assert!(matches!(result, Err(Error::Interrupted)));
    // What is there can be read.
    assert_eq!(under(&outer).scope(|| y.item::<f32>())?, 2.0);
    Ok(())
}
