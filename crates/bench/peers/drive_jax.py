"""JAX: jitted definitions, and jax.nn.dot_product_attention."""

import math

import jax
import jax.numpy as jnp

from protocol import serve, visible

DTYPES = {"f32": jnp.float32, "bf16": jnp.bfloat16, "f16": jnp.float16}
key = jax.random.PRNGKey(20)


def rand(dtype, *shape):
    global key
    key, mine = jax.random.split(key)
    return jax.random.normal(mine, shape).astype(dtype).block_until_ready()


def rms(x, w):
    wide = x.astype(jnp.float32)
    scale = jax.lax.rsqrt(jnp.mean(wide * wide, -1, keepdims=True) + 1e-5)
    return (wide * scale).astype(x.dtype) * w


def layer(x, w, b):
    wide = x.astype(jnp.float32)
    wide = wide - jnp.mean(wide, -1, keepdims=True)
    scale = jax.lax.rsqrt(jnp.mean(wide * wide, -1, keepdims=True) + 1e-5)
    return (wide * scale).astype(x.dtype) * w + b


def rope_halves(x, cos, sin):
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return jnp.concatenate((a * cos - b * sin, a * sin + b * cos), -1)


def rope_pairs(x, cos, sin):
    a, b = x[..., 0::2], x[..., 1::2]
    return jnp.stack((a * cos - b * sin, a * sin + b * cos), -1).reshape(x.shape)


def jitted(function, *args):
    fast = jax.jit(function)
    return lambda: fast(*args).block_until_ready()


def prepare(w):
    dtype = DTYPES[w.dtype]
    if w.op in ("rms_norm", "layer_norm"):
        x, weight, bias = rand(dtype, w.rows, w.d), rand(dtype, w.d), rand(dtype, w.d)
        if w.op == "rms_norm":
            yield "jit", lambda: jitted(rms, x, weight)
        else:
            yield "jit", lambda: jitted(layer, x, weight, bias)
    elif w.op == "rope":
        x = rand(dtype, w.b, w.h, w.t, w.d)
        cos, sin = rand(dtype, w.t, w.d // 2), rand(dtype, w.t, w.d // 2)
        yield "jit", lambda: jitted(rope_pairs if w.traditional else rope_halves, x, cos, sin)
    elif w.op == "sdpa":
        yield from attention(w, dtype)
    elif w.op == "gemm":
        a, b = rand(dtype, w.n, w.n), rand(dtype, w.n, w.n)
        yield "jit", lambda: jitted(lambda a, b: a @ b, a, b)


def attention(w, dtype):
    # Its own call wants (batch, length, heads, size).
    q = rand(dtype, 1, w.lq, w.hq, w.d)
    k, v = rand(dtype, 1, w.lk, w.hkv, w.d), rand(dtype, 1, w.lk, w.hkv, w.d)
    causal = w.mask == "causal"
    mask = jnp.array(visible(w.lq, w.lk)) if w.mask == "bool" else None
    call = lambda q, k, v, m: jax.nn.dot_product_attention(q, k, v, mask=m, is_causal=causal)
    yield "nn-jit", lambda: jitted(call, q, k, v, mask)
    q, k, v = (jnp.swapaxes(t, 1, 2).block_until_ready() for t in (q, k, v))
    full = jnp.tril(jnp.ones((w.lq, w.lk), bool)) if causal else mask
    group = w.hq // w.hkv

    def plain(q, k, v):
        k, v = (t if group == 1 else jnp.repeat(t, group, 1) for t in (k, v))
        scores = (q / math.sqrt(w.d)).astype(q.dtype) @ jnp.swapaxes(k, -1, -2)
        if full is not None:
            scores = jnp.where(full, scores, -jnp.inf)
        return jax.nn.softmax(scores, -1).astype(q.dtype) @ v

    yield "plain-jit", lambda: jitted(plain, q, k, v)


serve(prepare)
