"""The fused operations and custom kernels of ``mlx.core.fast``."""

from anymetal._core.fast import *  # noqa: F403

from ._absent import absent as _absent

__getattr__ = _absent("core.fast")
