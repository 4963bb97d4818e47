"""Linear algebra that comes down to the operations of ``anymetal.core``."""

from anymetal._core.linalg import *  # noqa: F403

from ._absent import absent as _absent

__getattr__ = _absent("core.linalg")
