//! Reductions over axes.

use anymetal::{Array, Dtype, ops};

use crate::argument::AxesArgument;
use crate::error::CallError;
use crate::function::{Call, Row, row};
use crate::output::Output;

/// Functions of an array, axes and whether to keep them; some give, over no axis, the array
/// itself in its dtype, as in MLX.
macro_rules! reductions {
    ($($name:literal $function:ident $(($itself:ident))? $doc:literal;)*) => {
        &[$(row(
            concat!(
                $name,
                "(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, \
                 *, stream: StreamOrDevice = None) -> array"
            ),
            $doc,
            |c| {
                let (a, axes): (Array, AxesArgument) = (c.next()?, c.next()?);
                let keepdims = c.next()?;
                $(if $itself(&a, &axes) {
                    return c.give(a);
                })?
                c.give(ops::$function(&a, axes.axes(), keepdims)?)
            },
        )),*]
    };
}

fn over_no_axis(a: &Array, axes: &AxesArgument) -> bool {
    axes.given().map_or(a.ndim() == 0, <[isize]>::is_empty)
}

pub(crate) const OVER_AXES: &[Row] = reductions! {
    "sum" sum (over_no_axis) "The sum over axes, all by default.";
    "prod" prod (over_no_axis) "The product over axes.";
    "mean" mean "The mean over axes, floating.";
    "max" max "The largest element over axes; not a number if one is.";
    "min" min "The smallest element over axes; not a number if one is.";
    "any" any "Whether any element over axes is nonzero.";
    "all" all "Whether all elements over axes are nonzero.";
    "logsumexp" logsumexp "log(sum(exp(a))) over axes without overflow.";
};

/// Array, axes, whether to keep them, and what is subtracted from the count.
fn spread(c: &mut Call<'_, '_>) -> Result<(Array, AxesArgument, bool, usize), CallError> {
    let (a, axes, keepdims) = (c.next()?, c.next()?, c.next()?);
    let (ddof, correction): (i64, Option<i64>) = (c.next()?, c.next()?);
    let ddof = usize::try_from(correction.unwrap_or(ddof)).unwrap_or(0);
    Ok((a, axes, keepdims, ddof))
}

pub(crate) const FUNCTIONS: &[Row] = &[
    row(
        "var(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, \
         ddof: int = 0, *, correction: int | None = None, stream: StreamOrDevice = None) -> array",
        "The variance over axes; ddof (or correction) is subtracted from the count.",
        |c| {
            let (a, axes, keepdims, ddof) = spread(c)?;
            c.give(ops::var(&a, axes.axes(), keepdims, ddof)?)
        },
    ),
    row(
        "std(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, \
         ddof: int = 0, *, correction: int | None = None, stream: StreamOrDevice = None) -> array",
        "The standard deviation over axes; ddof (or correction) is subtracted from the count.",
        |c| {
            let (a, axes, keepdims, ddof) = spread(c)?;
            c.give(ops::std(&a, axes.axes(), keepdims, ddof)?)
        },
    ),
    row(
        "argmax(a: array, /, axis: None | int = None, keepdims: bool = False, *, \
         stream: StreamOrDevice = None) -> array",
        "The position of the largest element along an axis, as uint32; the first of equals.",
        |c| {
            let (a, axis, keepdims): (Array, _, _) = (c.next()?, c.next()?, c.next()?);
            c.give(ops::argmax(&a, axis, keepdims)?)
        },
    ),
    row(
        "argmin(a: array, /, axis: None | int = None, keepdims: bool = False, *, \
         stream: StreamOrDevice = None) -> array",
        "The position of the smallest element along an axis, as uint32; the first of equals.",
        |c| {
            let (a, axis, keepdims): (Array, _, _) = (c.next()?, c.next()?, c.next()?);
            c.give(ops::argmin(&a, axis, keepdims)?)
        },
    ),
    row(
        "minmax(a: array, /, axis: None | int | Sequence[int] = None, keepdims: bool = False, \
         *, stream: StreamOrDevice = None) -> tuple[array, array]",
        "The smallest and the largest element over axes.",
        |c| {
            let (a, axes, keepdims): (Array, AxesArgument, bool) =
                (c.next()?, c.next()?, c.next()?);
            let least = ops::min(&a, axes.axes(), keepdims)?.into_python(c.py)?;
            let most = ops::max(&a, axes.axes(), keepdims)?.into_python(c.py)?;
            c.give((least, most))
        },
    ),
    row(
        "count_nonzero(a: array, /, *, axis: None | int | Sequence[int] = None, \
         keepdims: bool = False, stream: StreamOrDevice = None) -> array",
        "How many elements over axes are nonzero.",
        |c| {
            let (a, axes, keepdims): (Array, AxesArgument, bool) =
                (c.next()?, c.next()?, c.next()?);
            c.give(ops::sum(&a.astype(Dtype::Bool)?, axes.axes(), keepdims)?)
        },
    ),
    row(
        "softmax(a: array, /, axis: None | int | Sequence[int] = None, *, precise: bool = False, \
         stream: StreamOrDevice = None) -> array",
        "exp(a) / sum(exp(a)) over axes without overflow; always as precise as precise=True.",
        |c| {
            let (a, axes): (Array, AxesArgument) = (c.next()?, c.next()?);
            let precise = c.next()?;
            c.give(ops::softmax(&a, axes.axes(), precise)?)
        },
    ),
];
