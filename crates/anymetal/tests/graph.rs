//! The lazy graph: laziness, deep chains, sharing between threads, sticky errors, memory.

mod support;

use anymetal::device::active_memory;
use anymetal::{Array, Error, Result, async_eval, eval, grad, jvp, ops, value_and_grad, vmap};
use support::everywhere;

fn array(data: &[f32], shape: &[usize]) -> Array {
    Array::from_slice(data, shape).unwrap()
}

#[test]
fn values_appear_when_they_are_read() {
    everywhere(|| {
        let x = array(&[1.0, 2.0, 3.0], &[3]);
        let y = (&(&x * 2.0)? + 1.0)?;
        assert!(!y.is_available());
        assert_eq!(y.to_vec::<f32>()?, [3.0, 5.0, 7.0]);
        let t = array(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3]).t();
        assert_eq!(t.to_vec::<f32>()?, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!((&t + &t)?.to_vec::<f32>()?, [2.0, 8.0, 4.0, 10.0, 6.0, 12.0]);
        Ok(())
    });
}

#[test]
fn a_chain_of_200_000_operations_fits_a_small_stack() {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(|| -> Result<()> {
        const N: usize = 200_000;
        let chain = |x: &Array| (0..N).try_fold(x.clone(), |x, _| &x + 1.0);
        let x = array(&[0.0; 256], &[256]);
        let y = chain(&x)?;
        drop(chain(&x)?);
        anymetal::device::reset_peak_memory();
        let before = active_memory();
        y.eval()?;
        let grown = anymetal::device::peak_memory() - before;
        // Each element-wise step may reuse its input, so a handful of kilobytes is enough; the
        // 0-d constants of the chain were allocated before.
        assert!(grown < 64 << 10, "peak memory grew by {grown} bytes");
        assert_eq!(y.to_vec::<f32>()?[0], N as f32);
        let loss = |a: &[Array]| ops::sum(&chain(&a[0])?, (), false);
        let dx = grad(loss, &[0])(&[x.clone()])?.remove(0);
        assert_eq!(dx.to_vec::<f32>()?, [1.0; 256]);
        let (_, tangent) = jvp(|a| Ok(vec![chain(&a[0])?]), &[x.clone()], &[x])?;
        assert_eq!(tangent[0].to_vec::<f32>()?, [0.0; 256]);
        Ok(())
    });
    thread.unwrap().join().unwrap().unwrap();
}

#[test]
fn eight_threads_share_a_graph() {
    everywhere(|| {
        let x = array(&vec![1.0; 1000], &[1000]);
        let shared: Vec<Array> = (0..50)
            .scan(x, |x, _| {
                *x = (&(&*x * 1.5).ok()? - 0.25).ok()?;
                Some(x.clone())
            })
            .collect();
        let expected = shared.iter().scan(1.0f32, |x, _| {
            *x = *x * 1.5 - 0.25;
            Some(*x)
        });
        let expected: Vec<f32> = expected.collect();
        std::thread::scope(|s| {
            for t in 0..8 {
                let (shared, expected) = (&shared, &expected);
                s.spawn(move || {
                    for i in 0..shared.len() {
                        let i = (i * 7 + t * 13) % shared.len();
                        let sum = ops::add(&shared[i], &shared[shared.len() - 1]).unwrap();
                        let last = expected[expected.len() - 1];
                        assert_eq!(sum.to_vec::<f32>().unwrap()[999], expected[i] + last);
                    }
                });
            }
        });
        Ok(())
    });
}

#[test]
fn failures_stick_and_spare_what_does_not_depend_on_them() {
    everywhere(|| {
        let x = array(&[1.0, 2.0], &[2]);
        let bad = Array::from_slice(&[5i32], &[1])?;
        let broken = ops::take(&x, &bad, Some(0))?;
        let good = (&x + 1.0)?;
        let sum = (&broken + &good)?;
        assert!(eval([&sum, &good]).is_err());
        assert_eq!(good.to_vec::<f32>()?, [2.0, 3.0]);
        for _ in 0..2 {
            let error = sum.eval().unwrap_err();
            assert_eq!(error.category(), anymetal::Category::Index, "{error}");
        }
        assert!(matches!((&sum * 2.0)?.eval(), Err(Error::Failed(_))));
        Ok(())
    });
}

#[test]
fn async_results_can_be_read_at_once() {
    everywhere(|| {
        let x = array(&vec![2.0; 10_000], &[10_000]);
        let y = (0..100).try_fold(x, |x, _| (&x * 0.5)?.square())?;
        async_eval([&y]);
        assert_eq!(y.to_vec::<f32>()?[9_999], 0.0);
        Ok(())
    });
}

#[test]
fn transformations_compose() {
    everywhere(|| {
        let cube = |a: &[Array]| &a[0].square()? * &a[0];
        let x = Array::scalar(2.0);
        let first = |a: &[Array]| Ok(grad(cube, &[0])(a)?.remove(0));
        let second = |a: &[Array]| Ok(grad(first, &[0])(a)?.remove(0));
        let third = |a: &[Array]| Ok(grad(second, &[0])(a)?.remove(0));
        assert_eq!(first(&[x.clone()])?.item::<f32>()?, 12.0);
        assert_eq!(second(&[x.clone()])?.item::<f32>()?, 12.0);
        assert_eq!(third(&[x.clone()])?.item::<f32>()?, 6.0);
        let xs = array(&[1.0, 2.0, 3.0], &[3]);
        let mapped = vmap(|a| Ok(vec![second(a)?]), &[xs.clone()], &[], &[])?;
        assert_eq!(mapped[0].to_vec::<f32>()?, [6.0, 12.0, 18.0]);
        let total = |a: &[Array]| {
            let each = vmap(|a| Ok(vec![cube(a)?]), a, &[], &[])?;
            ops::sum(&each[0], (), false)
        };
        let (_, pushed) = jvp(|a| Ok(grad(total, &[0])(a)?), &[xs.clone()], &[xs.clone()])?;
        assert_eq!(pushed[0].to_vec::<f32>()?, [6.0, 24.0, 54.0]);
        let (values, grads) = value_and_grad(|a| Ok(vec![total(a)?, a[0].clone()]), &[0])(&[xs])?;
        assert_eq!(values[0].item::<f32>()?, 36.0);
        assert_eq!(grads[0].to_vec::<f32>()?, [3.0, 12.0, 27.0]);
        Ok(())
    });
}

#[test]
fn reading_a_mapped_value_is_an_error() {
    let x = array(&[1.0, 2.0], &[2]);
    let result = vmap(|a| Ok(vec![Array::scalar(a[0].item::<f32>()?)]), &[x], &[], &[]);
    assert!(matches!(result, Err(Error::Abstract)), "{result:?}");
}
