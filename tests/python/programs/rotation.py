"""Rotary embeddings: against a plain definition, offsets, frequencies, gradients."""

import mlx.core as mx
import pytest


def rope(x, dims, traditional, base, scale, offset, freqs=None):
    positions = mx.arange(x.shape[-2]).astype(mx.float32)
    if isinstance(offset, mx.array) and offset.size > 1:
        positions = offset.reshape((-1,) + (1,) * (x.ndim - 2)) + positions
    else:
        positions = positions + offset
    if freqs is None:
        inverse = mx.exp(-mx.arange(0.0, dims // 2) * (mx.log(mx.array(base)) / (dims // 2)))
    else:
        inverse = 1 / freqs
    theta = (positions * scale)[..., None] * inverse
    c, s = mx.cos(theta), mx.sin(theta)
    y = x[..., :dims].astype(mx.float32)
    if traditional:
        a, b = y[..., ::2], y[..., 1::2]
        turned = mx.stack([a * c - b * s, a * s + b * c], axis=-1).flatten(-2)
    else:
        a, b = y[..., : dims // 2], y[..., dims // 2 :]
        turned = mx.concatenate([a * c - b * s, a * s + b * c], axis=-1)
    return mx.concatenate([turned.astype(x.dtype), x[..., dims:]], axis=-1)


@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16])
@pytest.mark.parametrize("dims", [16, 8, 2])
@pytest.mark.parametrize("traditional", [False, True])
def test_definition(dtype, dims, traditional):
    x = mx.random.uniform(shape=(2, 4, 6, 16)).astype(dtype)
    for base, scale, offset in [(10000.0, 1.0, 0), (100.0, 0.5, 7), (10000, 2, mx.array(3))]:
        options = dict(traditional=traditional, base=base, scale=scale, offset=offset)
        y = mx.fast.rope(x, dims, **options)
        z = rope(x, dims, **options)
        tolerance = {mx.float32: 1e-5, mx.float16: 2e-3, mx.bfloat16: 2e-2}[dtype]
        assert y.dtype == dtype
        assert mx.abs(y.astype(mx.float32) - z.astype(mx.float32)).max().item() < tolerance
        assert mx.array_equal(y[..., dims:], x[..., dims:])


@pytest.mark.parametrize("shape", [(3, 5, 16), (3, 2, 5, 16), (3, 2, 2, 5, 16)])
def test_an_offset_for_each_row(shape):
    x = mx.random.normal(shape)
    offset = mx.array([0, 4, 9])
    options = dict(traditional=False, base=10000.0, scale=1.0)
    y = mx.fast.rope(x, 16, offset=offset, **options)
    for i in range(3):
        one = mx.fast.rope(x[i : i + 1], 16, offset=offset[i], **options)
        assert mx.allclose(y[i : i + 1], one, rtol=1e-5, atol=1e-5)


def test_own_frequencies():
    x = mx.random.normal((1, 4, 8, 16))
    freqs = 2.0 ** mx.arange(8)
    options = dict(traditional=True, base=None, scale=1.0, offset=2, freqs=freqs)
    assert mx.allclose(mx.fast.rope(x, 16, **options), rope(x, 16, **options), rtol=1e-4, atol=1e-5)


def test_the_gradient_turns_back():
    x, y = mx.random.normal((2, 4, 16)), mx.random.normal((2, 4, 16))
    options = dict(traditional=False, base=10000.0, scale=1.0, offset=3)
    grad = mx.grad(lambda x: (mx.fast.rope(x, 16, **options) * y).sum())(x)
    assert mx.allclose(mx.fast.rope(grad, 16, **options), y, rtol=1e-4, atol=1e-5)


def test_tokens_one_at_a_time():
    x = mx.random.normal((1, 2, 6, 16))
    options = dict(traditional=False, base=10000.0, scale=1.0)
    whole = mx.fast.rope(x, 16, offset=10, **options)
    parts = [mx.fast.rope(x[:, :, i : i + 1], 16, offset=10 + i, **options) for i in range(6)]
    assert mx.allclose(whole, mx.concatenate(parts, axis=2), rtol=1e-4, atol=1e-5)


def test_mapping():
    x = mx.random.normal((3, 2, 4, 8))
    options = dict(traditional=False, base=10000.0, scale=1.0)
    f = lambda x, o: mx.fast.rope(x, 8, offset=o, **options)  # noqa: E731
    mapped = mx.vmap(f)(x, mx.array([1, 2, 3]))
    each = mx.stack([f(x[i], mx.array(i + 1)) for i in range(3)])
    assert mx.allclose(mapped, each, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "changes, error",
    [
        ({"dims": 7}, ValueError),
        ({"dims": 18}, ValueError),
        ({"base": None}, ValueError),
        ({"freqs": mx.ones((8,))}, ValueError),
        ({"offset": 1.5}, ValueError),
        ({"offset": mx.array([1, 2, 3])}, ValueError),
        ({"traditional": 1}, TypeError),
        ({"a": mx.ones((4, 16))}, ValueError),
        ({"a": mx.ones((1, 4, 16), dtype=mx.int32)}, ValueError),
    ],
)
def test_errors(changes, error):
    call = dict(a=mx.ones((2, 4, 16)), dims=16, traditional=False, base=1e4, scale=1.0, offset=0)
    mx.fast.rope(**call)
    with pytest.raises(error):
        mx.fast.rope(**{**call, **changes})
