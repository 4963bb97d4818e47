"""Every form of ``mlx.core`` that programs around the fast functions use."""

import subprocess
import sys

import numpy as np
import pytest

import anymetal.core as mx


def test_construction():
    assert mx.array(2).dtype == mx.int32 and mx.array(2.0).dtype == mx.float32
    assert mx.array(True).dtype == mx.bool_
    assert mx.array(2.0, mx.bfloat16).dtype == mx.bfloat16
    assert mx.array([1, 2]).shape == (2,) and mx.array([True, False]).dtype == mx.bool_
    assert isinstance(mx.array(1), mx.array)
    assert {mx.float32: 1, mx.float16: 2}[mx.float16] == 2
    assert mx.float32 != mx.float16 and repr(mx.bool_) == "mlx.core.bool"
    for make in (mx.zeros, mx.ones):
        assert make((2, 3)).dtype == mx.float32
        assert make(shape=(2, 3), dtype=mx.float16).dtype == mx.float16
    assert mx.full((2,), True).dtype == mx.bool_
    assert mx.full((2,), 1.5).dtype == mx.float32
    assert mx.full((2,), 1.5, dtype=mx.bfloat16).dtype == mx.bfloat16
    assert mx.zeros_like(mx.ones((2,), mx.int32)).tolist() == [0, 0]
    assert mx.ones_like(mx.zeros((2,))).tolist() == [1, 1]
    assert mx.arange(3).tolist() == [0, 1, 2]
    assert mx.arange(3, dtype=mx.float16).dtype == mx.float16
    assert mx.arange(0.0, 3, dtype=mx.bfloat16).tolist() == [0, 1, 2]


def test_random_forms():
    mx.random.seed(3)
    assert mx.random.normal(shape=(2, 3), dtype=mx.float16).dtype == mx.float16
    assert mx.random.normal((2,), mx.bfloat16).dtype == mx.bfloat16
    assert mx.random.normal(shape=()).shape == ()
    assert mx.random.uniform(shape=[2]).shape == (2,)
    assert mx.random.uniform(-1, 1, (2,)).shape == (2,)
    assert mx.random.uniform(0, 1, (2,), mx.float16).dtype == mx.float16
    assert mx.random.randint(low=0, high=5, shape=(3,)).dtype == mx.int32


def test_element_wise_and_reductions():
    x = mx.array([[1.0, 4.0], [9.0, 16.0]])
    assert mx.where(x > 4, x, -float("inf")).tolist()[0] == [-float("inf"), -float("inf")]
    log = mx.log(mx.array([False, True]))
    assert log.dtype == mx.float32 and log.tolist() == [-float("inf"), 0.0]
    assert mx.rsqrt(x).tolist() == [[1.0, 0.5], [pytest.approx(1 / 3), 0.25]]
    assert mx.max(x).item() == 16.0 and mx.any(mx.isnan(x)).item() is False
    assert x.mean(-1, keepdims=True).tolist() == [[2.5], [12.5]]
    assert x.mean(axis=0, keepdims=False).tolist() == [5.0, 10.0]
    assert x.var(axis=-1, keepdims=True).tolist() == [[2.25], [12.25]]
    assert x.sum().item() == 30.0 and x.max().item() == 16.0 and x.square().abs().shape == (2, 2)
    # The array's dtype is kept beside a number, which overflows in it.
    half = mx.where(mx.array([True, False]), mx.ones((2,), mx.float16), mx.finfo(mx.float32).min)
    assert half.dtype == mx.float16 and half.tolist() == [1.0, -float("inf")]
    assert isinstance(mx.finfo(mx.float16).min, float)


def test_shapes():
    x = mx.arange(24).reshape(2, 3, 4)
    assert mx.reshape(x, [4, -1]).shape == (4, 6)
    assert mx.expand_dims(x, (0, 1)).shape == (1, 1, 2, 3, 4)
    assert mx.concatenate([x, x], axis=-1).shape == (2, 3, 8)
    assert mx.tile(x, [1, 2, 1]).shape == (2, 6, 4)
    assert mx.repeat(x, 2, axis=1).shape == (2, 6, 4)
    assert mx.broadcast_to(x, [5, 2, 3, 4]).shape == (5, 2, 3, 4)
    assert mx.unflatten(x, -1, (2, 2)).shape == (2, 3, 2, 2)
    assert x.swapaxes(0, 2).shape == mx.swapaxes(x, 0, 2).shape == (4, 3, 2)
    assert mx.transpose(x, (0, 2, 1)).shape == x.transpose(0, 2, 1).shape == (2, 4, 3)
    assert x.T.shape == (4, 3, 2) and x.shape[:-1] == (2, 3) and type(x.shape) is tuple
    assert mx.softmax(x.astype(mx.float16), axis=-1, precise=True).dtype == mx.float16
    a, b = mx.ones((2, 1, 3, 4)), mx.ones((5, 4, 3))
    assert (a @ b).shape == (2, 5, 3, 3)


def test_operators():
    x = mx.array([1.0, 2.0], mx.float16)
    for y in (1 / x, 1.0 * x, 3 + x, -x, x - 1, x / 2):
        assert y.dtype == mx.float16
    mask = mx.array([True, False]) & mx.array([True, True])
    assert mask.tolist() == [True, False]
    x += 1
    x *= mask
    assert x.tolist() == [2.0, 0.0] and x.dtype == mx.float16
    assert (x == "causal") is False and (x != "causal") is True
    assert (x < 1.0).tolist() == [False, True]
    with pytest.raises(ValueError):
        bool(x)
    assert mx.allclose(mx.ones((2,)), mx.ones((2, 2)), rtol=1e-3, atol=1e-4)
    assert not mx.array_equal(mx.ones((2,)), mx.ones((3,)))
    assert not mx.array_equal(mx.array(float("nan")), mx.array(float("nan")))


def test_indexing_forms():
    n = np.arange(120).reshape(2, 3, 4, 5)
    x = mx.array(n.tolist())
    for read in (
        lambda a: a[..., 1:3],
        lambda a: a[..., :4:2],
        lambda a: a[..., 1:4:2],
        lambda a: a[..., None],
        lambda a: a[:, None],
        lambda a: a[None],
        lambda a: a[0:1],
        lambda a: a[:, 99:],
        lambda a: a[::2],
        lambda a: a[..., :2, :],
        lambda a: a[:, 1:, :, :],
        lambda a: a[:, :, :2],
        lambda a: a[..., 0],
    ):
        assert read(x).tolist() == read(n).tolist() and read(x).shape == read(n).shape
    i, j = np.array([0, 1]), np.array([2, 0])
    i2, j2 = mx.array(i.tolist()), mx.array(j.tolist())
    assert x[i2[:, None, None], j2, i2, :].tolist() == n[i[:, None, None], j, i, :].tolist()
    k = mx.zeros((2, 3, 4))
    k[..., 0, :] = -float("inf")
    k[..., :2, :] = mx.ones((2, 2, 4))
    k[..., 3:] = 0.0
    assert k.tolist()[0] == [[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]]


def test_devices():
    assert mx.default_device() == mx.cpu and mx.default_device() != mx.gpu
    mx.set_default_device(mx.cpu)
    assert mx.is_available(mx.cpu) and not mx.metal.is_available() and not mx.cuda.is_available()
    with mx.stream(mx.cpu):
        assert (mx.ones((2,)) + 1).tolist() == [2.0, 2.0]
    mx.clear_streams()
    assert mx.ones((2,), stream=mx.cpu).tolist() == [1.0, 1.0]


def test_the_submodules_are_modules():
    code = (
        "import anymetal.core.random, anymetal.core.linalg, anymetal.core.metal\n"
        "from anymetal.core.random import uniform\n"
        "from anymetal.core import *\n"
        "assert uniform(shape=(2,)).shape == (2,)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
