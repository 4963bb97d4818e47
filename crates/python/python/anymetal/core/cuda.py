"""What ``mlx.core.cuda`` has."""

from anymetal._core.cuda import *  # noqa: F403

from ._absent import absent as _absent

__getattr__ = _absent("core.cuda")
