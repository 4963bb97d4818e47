"""anymetal under the name of MLX, so that programs written for ``mlx.core`` run unchanged."""

import importlib.util
import sys
import types

from anymetal import core


def install_as_mlx():
    """Makes ``import mlx.core`` give :mod:`anymetal.core`, for this process.

    Call it before anything imports ``mlx.core``. Submodules (``mlx.core.fast``, ``mlx.core.random``
    and the others) are registered too. Where MLX is installed, the parts of it that are written in
    Python, such as ``mlx.utils``, stay importable and then work on anymetal's arrays, as far as
    the names they use exist; where it is not, importing them raises ``ModuleNotFoundError``.

    Calling it again does nothing. Raises ``RuntimeError`` if the real ``mlx.core`` is loaded.
    """
    loaded = sys.modules.get("mlx.core")
    if loaded is core:
        return
    if loaded is not None:
        place = getattr(loaded, "__file__", None) or "no file"
        raise RuntimeError(
            f"mlx.core is already imported, from {place}; anymetal can take its name only before "
            "that: call anymetal.install_as_mlx() first, or start the program with "
            "`python -m anymetal SCRIPT.py`"
        )
    package = sys.modules.get("mlx")
    if package is None:
        package = types.ModuleType("mlx", "anymetal, under the name of MLX.")
        spec = importlib.util.find_spec("mlx")
        package.__path__ = list(spec.submodule_search_locations or []) if spec else []
        sys.modules["mlx"] = package
    package.core = core
    sys.modules["mlx.core"] = core
    for name, member in vars(core).items():
        if isinstance(member, types.ModuleType) and member.__name__.startswith("anymetal."):
            sys.modules[f"mlx.core.{name}"] = member
