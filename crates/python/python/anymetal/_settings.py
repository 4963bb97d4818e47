"""What the package offers beside the names of ``mlx.core``."""

from anymetal import _core


class warn_hidden_casts:
    """Warns of norms whose input and weight have different dtypes.

    A call turns the warnings on for the process, ``warn_hidden_casts(False)`` off; as a context
    manager it does so for the block. Each is a :class:`HiddenCastWarning` at the line that calls
    the norm and names both dtypes and that of the result.
    """

    def __init__(self, enabled=True):
        self._before = _core._report_hidden_casts(bool(enabled))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _core._report_hidden_casts(self._before)


def kernels_available():
    """The kinds of device that run custom kernels: a tuple of names, never empty.

    ``core.metal.is_available()`` says whether Apple's Metal is there; kernels need it nowhere.
    """
    return ("cpu",)
