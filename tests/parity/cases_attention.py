"""scaled_dot_product_attention: values over dtypes, head groups, masks, sinks and strides."""

import math

import mlx.core as mx
import numpy as np

from recorder import dtype_name, largest

FLOATS = [mx.float32, mx.float16, mx.bfloat16, mx.float64]
# Scores here are of size 4 at most, and the weights' relative error is the scores' absolute one;
# the output is a mean of values, whose largest magnitude is the scale. MLX's CPU path rounds the
# scaled queries, the scores (with the mask added) and the weights to the half types; anymetal does
# not. In float64 MLX's softmax is float32 where it is asked to be precise, hence 2**29.
ULPS = {mx.float32: 32, mx.float16: 24, mx.bfloat16: 24, mx.float64: 32 * 2**29}


def record(recorder, rounds):
    for dtype in FLOATS:
        recorder.begin(f"attention-{dtype_name(dtype)}")
        for _ in range(rounds):
            value(recorder, dtype, gradient=False)
    recorder.begin("attention-gradient")
    for _ in range(rounds // 2):
        value(recorder, mx.float32, gradient=True)


def value(recorder, dtype, gradient):
    rng = recorder.rng
    batch, kv_heads, group = int(rng.integers(1, 4)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
    queries = int(rng.choice([1, 2, 5, 17, 40]))
    keys = int(rng.choice([1, 3, 8, 33, 70]))
    size, value_size = int(rng.choice([1, 8, 16, 40])), int(rng.choice([8, 16, 5]))
    empty = not gradient and rng.integers(20)
    if empty == 0 and not gradient:
        which = rng.integers(4)
        queries, keys = (0, keys) if which == 0 else (queries, 0) if which == 1 else (queries, keys)
        value_size = 0 if which == 2 else value_size
        batch = 0 if which == 3 else batch
    heads = kv_heads * group
    q, q_text = recorder.view("q", [batch, heads, queries, size], dtype)
    k, k_text = recorder.view("k", [batch, kv_heads, keys, size], dtype)
    v, v_text = recorder.view("v", [batch, kv_heads, keys, value_size], dtype)
    scale = float(rng.choice([1.0, 0.37])) / math.sqrt(size)
    fields, options = {"scale": scale}, {"scale": scale}
    full = [batch, heads, queries, keys]
    mask(recorder, fields, options, full, dtype)
    if rng.integers(3) == 0:
        sinks = recorder.normal([heads], dtype)
        fields["sinks"] = recorder.keep("sinks", sinks)
        options["sinks"] = sinks
    call = lambda q, k, v: mx.fast.scaled_dot_product_attention(q, k, v, **options)
    if gradient:
        g = recorder.normal([batch, heads, queries, value_size], dtype)
        fields["g"] = recorder.keep("g", g)
        outs = mx.vjp(call, [q, k, v], [g])[1]
        # A key's gradient sums over the queries of its group, each term a product of sums.
        ulp, magnitude = 512, max(largest(o) for o in outs)
    else:
        outs = [call(q, k, v)]
        ulp, magnitude = ULPS[dtype], largest(v)
    names = ["out", "out2", "out3"]
    fields |= {n: recorder.keep(n, out) for n, out in zip(names, outs)}
    op = "attention_vjp" if gradient else "attention"
    recorder.case(op, q=q_text, k=k_text, v=v_text, ulp=ulp, size=magnitude, **fields)


def mask(recorder, fields, options, full, dtype):
    """No mask, causal, or an array that broadcasts to the scores' shape."""
    rng = recorder.rng
    kind = ["none", "causal", "bool", "additive", "integers"][rng.integers(5)]
    if kind == "none":
        return
    if kind == "causal":
        # With more queries than keys the first rows see nothing: MLX leaves them undefined.
        if full[2] <= full[3]:
            fields["causal"] = 1
            options["mask"] = "causal"
        return
    rank = int(rng.integers(0, 5))
    shape = [int(n) if rng.integers(3) else 1 for n in full[4 - rank :]] if rank else []
    if kind == "bool":
        values = np.array(rng.integers(0, 4, shape) > 0)
        if values.ndim and values.shape[-1]:
            # One visible key a row: rows without any have cases of their own.
            values[..., 0] = True
        array = mx.array(values)
        if values.ndim and rng.integers(8) == 0:
            array = mx.zeros(shape, dtype=mx.bool_)
    elif kind == "additive":
        array = recorder.normal(shape, dtype)
        if shape and rng.integers(3) == 0:
            hidden = rng.integers(0, 4, shape) == 0
            hidden[..., :1] = False
            array = mx.where(mx.array(hidden), mx.array(-math.inf, dtype), array)
    else:
        # Not bool, so it is added.
        array = mx.array(rng.integers(0, 3, shape).astype(np.uint8))
    fields["mask"] = recorder.keep("mask", array)
    options["mask"] = array
