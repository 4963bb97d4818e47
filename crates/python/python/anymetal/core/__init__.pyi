"""Arrays, functions and transformations under the names of ``mlx.core``."""

# Written by `cargo xtask stubs`.

import pathlib
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, BinaryIO, Literal, ParamSpec, TypeAlias, TypeVar, overload

from . import cuda as cuda
from . import distributed as distributed
from . import fast as fast
from . import linalg as linalg
from . import metal as metal
from . import random as random

scalar: TypeAlias = bool | int | float | complex
StreamOrDevice: TypeAlias = Stream | Device | DeviceType | None
file: TypeAlias = BinaryIO
DLPackCompatible: TypeAlias = Any
P = ParamSpec("P")
R = TypeVar("R")

bfloat16: Dtype
bool_: Dtype
complex64: Dtype
complexfloating: DtypeCategory
cpu: DeviceType
e: float
euler_gamma: float
float16: Dtype
float32: Dtype
float64: Dtype
floating: DtypeCategory
generic: DtypeCategory
gpu: DeviceType
inexact: DtypeCategory
inf: float
int16: Dtype
int32: Dtype
int64: Dtype
int8: Dtype
integer: DtypeCategory
nan: float
newaxis: None
number: DtypeCategory
pi: float
signedinteger: DtypeCategory
uint16: Dtype
uint32: Dtype
uint64: Dtype
uint8: Dtype
unsignedinteger: DtypeCategory

class ArrayAt:
    """Updates at given indices."""
    def add(self, value: scalar | array) -> array:
        """The array with the value added."""
    def divide(self, value: scalar | array) -> array:
        """The array multiplied with the value's reciprocal in the array's dtype, as in MLX."""
    def maximum(self, value: scalar | array) -> array:
        """The larger of the array and the value."""
    def minimum(self, value: scalar | array) -> array:
        """The smaller of the array and the value."""
    def multiply(self, value: scalar | array) -> array:
        """The array multiplied with the value."""
    def subtract(self, value: scalar | array) -> array:
        """The array with the value subtracted."""

class ArrayIterator:
    """The slices along the first axis of an array."""

class Device:
    """A device: its kind and number."""
    def __init__(self, type: DeviceType, index: int = 0) -> None: ...
    @property
    def type(self) -> DeviceType: ...
    def __eq__(self, other: object) -> bool: ...
    def __ne__(self, other: object) -> bool: ...

class DeviceType:
    """A kind of device."""
    cpu: DeviceType
    gpu: DeviceType
    def __eq__(self, other: object) -> bool: ...
    def __int__(self) -> int: ...
    def __ne__(self, other: object) -> bool: ...

class Dtype:
    """The type of an array's elements."""
    @property
    def size(self) -> int:
        """Bytes of an element."""
    def __eq__(self, other: object) -> bool: ...
    def __ne__(self, other: object) -> bool: ...

class DtypeCategory(Enum):
    """Kinds of dtypes, each within another, all within ``generic``."""
    complexfloating = 'complexfloating'
    floating = 'floating'
    generic = 'generic'
    inexact = 'inexact'
    integer = 'integer'
    number = 'number'
    signedinteger = 'signedinteger'
    unsignedinteger = 'unsignedinteger'

class PrintOptions:
    """How arrays print."""
    @property
    def precision(self) -> int:
        """Digits after the point; -1 for six significant digits."""

class Stream:
    """An ordered queue of work on a device."""
    @property
    def device(self) -> Device: ...
    def __eq__(self, other: object) -> bool: ...
    def __ne__(self, other: object) -> bool: ...

class StreamContext:
    """`with stream(s):` makes `s` the default inside."""
    def __enter__(self) -> Any: ...
    def __exit__(self, *args: Any) -> None: ...

class _PrintOptionsContext:
    """`with printoptions(..):` prints so inside."""
    def __enter__(self) -> Any: ...
    def __exit__(self, *args: Any) -> None: ...

class array:
    """An N-dimensional array object.

    The handle can be made to name another array: writing by index and the in-place operators do."""
    def __init__(self, val: Any, dtype: Dtype | None = None) -> None: ...
    @property
    def T(self) -> array:
        """The axes reversed."""
    def abs(self, *, stream: StreamOrDevice = None) -> array:
        """Magnitude; real for complex numbers."""
    def all(
        self,
        axis: None | int | Sequence[int] = None,
        keepdims: bool = False,
        *,
        stream: StreamOrDevice = None,
    ) -> array:
        """Whether all elements over axes are nonzero."""
    def any(
        self,
        axis: None | int | Sequence[int] = None,
        keepdims: bool = False,
        *,
        stream: StreamOrDevice = None,
    ) -> array:
        """Whether any element over axes is nonzero."""
    def argmax(
        self, axis: None | int = None, keepdims: bool = False, *, stream: StreamOrDevice = None
    ) -> array:
        """The position of the largest element along an axis, as uint32; the first of equals."""
    def argmin(
        self, axis: None | int = None, keepdims: bool = False, *, stream: StreamOrDevice = None
    ) -> array:
        """The position of the smallest element along an axis, as uint32; the first of equals."""
    def astype(self, dtype: Dtype, stream: StreamOrDevice = None) -> array:
        """The values in another dtype."""
    @property
    def at(self) -> ArrayAt:
        """Updates at indices where repeated positions all count: `a.at[indices].add(value)`."""
    def conj(self, *, stream: StreamOrDevice = None) -> array:
        """Complex conjugate."""
    def cos(self, *, stream: StreamOrDevice = None) -> array:
        """Cosine of radians."""
    def diag(self, k: int = 0, *, stream: StreamOrDevice = None) -> array:
        """The k-th diagonal of a matrix, or the matrix with that k-th diagonal."""
    def diagonal(
        self, offset: int = 0, axis1: int = 0, axis2: int = 1, stream: StreamOrDevice = None
    ) -> array:
        """A diagonal of two axes, as the last axis."""
    @property
    def dtype(self) -> Dtype:
        """The type of the elements."""
    def exp(self, *, stream: StreamOrDevice = None) -> array:
        """e to the a."""
    def flatten(
        self, start_axis: int = 0, end_axis: int = -1, *, stream: StreamOrDevice = None
    ) -> array:
        """Axes start_axis to end_axis merged into one."""
    @property
    def imag(self) -> array:
        """The imaginary part."""
    def item(self) -> bool | int | float | complex:
        """The only element as a Python number."""
    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
    def log(self, *, stream: StreamOrDevice = None) -> array:
        """Natural logarithm."""
    def log10(self, *, stream: StreamOrDevice = None) -> array:
        """Logarithm to base 10."""
    def log1p(self, *, stream: StreamOrDevice = None) -> array:
        """log(1 + a), accurate near zero."""
    def log2(self, *, stream: StreamOrDevice = None) -> array:
        """Logarithm to base 2."""
    def logsumexp(
        self,
        axis: None | int | Sequence[int] = None,
        keepdims: bool = False,
        *,
        stream: StreamOrDevice = None,
    ) -> array:
        """log(sum(exp(a))) over axes without overflow."""
    @property
    def mT(self) -> array:
        """The last two axes exchanged."""
    def max(
        self,
        axis: None | int | Sequence[int] = None,
        keepdims: bool = False,
        *,
        stream: StreamOrDevice = None,
    ) -> array:
        """The largest element over axes; not a number if one is."""
    def mean(
        self,
        axis: None | int | Sequence[int] = None,
        keepdims: bool = False,
        *,
        stream: StreamOrDevice = None,
    ) -> array:
        """The mean over axes, floating."""
    def min(
        self,
        axis: None | int | Sequence[int] = None,
        keepdims: bool = False,
        *,
        stream: StreamOrDevice = None,
    ) -> array:
        """The smallest element over axes; not a number if one is."""
    def moveaxis(
        self, source: int, destination: int, *, stream: StreamOrDevice = None
    ) -> array:
        """One axis moved to another place."""
    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
    @property
    def ndim(self) -> int:
        """The number of axes."""
    def prod(
        self,
        axis: None | int | Sequence[int] = None,
        keepdims: bool = False,
        *,
        stream: StreamOrDevice = None,
    ) -> array:
        """The product over axes."""
    @property
    def real(self) -> array:
        """The real part."""
    def reciprocal(self, *, stream: StreamOrDevice = None) -> array:
        """1 / a."""
    def reshape(self, *shape, stream: StreamOrDevice = None) -> array:
        """The elements in another shape of the same size; one size may be -1."""
    def round(self, decimals: int = 0, stream: StreamOrDevice = None) -> array:
        """To a number of decimal places, halves to even."""
    def rsqrt(self, *, stream: StreamOrDevice = None) -> array:
        """1 / sqrt(a)."""
    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""
    def sin(self, *, stream: StreamOrDevice = None) -> array:
        """Sine of radians."""
    @property
    def size(self) -> int:
        """The number of elements."""
    def split(
        self,
        indices_or_sections: int | Sequence[int],
        axis: int = 0,
        *,
        stream: StreamOrDevice = None,
    ) -> list[array]:
        """An axis cut into equal parts, or before the given positions."""
    def sqrt(self, *, stream: StreamOrDevice = None) -> array:
        """Square root."""
    def square(self, *, stream: StreamOrDevice = None) -> array:
        """a * a."""
    def squeeze(
        self, axis: None | int | Sequence[int] = None, *, stream: StreamOrDevice = None
    ) -> array:
        """Axes of size 1 removed, all by default."""
    def std(
        self,
        axis: None | int | Sequence[int] = None,
        keepdims: bool = False,
        ddof: int = 0,
        *,
        correction: int | None = None,
        stream: StreamOrDevice = None,
    ) -> array:
        """The standard deviation over axes; ddof (or correction) is subtracted from the count."""
    def sum(
        self,
        axis: None | int | Sequence[int] = None,
        keepdims: bool = False,
        *,
        stream: StreamOrDevice = None,
    ) -> array:
        """The sum over axes, all by default."""
    def swapaxes(self, axis1: int, axis2: int, *, stream: StreamOrDevice = None) -> array:
        """Two axes exchanged."""
    def tolist(self) -> Any:
        """The elements as nested lists; a number for an array without axes."""
    def transpose(self, *axes, stream: StreamOrDevice = None) -> array:
        """The axes in another order, reversed by default."""
    def var(
        self,
        axis: None | int | Sequence[int] = None,
        keepdims: bool = False,
        ddof: int = 0,
        *,
        correction: int | None = None,
        stream: StreamOrDevice = None,
    ) -> array:
        """The variance over axes; ddof (or correction) is subtracted from the count."""
    def view(self, dtype: Dtype, *, stream: StreamOrDevice = None) -> array:
        """The same bytes as another dtype."""
    def __abs__(self) -> array: ...
    def __add__(self, other: scalar | array) -> array: ...
    def __and__(self, other: scalar | array) -> array: ...
    def __bool__(self) -> bool: ...
    def __complex__(self) -> complex: ...
    def __dlpack__(self, **kwargs: Any) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def __eq__(self, other: object) -> Any: ...
    def __float__(self) -> float: ...
    def __floordiv__(self, other: scalar | array) -> array: ...
    def __ge__(self, other: scalar | array) -> array: ...
    def __getitem__(self, index: Any) -> array: ...
    def __gt__(self, other: scalar | array) -> array: ...
    def __iadd__(self, other: scalar | array) -> array: ...
    def __iand__(self, other: scalar | array) -> array: ...
    def __ifloordiv__(self, other: scalar | array) -> array: ...
    def __ilshift__(self, other: scalar | array) -> array: ...
    def __imatmul__(self, other: scalar | array) -> array: ...
    def __imod__(self, other: scalar | array) -> array: ...
    def __imul__(self, other: scalar | array) -> array: ...
    def __index__(self) -> int: ...
    def __int__(self) -> int: ...
    def __invert__(self) -> array: ...
    def __ior__(self, other: scalar | array) -> array: ...
    def __ipow__(self, other: scalar | array) -> array: ...
    def __irshift__(self, other: scalar | array) -> array: ...
    def __isub__(self, other: scalar | array) -> array: ...
    def __iter__(self) -> Iterator[array]: ...
    def __itruediv__(self, other: scalar | array) -> array: ...
    def __ixor__(self, other: scalar | array) -> array: ...
    def __le__(self, other: scalar | array) -> array: ...
    def __len__(self) -> int: ...
    def __lshift__(self, other: scalar | array) -> array: ...
    def __lt__(self, other: scalar | array) -> array: ...
    def __matmul__(self, other: scalar | array) -> array: ...
    def __mod__(self, other: scalar | array) -> array: ...
    def __mul__(self, other: scalar | array) -> array: ...
    def __ne__(self, other: object) -> Any: ...
    def __neg__(self) -> array: ...
    def __or__(self, other: scalar | array) -> array: ...
    def __pos__(self) -> array: ...
    def __pow__(self, other: scalar | array) -> array: ...
    def __radd__(self, other: scalar | array) -> array: ...
    def __rand__(self, other: scalar | array) -> array: ...
    def __rfloordiv__(self, other: scalar | array) -> array: ...
    def __rlshift__(self, other: scalar | array) -> array: ...
    def __rmatmul__(self, other: scalar | array) -> array: ...
    def __rmod__(self, other: scalar | array) -> array: ...
    def __rmul__(self, other: scalar | array) -> array: ...
    def __ror__(self, other: scalar | array) -> array: ...
    def __rpow__(self, other: scalar | array) -> array: ...
    def __rrshift__(self, other: scalar | array) -> array: ...
    def __rshift__(self, other: scalar | array) -> array: ...
    def __rsub__(self, other: scalar | array) -> array: ...
    def __rtruediv__(self, other: scalar | array) -> array: ...
    def __rxor__(self, other: scalar | array) -> array: ...
    def __setitem__(self, index: Any, value: scalar | array) -> None: ...
    def __sub__(self, other: scalar | array) -> array: ...
    def __truediv__(self, other: scalar | array) -> array: ...
    def __xor__(self, other: scalar | array) -> array: ...

class custom_function:
    """A function with transformations of its own, used as a decorator.

    An instance is called like the function. Transformations that are not set with `vjp`, `jvp`
    or `vmap` go through the function itself. It is pure: arrays it captures are constants to
    transformations that are set."""
    def jvp(self, f) -> Any:
        """Sets the forward derivative, `f(primals, tangents)`.

        Tangents have the structure of `primals`, with None for arguments without one. It returns
        tangents in the structure of the function's result.
        """
    def vjp(self, f) -> Any:
        """Sets the reverse derivative, `f(primals, cotangents, outputs)`.

        It returns gradients in the structure of `primals`: the argument, if there is one, or the
        tuple of arguments. Cotangents and outputs have the structure of the function's result.
        """
    def vmap(self, f) -> Any:
        """Sets the mapping, `f(inputs, axes)`.

        `axes` has the structure of `inputs`, with None for arguments that are not mapped. It
        returns the outputs, and their axes in the same structure.
        """
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

class finfo:
    """The range and precision of a floating dtype, or of the parts of `complex64`."""
    def __init__(self, dtype: Dtype) -> None: ...
    @property
    def bits(self) -> int:
        """Bits of the dtype."""
    @property
    def dtype(self) -> Dtype:
        """The dtype."""
    @property
    def eps(self) -> float:
        """The distance from 1 to the next larger value."""
    @property
    def max(self) -> float:
        """The largest finite value."""
    @property
    def min(self) -> float:
        """The smallest finite value."""
    @property
    def smallest_normal(self) -> float:
        """The smallest positive normal value."""

class iinfo:
    """The range of an integer dtype."""
    def __init__(self, dtype: Dtype) -> None: ...
    @property
    def dtype(self) -> Dtype:
        """The dtype."""
    @property
    def max(self) -> int:
        """The largest value."""
    @property
    def min(self) -> int:
        """The smallest value."""

def abs(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Magnitude; real for complex numbers."""

def add(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """a + b; "or" for bool."""

def addmm(
    c: array,
    a: array,
    b: array,
    /,
    alpha: float = 1.0,
    beta: float = 1.0,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """beta * c + alpha * (a @ b)."""

def all(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Whether all elements over axes are nonzero."""

def allclose(
    a: array,
    b: array,
    /,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    *,
    equal_nan: bool = False,
    stream: StreamOrDevice = None,
) -> array:
    """Whether |a - b| <= atol + rtol * |b| everywhere."""

def any(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Whether any element over axes is nonzero."""

@overload
def arange(
    start: int | float,
    stop: None | int | float,
    step: None | int | float = None,
    dtype: Dtype | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """start, start + step, .. before stop; int32 or int64 for whole numbers, else float32."""
@overload
def arange(
    stop: int | float,
    step: None | int | float = None,
    dtype: Dtype | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array: ...

def arccos(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Inverse cosine, in radians."""

def arccosh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Inverse hyperbolic cosine."""

def arcsin(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Inverse sine, in radians."""

def arcsinh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Inverse hyperbolic sine."""

def arctan(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Inverse tangent, in radians."""

def arctan2(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """Angle of the point (b, a), in radians."""

def arctanh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Inverse hyperbolic tangent."""

def argmax(
    a: array, /, axis: None | int = None, keepdims: bool = False, *, stream: StreamOrDevice = None
) -> array:
    """The position of the largest element along an axis, as uint32; the first of equals."""

def argmin(
    a: array, /, axis: None | int = None, keepdims: bool = False, *, stream: StreamOrDevice = None
) -> array:
    """The position of the smallest element along an axis, as uint32; the first of equals."""

def array_equal(
    a: scalar | array, b: scalar | array, equal_nan: bool = False, stream: StreamOrDevice = None
) -> array:
    """Whether two arrays have the same shape and values."""

def asarray(
    a: scalar | array | Sequence | DLPackCompatible,
    dtype: Dtype | None = None,
    *,
    copy: bool | None = None,
) -> array:
    """Converts a value to an array.

    Arrays of this module are passed on unless `copy` is True. Other libraries' arrays are copied; with `copy=False` their memory is shared, which is an error where it cannot be.
    """

def astype(a: array, dtype: Dtype, /, *, stream: StreamOrDevice = None) -> array:
    """The values in another dtype."""

def async_eval(*args):
    """Starts computing arrays, or all arrays of trees of them, and returns at once. Reading them waits; errors appear there."""

def atleast_1d(*arys: array, stream: StreamOrDevice = None) -> array | list[array]:
    """Arrays without axes get one."""

def atleast_2d(*arys: array, stream: StreamOrDevice = None) -> array | list[array]:
    """Arrays get axes in front up to two."""

def atleast_3d(*arys: array, stream: StreamOrDevice = None) -> array | list[array]:
    """Arrays get axes around theirs up to three."""

def bitwise_and(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Bits set in both."""

def bitwise_invert(a: scalar | array, stream: StreamOrDevice = None) -> array:
    """Every bit flipped; integers and bool."""

def bitwise_or(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Bits set in either."""

def bitwise_xor(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Bits set in one."""

def broadcast_arrays(*arrays: array, stream: StreamOrDevice = None) -> list[array]:
    """The arrays broadcast to their common shape."""

def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that several broadcast to."""

def broadcast_to(
    a: scalar | array, /, shape: Sequence[int], *, stream: StreamOrDevice = None
) -> array:
    """The array repeated along new axes and axes of size 1, without copying."""

def can_cast(from_: array | Dtype, to: Dtype) -> bool:
    """Whether a dtype, or an array's, converts to another by promotion."""

def ceil(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Smallest whole number not below a."""

def checkpoint(fun: Callable[P, R]) -> Callable[P, R]:
    """A function that does what `fun` does; its gradient is computed with `fun` run again instead of from kept intermediate values."""

def clear_cache() -> None:
    """Gives memory kept for reuse back to the system."""

def clear_streams() -> None:
    """Forgets this thread's streams."""

def clip(
    a: array,
    /,
    a_min: scalar | array | None,
    a_max: scalar | array | None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The array limited to a range, of which one end may be None."""

def compile(
    fun: Callable[P, R],
    inputs: object | None = None,
    outputs: object | None = None,
    shapeless: bool = False,
) -> Callable[P, R]:
    """A function that does what `fun` does. Nothing is compiled: operations are fused already."""

def concatenate(
    arrays: list[array], axis: int | None = 0, *, stream: StreamOrDevice = None
) -> array:
    """Arrays one after the other along an axis; flattened for None."""

def conjugate(a: array, *, stream: StreamOrDevice = None) -> array:
    """Complex conjugate."""

def contiguous(
    a: array, /, allow_col_major: bool = False, *, stream: StreamOrDevice = None
) -> array:
    """The same values; where they lie is this library's business."""

def cos(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Cosine of radians."""

def cosh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Hyperbolic cosine."""

def count_nonzero(
    a: array,
    /,
    *,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    stream: StreamOrDevice = None,
) -> array:
    """How many elements over axes are nonzero."""

def default_device() -> Device:
    """The default device of this thread."""

def default_stream(device: Device | DeviceType) -> Stream:
    """The default stream of a device."""

def degrees(a: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """Radians to degrees."""

def device_count(device_type: DeviceType) -> int:
    """How many devices of a kind there are."""

def device_info(d: None | Device | DeviceType = None) -> dict[str, str | int]:
    """Facts about a device: its name and architecture."""

def diag(a: array, /, k: int = 0, *, stream: StreamOrDevice = None) -> array:
    """The k-th diagonal of a matrix, or the matrix with that k-th diagonal."""

def diagonal(
    a: array, offset: int = 0, axis1: int = 0, axis2: int = 1, stream: StreamOrDevice = None
) -> array:
    """A diagonal of two axes, as the last axis."""

def diff(a: array, /, n: int = 1, axis: int = -1, *, stream: StreamOrDevice = None) -> array:
    """Differences of neighbours along an axis, taken n times."""

def disable_compile() -> None:
    """Turns compilation off; there is none to turn off."""

def divide(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """a / b, always floating."""

def divmod(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> list[array]:
    """Quotient rounded down, and remainder."""

def empty(
    shape: int | Sequence[int], dtype: Dtype | None = float32, *, stream: StreamOrDevice = None
) -> array:
    """An array whose values do not matter: zeros."""

def empty_like(
    a: array, /, dtype: Dtype | None = None, *, stream: StreamOrDevice = None
) -> array:
    """An array of the same shape and dtype whose values do not matter: zeros."""

def enable_compile() -> None:
    """Turns compilation on; there is none to turn on."""

def equal(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Whether a == b."""

def erf(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Error function."""

def erfinv(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Inverse of the error function."""

def eval(*args) -> None:
    """Computes arrays, or all arrays of trees of them."""

def exp(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """e to the a."""

def expand_dims(
    a: array, /, axis: int | Sequence[int], *, stream: StreamOrDevice = None
) -> array:
    """New axes of size 1 at the given places."""

def expm1(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """exp(a) - 1, accurate near zero."""

def eye(
    n: int,
    m: int | None = None,
    k: int = 0,
    dtype: Dtype | None = float32,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """A matrix with ones on its k-th diagonal."""

def flatten(
    a: array, /, start_axis: int = 0, end_axis: int = -1, *, stream: StreamOrDevice = None
) -> array:
    """Axes start_axis to end_axis merged into one."""

def flip(
    a: array, /, axis: None | int | Sequence[int] = None, *, stream: StreamOrDevice = None
) -> array:
    """The elements along axes, all by default, in reverse."""

def floor(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Largest whole number not above a."""

def floor_divide(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Quotient rounded down."""

def from_dlpack(x: DLPackCompatible, /, *, copy: bool | None = None) -> array:
    """An array over the memory of another library's tensor, through DLPack.

    The memory is shared unless `copy` is True or it cannot be read in place (`copy=False` is an error then). Whoever else holds it must not write to it while arrays made from it are computed. Only memory of the CPU can be imported.
    """

def full(
    shape: int | Sequence[int],
    vals: scalar | array,
    dtype: Dtype | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """A value, broadcast to the shape; its own dtype unless another is given."""

def full_like(
    a: array, vals: scalar | array, dtype: Dtype | None = None, *, stream: StreamOrDevice = None
) -> array:
    """A value in an array of the same shape and dtype."""

def get_active_memory() -> int:
    """Bytes held by live arrays."""

def get_cache_memory() -> int:
    """Bytes kept for reuse."""

def get_memory_limit() -> int:
    """How many bytes live arrays may hold."""

def get_peak_memory() -> int:
    """The most bytes live arrays have held."""

def get_printoptions() -> PrintOptions:
    """How arrays print."""

def grad(
    fun: Callable[P, R],
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] = [],
) -> Callable[P, Any]:
    """A function that computes the gradient of `fun`, which must return a scalar array, with respect to the positional arguments `argnums` (the first, if nothing is said) and the keyword arguments `argnames`. Arguments may be trees of arrays; gradients have their structure."""

def greater(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Whether a > b."""

def greater_equal(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Whether a >= b."""

def identity(n: int, dtype: Dtype | None = float32, *, stream: StreamOrDevice = None) -> array:
    """The identity matrix."""

def imag(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Imaginary part."""

def inner(a: array, b: array, /, *, stream: StreamOrDevice = None) -> array:
    """Sums of products over the last axes."""

def is_available(device: Device | DeviceType) -> bool:
    """Whether a device is present."""

def isclose(
    a: array,
    b: array,
    /,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    *,
    equal_nan: bool = False,
    stream: StreamOrDevice = None,
) -> array:
    """Whether |a - b| <= atol + rtol * |b|, element by element."""

def isdtype(dtype, kind) -> Any:
    """Whether a dtype is of a kind: a dtype, one of the array standard's names, or any of several."""

def isfinite(a: array, stream: StreamOrDevice = None) -> array:
    """Whether a is neither infinite nor not a number."""

def isinf(a: array, stream: StreamOrDevice = None) -> array:
    """Whether a is infinite."""

def isnan(a: array, stream: StreamOrDevice = None) -> array:
    """Whether a is not a number."""

def isneginf(a: array, stream: StreamOrDevice = None) -> array:
    """Whether a is negative infinity."""

def isposinf(a: array, stream: StreamOrDevice = None) -> array:
    """Whether a is positive infinity."""

def issubdtype(arg1, arg2) -> Any:
    """Whether a dtype or category is another, or within it."""

def jvp(
    fun: Callable, primals: list[array], tangents: list[array]
) -> tuple[list[array], list[array]]:
    """The outputs of `fun` at `primals`, and the products of its Jacobian with `tangents`."""

def kron(a: array, b: array, *, stream: StreamOrDevice = None) -> array:
    """The Kronecker product."""

def left_shift(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Bits moved up."""

def less(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Whether a < b."""

def less_equal(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Whether a <= b."""

def linspace(
    start: scalar,
    stop: scalar,
    num: int | None = 50,
    endpoint: bool = True,
    dtype: Dtype | None = float32,
    stream: StreamOrDevice = None,
) -> array:
    """num numbers at equal distances from start to stop, which is included or not."""

def load(
    file: file | str | pathlib.Path,
    /,
    format: str | None = None,
    return_metadata: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array | dict[str, array] | tuple[dict[str, array], dict[str, Any]]:
    """The array of an npy file, or the arrays by name of a safetensors or npz file."""

def log(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Natural logarithm."""

def log10(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Logarithm to base 10."""

def log1p(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """log(1 + a), accurate near zero."""

def log2(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Logarithm to base 2."""

def logaddexp(
    a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None
) -> array:
    """log(exp(a) + exp(b)) without overflow."""

def logical_and(a: array, b: array, /, *, stream: StreamOrDevice = None) -> array:
    """Both as bool."""

def logical_not(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Whether a is zero."""

def logical_or(a: array, b: array, /, *, stream: StreamOrDevice = None) -> array:
    """Either as bool."""

def logical_xor(
    a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None
) -> array:
    """One of the two as bool, not both."""

def logsumexp(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """log(sum(exp(a))) over axes without overflow."""

def matmul(a: array, b: array, /, *, stream: StreamOrDevice = None) -> array:
    """The matrix product of the last two axes; the others are broadcast."""

def matrix_transpose(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The last two axes exchanged."""

def max(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The largest element over axes; not a number if one is."""

def maximum(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """The larger; not a number if either is."""

def mean(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The mean over axes, floating."""

def meshgrid(
    *arrays: array,
    sparse: bool | None = False,
    indexing: str | None = 'xy',
    stream: StreamOrDevice = None,
) -> tuple[array, ...]:
    """Coordinates of a grid from those along its axes."""

def min(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The smallest element over axes; not a number if one is."""

def minimum(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """The smaller; not a number if either is."""

def minmax(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> tuple[array, array]:
    """The smallest and the largest element over axes."""

def moveaxis(
    a: array, /, source: int, destination: int, *, stream: StreamOrDevice = None
) -> array:
    """One axis moved to another place."""

def multiply(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """a * b; "and" for bool."""

def nan_to_num(
    a: scalar | array,
    nan: float = 0,
    posinf: float | None = None,
    neginf: float | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Not-a-number replaced by 0, infinities by the largest numbers, or by what is given."""

def negative(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """-a; not for bool."""

def new_stream(device: Device | DeviceType) -> Stream:
    """A new stream of a device."""

def not_equal(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Whether a != b."""

def ones(
    shape: int | Sequence[int], dtype: Dtype | None = float32, *, stream: StreamOrDevice = None
) -> array:
    """An array of ones."""

def ones_like(
    a: array, /, dtype: Dtype | None = None, *, stream: StreamOrDevice = None
) -> array:
    """Ones of the array's shape and dtype."""

def outer(a: array, b: array, /, *, stream: StreamOrDevice = None) -> array:
    """Products of every pair of elements."""

def pad(
    a: array,
    pad_width: int | tuple[int] | tuple[int, int] | list[tuple[int, int]],
    mode: Literal['constant', 'edge', 'reflect', 'symmetric'] = 'constant',
    constant_values: scalar | array = 0,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Elements added before and after axes: a constant, or what lies at the edge."""

def permute_dims(
    a: array, /, axes: Sequence[int] | None = None, *, stream: StreamOrDevice = None
) -> array:
    """The axes in another order, reversed by default."""

def positive(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The array itself."""

def power(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """a to the power b."""

def printoptions(precision: int = -1) -> _PrintOptionsContext:
    """A context manager inside which arrays print so."""

def prod(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The product over axes."""

def put_along_axis(
    a: array,
    /,
    indices: array,
    values: array,
    axis: int | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The array with values written where take_along_axis would read."""

def radians(a: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """Degrees to radians."""

def real(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Real part."""

def reciprocal(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """1 / a."""

def remainder(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Remainder with the divisor's sign."""

def repeat(
    array: array, repeats: int, axis: int | None = None, *, stream: StreamOrDevice = None
) -> array:
    """Every element, or slice along an axis, repeated."""

def reset_peak_memory() -> None:
    """Starts the peak anew from the present use."""

def reshape(a: array, /, shape: Sequence[int], *, stream: StreamOrDevice = None) -> array:
    """The elements in another shape of the same size; one size may be -1."""

def result_type(*arrays_and_dtypes: array | Dtype) -> Dtype:
    """The dtype of an operation on arrays of these dtypes."""

def right_shift(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Bits moved down."""

def roll(
    a: array,
    shift: int | tuple[int],
    axis: None | int | tuple[int] = None,
    /,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Elements moved along axes, those that leave coming in at the other end."""

def round(a: array, /, decimals: int = 0, stream: StreamOrDevice = None) -> array:
    """To a number of decimal places, halves to even."""

def rsqrt(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """1 / sqrt(a)."""

def save(file: file | str | pathlib.Path, arr: array) -> None:
    """Saves an array as an npy file; .npy is added to a path that does not end so."""

def save_safetensors(
    file: file | str | pathlib.Path,
    arrays: dict[str, array],
    metadata: dict[str, str] | None = None,
) -> None:
    """Saves arrays by name, and texts about them, as a safetensors file."""

def savez(file, *args, **kwargs) -> Any:
    """Saves arrays, named ``arr_0``, .. or by keyword, in an archive."""

def savez_compressed(file, *args, **kwargs) -> Any:
    """As ``savez``, compressed."""

def set_cache_limit(limit: int) -> int:
    """Sets how many bytes may be kept for reuse; returns the former limit."""

def set_default_device(device: Device | DeviceType) -> None:
    """Makes a device the default."""

def set_default_stream(stream: Stream) -> None:
    """Makes a stream the default of its device."""

def set_memory_limit(limit: int) -> int:
    """Sets how many bytes live arrays may hold; returns the former limit."""

def set_printoptions(precision: int = -1) -> None:
    """Sets the digits after the point with which arrays print; -1 for six significant ones."""

def set_wired_limit(limit: int) -> int:
    """Accepted and without effect, as in MLX without Metal; returns 0."""

def sigmoid(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """1 / (1 + exp(-a))."""

def sign(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """-1, 0 or 1."""

def sin(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Sine of radians."""

def sinh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Hyperbolic sine."""

def slice(
    a: array,
    start_indices: array,
    axes: Sequence[int],
    slice_size: Sequence[int],
    *,
    stream: StreamOrDevice = None,
) -> array:
    """A part of the given size that starts at computed positions."""

def slice_update(
    a: array,
    update: array,
    start_indices: array,
    axes: Sequence[int],
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The array with a part that starts at computed positions replaced."""

def softmax(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    *,
    precise: bool = False,
    stream: StreamOrDevice = None,
) -> array:
    """exp(a) / sum(exp(a)) over axes without overflow; always as precise as precise=True."""

def split(
    a: array,
    /,
    indices_or_sections: int | Sequence[int],
    axis: int = 0,
    *,
    stream: StreamOrDevice = None,
) -> list[array]:
    """An axis cut into equal parts, or before the given positions."""

def sqrt(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Square root."""

def square(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """a * a."""

def squeeze(
    a: array, /, axis: None | int | Sequence[int] = None, *, stream: StreamOrDevice = None
) -> array:
    """Axes of size 1 removed, all by default."""

def stack(arrays: list[array], axis: int | None = 0, *, stream: StreamOrDevice = None) -> array:
    """Arrays of one shape along a new axis."""

def std(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    ddof: int = 0,
    *,
    correction: int | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """The standard deviation over axes; ddof (or correction) is subtracted from the count."""

def stop_gradient(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The same values, through which no gradient flows."""

def stream(s: Stream | Device | DeviceType) -> StreamContext:
    """A context manager that makes a stream the default inside."""

def subtract(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """a - b."""

def sum(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The sum over axes, all by default."""

def swapaxes(a: array, /, axis1: int, axis2: int, *, stream: StreamOrDevice = None) -> array:
    """Two axes exchanged."""

def synchronize(stream: Stream | None = None) -> None:
    """Waits for everything launched on a stream."""

def take(
    a: array, /, indices: int | array, axis: int | None = None, *, stream: StreamOrDevice = None
) -> array:
    """The elements along an axis, of the flattened array for None, at the given positions."""

def take_along_axis(
    a: array, /, indices: array, axis: int | None = -1, *, stream: StreamOrDevice = None
) -> array:
    """The elements along an axis at positions of their own for every line."""

def tan(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Tangent of radians."""

def tanh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Hyperbolic tangent."""

def tensordot(
    a: array, b: array, /, axes: int | list[Sequence[int]] = 2, *, stream: StreamOrDevice = None
) -> array:
    """Sums of products over pairs of axes."""

def tile(a: array, reps: int | Sequence[int], /, *, stream: StreamOrDevice = None) -> array:
    """The array repeated side by side."""

def trace(
    a: array,
    /,
    offset: int = 0,
    axis1: int = 0,
    axis2: int = 1,
    dtype: Dtype | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The sum of a diagonal."""

def transpose(
    a: array, /, axes: Sequence[int] | None = None, *, stream: StreamOrDevice = None
) -> array:
    """The axes in another order, reversed by default."""

def tri(
    n: int,
    m: int | None = None,
    k: int = 0,
    dtype: Dtype | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """A matrix with ones on and below its k-th diagonal."""

def tril(x: array, k: int = 0, *, stream: StreamOrDevice = None) -> array:
    """The lower triangle, zero above the k-th diagonal."""

def triu(x: array, k: int = 0, *, stream: StreamOrDevice = None) -> array:
    """The upper triangle, zero below the k-th diagonal."""

def trunc(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The whole part."""

def unflatten(
    a: array, /, axis: int, shape: Sequence[int], *, stream: StreamOrDevice = None
) -> array:
    """One axis split into several; one size may be -1."""

def unstack(x: array, /, *, axis: int = 0, stream: StreamOrDevice = None) -> tuple[array, ...]:
    """The slices along an axis."""

def value_and_grad(
    fun: Callable[P, R],
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] = [],
) -> Callable[P, tuple[R, Any]]:
    """A function that computes the value of `fun` and its gradient, as `grad`. `fun` may also return a tuple whose first item is the scalar array; the others are passed on."""

def var(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    ddof: int = 0,
    *,
    correction: int | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """The variance over axes; ddof (or correction) is subtracted from the count."""

def view(a: scalar | array, dtype: Dtype, stream: StreamOrDevice = None) -> array:
    """The same bytes as another dtype."""

def vjp(
    fun: Callable, primals: list[array], cotangents: list[array]
) -> tuple[list[array], list[array]]:
    """The outputs of `fun` at `primals`, and the products of `cotangents` with its Jacobian."""

def vmap(fun: Callable[P, R], in_axes: object = 0, out_axes: object = 0) -> Callable[P, R]:
    """A function that maps `fun` over an axis of its arguments. `in_axes` and `out_axes` are axes, or trees of axes that begin like those of the arguments and outputs; `None` in `in_axes` is an argument that all calls share."""

def where(
    condition: scalar | array,
    x: scalar | array,
    y: scalar | array,
    /,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """x where the condition holds, else y."""

def zeros(
    shape: int | Sequence[int], dtype: Dtype | None = float32, *, stream: StreamOrDevice = None
) -> array:
    """An array of zeros."""

def zeros_like(
    a: array, /, dtype: Dtype | None = None, *, stream: StreamOrDevice = None
) -> array:
    """Zeros of the array's shape and dtype."""

acos = arccos
acosh = arccosh
asin = arcsin
asinh = arcsinh
atan = arctan
atan2 = arctan2
atanh = arctanh
bitwise_left_shift = left_shift
bitwise_right_shift = right_shift
concat = concatenate
conj = conjugate
pow = power
