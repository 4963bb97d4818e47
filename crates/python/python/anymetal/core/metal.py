"""What ``mlx.core.metal`` has. Metal itself is never available here."""

from anymetal._core.metal import *  # noqa: F403

from ._absent import absent as _absent

__getattr__ = _absent("core.metal")
