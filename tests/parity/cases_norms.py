"""rms_norm and layer_norm: values over dtypes, shapes and strides, and gradients."""

import mlx.core as mx
import numpy as np

from recorder import dtype_name, largest

FLOATS = [mx.float32, mx.float16, mx.bfloat16, mx.float64]
# The inverse root and the mean differ by a few roundings in float32; then come the rounding to the
# output type, which a tiny difference can tip over, and that of the product with the weight. The
# float64 result holds float32 values (epsilon of float32: 2**29 of its own).
ULPS = {mx.float32: 8, mx.float16: 2, mx.bfloat16: 2, mx.float64: 8 * 2**29}


def shape(rng):
    last = int(rng.choice([1, 2, 7, 16, 33, 100, 255, 512]))
    lead = [int(n) for n in rng.integers(1, 5, rng.integers(0, 4))]
    if rng.integers(12) == 0:
        # Rows of no elements send MLX's reductions into an endless loop now and then.
        return [*lead, 0, last]
    return [*lead, last]


def record(recorder, rounds):
    for layer in (False, True):
        for dtype in FLOATS:
            name = "layer_norm" if layer else "rms_norm"
            recorder.begin(f"{name}-{dtype_name(dtype)}")
            for _ in range(rounds):
                value(recorder, layer, dtype)
        recorder.begin(f"{name}-gradient")
        for _ in range(rounds // 2):
            gradient(recorder, layer)


def parameter(recorder, name, size, dtype):
    """None, or a vector of the same or another element type."""
    rng = recorder.rng
    kind = rng.integers(4)
    if kind == 0:
        return None, None
    other = FLOATS[:3][rng.integers(3)]
    array = recorder.normal([size], dtype if kind < 3 else other)
    return array, recorder.keep(name, array)


def value(recorder, layer, dtype):
    rng = recorder.rng
    sizes = shape(rng)
    spread = float(rng.choice([1.0, 1.0, 1e-3, 50.0]))
    eps = float(rng.choice([1e-5, 1e-6, 0.1]))
    x, x_text = recorder.view("x", sizes, dtype, spread)
    w, w_text = parameter(recorder, "w", sizes[-1], dtype)
    if layer:
        b, b_text = parameter(recorder, "b", sizes[-1], dtype)
        out = mx.fast.layer_norm(x, w, b, eps)
        # Adding the bias cancels; so does subtracting the mean, which MLX rounds to float32, and
        # the inverse deviation and the weight magnify what is left.
        size = max(largest(out), largest(b) if b is not None else 0.0)
        if out.dtype in (mx.float32, mx.float64) and x.size:
            rows = np.array(x.astype(mx.float64))
            inverse = 1 / np.sqrt(rows.var(-1, keepdims=True) + eps)
            size = max(size, np.abs(rows * inverse).max() * (1 if w is None else largest(w)))
        fields = {"op": "layer_norm", "b": b_text, "size": size}
    else:
        out = mx.fast.rms_norm(x, w, eps)
        fields = {"op": "rms_norm", "size": 0.0}
    fields |= {"x": x_text, "w": w_text, "eps": eps}
    recorder.case(out=recorder.keep("out", out), ulp=ULPS[out.dtype], **fields)


def gradient(recorder, layer):
    sizes = [int(n) for n in recorder.rng.integers(1, 6, 2)] + [int(recorder.rng.integers(1, 40))]
    x, x_text = recorder.view("x", sizes, mx.float32)
    w = recorder.normal(sizes[-1:], mx.float32)
    b = recorder.normal(sizes[-1:], mx.float32)
    g = recorder.normal(sizes, mx.float32)
    if layer:
        args, call = [x, w, b], lambda x, w, b: mx.fast.layer_norm(x, w, b, 1e-5)
    else:
        args, call = [x, w], lambda x, w: mx.fast.rms_norm(x, w, 1e-5)
    _, grads = mx.vjp(call, args, [g])
    names = ["out", "out2", "out3"]
    outs = {n: recorder.keep(n, grad) for n, grad in zip(names, grads)}
    # Differences of sums of up to 25 rows and 40 columns; rows of nearly equal values have a small
    # variance, whose inverse root magnifies them.
    size = max(largest(grad) for grad in grads)
    recorder.case(
        op="layer_norm_vjp" if layer else "rms_norm_vjp",
        x=x_text,
        w=recorder.keep("w", w),
        b=recorder.keep("b", b) if layer else None,
        g=recorder.keep("g", g),
        eps=1e-5,
        ulp=256,
        size=size,
        **outs,
    )
