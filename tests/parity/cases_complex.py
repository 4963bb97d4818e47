"""complex64: values, reverse and forward derivatives of every function MLX has for it."""

import mlx.core as mx
import numpy as np

from recorder import outcome

ONE = """negative abs sign square sqrt rsqrt reciprocal exp log log2 log10 log1p sin cos tan sinh cosh
tanh arcsin arccos arctan arcsinh arccosh arctanh round conjugate real imag sum prod mean""".split()
TWO = "add subtract multiply divide power maximum minimum matmul".split()
REFUSED = "expm1 erf erfinv sigmoid floor ceil".split()
CALLS = {name: getattr(mx, name) for name in ONE + TWO + REFUSED} | {
    "mixed": lambda a, b: mx.real(a) * b,
    "real_to_complex": lambda a: mx.real(a).astype(mx.complex64),
    "complex_to_real": lambda a: a.astype(mx.float32),
    "where": lambda a, b: mx.where(mx.real(a) > 0, a, b),
    "var": lambda a: mx.var(a, ddof=1),
}


def record(recorder, rounds):
    recorder.begin("complex")
    names = [name for name in CALLS if name not in REFUSED]
    for name in names:
        for _ in range(2 + rounds // 50):
            value(recorder, name)
    recorder.begin("complex-errors")
    for name in REFUSED:
        # What is worded as in MLX.
        _, error = outcome(lambda: CALLS[name](mx.array([1j])))
        recorder.case(f"complex_{name}", a=recorder.keep("a", mx.array([1j])), **error)


def fresh(recorder, shape):
    """Parts of size 0.2 to 2: neither poles nor branch points, where rounding is all there is."""
    sign = recorder.rng.choice([-1.0, 1.0], [2, *shape])
    parts = recorder.rng.uniform(0.2, 2.0, [2, *shape]) * sign
    return mx.array((parts[0] + 1j * parts[1]).astype(np.complex64))


def value(recorder, name):
    call, rng = CALLS[name], recorder.rng
    n = int(rng.integers(1, 6))
    shapes = [[n, 3], [3, n]] if name == "matmul" else [[n, 3]] * 2
    count = 2 if name in TWO or name in ("mixed", "where") else 1
    args = [fresh(recorder, shape) for shape in shapes[:count]]
    tangents = [fresh(recorder, shape) for shape in shapes[:count]]
    out = call(*args)
    g = fresh(recorder, out.shape)
    g = g if out.dtype == mx.complex64 else mx.real(g)
    # MLX's gradient of a power's base lacks the conjugation that all its others have.
    composed = lambda a, b: mx.exp(b * mx.log(a))
    reverse = mx.vjp(composed if name == "power" else call, args, [g])[1]
    forward = mx.jvp(call, args, tangents)[1]
    outs = [out, *reverse, *forward]
    fields = {f"out{i + 1}" if i else "out": a for i, a in enumerate(outs)}
    fields |= {"a": args[0], "g": g, "t": tangents[0]}
    if count == 2:
        fields |= {"b": args[1], "u": tangents[1]}
    fields = {key: recorder.keep(key, array) for key, array in fields.items()}
    # MLX composes some functions of others in float32 (tangents of quotients of sines), which
    # cancels; anymetal computes in double precision and rounds once.
    size = max(float(np.abs(np.array(a)).max()) for a in outs)
    recorder.case(f"complex_{name}", ulp=64, size=size, **fields)
