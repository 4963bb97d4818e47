"""MLX's fast operations and custom Metal kernels on every machine.

``import anymetal.core as mx`` has the names of ``mlx.core``.
"""

from anymetal import core as core

__all__ = ["core"]
