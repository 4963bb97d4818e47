"""The fused operations' arguments and errors, case by case as in MLX."""

import random
import warnings

import numpy as np
import pytest

import anymetal
import anymetal.core as mx

SEED = random.randrange(2**32)
rng = np.random.default_rng(SEED)
print("seed", SEED)


def array(shape, dtype="float32"):
    values = rng.normal(size=shape).astype(np.float32)
    return lambda m: m.array(values, getattr(m, dtype))


def names():
    return {
        "x": array((2, 3, 8)),
        "h": array((2, 3, 8), "float16"),
        "g": array((2, 3, 8), "bfloat16"),
        "i": lambda m: m.array([[1, 2, 3, 4, 5, 6, 7, 8]]),
        "c": lambda m: m.array([1j] * 8),
        "s": lambda m: m.array(2.0),
        "w": array((8,)),
        "b": array((8,)),
        "wh": array((8,), "float16"),
        "one": array((1,)),
        "seven": array((7,)),
        "four": array((4,)),
        "mat": array((1, 8)),
        "x4": array((2, 4, 3, 8)),
        "eps": lambda m: m.array(1e-5),
        "off": lambda m: m.array([3, 5]),
        "off3": lambda m: m.array([3, 5, 7]),
        "offf": lambda m: m.array([3.0, 5.0]),
        "q": array((1, 4, 3, 8)),
        "k": array((1, 2, 5, 8)),
        "v": array((1, 2, 5, 8)),
        "q3": array((1, 3, 3, 8)),
        "k7": array((1, 2, 5, 7)),
        "k1": array((1, 1, 5, 8)),
        "kb": array((2, 2, 5, 8)),
        "qh": array((1, 4, 3, 8), "float16"),
        "kh": array((1, 2, 5, 8), "float16"),
        "qi": lambda m: m.array(np.ones((1, 4, 3, 8), np.int32)),
        "ki": lambda m: m.array(np.ones((1, 2, 5, 8), np.int32)),
        "m": array((3, 5)),
        "mb": lambda m: m.array(np.arange(15).reshape(3, 5) % 4 != 0),
        "m5": array((1, 1, 1, 3, 5)),
        "m45": array((4, 5)),
        "sk": array((4,)),
        "sk3": array((3,)),
        "n": lambda m: np.zeros((3, 5), np.float32),
    }


# Of float32 results. Both sum in float32, in other orders: a few ULP of the largest terms.
NORMS = """
mx.fast.rms_norm(x, w, 1e-5)
mx.fast.rms_norm(x, None, 1e-5)
mx.fast.rms_norm(x, weight=w, eps=1e-5)
mx.fast.rms_norm(x=x, weight=None, eps=1)
mx.fast.rms_norm(x, w, True)
mx.fast.rms_norm(x, w, np.float64(1e-3))
mx.fast.rms_norm(x, w, eps)
mx.fast.rms_norm(x, w)
mx.fast.rms_norm(x, eps=1e-5)
mx.fast.rms_norm(x, w, None)
mx.fast.rms_norm(x, w, "a")
mx.fast.rms_norm(x, w, 1e-5, mx.cpu)
mx.fast.rms_norm(x, w, 1e-5, stream=mx.cpu)
mx.fast.rms_norm(x, w, 1e-5, stream=mx.gpu)
mx.fast.rms_norm(x, w, 1e-5, stream="cpu")
mx.fast.rms_norm([1.0], w, 1e-5)
mx.fast.rms_norm(x, 1.0, 1e-5)
mx.fast.rms_norm(n, None, 1e-5)
mx.fast.rms_norm(s, None, 1e-5)
mx.fast.rms_norm(x, s, 1e-5)
mx.fast.rms_norm(x, mat, 1e-5)
mx.fast.rms_norm(x, one, 1e-5)
mx.fast.rms_norm(x, seven, 1e-5)
mx.fast.rms_norm(i, None, 1e-5)
mx.fast.rms_norm(c, None, 1e-5)
mx.fast.rms_norm(i, w, 1e-5)
mx.fast.rms_norm(h, w, 1e-5)
mx.fast.rms_norm(x, wh, 1e-5).dtype == mx.float32
mx.fast.rms_norm(g, wh, 1e-5).dtype == mx.float32
mx.fast.layer_norm(x, w, b, 1e-5)
mx.fast.layer_norm(x, None, None, 1e-5)
mx.fast.layer_norm(x, w, None, eps=1e-5)
mx.fast.layer_norm(x, None, b, 1e-5)
mx.fast.layer_norm(x, w, 1e-5)
mx.fast.layer_norm(x, weight=w, eps=1e-5)
mx.fast.layer_norm(s, None, None, 1e-5)
mx.fast.layer_norm(x, mat, b, 1e-5)
mx.fast.layer_norm(x, one, b, 1e-5)
mx.fast.layer_norm(x, w, mat, 1e-5)
mx.fast.layer_norm(x, w, seven, 1e-5)
mx.fast.layer_norm(x, seven, mat, 1e-5)
mx.fast.layer_norm(i, None, b, 1e-5)
mx.fast.layer_norm(i, w, b, 1e-5)
mx.fast.layer_norm(h, None, b, 1e-5).dtype == mx.float16
mx.fast.layer_norm(h, w, b, 1e-5).dtype == mx.float32
""".strip().splitlines()

ROPE = """
mx.fast.rope(x, 8, traditional=False, base=10000.0, scale=1.0, offset=0)
mx.fast.rope(x, 4, traditional=True, base=1000, scale=0.5, offset=3)
mx.fast.rope(a=x, dims=8, traditional=False, base=None, scale=1.0, offset=0, freqs=four)
mx.fast.rope(x4, 8, traditional=True, base=10000.0, scale=1.0, offset=off)
mx.fast.rope(x, 8, traditional=False, base=10000.0, scale=1.0, offset=np.int64(2))
mx.fast.rope(x, 8, traditional=False, base=10000.0, scale=1.0, offset=mx.array(2))
mx.fast.rope(x, 8, traditional=False, base=10000.0, scale=1.0, offset=2**33 + 1)
mx.fast.rope(x, np.int32(8), traditional=False, base=10000.0, scale=1, offset=-4)
mx.fast.rope(x, 8, True, base=10000.0, scale=1.0, offset=0)
mx.fast.rope(x=x, dims=8, traditional=False, base=10000.0, scale=1.0, offset=0)
mx.fast.rope(x, 8, traditional=False, base=10000.0, scale=1.0)
mx.fast.rope(x, 8, traditional=False, scale=1.0, offset=0)
mx.fast.rope(x, 8, base=10000.0, scale=1.0, offset=0)
mx.fast.rope(x, 8, traditional=0, base=10000.0, scale=1.0, offset=0)
mx.fast.rope(x, 8.0, traditional=False, base=10000.0, scale=1.0, offset=0)
mx.fast.rope(x, 2**31, traditional=False, base=10000.0, scale=1.0, offset=0)
mx.fast.rope(x, 8, traditional=False, base=10000.0, scale=1.0, offset=None)
mx.fast.rope(x, 8, traditional=False, base=10000.0, scale=1.0, offset=1.0)
mx.fast.rope(x, 8, traditional=False, base=10000.0, scale=1.0, offset=True)
mx.fast.rope(x, 8, traditional=False, base=10000.0, scale=1.0, offset=[1])
mx.fast.rope(x, 8, traditional=False, base=10000.0, scale=1.0, offset="1")
mx.fast.rope(x, 8, traditional=False, base=10000.0, scale=1.0, offset=off3)
mx.fast.rope(x, 8, traditional=False, base=10000.0, scale=1.0, offset=offf)
mx.fast.rope(x, 8, traditional=False, base=10000.0, scale=1.0, offset=mx.array([[1]]))
mx.fast.rope(x, 8, traditional=False, base=10000.0, scale=1.0, offset=0, freqs=four)
mx.fast.rope(x, 8, traditional=False, base=None, scale=1.0, offset=0)
mx.fast.rope(w, 8, traditional=False, base=None, scale=1.0, offset=0)
mx.fast.rope(w, 8, traditional=False, base=1.0, scale=1.0, offset=0)
mx.fast.rope(mat, 8, traditional=False, base=1.0, scale=1.0, offset=0)
mx.fast.rope(qi, 8, traditional=False, base=1.0, scale=1.0, offset=0)
mx.fast.rope(x, 0, traditional=False, base=1.0, scale=1.0, offset=0)
mx.fast.rope(x, -2, traditional=False, base=1.0, scale=1.0, offset=0)
mx.fast.rope(x, 7, traditional=False, base=1.0, scale=1.0, offset=0)
mx.fast.rope(x, 10, traditional=False, base=1.0, scale=1.0, offset=0)
mx.fast.rope(x, 8, traditional=False, base=None, scale=1.0, offset=0, freqs=w)
mx.fast.rope(x, 8, traditional=False, base=None, scale=1.0, offset=0, freqs=mat)
mx.fast.rope(x, 8, traditional=False, base=None, scale=1.0, offset=0, freqs=[1.0])
""".strip().splitlines()

ATTENTION = """
mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3)
mx.fast.scaled_dot_product_attention(q=q, k=k, v=v, scale=s)
mx.fast.scaled_dot_product_attention(q, k, v, scale=1)
mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, mask="causal")
mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, mask=m)
mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, mask=mb)
mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, sinks=sk)
mx.fast.scaled_dot_product_attention(q, k, v, 0.3)
mx.fast.scaled_dot_product_attention(q, k, v)
mx.fast.scaled_dot_product_attention(q, k, v, scale=None)
mx.fast.scaled_dot_product_attention(q, k, v, scale="a")
mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, mask="foo")
mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, mask="")
mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, mask="array")
mx.fast.scaled_dot_product_attention(x, k, v, scale=0.3, mask="foo")
mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, mask=True)
mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, mask=n)
mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, mask=[1.0])
mx.fast.scaled_dot_product_attention(x, k, v, scale=0.3)
mx.fast.scaled_dot_product_attention(q, x, v, scale=0.3)
mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, mask=m5)
mx.fast.scaled_dot_product_attention(q, kb, kb, scale=0.3)
mx.fast.scaled_dot_product_attention(q, k7, v, scale=0.3)
mx.fast.scaled_dot_product_attention(q, k, k1, scale=0.3)
mx.fast.scaled_dot_product_attention(q3, k, v, scale=0.3)
mx.fast.scaled_dot_product_attention(qi, ki, ki, scale=0.3)
mx.fast.scaled_dot_product_attention(qi, k, v, scale=0.3)
mx.fast.scaled_dot_product_attention(qh, kh, kh, scale=0.3, mask=m)
mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, mask=m45)
mx.fast.scaled_dot_product_attention(qh, kh, kh, scale=0.3, sinks=sk3)
mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, sinks=sk3)
mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, sinks=1.0)
mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, force_fused=1)
mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, stream=mx.gpu)
""".strip().splitlines()


@pytest.mark.parametrize("expression", NORMS + ROPE + ATTENTION)
def test_as_in_mlx(expression):
    from real_mlx import check

    # Of the largest element: sums of 8 products in float32, 8 * 2^-24 on either side, and an ULP
    # of the angles of rope (up to 7 here) and of the exponential function.
    check(expression, names(), rtol=2e-6)


@pytest.mark.parametrize("name", ["rms_norm", "layer_norm", "rope", "scaled_dot_product_attention"])
def test_signatures_are_mlx_s(name):
    mlx = pytest.importorskip("mlx.core")
    theirs = getattr(mlx.fast, name).__doc__.strip().splitlines()[0]
    ours = getattr(mx.fast, name).__doc__.splitlines()[0]
    assert " ".join(ours.split()) == " ".join(theirs.split())


def test_rank_three_attention_is_one_head():
    q, k, v = (mx.array(rng.normal(size=(2, 8, d)).astype(np.float32)) for d in (16, 16, 32))
    mask = np.ones((2, 1, 8), bool)
    mask[:, :, 3] = False
    out = mx.fast.scaled_dot_product_attention(q, k, v, scale=0.25, mask=mx.array(mask))
    scores = np.einsum("btd,bsd->bts", *(np.asarray(a, dtype=np.float64) for a in (q, k))) * 0.25
    scores = np.where(mask, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    expected = weights @ np.asarray(v, dtype=np.float64)
    # Sums of 16 and 8 products in float32.
    np.testing.assert_allclose(np.asarray(out), expected, rtol=1e-5, atol=1e-6)


def test_hidden_casts_are_warned_of_at_the_line_that_casts():
    x = mx.array([1.0, 2.0], mx.float16)
    w = mx.array([1.0, 2.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mx.fast.rms_norm(x, w, 1e-5)
    with anymetal.warn_hidden_casts(), pytest.warns(anymetal.HiddenCastWarning) as caught:
        mx.fast.rms_norm(x, w, 1e-5)
        mx.fast.rms_norm(x, None, 1e-5)
        mx.fast.layer_norm(x, w, None, 1e-5)
    assert len(caught) == 2
    text = str(caught[0].message)
    assert "float16" in text and "float32" in text and "rms_norm" in text
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mx.fast.rms_norm(x, w, 1e-5)
        anymetal.warn_hidden_casts()
        with pytest.raises(anymetal.HiddenCastWarning):
            mx.fast.rms_norm(x, w, 1e-5)
        with anymetal.warn_hidden_casts(False):
            mx.fast.rms_norm(x, w, 1e-5)
        anymetal.warn_hidden_casts(False)
        mx.fast.rms_norm(x, w, 1e-5)


def test_cuda_kernels_say_that_there_is_no_cuda():
    for run in [
        lambda: mx.fast.cuda_kernel("n", ["a"], ["o"], ""),
        lambda: mx.fast.cuda_kernel("n", ["a"], [], ""),
        lambda: precompiled(),
    ]:
        with pytest.raises(RuntimeError, match=r"\[cuda_kernel\] No CUDA back-end\."):
            run()
    with pytest.raises(TypeError, match="incompatible function arguments"):
        mx.fast.cuda_kernel("n")
    with pytest.raises(TypeError, match="incompatible function arguments"):
        precompiled(compiled_source="text")
    with pytest.raises(ValueError, match="Received str but must be one of bool, int or float"):
        precompiled(scalars=[True, 1, 2.0, "a"])


def precompiled(**changes):
    arguments = {
        "name": "n",
        "compiled_source": b"",
        "inputs": [mx.array(1.0)],
        "output_shapes": [(1,)],
        "output_dtypes": [mx.float32],
        "scalars": [],
        "grid": (1, 1, 1),
        "threadgroup": (1, 1, 1),
    }
    return mx.fast.precompiled_cuda_kernel(**{**arguments, **changes})
