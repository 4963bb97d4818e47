"""MLX on its CPU back end: the fast operations, compositions, and mx.compile of these."""

import math

import mlx.core as mx

from protocol import serve, visible

mx.set_default_device(mx.cpu)
DTYPES = {"f32": mx.float32, "bf16": mx.bfloat16, "f16": mx.float16}


def rms_plain(x, w):
    wide = x.astype(mx.float32)
    scale = mx.rsqrt(mx.mean(mx.square(wide), -1, keepdims=True) + 1e-5)
    return (wide * scale).astype(x.dtype) * w


def layer_plain(x, w, b):
    wide = x.astype(mx.float32)
    wide = wide - mx.mean(wide, -1, keepdims=True)
    scale = mx.rsqrt(mx.mean(mx.square(wide), -1, keepdims=True) + 1e-5)
    return (wide * scale).astype(x.dtype) * w + b


def rope_halves(x, cos, sin):
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return mx.concatenate((a * cos - b * sin, a * sin + b * cos), -1)


def rope_pairs(x, cos, sin):
    a, b = x[..., 0::2], x[..., 1::2]
    return mx.stack((a * cos - b * sin, a * sin + b * cos), -1).reshape(x.shape)


def evaluated(function, *args):
    return lambda: mx.eval(function(*args))


def prepare(w):
    def rand(*shape):
        value = mx.random.normal(shape).astype(DTYPES[w.dtype])
        mx.eval(value)
        return value

    if w.op in ("rms_norm", "layer_norm"):
        x, weight, bias = rand(w.rows, w.d), rand(w.d), rand(w.d)
        if w.op == "rms_norm":
            fused, plain, args = mx.fast.rms_norm, rms_plain, (x, weight)
        else:
            fused, plain, args = mx.fast.layer_norm, layer_plain, (x, weight, bias)
        yield "fused", lambda: evaluated(lambda: fused(*args, 1e-5))
        yield "compile", lambda: evaluated(mx.compile(plain), *args)
    elif w.op == "rope":
        x = rand(w.b, w.h, w.t, w.d)
        cos, sin = rand(w.t, w.d // 2), rand(w.t, w.d // 2)
        options = {"traditional": bool(w.traditional), "base": 10000.0, "scale": 1.0}
        plain = rope_pairs if w.traditional else rope_halves
        yield "fused", lambda: evaluated(lambda: mx.fast.rope(x, w.d, offset=w.offset, **options))
        yield "compile", lambda: evaluated(mx.compile(plain), x, cos, sin)
    elif w.op == "sdpa":
        q, k, v = rand(1, w.hq, w.lq, w.d), rand(1, w.hkv, w.lk, w.d), rand(1, w.hkv, w.lk, w.d)
        mask = {"none": None, "causal": "causal"}.get(w.mask)
        if w.mask == "bool":
            mask = mx.array(visible(w.lq, w.lk))
        fused = mx.fast.scaled_dot_product_attention
        options = {"scale": 1 / math.sqrt(w.d), "mask": mask}
        yield "fused", lambda: evaluated(lambda: fused(q, k, v, **options))
    elif w.op == "gemm":
        a, b = rand(w.n, w.n), rand(w.n, w.n)
        yield "matmul", lambda: evaluated(lambda: a @ b)


serve(prepare)
