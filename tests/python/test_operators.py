"""Operators, promotion and reading values."""

import numpy as np
import pytest

import anymetal.core as mx


def test_operators_follow_numpy():
    a, b = [1.5, -2.0, 3.25], [2.0, 0.5, -1.0]
    x, y = mx.array(a), mx.array(b)
    na, nb = np.array(a, np.float32), np.array(b, np.float32)
    for ours, theirs in [
        (x + y, na + nb),
        (x - y, na - nb),
        (x * y, na * nb),
        (x / y, na / nb),
        (x // y, na // nb),
        (x % y, na % nb),
        (2 - x, 2 - na),
        (x**2, na**2),
        (-x, -na),
        (abs(x), abs(na)),
    ]:
        assert ours.dtype == mx.float32
        np.testing.assert_allclose(ours.tolist(), theirs, rtol=1e-6)
    assert (x > y).tolist() == (na > nb).tolist()


def test_comparison_with_strings_is_python_s():
    x = mx.array([1, 2])
    assert (x == "causal") is False
    assert (x != "causal") is True
    with pytest.raises(TypeError):
        x == None  # noqa: E711
    with pytest.raises(ValueError, match="Cannot perform addition"):
        x + "a"


def test_in_place_operators_change_the_object():
    a = mx.array([1, 2])
    b = a
    b += 1
    assert a is b and a.tolist() == [2, 3]


def test_a_call_that_does_not_fit_shows_the_signature():
    with pytest.raises(TypeError, match=r"abs\(\): incompatible function arguments"):
        mx.abs(mx.array(1), stream="x")
    with pytest.raises(ValueError, match="Cannot get gpu stream without gpu backend"):
        mx.abs(mx.array(1), stream=mx.gpu)
