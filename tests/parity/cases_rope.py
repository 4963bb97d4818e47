"""rope: values over dtypes, layouts, offsets and frequencies, and gradients."""

import mlx.core as mx
import numpy as np

from recorder import dtype_name, largest

FLOATS = [mx.float32, mx.float16, mx.bfloat16, mx.float64]


def record(recorder, rounds):
    for dtype in FLOATS:
        recorder.begin(f"rope-{dtype_name(dtype)}")
        for _ in range(rounds):
            value(recorder, dtype, gradient=False)
    recorder.begin("rope-gradient")
    for _ in range(rounds // 2):
        value(recorder, mx.float32, gradient=True)


def value(recorder, dtype, gradient):
    rng = recorder.rng
    dims = 2 * int(rng.integers(1, 17))
    size = dims + int(rng.choice([0, 0, 1, 5]))
    batch = int(rng.integers(1, 4))
    middle = [int(n) for n in rng.integers(1, 4, rng.integers(0, 3))]
    length = int(rng.choice([0, 1, 2, 7, 20], p=[0.05, 0.3, 0.2, 0.25, 0.2]))
    x, x_text = recorder.view("x", [batch, *middle, length, size], dtype)
    scale = float(rng.choice([1.0, 0.5, 2.0]))
    options = {"traditional": bool(rng.integers(2)), "scale": scale}
    fields = dict(options)
    if rng.integers(3) == 0:
        # Periods; an infinite one leaves its features alone.
        freqs = np.exp(rng.uniform(0, 6, dims // 2)).astype(np.float32)
        freqs[rng.integers(dims // 2)] = rng.choice([np.inf, 3.0])
        freqs = mx.array(freqs)
        fields["freqs"] = recorder.keep("freqs", freqs)
        options |= {"freqs": freqs, "base": None}
    else:
        options["base"] = fields["base"] = float(rng.choice([10000.0, 500000.0, 10.0]))
    span = int(rng.choice([1, 100, 5000]))
    if rng.integers(2):
        offset = fields["offset"] = int(rng.integers(-span, span + 1))
        last = abs(offset) + length
    else:
        count = batch if rng.integers(4) else 1
        kind = [mx.int32, mx.int64, mx.int16, mx.uint8][rng.integers(4)]
        offset = mx.array(rng.integers(0, min(span, 120) + 1, count).astype(np.int64)).astype(kind)
        fields["offsets"] = recorder.keep("offsets", offset)
        last = 120 + length
    call = lambda x: mx.fast.rope(x, dims, offset=offset, **options)
    # Angles are float32: their error grows with the position. A frequency has the error of an
    # exponential whose argument is up to ln(base) = 13, itself rounded.
    position = last * scale
    if dtype == mx.float32:
        ulp = 8 + 16 * position
    elif dtype == mx.float64:
        # MLX takes the angles, and so cosine and sine, in float32 here too.
        ulp = (8 + 16 * position) * 2**29
    else:
        # MLX rounds cosine, sine and both products to the half type; angles as above.
        ulp = 4 + 16 * position * {mx.float16: 2**-13, mx.bfloat16: 2**-16}[dtype]
    if gradient:
        g = recorder.normal(x.shape, dtype)
        fields["g"] = recorder.keep("g", g)
        out = mx.vjp(call, [x], [g])[1][0]
    else:
        out = call(x)
    recorder.case(
        op="rope_vjp" if gradient else "rope",
        x=x_text,
        dims=dims,
        out=recorder.keep("out", out),
        ulp=ulp,
        size=largest(x if not gradient else g),
        **fields,
    )
