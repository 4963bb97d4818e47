//! The lazy graph: laziness, deep chains, sharing between threads, sticky errors, memory.

mod support;

use anymetal::device::{Buffer, View, active_memory};
use anymetal::{
    Array, CustomFunction, Dtype, Error, Layout, Result, async_eval, eval, grad, jvp, ops,
    value_and_grad, vmap,
};
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

#[test]
fn given_transformations_replace_those_of_the_function() {
    everywhere(|| {
        // Each rule has a factor of its own; the function uses what no transformation passes.
        let custom = || CustomFunction::new(|a| Ok(vec![ops::multiply(&a[0], &a[1])?]));
        let (x, y) = (array(&[2.0], &[1]), array(&[3.0], &[1]));
        let forward = custom().with_jvp(|primals, tangents| {
            assert!(tangents[1].is_none());
            Ok(vec![ops::multiply(&primals[0], 100.0)?])
        });
        let of_x = |a: &[Array]| forward.call(&[a[0].clone(), y.clone()]);
        let (_, tangents) = jvp(of_x, &[x.clone()], &[x.clone()])?;
        assert_eq!(tangents[0].to_vec::<f32>()?, [200.0]);
        // Reverse derivatives are still the function's.
        let loss = |a: &[Array]| ops::sum(&of_x(a)?[0], (), false);
        assert_eq!(grad(loss, &[0])(&[x.clone()])?[0].to_vec::<f32>()?, [3.0]);

        let rows = array(&[1.0, 2.0, 3.0, 4.0], &[2, 2]);
        let mapped = custom().with_vmap(|inputs, axes| {
            assert_eq!(axes, [Some(0), None]);
            Ok((vec![ops::multiply(&inputs[0], 10.0)?], vec![Some(0)]))
        });
        let y2 = array(&[1.0, 1.0], &[2]);
        let out = vmap(|a| mapped.call(a), &[rows.clone(), y2.clone()], &[Some(0), None], &[])?;
        assert_eq!(out[0].to_vec::<f32>()?, [10.0, 20.0, 30.0, 40.0]);

        // Without a mapping of its own, the given derivative is mapped.
        let twice = |a: &[Array]| {
            let along = custom().with_jvp(|_, t| Ok(vec![ops::multiply(some(&t[0]), 7.0)?]));
            let of_x = |a: &[Array]| along.call(&[a[0].clone(), y2.clone()]);
            let mapped = |a: &[Array]| vmap(of_x, a, &[], &[]);
            Ok(jvp(mapped, a, a)?.1)
        };
        assert_eq!(twice(&[rows])?[0].to_vec::<f32>()?, [7.0, 14.0, 21.0, 28.0]);

        let wrong = custom().with_jvp(|_, _| Ok(vec![]));
        let result = jvp(|a| wrong.call(a), &[x.clone(), y.clone()], &[x, y]);
        assert!(matches!(result, Err(Error::Value { .. })));
        Ok(())
    });
}

fn some(tangent: &Option<Array>) -> &Array {
    tangent.as_ref().unwrap()
}

#[test]
fn views_of_foreign_memory_are_checked() {
    let bytes: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|v| v.to_ne_bytes()).collect();
    let view = |shape: &[usize], strides: &[isize], offset: usize| View {
        buffer: Buffer::foreign(bytes.clone()),
        dtype: Dtype::F32,
        layout: Layout { shape: shape.into(), strides: strides.into(), offset },
    };
    let values = |v: View| Array::from_host_view(v).and_then(|a| a.to_vec::<f32>());
    assert_eq!(values(view(&[2, 2], &[-2, 1], 2)).unwrap(), [3.0, 4.0, 1.0, 2.0]);
    assert_eq!(values(view(&[3], &[0], 3)).unwrap(), [4.0; 3]);
    assert!(values(view(&[0, 9], &[100, 100], 0)).unwrap().is_empty());
    for outside in [
        view(&[5], &[1], 0),
        view(&[2], &[1], 3),
        view(&[2], &[-1], 0),
        view(&[2], &[isize::MAX], 0),
        view(&[usize::MAX, usize::MAX], &[isize::MAX, 1], 0),
        view(&[2, 2], &[1], 0),
    ] {
        assert!(matches!(Array::from_host_view(outside), Err(Error::Shape { .. })));
    }
    let copy = view(&[2], &[2], 1).copied(Dtype::I32).unwrap();
    assert!(copy.buffer.is_own() && !view(&[1], &[1], 0).buffer.is_own());
    let copy = Array::from_host_view(copy).unwrap();
    assert_eq!(copy.to_vec::<i32>().unwrap(), [2, 4]);
}
