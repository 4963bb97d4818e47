//! Arrays: handles to outputs of a lazy graph.

pub(crate) mod convert;
pub(crate) mod dtype;
pub(crate) mod eval;
pub(crate) mod node;

use std::sync::Arc;

use crate::device::{Spec, Stream, View};
use crate::error::Result;
use crate::{Dtype, Operation, Shape};
use node::Output;

pub use convert::ArrayElement;

/// A lazy, immutable, n-dimensional array.
///
/// Making an array from others records a node of a graph; shapes and dtypes are known (and
/// checked) at once, values are computed by [`Array::eval`], [`crate::eval`] or by reading them.
/// Cloning copies a handle. Arrays can be sent to and shared between threads; each node is
/// evaluated once.
#[derive(Clone)]
pub struct Array(pub(crate) Arc<Output>);

impl Array {
    /// Sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.0.spec.shape
    }

    /// Size of axis `axis`, counted from the end if negative; `None` if there is no such axis.
    pub fn dim(&self, axis: isize) -> Option<usize> {
        let i = if axis < 0 { axis + self.ndim() as isize } else { axis };
        self.shape().get(usize::try_from(i).ok()?).copied()
    }

    /// Number of axes.
    pub fn ndim(&self) -> usize {
        self.0.spec.shape.len()
    }

    /// Number of elements.
    pub fn size(&self) -> usize {
        self.0.spec.shape.iter().product()
    }

    /// Bytes of the elements.
    pub fn nbytes(&self) -> usize {
        self.size() * self.dtype().size()
    }

    /// Type of the elements.
    pub fn dtype(&self) -> Dtype {
        self.0.spec.dtype
    }

    /// Computes the array's values if they are not known yet.
    ///
    /// # Errors
    /// Whatever the computation met: out of memory, an index out of range. The error sticks to
    /// this array and everything that depends on it, unless it is an interruption
    /// ([`crate::EvalOptions`]).
    pub fn eval(&self) -> Result<()> {
        eval::eval_one(self)
    }

    /// Applies an operation to arrays: the way operations defined outside this crate enter the
    /// graph.
    ///
    /// # Errors
    /// What the operation's shape rule says.
    pub fn apply(operation: impl Operation, inputs: &[Array]) -> Result<Vec<Array>> {
        let specs = operation.infer(inputs)?;
        Ok(node::record(operation, inputs.into(), specs, Stream::current()).into_vec())
    }

    /// Records an operation with a single output whose shape and dtype are already checked.
    pub(crate) fn record(
        operation: impl Operation,
        inputs: impl IntoIterator<Item = Array>,
        shape: impl Into<Shape>,
        dtype: Dtype,
    ) -> Array {
        let spec = Spec::new(shape, dtype);
        // `collect` is slower.
        let mut list = node::NodeInputs::new();
        inputs.into_iter().for_each(|input| list.push(input));
        node::record_one(operation, list, spec, Stream::current())
    }

    /// An array whose values are known.
    pub(crate) fn from_view(view: View) -> Array {
        Array(Arc::new(Output::ready(view)))
    }

    /// The array's values, computed, in the memory space of a stream's device.
    pub(crate) fn view_on(&self, stream: Stream) -> Result<View> {
        eval::view_on(self, stream)
    }

    /// An array whose computation has failed.
    pub(crate) fn failed(spec: Spec, error: crate::Error) -> Array {
        Array(Arc::new(Output::failed(spec, error)))
    }

    /// Whether two handles name the same output of the graph.
    pub fn same(&self, other: &Array) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether the values are known and need no waiting.
    pub fn is_available(&self) -> bool {
        self.0.is_available()
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.0.spec
    }
}
