"""Metal kernels for real MLX where it has none, such as ``mlx[cpu]`` on Linux.

``enable()`` replaces ``mx.fast.metal_kernel`` of :mod:`mlx.core` by one that runs kernels with
anymetal; ``disable()`` puts MLX's own back. Also a context manager, a pytest plugin
(``pytest -p anymetal.mlx``) and a command (``python -m anymetal.mlx SCRIPT.py``).
"""

import threading

import mlx.core as mx

from anymetal.mlx.kernel import Kernel

__all__ = ["disable", "enable", "is_enabled"]

_lock = threading.Lock()
# What was replaced: (module, name, MLX's own, ours).
_replaced = []


class _Enabled:
    """What :func:`enable` returns: a context manager that undoes that call."""

    def __init__(self, mine):
        self._mine = mine

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._mine:
            self._mine = False
            disable()

    def __repr__(self):
        return f"<anymetal.mlx, {'enabled' if is_enabled() else 'disabled'}>"


def enable(*, claim_metal=False):
    """Makes ``mx.fast.metal_kernel`` of real MLX work on this machine.

    Kernels created from now on run on ``mlx.core`` arrays with every parameter MLX documents, and
    keep working after :func:`disable`. A call evaluates its inputs. Some packages create their
    kernels only if ``mx.metal.is_available()``: with ``claim_metal`` it returns True while the
    bridge is enabled. Where MLX has Metal itself, nothing is changed.

    The result can be used in a ``with`` statement, at whose end the bridge is disabled, unless it
    was enabled before. Enabling twice changes nothing, except that ``claim_metal`` may be added.
    """
    with _lock:
        first = not _replaced
        if not mx.metal.is_available():
            native = mx.fast.metal_kernel
            if first:

                def metal_kernel(*args, **kwargs):
                    return Kernel(native, args, kwargs)

                metal_kernel.__doc__ = native.__doc__
                _replace(mx.fast, "metal_kernel", metal_kernel)
            if claim_metal:
                _replace(mx.metal, "is_available", lambda: True)
        return _Enabled(mine=first)


def disable():
    """Puts back what :func:`enable` replaced; nothing if the bridge is not enabled.

    Raises ``RuntimeError``, and changes nothing, if something else has replaced
    ``mx.fast.metal_kernel`` since: that has to be undone first.
    """
    with _lock:
        for module, name, _, ours in _replaced:
            if getattr(module, name) is not ours:
                raise RuntimeError(
                    f"{module.__name__}.{name} was replaced after anymetal.mlx.enable(); undo "
                    "that before anymetal.mlx.disable()"
                )
        while _replaced:
            module, name, native, _ = _replaced.pop()
            setattr(module, name, native)


def is_enabled():
    """Whether the bridge is enabled."""
    return bool(_replaced)


def _replace(module, name, ours):
    native = getattr(module, name)
    _replaced.append((module, name, native, ours))
    setattr(module, name, ours)


# The pytest plugin. Enabled before the first conftest.py, which may create kernels.


def pytest_addoption(parser):
    parser.getgroup("anymetal").addoption(
        "--claim-metal",
        action="store_true",
        help="mx.metal.is_available() returns True while tests run",
    )


def pytest_load_initial_conftests(early_config):
    enable(claim_metal=early_config.known_args_namespace.claim_metal)


def pytest_configure(config):
    enable(claim_metal=config.getoption("claim_metal"))


def pytest_unconfigure():
    disable()
