"""What surrounds the fast functions in a program: arrays, indexing, random numbers, files."""

import math

import mlx.core as mx
import numpy as np
import pytest


def test_creation_and_dtypes():
    assert mx.array(1).dtype == mx.int32 and mx.array(1.0).dtype == mx.float32
    assert mx.array(True).dtype == mx.bool_ and mx.array(1j).dtype == mx.complex64
    assert mx.array(2.0, mx.bfloat16).dtype == mx.bfloat16
    assert mx.array([[1, 2], [3, 4]]).shape == (2, 2)
    assert mx.array(np.arange(6, dtype=np.int16).reshape(2, 3)).dtype == mx.int16
    assert mx.full((2, 2), True).dtype == mx.bool_ and mx.full((2,), 1.5).dtype == mx.float32
    assert mx.zeros(shape=(2,), dtype=mx.uint8).dtype == mx.uint8
    assert mx.arange(0.0, 4, dtype=mx.float16).tolist() == [0, 1, 2, 3]
    assert isinstance(mx.array(1), mx.array)
    assert {mx.float32: 1}[mx.array(1.0).dtype] == 1


def test_promotion():
    half, brain, single = (mx.ones((1,), dtype=d) for d in (mx.float16, mx.bfloat16, mx.float32))
    assert (half + brain).dtype == mx.float32 and (half * 2.5).dtype == mx.float16
    assert (mx.array([1]) + 1.5).dtype == mx.float32 and (mx.array([True]) + 1).dtype == mx.int32
    assert (mx.array([1], mx.uint32) + mx.array([1], mx.int32)).dtype == mx.int64
    assert (single + 1j).dtype == mx.complex64


def test_operators():
    a, b = mx.array([1.0, -2.0, 3.5]), mx.array([2.0, 4.0, -0.5])
    assert (a / b).tolist() == [0.5, -0.5, -7.0]
    assert (1 / b).tolist() == [0.5, 0.25, -2.0]
    assert (a**2).tolist() == [1.0, 4.0, 12.25]
    assert (a // b).tolist() == [0, -1, -7] and (a % b).tolist() == [1, 2, 0]
    assert (-a).tolist() == [-1, 2, -3.5] and abs(a).tolist() == [1, 2, 3.5]
    assert ((a > 0) & (b > 0)).tolist() == [True, False, False]
    assert (a == "causal") is False and (a != "causal") is True
    a *= mx.array([True, False, True])
    assert a.tolist() == [1, 0, 3.5]
    c = d = mx.array([1, 2])
    c += 1
    assert d.tolist() == [2, 3]
    with pytest.raises(ValueError):
        bool(a)


def test_reading_by_index():
    x = mx.arange(60).reshape(3, 4, 5)
    n = np.arange(60).reshape(3, 4, 5)
    i, j = np.array([0, 2, -1]), np.array([[1], [3]])
    for index in [
        0,
        -1,
        (1, 2),
        (1, 2, 3),
        slice(1, None),
        slice(None, None, -1),
        (..., slice(0, 5, 2)),
        (slice(None), None, 1),
        (..., None),
        (slice(0, 1), ..., slice(1, -1)),
        (slice(None), slice(9, 20)),
    ]:
        assert np.array_equal(np.array(x[index]), n[index]), index
    assert np.array_equal(np.array(x[mx.array(i)]), n[i])
    assert np.array_equal(np.array(x[mx.array(i), :, mx.array(j)]), n[i, :, j])
    assert np.array_equal(np.array(x[..., mx.array(i)]), n[..., i])
    assert [row.tolist() for row in x[0]] == n[0].tolist()


def test_writing_by_index():
    x, n = mx.zeros((3, 4, 5)), np.zeros((3, 4, 5), np.float32)
    i = np.array([2, 0])
    for index, value in [
        ((0,), 1.0),
        ((..., 0), 2.0),
        ((slice(1, 3), slice(None, None, 2)), 3.0),
        ((1, slice(None), slice(None, None, -2)), np.arange(3, dtype=np.float32)),
        ((slice(None), 2), np.arange(5, dtype=np.float32)),
    ]:
        x[index] = mx.array(value) if isinstance(value, np.ndarray) else value
        n[index] = value
        assert np.array_equal(np.array(x), n), index
    x[mx.array(i)] = -1.0
    n[i] = -1.0
    assert np.array_equal(np.array(x), n)
    mask = n > 1
    x[mx.array(mask)] = 9.0
    n[mask] = 9.0
    assert np.array_equal(np.array(x), n)
    y = mx.zeros((4,)).at[mx.array([1, 1, 3])].add(mx.array([1.0, 2.0, 3.0]))
    assert y.tolist() == [0, 3, 0, 3]


def test_shapes():
    x = mx.arange(24).reshape(2, 3, 4)
    assert x.T.shape == (4, 3, 2) and x.swapaxes(0, 2).shape == (4, 3, 2)
    assert x.transpose(0, 2, 1).shape == (2, 4, 3) and mx.transpose(x, (2, 0, 1)).shape == (4, 2, 3)
    assert mx.expand_dims(x, (0, 3)).shape == (1, 2, 3, 1, 4)
    assert mx.unflatten(x, 2, (2, 2)).shape == (2, 3, 2, 2) and x.flatten(1).shape == (2, 12)
    assert mx.tile(x, [2, 1, 1]).shape == (4, 3, 4) and mx.repeat(x, 3, axis=1).shape == (2, 9, 4)
    assert mx.broadcast_to(x[:, :1], [2, 3, 4]).shape == (2, 3, 4)
    assert [a.shape for a in mx.split(x, 2, axis=2)] == [(2, 3, 2)] * 2
    assert mx.stack([x, x], axis=1).shape == (2, 2, 3, 4)
    assert mx.pad(x, ((0, 0), (1, 1), (0, 0))).shape == (2, 5, 4)
    assert x.size == 24 and x.ndim == 3 and len(x) == 2 and x.nbytes == 96


def matrix():
    n = np.random.default_rng().normal(size=(4, 6)).astype(np.float32)
    return n, mx.array(n)


def test_reductions():
    n, x = matrix()
    for name in ["sum", "mean", "max", "min", "var", "prod"]:
        ours, theirs = getattr(mx, name)(x, axis=1), getattr(np, name)(n, axis=1)
        assert np.allclose(np.array(ours), theirs, rtol=1e-4, atol=1e-5), name
        assert np.allclose(getattr(x, name)().item(), getattr(np, name)(n), rtol=1e-3, atol=1e-5)
    assert mx.argmax(x, axis=1).tolist() == n.argmax(1).tolist()
    assert mx.any(x > 9).item() is False and mx.all(x < 9).item() is True
    assert np.allclose(np.array(mx.logsumexp(x, axis=-1)), np.log(np.exp(n).sum(-1)), rtol=1e-4)


def test_order():
    n, x = matrix()
    assert np.array_equal(np.array(mx.sort(x, axis=0)), np.sort(n, axis=0))
    assert mx.argsort(x[0]).tolist() == n[0].argsort().tolist()
    largest = np.array(mx.topk(x, 2, axis=1)).sum(1)
    assert np.allclose(largest, np.sort(n, 1)[:, -2:].sum(1), atol=1e-5)


def test_running_sums():
    n, x = matrix()
    assert np.allclose(np.array(mx.cumsum(x, axis=1)), n.cumsum(1), rtol=1e-4, atol=1e-5)


def test_sums_over_named_axes():
    n, x = matrix()
    ours = mx.einsum("ij,kj->ik", x, x)
    assert np.allclose(np.array(ours), n @ n.T, rtol=1e-4, atol=1e-5)


def test_random_numbers():
    mx.random.seed(3)
    a = mx.random.normal((5,))
    mx.random.seed(3)
    assert mx.array_equal(a, mx.random.normal((5,)))
    # Threefry with key 3: MLX's own numbers.
    key = mx.random.key(3)
    uniform = [0.23853768408298492, 0.021006975322961807, 0.6062433123588562]
    assert mx.random.uniform(shape=(3,), key=key).tolist() == uniform
    assert mx.random.randint(0, 100, (4,), key=key).tolist() == [23, 1, 60, 33]
    x = mx.random.bernoulli(0.25, (4000,))
    assert x.dtype == mx.bool_ and 800 < x.sum().item() < 1200
    c = mx.random.categorical(mx.log(mx.array([0.1, 0.9])), num_samples=2000)
    assert 0.85 < c.astype(mx.float32).mean().item() < 0.95
    t = mx.random.truncated_normal(-1.0, 1.0, (500,))
    assert mx.abs(t).max().item() <= 1
    assert sorted(mx.random.permutation(9).tolist()) == list(range(9))


def test_files(tmp_path):
    arrays = {"a": mx.random.normal((3, 4)), "b": mx.arange(5).astype(mx.bfloat16)}
    mx.save_safetensors(str(tmp_path / "x.safetensors"), arrays, {"made": "here"})
    loaded, about = mx.load(str(tmp_path / "x.safetensors"), return_metadata=True)
    assert about["made"] == "here" and loaded["b"].dtype == mx.bfloat16
    assert all(mx.array_equal(arrays[k], loaded[k]) for k in arrays)
    mx.save(str(tmp_path / "x.npy"), arrays["a"])
    assert mx.array_equal(mx.load(str(tmp_path / "x.npy")), arrays["a"])
    assert np.array_equal(np.load(tmp_path / "x.npy"), np.array(arrays["a"]))
    mx.savez(str(tmp_path / "x.npz"), **{"a": arrays["a"]})
    assert mx.array_equal(mx.load(str(tmp_path / "x.npz"))["a"], arrays["a"])


def test_exchange_with_numpy():
    x = mx.random.normal((3, 4))
    assert np.array_equal(np.array(x), np.asarray(memoryview(x)))
    assert np.array_equal(np.from_dlpack(x), np.array(x))
    n = np.array(x)
    y = mx.array(n)
    n[0, 0] = 99
    assert y[0, 0].item() != 99


def test_limits_and_devices():
    assert mx.finfo(mx.float16).max == 65504 and mx.finfo(mx.float32).eps == 2**-23
    assert mx.iinfo(mx.int8).min == -128
    assert mx.default_device() in (mx.cpu, mx.gpu)
    with mx.stream(mx.cpu):
        assert (mx.ones((2,)) + 1).tolist() == [2, 2]
    assert mx.is_available(mx.cpu)
    mx.eval(mx.ones((2,)), {"a": [mx.zeros((1,))]})
    mx.async_eval(mx.ones((2,)))
    mx.synchronize()
    assert mx.get_active_memory() >= 0 and mx.get_peak_memory() >= 0
    assert math.isclose(mx.pi, math.pi) and mx.newaxis is None
    assert mx.issubdtype(mx.float16, mx.floating) and mx.float32.size == 4


def test_conversion_to_python():
    assert float(mx.array(1.5)) == 1.5 and int(mx.array(3)) == 3 and [1, 2, 3][mx.array(1)] == 2
    assert mx.array(2.0).item() == 2.0 and isinstance(mx.array(2).item(), int)
    assert repr(mx.array([1.0, 2.0])) == "array([1, 2], dtype=float32)"
    assert f"{mx.array(2.5).item():.2f}" == "2.50"
    assert mx.array([1, 2]).astype(mx.float16).dtype == mx.float16
    assert mx.array([1.0]).view(mx.int32).item() == 0x3F800000
    assert str(mx.float32) == "mlx.core.float32"
