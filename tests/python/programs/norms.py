"""Normalisation as models use it: values, dtypes, gradients, mapping, errors."""

import mlx.core as mx
import pytest


def rms(x, weight, eps):
    y = x.astype(mx.float32)
    y = (y * mx.rsqrt(y.square().mean(-1, keepdims=True) + eps)).astype(x.dtype)
    return y if weight is None else y * weight


def layer(x, weight, bias, eps):
    y = x.astype(mx.float32)
    y = y - y.mean(axis=-1, keepdims=True)
    y = (y * mx.rsqrt(y.square().mean(axis=-1, keepdims=True) + eps)).astype(x.dtype)
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias


TOLERANCE = {mx.float32: 1e-5, mx.float16: 4e-3, mx.bfloat16: 3e-2}


def largest_difference(a, b):
    return mx.abs(a.astype(mx.float32) - b.astype(mx.float32)).max().item()


@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16])
@pytest.mark.parametrize("shape", [(4, 32), (2, 3, 1024), (1, 7), (5, 8192)])
def test_rms_norm(dtype, shape):
    x = mx.random.uniform(-1.0, 1.0, shape, dtype)
    weight = mx.random.uniform(shape=(shape[-1],)).astype(dtype)
    for w in [None, weight]:
        y = mx.fast.rms_norm(x, w, 1e-5)
        assert y.dtype == dtype and y.shape == shape
        assert largest_difference(y, rms(x, w, 1e-5)) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16])
@pytest.mark.parametrize("with_weight", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
def test_layer_norm(dtype, with_weight, with_bias):
    x = mx.random.normal(shape=(3, 5, 768)).astype(dtype)
    w = mx.random.normal(shape=(768,), dtype=dtype) if with_weight else None
    b = mx.random.normal((768,), dtype) if with_bias else None
    y = mx.fast.layer_norm(x, w, b, 1e-5)
    assert y.dtype == dtype
    assert largest_difference(y, layer(x, w, b, 1e-5)) < 4 * TOLERANCE[dtype]


def test_weights_decide_the_dtype():
    x, w = mx.ones((2, 4), dtype=mx.float16), mx.ones((4,))
    assert mx.fast.rms_norm(x, w, 1e-5).dtype == mx.float32
    assert mx.fast.layer_norm(x, None, w, 1e-5).dtype == mx.float16
    assert mx.fast.rms_norm(mx.ones((2, 4), dtype=mx.int32), w, 1e-5).dtype == mx.float32


def test_strided_input():
    x = mx.random.normal((6, 5, 32))
    w = mx.random.normal((64,))[::2]
    y = mx.transpose(x, (1, 0, 2))[:, ::2]
    assert largest_difference(mx.fast.rms_norm(y, w, 1e-5), rms(y, w, 1e-5)) < 1e-5


def test_gradients_of_rms_norm():
    x, w, y = (
        mx.random.uniform(shape=(8, 100)),
        mx.random.uniform(shape=(100,)),
        mx.random.uniform(shape=(8, 100)),
    )
    fused = mx.grad(lambda x, w: (mx.fast.rms_norm(x, w, 1e-5) * y).sum(), argnums=(0, 1))(x, w)
    plain = mx.grad(lambda x, w: (rms(x, w, 1e-5) * y).sum(), argnums=(0, 1))(x, w)
    for a, b in zip(fused, plain):
        assert largest_difference(a, b) / mx.abs(b).max().item() < 1e-4
    only_x = mx.grad(lambda x: (mx.fast.rms_norm(x, None, 1e-5) * y).sum())(x)
    assert mx.allclose(only_x, mx.grad(lambda x: (rms(x, None, 1e-5) * y).sum())(x), 1e-4, 1e-5)


def test_gradients_of_layer_norm_of_both_orders():
    x, w, b, y = (mx.random.normal(s) for s in [(4, 16), (16,), (16,), (4, 16)])

    def loss(norm):
        return lambda x, w, b: (norm(x, w, b, 1e-5) * y).sum()

    for a, b_ in zip(
        mx.grad(loss(mx.fast.layer_norm), argnums=(0, 1, 2))(x, w, b),
        mx.grad(loss(layer), argnums=(0, 1, 2))(x, w, b),
    ):
        assert mx.allclose(a, b_, rtol=1e-3, atol=1e-4)

    def of_gradient(norm):
        return mx.grad(lambda x: mx.grad(loss(norm))(x, w, b).abs().sum())(x)

    assert mx.allclose(of_gradient(mx.fast.layer_norm), of_gradient(layer), rtol=1e-2, atol=1e-3)


def test_forward_derivative():
    x, t, w = mx.random.normal((4, 16)), mx.random.normal((4, 16)), mx.random.normal((16,))
    _, fused = mx.jvp(lambda x: mx.fast.rms_norm(x, w, 1e-5), [x], [t])
    _, plain = mx.jvp(lambda x: rms(x, w, 1e-5), [x], [t])
    assert mx.allclose(fused[0], plain[0], rtol=1e-3, atol=1e-4)


def test_mapping():
    x, w = mx.random.normal((3, 4, 16)), mx.random.normal((3, 16))
    norm = lambda x, w: mx.fast.rms_norm(x, w, 1e-5)  # noqa: E731
    each = mx.stack([norm(x[i], w[i]) for i in range(3)])
    assert mx.allclose(mx.vmap(norm)(x, w), each, rtol=1e-5, atol=1e-6)
    each = mx.stack([norm(x[i], w[0]) for i in range(3)])
    assert mx.allclose(mx.vmap(norm, in_axes=(0, None))(x, w[0]), each, rtol=1e-5, atol=1e-6)
    turned = mx.vmap(norm, in_axes=(1, 0), out_axes=1)(x.swapaxes(0, 1), w)
    assert mx.allclose(turned.swapaxes(0, 1), mx.vmap(norm)(x, w), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda: mx.fast.rms_norm(mx.array(1.0), None, 1e-5), ValueError),
        (lambda: mx.fast.rms_norm(mx.ones((2, 4)), mx.ones((5,)), 1e-5), ValueError),
        (lambda: mx.fast.rms_norm(mx.ones((2, 4)), mx.ones((1, 4)), 1e-5), ValueError),
        (lambda: mx.fast.rms_norm(mx.ones((2, 4), dtype=mx.int32), None, 1e-5), ValueError),
        (lambda: mx.fast.rms_norm(mx.ones((2, 4)), eps=1e-5), TypeError),
        (lambda: mx.fast.rms_norm([[1.0, 2.0]], None, 1e-5), TypeError),
        (lambda: mx.fast.layer_norm(mx.ones((2, 4)), None, mx.ones((2, 4)), 1e-5), ValueError),
        (lambda: mx.fast.layer_norm(mx.ones((2, 4)), None, None), TypeError),
    ],
)
def test_errors(call, error):
    with pytest.raises(error):
        call()
