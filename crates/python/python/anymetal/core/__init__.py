"""Arrays, functions and transformations under the names of ``mlx.core``."""

from anymetal._core import *  # noqa: F403
