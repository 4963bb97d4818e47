"""Random numbers from MLX's generator, word for word."""

# Written by `cargo xtask stubs`.

from collections.abc import Sequence

from anymetal.core import Dtype, StreamOrDevice, array, float32, int32, scalar, uint32

def bernoulli(
    p: scalar | array = 0.5,
    shape: Sequence[int] | None = None,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """True with probability p."""

def categorical(
    logits: array,
    axis: int = -1,
    shape: Sequence[int] | None = None,
    num_samples: int | None = None,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Categories along an axis, drawn with probabilities softmax(logits), as uint32."""

def gumbel(
    shape: Sequence[int] = [],
    dtype: Dtype | None = float32,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Draws from the standard Gumbel distribution."""

def key(seed: int) -> array:
    """The key of a seed."""

def laplace(
    shape: Sequence[int] = [],
    dtype: Dtype | None = float32,
    loc: float = 0.0,
    scale: float = 1.0,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Draws from the Laplace distribution."""

def normal(
    shape: Sequence[int] = [],
    dtype: Dtype | None = float32,
    loc: scalar | array | None = None,
    scale: scalar | array | None = None,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Normally distributed numbers of mean loc and standard deviation scale."""

def permutation(
    x: int | array, axis: int = 0, key: array | None = None, stream: StreamOrDevice = None
) -> array:
    """The numbers before x, or the slices of x along an axis, in random order."""

def randint(
    low: scalar | array,
    high: scalar | array,
    shape: Sequence[int] = [],
    dtype: Dtype | None = int32,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Whole numbers evenly distributed over low <= x < high."""

def seed(seed: int) -> None:
    """Sets this thread's state of draws without a key."""

def split(key: array, num: int = 2, stream: StreamOrDevice = None) -> array:
    """Independent keys made from one."""

def truncated_normal(
    lower: scalar | array,
    upper: scalar | array,
    shape: Sequence[int] | None = None,
    dtype: Dtype | None = float32,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Normally distributed numbers between two limits."""

def uniform(
    low: scalar | array = 0,
    high: scalar | array = 1,
    shape: Sequence[int] = [],
    dtype: Dtype | None = float32,
    key: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Numbers evenly distributed over low <= x < high."""
