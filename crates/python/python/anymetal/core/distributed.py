"""What ``mlx.core.distributed`` has, for one process: there is no communication back end.

Programs that ask for a group get one of size 1, as MLX gives them outside a launcher.
"""

from anymetal._core import array

_BACKENDS = ("any", "mpi", "nccl", "jaccl", "ring")


class Group:
    """The processes that work together: here this one alone."""

    def rank(self) -> int:
        """This process's place among them: 0."""
        return 0

    def size(self) -> int:
        """How many there are: 1."""
        return 1

    def split(self, color: int, key: int = -1) -> "Group":
        """Raises: one process cannot be divided."""
        raise RuntimeError("Cannot split the distributed group further.")


def is_available(backend: str = "any") -> bool:
    """Whether processes can communicate: False."""
    return False


def init(strict: bool = False, backend: str = "any", *, all_gather_factory=None) -> Group:
    """The group of this process alone; with ``strict``, an error."""
    if backend not in _BACKENDS:
        raise ValueError(
            "[distributed] The only valid values for backend are 'any', 'mpi', 'nccl', 'jaccl' "
            f"and 'ring' but '{backend}' was provided."
        )
    if strict:
        raise RuntimeError("[distributed] Couldn't initialize any backend")
    return Group()


def all_sum(x, *, group: Group | None = None, stream=None) -> array:
    """The sum over processes: the array itself."""
    return _array(x)


def all_max(x, *, group: Group | None = None, stream=None) -> array:
    """The maximum over processes: the array itself."""
    return _array(x)


def all_min(x, *, group: Group | None = None, stream=None) -> array:
    """The minimum over processes: the array itself."""
    return _array(x)


def all_gather(x, *, group: Group | None = None, stream=None) -> array:
    """The arrays of all processes along the first axis: the array itself."""
    return _array(x)


def sum_scatter(x, *, group: Group | None = None, stream=None) -> array:
    """This process's part of the sum: the array itself."""
    return _array(x)


def send(x, dst: int, *, group: Group | None = None, stream=None) -> array:
    """Raises: there is no other process."""
    raise ValueError("Cannot send to a singleton group")


def recv(shape, dtype, src: int, *, group: Group | None = None, stream=None) -> array:
    """Raises: there is no other process."""
    raise ValueError("Cannot recv from a singleton group")


def recv_like(x, src: int, *, group: Group | None = None, stream=None) -> array:
    """Raises: there is no other process."""
    raise ValueError("Cannot recv from a singleton group")


def _array(x):
    return x if isinstance(x, array) else array(x)
