"""Every argument that MLX refuses: the class of the error and its text.

Arguments are described, not stored: `zeros:DTYPE:SHAPE`. Cases that a typed interface cannot
express (missing arguments, None, a string for a number) belong to the Python package's tests.
"""

import mlx.core as mx

from recorder import DTYPES, numbers, outcome

LONG = (1, 1, 1, 3, 5)


def zeros(spec):
    """`float32 2,3` as an array; one element where the shape is empty."""
    if spec is None:
        return None
    dtype, _, shape = spec.partition(" ")
    return mx.zeros([int(n) for n in shape.split(",") if n], dtype=DTYPES[dtype])


def described(spec):
    return None if spec is None else "zeros:" + spec.replace(" ", ":") + ("" if " " in spec else ":")


def refused(recorder, op, call, **fields):
    _, error = outcome(call)
    assert error, f"MLX accepts {op} {fields}"
    recorder.case(op, **fields, **error)


def norm(recorder, layer, x, w=None, b=None):
    arrays = [zeros(x), zeros(w)] + ([zeros(b)] if layer else [])
    call = mx.fast.layer_norm if layer else mx.fast.rms_norm
    texts = {"x": described(x), "w": described(w), "b": described(b)}
    op = "layer_norm" if layer else "rms_norm"
    refused(recorder, op, lambda: call(*arrays, 1e-5), eps=1e-5, **texts)


def rope(recorder, x, dims, base=10000.0, offset=0, freqs=None):
    # Only arrays can have the wrong shape or type here.
    by_array = isinstance(offset, str)
    options = {"traditional": False, "scale": 1.0}
    shift = zeros(offset) if by_array else offset
    call = lambda: mx.fast.rope(
        zeros(x), dims, base=base, offset=shift, freqs=zeros(freqs), **options
    )
    fields = {"offsets": described(offset)} if by_array else {"offset": offset}
    texts = {"x": described(x), "freqs": described(freqs)}
    refused(recorder, "rope", call, dims=dims, base=base, **options, **fields, **texts)


def attention(recorder, q, k, v, mask=None, sinks=None):
    options = {"mask": zeros(mask), "sinks": zeros(sinks), "scale": 0.5}
    call = lambda: mx.fast.scaled_dot_product_attention(zeros(q), zeros(k), zeros(v), **options)
    texts = {"q": q, "k": k, "v": v, "mask": mask, "sinks": sinks}
    texts = {name: described(spec) for name, spec in texts.items()}
    refused(recorder, "attention", call, scale=0.5, **texts)


def record(recorder, rounds):
    recorder.begin("errors-norms")
    for layer in (False, True):
        norm(recorder, layer, "float32")
        norm(recorder, layer, "float32 3,4", "float32 2,4")
        norm(recorder, layer, "float32 3,4", "float32")
        norm(recorder, layer, "float32 3,4", "float32 3")
        norm(recorder, layer, "float32 3,4", "float32 1")
        for dtype in ("int32", "bool", "complex64", "uint8"):
            norm(recorder, layer, f"{dtype} 3,4")
        norm(recorder, layer, "complex64 3,4", "float32 4")
        # The order of the checks: shapes before types.
        norm(recorder, layer, "int32 3,4", "float32 5")
    norm(recorder, True, "float32 3,4", None, "float32 2,4")
    norm(recorder, True, "float32 3,4", None, "float32 3")
    norm(recorder, True, "float32 3,4", "float32 4", "float32 5")
    norm(recorder, True, "float32 3,4", "float32 5", "float32 5")
    norm(recorder, True, "int32 3,4", None, "float32 4")

    recorder.begin("errors-rope")
    x = "float32 2,3,4,8"
    rope(recorder, x, 8, base=None)
    rope(recorder, x, 8, freqs="float32 4")
    rope(recorder, "float32 4", 8, base=None)
    for shape in ("", " 4", " 4,8"):
        rope(recorder, "float32" + shape, 8)
    for dtype in ("int32", "bool", "complex64"):
        rope(recorder, f"{dtype} 2,3,4,8", 8)
    for offset in ("int32 1,1", "int32 2,1", "int32 3", "int32 0", "float32 2", "float32", "bool 2"):
        rope(recorder, x, 8, offset=offset)
    for dims in (0, -2, 7, 10):
        rope(recorder, x, dims)
    for freqs in ("float32 1,4", "float32 3", "float32", "float32 8"):
        rope(recorder, x, 8, base=None, freqs=freqs)
    # Rank before type before offset before dims.
    rope(recorder, "int32 4,8", 7)
    rope(recorder, "int32 2,3,8", 7, offset="float32 2")
    rope(recorder, x, 7, offset="float32 2")

    recorder.begin("errors-attention")
    q, k = "float32 1,4,3,8", "float32 1,2,5,8"
    attention(recorder, q, k, "float32 1,2,5")
    attention(recorder, "float32 4,3,8", k, k)
    attention(recorder, q, "float32 2,5,8", k)
    attention(recorder, q, k, k, mask=f"bool {numbers(LONG)}")
    attention(recorder, q, "float32 2,2,5,8", k)
    attention(recorder, q, k, "float32 2,2,5,8")
    attention(recorder, "float32 2,4,3,8", k, k)
    attention(recorder, q, "float32 1,2,5,7", k)
    attention(recorder, q, k, "float32 1,1,5,8")
    attention(recorder, "float32 1,3,3,8", k, k)
    for dtype in ("int32", "bool", "complex64"):
        attention(recorder, f"{dtype} 1,4,3,8", f"{dtype} 1,2,5,8", f"{dtype} 1,2,5,8")
    halves = ["float16 1,4,3,8", "float16 1,2,5,8", "float16 1,2,5,8"]
    attention(recorder, *halves, mask="float32 3,5")
    attention(recorder, *halves, mask="bfloat16 3,5")
    attention(recorder, q, k, k, mask="complex64 3,5")
    for shape in ("4,5", "2,1,3,5", "1,2,3,5", "3,4", "6"):
        attention(recorder, q, k, k, mask=f"bool {shape}")
        attention(recorder, q, k, k, mask=f"float32 {shape}")
    attention(recorder, *halves, sinks="float32 4")
    attention(recorder, *halves, sinks="float32 3")
    for shape in ("3", "2", "1", "1,4"):
        attention(recorder, q, k, k, sinks=f"float32 {shape}")
    attention(recorder, q, k, k, sinks="float32")
    # Ranks before the mask's, batch before sizes, sizes before types. (Not all of rank 3, which is
    # one head here.)
    attention(recorder, "int32 4,3,8", "int32 1,2,5,8", "int32 2,5,8", mask=f"bool {numbers(LONG)}")
    attention(recorder, "int32 1,4,3,8", "int32 2,2,5,7", "int32 1,1,5,8")
    attention(recorder, "int32 1,3,3,8", "int32 1,2,5,8", "int32 1,2,5,8")
