"""MLX's fast operations and custom Metal kernels on every machine.

``import anymetal.core as mx`` has the names of ``mlx.core``. :func:`install_as_mlx` and ``python -m
anymetal SCRIPT.py`` run programs written for MLX unchanged; :mod:`anymetal.mlx` gives Metal kernels
to real MLX; :func:`validate` compares a kernel with a composed definition.
"""

from anymetal import core as core
from anymetal.alias import install_as_mlx as install_as_mlx

__all__ = ["core", "install_as_mlx"]
