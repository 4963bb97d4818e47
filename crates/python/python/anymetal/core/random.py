"""Random numbers from MLX's generator, word for word."""

from anymetal._core.random import *  # noqa: F403

from ._absent import absent as _absent

__getattr__ = _absent("core.random")
