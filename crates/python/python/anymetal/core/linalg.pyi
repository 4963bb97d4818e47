"""Linear algebra that comes down to the operations of ``anymetal.core``."""

# Written by `cargo xtask stubs`.

from anymetal.core import StreamOrDevice, array

def cross(a: array, b: array, axis: int = -1, *, stream: StreamOrDevice = None) -> array:
    """The cross product of vectors along an axis."""

def norm(
    a: array,
    /,
    ord: None | int | float | str = None,
    axis: None | int | list[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Norms of vectors and matrices, except those by singular values."""
