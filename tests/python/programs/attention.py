"""Attention: shapes, masks, sinks, grouped heads, caches, gradients."""

import mlx.core as mx
import pytest


def attention(q, k, v, scale, mask=None, sinks=None):
    batch, heads, tokens, _ = q.shape
    groups = heads // k.shape[1]
    q = q.astype(mx.float32)
    k, v = (mx.repeat(a.astype(mx.float32), groups, axis=1) for a in (k, v))
    scores = scale * (q @ k.swapaxes(-1, -2))
    if isinstance(mask, str):
        i, j = mx.arange(tokens), mx.arange(k.shape[2])
        mask = j <= i[:, None] + (k.shape[2] - tokens)
    if mask is not None:
        if mask.dtype == mx.bool_:
            scores = mx.where(mask, scores, mx.finfo(scores.dtype).min)
        else:
            scores = scores + mask
    if sinks is not None:
        column = mx.broadcast_to(sinks.reshape(1, heads, 1, 1), (batch, heads, tokens, 1))
        scores = mx.concatenate([column, scores], axis=-1)
    weights = mx.softmax(scores, axis=-1, precise=True)
    return (weights[..., 1:] if sinks is not None else weights) @ v


def inputs(batch, heads, kv_heads, tokens, keys, dims, dtype=mx.float32):
    q = mx.random.normal((batch, heads, tokens, dims)).astype(dtype)
    k = mx.random.normal(shape=(batch, kv_heads, keys, dims)).astype(dtype)
    v = mx.random.normal(shape=(batch, kv_heads, keys, dims)).astype(dtype)
    return q, k, v


def close(a, b, dtype=mx.float32):
    tolerance = {mx.float32: 1e-4, mx.float16: 1e-2, mx.bfloat16: 5e-2}[dtype]
    return mx.allclose(a.astype(mx.float32), b.astype(mx.float32), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16])
@pytest.mark.parametrize(
    "shape", [(1, 4, 4, 17, 17, 64), (2, 8, 2, 5, 33, 80), (1, 4, 1, 1, 65, 128)]
)
def test_definition(dtype, shape):
    q, k, v = inputs(*shape, dtype)
    scale = shape[-1] ** -0.5
    y = mx.fast.scaled_dot_product_attention(q, k, v, scale=scale)
    assert y.dtype == dtype and y.shape == q.shape
    assert close(y, attention(q, k, v, scale), dtype)


@pytest.mark.parametrize(
    "shape", [(), (9,), (7, 9), (1, 9), (7, 1), (4, 7, 9), (1, 7, 9), (2, 1, 7, 9), (2, 4, 1, 1)]
)
@pytest.mark.parametrize("kind", ["bool", "additive", "uint8"])
def test_masks(shape, kind):
    q, k, v = inputs(2, 4, 2, 7, 9, 16)
    if kind == "bool":
        mask = mx.random.uniform(shape=shape) < 0.7
    elif kind == "additive":
        mask = mx.where(mx.random.uniform(shape=shape) < 0.7, mx.random.normal(shape), -50.0)
    else:
        mask = mx.random.randint(0, 2, shape).astype(mx.uint8)
    y = mx.fast.scaled_dot_product_attention(q, k, v, scale=0.25, mask=mask)
    assert close(y, attention(q, k, v, 0.25, mask))


@pytest.mark.parametrize("tokens, keys", [(8, 8), (3, 20), (1, 5)])
def test_causal(tokens, keys):
    q, k, v = inputs(1, 4, 2, tokens, keys, 32)
    y = mx.fast.scaled_dot_product_attention(q, k, v, scale=0.2, mask="causal")
    assert close(y, attention(q, k, v, 0.2, "causal"))


@pytest.mark.parametrize("mask", [None, "causal"])
def test_sinks(mask):
    q, k, v = inputs(2, 8, 4, 6, 11, 64)
    sinks = 3 * mx.random.normal((8,))
    y = mx.fast.scaled_dot_product_attention(q, k, v, scale=0.125, mask=mask, sinks=sinks)
    assert close(y, attention(q, k, v, 0.125, mask, sinks))


def test_transposed_inputs_and_masks():
    x = mx.random.normal((2, 6, 3, 4, 32))
    q, k, v = (x[:, :, i].transpose(0, 2, 1, 3) for i in range(3))
    mask = mx.random.normal((6, 6)).T
    y = mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, mask=mask)
    assert close(y, attention(q, k, v, 0.3, mask))


def test_a_cache_that_grows():
    q, k, v = inputs(1, 4, 2, 9, 9, 32)
    whole = mx.fast.scaled_dot_product_attention(q, k, v, scale=0.2, mask="causal")
    keys, values = mx.zeros((1, 2, 16, 32)), mx.zeros((1, 2, 16, 32))
    for i in range(9):
        keys[..., i : i + 1, :] = k[:, :, i : i + 1]
        values[..., i, :] = v[:, :, i]
        one = mx.fast.scaled_dot_product_attention(
            q[:, :, i : i + 1], keys[..., : i + 1, :], values[:, :, : i + 1], scale=0.2
        )
        assert close(one, whole[:, :, i : i + 1])


def test_gradients():
    q, k, v = inputs(1, 4, 2, 6, 8, 16)
    mask, y = mx.random.normal((6, 8)), mx.random.normal((1, 4, 6, 16))

    def fused(q, k, v, mask):
        return (mx.fast.scaled_dot_product_attention(q, k, v, scale=0.25, mask=mask) * y).sum()

    def plain(q, k, v, mask):
        return (attention(q, k, v, 0.25, mask) * y).sum()

    for a, b in zip(*(mx.grad(f, argnums=(0, 1, 2, 3))(q, k, v, mask) for f in (fused, plain))):
        assert mx.allclose(a, b, rtol=1e-3, atol=1e-4)
    second = [
        mx.grad(lambda q: mx.grad(f, argnums=1)(q, k, v, mask).square().sum())(q)
        for f in (fused, plain)
    ]
    assert mx.allclose(*second, rtol=1e-2, atol=1e-3)


def test_mapping():
    q, k, v = inputs(3, 2, 2, 4, 4, 8)
    f = lambda q, k, v: mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, mask="causal")  # noqa: E731
    mapped = mx.vmap(f)(q[:, None], k[:, None], v[:, None])
    assert close(mapped[:, 0], f(q, k, v))
    shared = mx.vmap(f, in_axes=(0, None, None))(q[:, None], k[:1], v[:1])
    assert close(shared[2], f(q[2:], k[:1], v[:1]))


def test_extreme_scores():
    q, k, v = inputs(1, 2, 2, 4, 6, 16)
    k[..., 0, :] = -float("inf")
    y = mx.fast.scaled_dot_product_attention(mx.abs(q), k, v, scale=1.0)
    assert not mx.isnan(y).any()
    hidden = mx.fast.scaled_dot_product_attention(q, v, v, scale=1.0, mask=mx.zeros((4, 6)) > 0)
    assert not mx.any(mx.isnan(hidden))


@pytest.mark.parametrize(
    "changes, error",
    [
        ({"mask": "sliding"}, ValueError),
        ({"mask": ""}, ValueError),
        ({"mask": True}, TypeError),
        ({"mask": mx.zeros((4, 5))}, ValueError),
        ({"sinks": mx.zeros((2,))}, ValueError),
        ({"k": mx.zeros((1, 3, 6, 16))}, ValueError),
        ({"k": mx.zeros((2, 2, 6, 16))}, ValueError),
        ({"k": mx.zeros((1, 2, 6, 8))}, ValueError),
        (
            {"q": mx.zeros((1, 4, 4, 16), dtype=mx.float16), "mask": mx.zeros((4, 6)), "h": 1},
            ValueError,
        ),
    ],
)
def test_errors(changes, error):
    q, k, v = inputs(1, 4, 2, 4, 6, 16)
    changes = dict(changes)
    if changes.pop("h", None):
        k, v = k.astype(mx.float16), v.astype(mx.float16)
    call = {"q": q, "k": k, "v": v, "scale": 1.0}
    mx.fast.scaled_dot_product_attention(**call)
    with pytest.raises(error):
        mx.fast.scaled_dot_product_attention(**{**call, **changes})
