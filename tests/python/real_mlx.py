"""Comparison of expressions with what real MLX makes of them."""

import numpy as np
import pytest

import anymetal.core as ours

mlx = pytest.importorskip("mlx.core")


def plain(value, module):
    """A result as plain Python data: arrays as (dtype, shape, numbers)."""
    if isinstance(value, module.array):
        dtype = str(value.dtype).rsplit(".", 1)[-1].rstrip("_")
        return ("array", dtype, value.shape, value.tolist())
    if isinstance(value, (list, tuple)):
        return type(value)(plain(v, module) for v in value)
    if isinstance(value, dict):
        return {k: plain(v, module) for k, v in value.items()}
    return value


def outcome(expression, module, names):
    """What an expression over `mx` gives: plain data, or the class and text of its exception."""
    scope = {"mx": module, "np": np}
    for name, make in names.items():
        scope[name] = make(module)
    try:
        return plain(eval(expression, scope), module)  # noqa: S307
    except Exception as error:  # noqa: BLE001
        text = str(error)
        if "incompatible function arguments" in text:
            # The signatures of some functions are worded differently.
            text = text.split(".", 1)[0]
        return (type(error).__name__, text)


def close(a, b, rtol):
    """Equality, of floating arrays to a tolerance relative to their largest element."""
    if isinstance(a, tuple) and isinstance(b, tuple) and a[:1] == b[:1] == ("array",):
        if a[:3] != b[:3]:
            return False
        x, y = np.asarray(a[3]), np.asarray(b[3])
        if x.dtype.kind not in "fc":
            return np.array_equal(x, y)
        finite = np.abs(y[np.isfinite(y)])
        largest = finite.max() if finite.size else 0.0
        return np.allclose(x, y, rtol=rtol, atol=rtol * largest, equal_nan=True)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(close(x, y, rtol) for x, y in zip(a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(close(a[k], b[k], rtol) for k in a)
    return type(a) is type(b) and a == b


def check(expression, names=None, rtol=1e-6):
    """An expression gives the same with either module."""
    names = names or {}
    expected = outcome(expression, mlx, names)
    found = outcome(expression, ours, names)
    assert close(found, expected, rtol), f"\n{expression}\n ours: {found}\n MLX:  {expected}"
