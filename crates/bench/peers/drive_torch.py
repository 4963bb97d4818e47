"""PyTorch: its fused calls, compositions of plain operations, and torch.compile of both."""

import math

import torch
import torch.nn.functional as F

from protocol import THREADS, serve, visible

torch.set_num_threads(THREADS)
torch.set_grad_enabled(False)
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def rms_plain(x, w):
    wide = x.float()
    return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)).to(x.dtype) * w


def layer_plain(x, w, b):
    wide = x.float()
    wide = wide - wide.mean(-1, keepdim=True)
    return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)).to(x.dtype) * w + b


def rope_halves(x, cos, sin):
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), -1)
    return x * cos + turned * sin


def rope_pairs(x, cos, sin):
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


def rope_complex(x, rotation):
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * rotation).flatten(-2).to(x.dtype)


def compiled(function, *args):
    torch._dynamo.reset()
    fast = torch.compile(function, dynamic=False)
    return lambda: fast(*args)


def prepare(w):
    dtype = DTYPES[w.dtype]
    rand = lambda *shape: torch.randn(*shape).to(dtype)
    if w.op in ("rms_norm", "layer_norm"):
        x, weight, bias = rand(w.rows, w.d), rand(w.d), rand(w.d)
        if w.op == "rms_norm":
            fused = lambda x, w_: F.rms_norm(x, (w.d,), w_, 1e-5)
            plain, args = rms_plain, (x, weight)
        else:
            fused = lambda x, w_, b_: F.layer_norm(x, (w.d,), w_, b_, 1e-5)
            plain, args = layer_plain, (x, weight, bias)
        yield "fused", lambda: lambda: fused(*args)
        yield "plain", lambda: lambda: plain(*args)
        yield "compile", lambda: compiled(plain, *args)
        yield "compile-fused", lambda: compiled(fused, *args)
    elif w.op == "rope":
        x = rand(w.b, w.h, w.t, w.d)
        cos, sin = rand(w.t, w.d // 2), rand(w.t, w.d // 2)
        if w.traditional:
            rotation = torch.complex(cos.float(), sin.float())
            yield "complex", lambda: lambda: rope_complex(x, rotation)
            plain, args = rope_pairs, (x, cos, sin)
        else:
            plain, args = rope_halves, (x, torch.cat((cos, cos), -1), torch.cat((sin, sin), -1))
        yield "plain", lambda: lambda: plain(*args)
        yield "compile", lambda: compiled(plain, *args)
    elif w.op == "sdpa":
        yield from attention(w, rand)
    elif w.op == "gemm":
        a, b = rand(w.n, w.n), rand(w.n, w.n)
        yield "matmul", lambda: lambda: a @ b


def attention(w, rand):
    q, k, v = rand(1, w.hq, w.lq, w.d), rand(1, w.hkv, w.lk, w.d), rand(1, w.hkv, w.lk, w.d)
    group, causal = w.hq // w.hkv, w.mask == "causal"
    mask = torch.from_numpy(visible(w.lq, w.lk)) if w.mask == "bool" else None
    fused = F.scaled_dot_product_attention
    spread = lambda t: t if group == 1 else t.repeat_interleave(group, 1)
    options = {"attn_mask": mask, "is_causal": causal}
    yield "fused", lambda: lambda: fused(q, k, v, enable_gqa=group > 1, **options)
    if group > 1:
        yield "fused-repeat", lambda: lambda: fused(q, spread(k), spread(v), **options)
    if group > 1 and w.lq == 1:
        # A group's query heads as rows of one head: a trick a user has to know.
        folded = q.view(1, w.hkv, group, w.d)
        back = (1, w.hq, 1, w.d)
        yield "fused-fold", lambda: lambda: fused(folded, k, v, attn_mask=mask).view(back)
    full = torch.ones(w.lq, w.lk, dtype=torch.bool).tril() if causal else mask

    def plain():
        scores = (q @ spread(k).transpose(-1, -2)) / math.sqrt(w.d)
        if full is not None:
            scores = scores.masked_fill(~full, float("-inf"))
        return torch.softmax(scores, -1) @ spread(v)

    yield "plain", lambda: plain


serve(prepare)
