//! The checks every row of the table goes through.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anymetal::device::fake;
use anymetal::{Array, Device, Dtype, Result, finfo, jvp, ops, vjp, vmap};
use fastrand::Rng;

use crate::matrix;
use crate::matrix::random::fresh_seed;
use crate::oracle::T;
use crate::table::{Case, Input, Kind, Row, between, rows};

#[test]
fn values_on_the_cpu() {
    each_row(100, values);
}

#[test]
fn values_on_the_fake_device() {
    each_row(15, |row, rng| fake::device().stream().scope(|| values(row, rng)));
}

#[test]
fn first_derivatives() {
    each_row(25, |row, rng| somewhere(rng, |rng| derivatives(row, rng)));
}

#[test]
fn second_derivatives() {
    each_row(15, |row, rng| somewhere(rng, |rng| curvature(row, rng)));
}

#[test]
fn mapping_equals_a_loop() {
    each_row(30, |row, rng| somewhere(rng, |rng| mapping(row, rng)));
}

#[test]
fn mapping_twice_equals_two_loops() {
    each_row(8, |row, rng| somewhere(rng, |rng| nested_mapping(row, rng)));
}

#[test]
fn mapped_derivatives_equal_a_loop() {
    each_row(15, |row, rng| somewhere(rng, |rng| mapped_derivatives(row, rng)));
}

/// Runs a check on every row and reports all that fail. `ANYMETAL_TEST_SCALE` multiplies the
/// number of trials. A full run has as many in every place of the [`matrix`].
fn each_row(trials: usize, check: impl Fn(&Row, &mut Rng) -> Result<(), String>) {
    let seed = fresh_seed();
    let scale = std::env::var("ANYMETAL_TEST_SCALE").ok().and_then(|s| s.parse().ok());
    let trials = trials * scale.unwrap_or(1);
    let places = if matrix::full() { matrix::every() } else { Vec::new() };
    let mut failures = Vec::new();
    for row in rows() {
        for trial in 0..trials * places.len().max(1) {
            // What generators with related seeds draw is related; what their forks draw is not.
            let mut rng = Rng::with_seed(seed ^ (trial as u64) << 32).fork();
            let run = || match places.get(trial / trials) {
                Some(&place) => matrix::at(place, || check(&row, &mut rng)),
                None => check(&row, &mut rng),
            };
            let outcome = catch_unwind(AssertUnwindSafe(run));
            let fault = match outcome {
                Ok(Ok(())) => continue,
                Ok(Err(fault)) => fault,
                Err(_) => "panicked".to_string(),
            };
            failures.push(format!("{} ({trial}): {fault}", row.name));
            break;
        }
    }
    assert!(failures.is_empty(), "ANYMETAL_TEST_SEED={seed}\n{}", failures.join("\n"));
}

/// On the fake device once in three.
fn somewhere<R>(rng: &mut Rng, f: impl FnOnce(&mut Rng) -> R) -> R {
    let device = if rng.usize(..3) == 0 { fake::device() } else { Device::cpu() };
    device.stream().scope(|| f(rng))
}

/// A tenth of the cases, at another instruction-set level and number of threads than usual.
fn sometimes_forced<R>(rng: &mut Rng, f: impl FnOnce() -> R) -> R {
    if rng.usize(..10) > 0 {
        return f();
    }
    matrix::at(*rng.choice(&matrix::every()).unwrap(), f)
}

fn text(error: anymetal::Error) -> String {
    error.to_string()
}

fn values(row: &Row, rng: &mut Rng) -> Result<(), String> {
    let case = (row.make)(rng);
    let dtype = *rng.choice(row.dtypes).unwrap();
    let mut inputs = case.inputs.clone();
    if row.specials && dtype.is_float() && rng.usize(..3) == 0 {
        for input in &mut inputs {
            for x in &mut input.t.data {
                if rng.usize(..4) == 0 {
                    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0, -1.0];
                    *x = *rng.choice(&odd).unwrap();
                }
            }
        }
    }
    let arrays: Vec<Array> = inputs.iter().map(|i| placed(rng, i, dtype, true)).collect();
    let seen: Vec<T> = arrays.iter().map(read).collect();
    let expected = (case.oracle)(&seen);
    let result = sometimes_forced(rng, || {
        let result = (case.run)(&arrays)?;
        result.eval()?;
        Ok(result)
    });
    let result: Array = result.map_err(text)?;
    let out = (row.out)(dtype);
    if result.dtype() != out {
        return Err(format!("{dtype} gives {} instead of {out}", result.dtype()));
    }
    // Halves are computed in float32 and rounded; whole numbers and bool are exact.
    let slack = match finfo(out) {
        None => 0.0,
        Some(f) if f.bits == 16 => row.rounds * f.eps + row.slack * f64::from(f32::EPSILON),
        Some(f) => row.slack * f.eps,
    };
    let largest = finfo(out).map_or(f64::INFINITY, |f| f.max);
    compare(&read(&result), &expected, slack, largest)
        .map_err(|fault| format!("{fault} for {dtype} {seen:?}"))
}

fn compare(got: &T, expected: &T, slack: f64, largest: f64) -> Result<(), String> {
    if got.shape != expected.shape {
        return Err(format!("shape {:?} instead of {:?}", got.shape, expected.shape));
    }
    for (i, (&g, &e)) in got.data.iter().zip(&expected.data).enumerate() {
        let overflow = e.abs() > largest && g == e.signum() * f64::INFINITY;
        // Relative for large values, absolute below 1: sums of terms of size 1 cancel.
        let near = (g - e).abs() <= slack * e.abs().max(1.0);
        if !(g == e || near || overflow || (g.is_nan() && e.is_nan())) {
            return Err(format!("element {i} of {:?} is {g:e} instead of {e:e}", got.shape));
        }
    }
    Ok(())
}

/// Reverse and forward derivatives against central differences of the oracle.
fn derivatives(row: &Row, rng: &mut Rng) -> Result<(), String> {
    const STEP: f64 = 1e-5;
    // The differences' own error is about STEP^2 + 1e-16 / STEP, times the function's curvature.
    const SLACK: f64 = 2e-6;
    if !row.smooth {
        return Ok(());
    }
    let case = (row.make)(rng);
    let (arrays, exact) = exact_inputs(rng, &case);
    let real = case.reals();
    let (f, primals) = (restricted(&case, &arrays), pick(&arrays, &real));
    let y = (case.oracle)(&exact);
    let weight = random_like(rng, &y);
    let (_, grads) = vjp(&f, &primals, &[array(&weight)]).map_err(text)?;
    for (&k, grad) in real.iter().zip(&grads) {
        let mut expected = exact[k].clone();
        for (i, slot) in expected.data.iter_mut().enumerate() {
            let side = |h: f64| {
                let mut moved = exact.clone();
                moved[k].data[i] += h;
                (case.oracle)(&moved).dot(&weight)
            };
            *slot = (side(STEP) - side(-STEP)) / (2.0 * STEP);
        }
        compare(&read(grad), &expected, SLACK, f64::INFINITY)
            .map_err(|e| format!("vjp of argument {k}: {e} at {exact:?} in {weight:?}"))?;
    }
    let directions = directions(rng, &exact, &real);
    let tangents: Vec<Array> = real.iter().map(|&k| array(&directions[k])).collect();
    let (_, pushed) = jvp(&f, &primals, &tangents).map_err(text)?;
    let side = |h: f64| (case.oracle)(&moved(&exact, h, &directions));
    let expected = side(STEP).zip(&side(-STEP), |a, b| (a - b) / (2.0 * STEP));
    compare(&read(&pushed[0]), &expected, SLACK, f64::INFINITY)
        .map_err(|e| format!("jvp: {e} at {exact:?}"))
}

/// The second derivative along a direction, by every order of forward and reverse.
fn curvature(row: &Row, rng: &mut Rng) -> Result<(), String> {
    const STEP: f64 = 4e-5;
    // Rounding of the oracle's values, about 1e-15, is divided by STEP^2.
    const SLACK: f64 = 2e-5;
    if !row.smooth {
        return Ok(());
    }
    let case = (row.make)(rng);
    let (arrays, exact) = exact_inputs(rng, &case);
    let real = case.reals();
    let (f, primals) = (restricted(&case, &arrays), pick(&arrays, &real));
    let centre = (case.oracle)(&exact);
    let weight = random_like(rng, &centre);
    let directions = directions(rng, &exact, &real);
    let side = |h: f64| (case.oracle)(&moved(&exact, h, &directions)).dot(&weight);
    let size = centre.map(f64::abs).dot(&weight.map(f64::abs)).max(1.0);
    let expected = (side(STEP) - 2.0 * centre.dot(&weight) + side(-STEP)) / (STEP * STEP);
    let v: Vec<Array> = real.iter().map(|&k| array(&directions[k])).collect();
    let w = [array(&weight)];
    let forward = |x: &[Array]| Ok(jvp(&f, x, &v)?.1);
    let reverse = |x: &[Array]| Ok(vjp(&f, x, &w)?.1);
    let dot = |a: &[Array], b: &[T]| a.iter().zip(b).map(|(a, b)| read(a).dot(b)).sum::<f64>();
    let v_oracle: Vec<T> = real.iter().map(|&k| directions[k].clone()).collect();
    let found = [
        ("forward twice", dot(&jvp(forward, &primals, &v).map_err(text)?.1, &[weight.clone()])),
        ("forward over reverse", dot(&jvp(reverse, &primals, &v).map_err(text)?.1, &v_oracle)),
        ("reverse over forward", dot(&vjp(forward, &primals, &w).map_err(text)?.1, &v_oracle)),
        ("reverse twice", dot(&vjp(reverse, &primals, &v).map_err(text)?.1, &v_oracle)),
    ];
    for (how, got) in found {
        let near = (got - expected).abs() <= SLACK * size.max(expected.abs());
        if !near {
            return Err(format!("{how} gives {got:e}, not {expected:e}, at {exact:?}"));
        }
    }
    Ok(())
}

fn mapping(row: &Row, rng: &mut Rng) -> Result<(), String> {
    let dtype = if row.dtypes.contains(&Dtype::F64) { Dtype::F64 } else { row.dtypes[0] };
    let case = (row.make)(rng);
    let batch = Batch::new(rng, &case, dtype);
    let each = batch.each(&*case.run).map_err(text)?;
    let out_axis = rng.usize(..each[0].shape.len() + 1);
    let f = |a: &[Array]| Ok(vec![(case.run)(a)?]);
    let whole = vmap(f, &batch.stacked, &batch.axes, &[Some(out_axis as isize)]).map_err(text)?;
    let expected = T::stack(&each, out_axis);
    // The same arithmetic, perhaps in another order.
    compare(&read(&whole[0]), &expected, 1e-12, f64::INFINITY).map_err(|e| {
        format!("mapped over {:?} to {out_axis} of {:?}: {e}", batch.axes, batch.shapes())
    })
}

fn nested_mapping(row: &Row, rng: &mut Rng) -> Result<(), String> {
    let case = (row.make)(rng);
    let inner = Batch::new(rng, &case, Dtype::F32);
    let n = 1 + rng.usize(..2);
    // Every argument of the inner mapping, or none but one, has a second axis.
    let axes: Vec<Option<isize>> = inner
        .stacked
        .iter()
        .enumerate()
        .map(|(k, a)| (k == 0 || rng.bool()).then(|| rng.usize(..a.ndim() + 1) as isize))
        .collect();
    let whole: Vec<Array> = inner
        .stacked
        .iter()
        .zip(&axes)
        .map(|(a, axis)| match axis {
            Some(axis) => ops::stack(&vec![a.clone(); n], *axis).unwrap(),
            None => a.clone(),
        })
        .collect();
    if !row.dtypes.contains(&Dtype::F32) {
        return Ok(());
    }
    let once = |a: &[Array]| vmap(|a| Ok(vec![(case.run)(a)?]), a, &inner.axes, &[]);
    let expected = read(&once(&inner.stacked).map_err(text)?[0]);
    let twice = vmap(once, &whole, &axes, &[]).map_err(text)?;
    let expected = T::stack(&vec![expected; n], 0);
    compare(&read(&twice[0]), &expected, 1e-5, f64::INFINITY).map_err(|e| {
        format!("mapped over {:?}, then {axes:?}, of {:?}: {e}", inner.axes, inner.shapes())
    })
}

/// Derivatives under a mapping, and of a mapping.
fn mapped_derivatives(row: &Row, rng: &mut Rng) -> Result<(), String> {
    if !row.smooth {
        return Ok(());
    }
    let case = (row.make)(rng);
    let batch = Batch::new(rng, &case, Dtype::F64);
    let real = case.reals();
    let y = read(&(case.run)(&batch.call(0)).map_err(text)?);
    let weight = random_like(rng, &y);
    let w = array(&weight);
    for (g, &k) in real.iter().enumerate() {
        let grad = |a: &[Array]| {
            let f = restricted(&case, a);
            Ok(vjp(f, &pick(a, &real), &[w.clone()])?.1.swap_remove(g))
        };
        let each = batch.each(&grad).map_err(text)?;
        let mapped = |a: &[Array]| vmap(|a| Ok(vec![grad(a)?]), a, &batch.axes, &[Some(0)]);
        let whole = mapped(&batch.stacked).map_err(text)?.remove(0);
        compare(&read(&whole), &T::stack(&each, 0), 1e-10, f64::INFINITY)
            .map_err(|e| format!("vmap of vjp, argument {k}, {:?}: {e}", batch.shapes()))?;
        // The gradient of a mapping by a shared argument is the sum of the calls' gradients.
        let whole_map =
            |a: &[Array]| vmap(|a| Ok(vec![(case.run)(a)?]), a, &batch.axes, &[Some(0)]);
        let reals = pick(&batch.stacked, &real);
        let f = |r: &[Array]| {
            let mut all = batch.stacked.clone();
            real.iter().zip(r).for_each(|(&k, a)| all[k] = a.clone());
            whole_map(&all)
        };
        let weights = ops::stack(&vec![w.clone(); each.len()], 0).map_err(text)?;
        let grads = vjp(f, &reals, &[weights]).map_err(text)?.1;
        let expected = match batch.axes[k] {
            Some(axis) => T::stack(&each, axis as usize),
            None => each[1..].iter().fold(each[0].clone(), |sum, e| sum.zip(e, |a, b| a + b)),
        };
        compare(&read(&grads[g]), &expected, 1e-10, f64::INFINITY)
            .map_err(|e| format!("vjp of vmap, argument {k}, {:?}: {e}", batch.shapes()))?;
    }
    Ok(())
}

/// Calls of a case with different values, and the same stacked along some axis of each mapped
/// argument.
struct Batch {
    calls: Vec<Vec<Array>>,
    stacked: Vec<Array>,
    axes: Vec<Option<isize>>,
}

impl Batch {
    fn new(rng: &mut Rng, case: &Case, dtype: Dtype) -> Batch {
        let n = 1 + rng.usize(..3);
        let count = case.inputs.len();
        let always = rng.usize(..count);
        let mut batch = Batch { calls: vec![Vec::new(); n], stacked: Vec::new(), axes: Vec::new() };
        for (k, input) in case.inputs.iter().enumerate() {
            if k != always && rng.usize(..3) == 0 {
                let shared = placed(rng, input, dtype, false);
                batch.calls.iter_mut().for_each(|c| c.push(shared.clone()));
                batch.stacked.push(shared);
                batch.axes.push(None);
                continue;
            }
            let axis = rng.usize(..input.t.shape.len() + 1);
            let each: Vec<T> = (0..n).map(|_| input.again(rng).t).collect();
            let whole = Input { t: T::stack(&each, axis), ..input.clone() };
            batch.stacked.push(placed(rng, &whole, dtype, false));
            batch.axes.push(Some(axis as isize));
            for (call, t) in batch.calls.iter_mut().zip(each) {
                call.push(placed(rng, &Input { t, ..input.clone() }, dtype, false));
            }
        }
        batch
    }

    fn call(&self, i: usize) -> Vec<Array> {
        self.calls[i].clone()
    }

    fn each(&self, f: &dyn Fn(&[Array]) -> Result<Array>) -> Result<Vec<T>> {
        self.calls.iter().map(|c| f(c).map(|y| read(&y))).collect()
    }

    fn shapes(&self) -> Vec<&[usize]> {
        self.stacked.iter().map(Array::shape).collect()
    }
}

/// Float64 arrays of a case, and the values the oracle sees.
fn exact_inputs(rng: &mut Rng, case: &Case) -> (Vec<Array>, Vec<T>) {
    let arrays: Vec<Array> =
        case.inputs.iter().map(|i| placed(rng, i, Dtype::F64, false)).collect();
    let exact = arrays.iter().map(read).collect();
    (arrays, exact)
}

/// The case as a function of its real arguments.
fn restricted<'a>(
    case: &'a Case,
    arrays: &[Array],
) -> impl Fn(&[Array]) -> Result<Vec<Array>> + use<'a> {
    let (all, real) = (arrays.to_vec(), case.reals());
    move |reals| {
        let mut all = all.clone();
        real.iter().zip(reals).for_each(|(&k, a)| all[k] = a.clone());
        Ok(vec![(case.run)(&all)?])
    }
}

fn pick(arrays: &[Array], which: &[usize]) -> Vec<Array> {
    which.iter().map(|&k| arrays[k].clone()).collect()
}

fn random_like(rng: &mut Rng, t: &T) -> T {
    T::from_fn(&t.shape, |_| between(rng, -1.0, 1.0))
}

fn directions(rng: &mut Rng, exact: &[T], real: &[usize]) -> Vec<T> {
    let direction = |(k, t): (usize, &T)| match real.contains(&k) {
        true => random_like(rng, t),
        false => T::full(&t.shape, 0.0),
    };
    exact.iter().enumerate().map(direction).collect()
}

fn moved(exact: &[T], h: f64, directions: &[T]) -> Vec<T> {
    exact.iter().zip(directions).map(|(x, d)| x.moved(h, d)).collect()
}

pub(crate) fn array(t: &T) -> Array {
    Array::from_slice(&t.data, &t.shape).unwrap()
}

pub(crate) fn read(a: &Array) -> T {
    let data = a.astype(Dtype::F64).unwrap().to_vec().unwrap();
    T { shape: a.shape().to_vec(), data }
}

/// An argument as an array, in a random layout: as it is, as a transposed view, as a view with
/// gaps, offsets and negative steps, or (if asked for, since it makes elements equal) repeated.
fn placed(rng: &mut Rng, input: &Input, dtype: Dtype, repeat: bool) -> Array {
    let dtype = match input.kind {
        Kind::Real => dtype,
        Kind::As(dtype) => dtype,
    };
    let t = &input.t;
    let long: Vec<usize> = (0..t.shape.len()).filter(|&i| t.shape[i] > 1).collect();
    if repeat && !long.is_empty() && rng.usize(..6) == 0 {
        let axis = *rng.choice(&long).unwrap();
        let one = array(&t.select(axis, &[0])).astype(dtype).unwrap();
        return one.broadcast_to(&t.shape).unwrap();
    }
    strided(rng, &array(t).astype(dtype).unwrap(), 2)
}

fn strided(rng: &mut Rng, x: &Array, depth: usize) -> Array {
    let n = x.ndim();
    if depth == 0 || n == 0 || rng.usize(..3) == 0 {
        return x.clone();
    }
    if rng.bool() {
        // Made contiguous in another order of axes, then turned back.
        let mut order: Vec<isize> = (0..n as isize).collect();
        rng.shuffle(&mut order);
        let mut inverse = vec![0; n];
        order.iter().enumerate().for_each(|(i, &a)| inverse[a as usize] = i as isize);
        let turned = ops::transpose(x, &order).unwrap();
        let copy = fresh(&turned);
        return ops::transpose(&strided(rng, &copy, depth - 1), &inverse).unwrap();
    }
    // Written into every other place, backwards, of something larger, and read from there.
    let axis = rng.usize(..n);
    let size = x.shape()[axis];
    let mut shape = x.shape().to_vec();
    shape[axis] = 2 * size + 1;
    let zeros = ops::zeros(&shape, x.dtype()).unwrap();
    let (mut start, mut stop, mut step) = (vec![0isize; n], Vec::new(), vec![1isize; n]);
    stop.extend(shape.iter().map(|&n| n as isize));
    start[axis] = 2 * size as isize - 1;
    stop[axis] = -(shape[axis] as isize) - 1;
    step[axis] = -2;
    if size == 0 {
        return x.clone();
    }
    let wide = ops::slice_update(&zeros, x, &start, &stop, &step).unwrap();
    let wide = strided(rng, &fresh(&wide), depth - 1);
    ops::slice(&wide, &start, &stop, &step).unwrap()
}

/// A row-major copy.
fn fresh(x: &Array) -> Array {
    let copy = ops::concatenate(&[x.clone(), ops::slice(x, &[0], &[0], &[1]).unwrap()], 0).unwrap();
    copy.eval().unwrap();
    copy
}
