//! Every error of the operations: its category, and its text, which is MLX's where MLX has it.

use anymetal::ops::{self, Index, ScatterOp};
use anymetal::{Array, Category, Complex64, Dtype, Error, Result, grad, jvp, vjp, vmap};

fn zeros(shape: &[usize]) -> Array {
    Array::zeros(shape).unwrap()
}

fn check(cases: Vec<(Result<Array>, Category, &str)>) {
    for (result, category, text) in cases {
        let error = match result {
            Ok(array) => panic!("'{text}' went unnoticed: {array:?}"),
            Err(error) => error,
        };
        assert_eq!(error.category(), category, "{error}");
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn elementwise_operations_say_what_they_refuse() {
    let (wide, four) = (zeros(&[2, 3]), zeros(&[4]));
    let truth = Array::scalar(true);
    let complex = Array::scalar(Complex64::new(0.0, 1.0));
    let shapes = "[broadcast_shapes] Shapes (2,3) and (4) cannot be broadcast.";
    use Category::Value;
    check(vec![
        (ops::add(&wide, &four), Value, shapes),
        (ops::select(&wide, &four, &four), Value, shapes),
        (
            ops::bitwise_and(&wide, &wide),
            Value,
            "[bitwise_and] Only allowed on integer or boolean types but got types float32 and \
             float32.",
        ),
        (
            ops::negative(&truth),
            Value,
            "[negative] Not supported for bool, use logical_not instead.",
        ),
        (
            ops::bitwise_invert(&four),
            Value,
            "[bitwise_invert] Bitwise inverse only allowed on integer types.",
        ),
        (ops::floor(&complex), Value, "[floor] Not supported for complex64."),
        (ops::erf(&complex), Value, "[erf] Not supported for complex64."),
        (
            ops::remainder(&complex, &four),
            Value,
            "[remainder] Not supported for types complex64 and float32.",
        ),
        (ops::clip(&four, None, None), Value, "[clip] At most one of a_min and a_max may be None."),
        (
            ops::broadcast_to(&wide, &[2, 4]),
            Value,
            "[broadcast_shapes] Shapes (2,3) and (2,4) cannot be broadcast.",
        ),
        (
            ops::broadcast_to(&wide, &[3]),
            Value,
            "Cannot broadcast array of shape (2,3) into shape (3).",
        ),
    ]);
    let error = ops::add(&wide, &four).unwrap_err();
    let Error::Shape { shapes, .. } = error else { panic!("{error:?}") };
    assert_eq!((shapes[0].as_slice(), shapes[1].as_slice()), (&[2, 3][..], &[4][..]));
    let error = ops::bitwise_and(&wide, &truth).unwrap_err();
    assert!(
        matches!(&error, Error::Dtype { dtypes, .. } if dtypes[..] == [Dtype::F32, Dtype::Bool]),
        "{error:?}"
    );
}

#[test]
fn shape_operations_say_what_does_not_fit() {
    let (wide, four, ones) = (zeros(&[2, 3]), zeros(&[4]), zeros(&[1, 1]));
    use Category::{Index, Value};
    check(vec![
        (
            wide.reshape(&[4, 2]),
            Value,
            "[reshape] Cannot reshape array of size 6 into shape (4,2).",
        ),
        (wide.reshape(&[-1, -1]), Value, "[reshape] Reshape can only infer one dimension."),
        (
            zeros(&[0]).reshape(&[-1, 0]),
            Value,
            "[reshape] Cannot infer the shape of an empty array.",
        ),
        (
            wide.reshape(&[isize::MAX, 4]),
            Value,
            "[reshape] Cannot reshape array of size 6 into shape (9223372036854775807,4).",
        ),
        (
            ops::transpose(&wide, &[0]),
            Value,
            "[transpose] Received 1 axes for array with 2 dimensions.",
        ),
        (ops::transpose(&wide, &[0, 0]), Value, "[transpose] Repeat axes not allowed."),
        (
            ops::transpose(&wide, &[0, 2]),
            Index,
            "[transpose] Invalid axis 2 for array with 2 dimensions.",
        ),
        (
            ops::swapaxes(&wide, 0, 2),
            Index,
            "[swapaxes] Invalid axis 2 for array with 2 dimensions.",
        ),
        (
            ops::moveaxis(&wide, -3, 0),
            Index,
            "[moveaxis] Invalid axis -3 for array with 2 dimensions.",
        ),
        (
            ops::moveaxis(&wide, isize::MIN, 0),
            Index,
            "[moveaxis] Invalid axis -9223372036854775808 for array with 2 dimensions.",
        ),
        (
            ops::expand_dims(&wide, &[4]),
            Index,
            "[expand_dims] Axis 4 is out of bounds for array with 3 dimensions.",
        ),
        (ops::expand_dims(&wide, &[0, 0]), Value, "[expand_dims] Received duplicate axes."),
        (
            ops::squeeze(&wide, 0),
            Value,
            "[squeeze] Cannot squeeze axis 0 with size 2 which is not equal to 1.",
        ),
        (
            ops::squeeze(&wide, 5),
            Index,
            "[squeeze] Axis 5 is out of bounds for array with 2 dimensions.",
        ),
        (ops::squeeze(&ones, &[0, 0]), Value, "[squeeze] Received duplicate axes."),
        (
            ops::flatten(&wide, 1, 0),
            Value,
            "[flatten] start_axis must be less than or equal to end_axis.",
        ),
        (
            ops::unflatten(&wide, 1, &[2, 2]),
            Value,
            "[unflatten] Cannot unflatten axis 1 with size 3 into shape (2,2).",
        ),
        (
            ops::unflatten(&wide, 1, &[]),
            Value,
            "[unflatten] Shape to unflatten to cannot be empty.",
        ),
        (
            ops::unflatten(&wide, 1, &[isize::MAX, isize::MAX]),
            Value,
            "[unflatten] Cannot unflatten axis 1 with size 3 into shape \
             (9223372036854775807,9223372036854775807).",
        ),
        (ops::concatenate(&[], 0), Value, "[concatenate] No arrays provided for concatenation"),
        (
            ops::concatenate(&[wide.clone(), four.clone()], 0),
            Value,
            "[concatenate] All the input arrays must have the same number of dimensions. However, \
             got arrays with dimensions 2 and 1.",
        ),
        (
            ops::concatenate(&[wide.clone(), zeros(&[2, 4])], 0),
            Value,
            "[concatenate] All the input array dimensions must match exactly except for the \
             concatenation axis. However, the provided shapes are (2,3), (2,4), and the \
             concatenation axis is 0.",
        ),
        (ops::stack(&[], 0), Value, "[stack] No arrays provided for stacking"),
        (
            ops::stack(&[wide.clone(), four.clone()], 0),
            Value,
            "[stack] All arrays must have the same shape",
        ),
        (
            ops::stack(&[wide.clone()], 3),
            Index,
            "[stack] Axis 3 is out of bounds for array with 3 dimensions.",
        ),
        (
            ops::split(&wide, 2, 1).map(|mut v| v.remove(0)),
            Value,
            "[split] Array split does not result in sub arrays with equal size: attempting 2 \
             splits along axis 1 for shape (2,3).",
        ),
        (
            ops::split(&wide, 0, 0).map(|mut v| v.remove(0)),
            Value,
            "[split] num_splits must be positive and non-zero but got 0.",
        ),
        (
            ops::pad(&wide, &[(1, 1); 3], 0.0),
            Value,
            "[pad] Invalid number of padding sizes passed to pad with axes of size 2: got 3.",
        ),
        (
            ops::repeat(&wide, 2, Some(2)),
            Index,
            "[repeat] Axis 2 is out of bounds for array with 2 dimensions.",
        ),
        (ops::tril(&four, 0), Value, "[tril] array must be at least 2-D."),
        (
            zeros(&[3]).astype(Dtype::I8).and_then(|x| x.view(Dtype::F32)),
            Value,
            "[view] When viewing as a larger dtype, the size in bytes of the last axis must be a \
             multiple of the requested type size.",
        ),
        (
            Array::scalar(1.0).view(Dtype::I8),
            Value,
            "[view] Changing the type of a scalar is only allowed for types with the same size.",
        ),
    ]);
}

#[test]
fn reductions_products_and_ranges_say_what_is_wrong() {
    let (wide, four, none) = (zeros(&[2, 3]), zeros(&[4]), zeros(&[2, 0]));
    let number = Array::scalar(1.0);
    let ints = four.astype(Dtype::I32).unwrap();
    let axis = "Invalid axis 2 for array with 2 dimensions.";
    let range = |start, stop, step| ops::arange(start, stop, step, Dtype::F32);
    use Category::{Index, Value};
    check(vec![
        (ops::sum(&wide, 2, false), Index, &format!("[sum] {axis}")),
        (ops::argmax(&wide, Some(2), false), Index, &format!("[argmax] {axis}")),
        (ops::softmax(&wide, 2, false), Index, &format!("[softmax] {axis}")),
        (ops::sum(&wide, &[0, -2], false), Value, "[sum] Duplicate axes detected in reduction."),
        (ops::max(&none, 1, false), Value, "[max] Cannot max reduce over axis 1 with size 0."),
        (ops::argmin(&none, None, false), Value, "[argmin] Cannot argmin reduce zero size array."),
        (ops::logsumexp(&none, (), false), Value, "[logsumexp] Received empty array."),
        (
            ops::softmax(&number, 0, false),
            Value,
            "[softmax] Received non-empty axes for array with 0 dimensions.",
        ),
        (
            ops::matmul(&number, &four),
            Value,
            "[matmul] Got 0 dimension input. Inputs must have at least one dimension.",
        ),
        (
            ops::matmul(&wide, &four),
            Value,
            "[matmul] Last dimension of first input with shape (2,3) must match second to last \
             dimension of second input with shape (4,1).",
        ),
        (
            ops::matmul(&ints, &ints),
            Value,
            "[matmul] Only inexact types are supported but int32 and int32 were provided which \
             results in int32, which is not a floating point type.",
        ),
        (
            ops::matmul(&zeros(&[2, 2, 3]), &zeros(&[3, 3, 4])),
            Value,
            "[broadcast_shapes] Shapes (2) and (3) cannot be broadcast.",
        ),
        (range(0.0, 1.0, 0.0), Value, "[arange] step must be nonzero."),
        (range(0.0, f64::INFINITY, 1.0), Value, "[arange] Cannot compute length."),
        (range(0.0, f64::NAN, 1.0), Value, "[arange] Cannot compute length."),
        (range(0.0, 1e12, 1.0), Value, "[arange] Maximum size exceeded."),
        (ops::arange(0.0, 3.0, 1.0, Dtype::Bool), Value, "[arange] bool not supported for arange."),
    ]);
}

#[test]
fn indexing_says_what_is_out_of_place() {
    let (wide, four) = (zeros(&[2, 3]), zeros(&[4]));
    let ints = Array::from_slice(&[0i32, 1, 2], &[3]).unwrap();
    let far = Array::from_slice(&[0i32, 7], &[2]).unwrap();
    let integral = "[gather] Got indices with invalid dtype float32. Indices must be integral.";
    let late = |array: Result<Array>| array.and_then(|a| a.eval().map(|()| a));
    let step = Index::Range { start: None, stop: None, step: 0 };
    use Category::{Index as Out, Value};
    check(vec![
        (
            wide.index(&[0.into(), 0.into(), 0.into()]),
            Value,
            "[index] Too many indices for array with 2 dimensions.",
        ),
        (
            wide.index(&[Index::Ellipsis, Index::Ellipsis]),
            Value,
            "[index] An index can only have a single ellipsis (...).",
        ),
        (wide.index(&[2.into()]), Out, "[index] Index 2 is out of bounds for axis of size 2."),
        (wide.index(&[(-3).into()]), Out, "[index] Index -3 is out of bounds for axis of size 2."),
        (wide.index(&[step]), Value, "[slice] The step of a slice cannot be zero."),
        (wide.index(&[(&four).into()]), Value, integral),
        (ops::take(&wide, &four, Some(0)), Value, integral),
        (
            ops::take(&zeros(&[0]), &ints, None),
            Value,
            "[take] Cannot do a non-empty take from an empty axis.",
        ),
        (
            ops::take(&wide, &ints, Some(2)),
            Out,
            "[take] Invalid axis 2 for array with 2 dimensions.",
        ),
        (
            late(ops::take(&wide, &far, Some(1))),
            Out,
            "[gather] Index 7 is out of bounds for axis 1 with 3 places.",
        ),
        (
            late(ops::scatter_add(&four, &[far.clone()], &zeros(&[2, 1]), &[0])),
            Out,
            "[scatter] Index 7 is out of bounds for axis 0 with 4 places.",
        ),
        (
            ops::gather(&wide, &[ints.clone()], &[0], &[3, 3]),
            Value,
            "[gather] Slice sizes (3,3) do not fit the array's shape (2,3).",
        ),
        (
            ops::gather(&wide, &[ints.clone(), ints.clone()], &[0, -2], &[1, 1]),
            Value,
            "[gather] Axis 0 is indexed twice.",
        ),
        (
            ops::scatter(ScatterOp::Max, &wide, &[ints], &zeros(&[2, 1, 1]), &[0]),
            Value,
            "[scatter] Updates of shape (2,1,1) do not fit 1 index dimensions and the array's \
             shape (2,3).",
        ),
        (
            ops::slice(&wide, &[0, 0, 0], &[1, 1, 1], &[1, 1, 1]),
            Value,
            "[slice] Invalid number of indices or strides (3, 3, 3) for array with shape (2,3).",
        ),
        (
            ops::slice_update(&wide, &four, &[0], &[1], &[1]),
            Value,
            "[broadcast_shapes] Shapes (4) and (1,3) cannot be broadcast.",
        ),
    ]);
}

#[test]
fn arrays_too_large_to_exist_are_refused_at_the_call() {
    let big = 1usize << 40;
    let one = Array::scalar(1.0);
    let line = ops::broadcast_to(&one, &[big, 1]).unwrap();
    let row = ops::broadcast_to(&one, &[1, big]).unwrap();
    for result in [
        ops::zeros(&[big, big], Dtype::F32),
        ops::zeros(&[0, big, big], Dtype::F32),
        ops::broadcast_to(&one, &[big, big]),
        ops::add(&line, &row),
        ops::tile(&one, &[big, big]),
        ops::repeat(&line, big, Some(0)),
        ops::pad(&line, &[(big, usize::MAX)], 0.0),
        ops::concatenate(&vec![ops::broadcast_to(&one, &[1 << 59]).unwrap(); 3], 0),
        Array::from_slice::<f32>(&[], &[0, big, big]),
        ops::expand_dims(&line, &[0]).and_then(|x| ops::matmul(&x, &row)),
    ] {
        let error = result.expect_err("the size overflows");
        assert_eq!(error.category(), Category::Value, "{error}");
    }
    // What fits the address space but not the memory fails when it is computed.
    let error = ops::concatenate(&[line.clone(), line], 0).unwrap().eval().unwrap_err();
    assert_eq!(error.category(), Category::Memory, "{error}");
}

#[test]
fn transformations_say_what_does_not_fit() {
    let (four, wide) = (zeros(&[4]), zeros(&[2, 3]));
    let same = |a: &[Array]| Ok(a.to_vec());
    let total = |a: &[Array]| ops::sum(&a[0], (), false);
    let first = |r: Result<(Vec<Array>, Vec<Array>)>| r.map(|(mut y, _)| y.remove(0));
    let cases = [
        (first(vjp(same, &[four.clone()], &[wide.clone()])), Category::Value),
        (first(vjp(same, &[four.clone()], &[])), Category::Value),
        (first(jvp(same, &[four.clone()], &[wide.clone()])), Category::Value),
        (first(jvp(same, &[four.clone()], &[])), Category::Value),
        (
            grad(|a| Ok(a[0].clone()), &[0])(&[four.clone()]).map(|mut g| g.remove(0)),
            Category::Value,
        ),
        (grad(total, &[1])(&[four.clone()]).map(|mut g| g.remove(0)), Category::Index),
        (grad(total, &[0, 0])(&[four.clone()]).map(|mut g| g.remove(0)), Category::Value),
        (grad(total, &[])(&[four.clone()]).map(|mut g| g.remove(0)), Category::Value),
        (
            vmap(same, &[four.clone(), wide.clone()], &[], &[]).map(|mut v| v.remove(0)),
            Category::Value,
        ),
        (vmap(same, &[four.clone()], &[Some(1)], &[]).map(|mut v| v.remove(0)), Category::Index),
        (vmap(same, &[four.clone()], &[None], &[]).map(|mut v| v.remove(0)), Category::Value),
        (vmap(same, &[four.clone()], &[], &[None]).map(|mut v| v.remove(0)), Category::Value),
        (vmap(same, &[four], &[Some(0), None], &[]).map(|mut v| v.remove(0)), Category::Value),
    ];
    for (i, (result, category)) in cases.into_iter().enumerate() {
        let error = result.err().unwrap_or_else(|| panic!("case {i} went unnoticed"));
        assert_eq!(error.category(), category, "case {i}: {error}");
    }
    let bits = |a: &[Array]| ops::sum(&a[0].view(Dtype::I32)?.astype(Dtype::F32)?, (), false);
    let error = grad(bits, &[0])(&[wide]).unwrap_err();
    assert!(error.to_string().starts_with("[view] "), "{error}");
}
