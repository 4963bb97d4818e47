"""MLX's fast operations and custom Metal kernels on every machine.

``import anymetal.core as mx`` has the names of ``mlx.core``. :func:`install_as_mlx` and ``python -m
anymetal SCRIPT.py`` run programs written for MLX unchanged; :mod:`anymetal.mlx` gives Metal kernels
to real MLX; :func:`validate` compares a kernel with a composed definition.
"""

from anymetal import core as core
from anymetal._core import HiddenCastWarning, KernelWarning
from anymetal._settings import kernels_available, warn_hidden_casts
from anymetal.alias import install_as_mlx as install_as_mlx
from anymetal.validation import Validation as Validation
from anymetal.validation import validate as validate

__all__ = [
    "HiddenCastWarning",
    "KernelWarning",
    "Validation",
    "core",
    "install_as_mlx",
    "kernels_available",
    "validate",
    "warn_hidden_casts",
]
