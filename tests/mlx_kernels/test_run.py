"""Kernels of MLX's headers, launched as MLX launches them, against numpy in double precision.

Tolerances are in units of the last place (of the output's type, at the size of the values that
were added up) wherever one rounding is what separates the two; the reason stands beside each.
"""

import ml_dtypes
import mlx.core as mx
import numpy as np
import pytest

import driver
from driver import metal, run

FLOATS = ["float", "half", "bfloat16_t"]
# Below these, numbers lose bits and errors are absolute.
SMALLEST = {"float": 2.0**-126, "half": 2.0**-14, "bfloat16_t": 2.0**-126}
EPS = {"float": 2.0**-23, "half": 2.0**-10, "bfloat16_t": 2.0**-7}


@pytest.fixture
def rng():
    seed = np.random.SeedSequence().entropy
    print("seed", seed)
    return np.random.default_rng(seed)


def values(rng, dtype, *shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(metal(dtype))


def close(actual, expected, tolerance, scale=None):
    """Compares in units of `scale`, by default the size of each expected value."""
    wide = np.complex128 if np.iscomplexobj(expected) else np.float64
    actual, expected = actual.astype(wide), np.asarray(expected, wide)
    scale = np.abs(expected) if scale is None else scale
    assert actual.shape == expected.shape
    worst = np.max(np.abs(actual - expected) / np.maximum(scale, 1e-30))
    assert worst <= tolerance, f"off by {worst:.3g} where {tolerance:.3g} is allowed"


def groups_for(count, threads):
    return -(-count // threads)


@pytest.mark.parametrize("dtype", ["float", "half", "int32_t", "uint8_t", "int64_t"])
def test_arange(dtype):
    start, step = metal(dtype).type(3), metal(dtype).type(2)
    (out,) = run("arange", "arange", [dtype], {"start": start, "step": step},
                 {"out": (metal(dtype), [100])}, [10, 1, 1], [10, 1, 1])
    np.testing.assert_array_equal(out, (3 + 2 * np.arange(100)).astype(metal(dtype)))


# Steps of the last place in float32: the library's bounds (docs/metal-support.md), and what MLX's
# own formulas lose. Its expm1 reduces the argument with one constant for ln 2, off by 1.4e-6 for
# each power of two.
UNARY = {
    "Exp": (np.exp, 4), "Log": (lambda x: np.log(np.abs(x)), 4), "Sin": (np.sin, 4), "Cos": (np.cos, 4),
    "Tanh": (np.tanh, 5), "Sqrt": (lambda x: np.sqrt(np.abs(x)), 1), "Sigmoid": (lambda x: 1 / (1 + np.exp(-x)), 8),
    "Square": (np.square, 1), "Abs": (np.abs, 0), "Negative": (np.negative, 0), "Round": (np.rint, 0),
    "Rsqrt": (lambda x: 1 / np.sqrt(np.abs(x)), 4), "Expm1": (np.expm1, 100),
}


@pytest.mark.parametrize("op", UNARY)
def test_unary(op, rng):
    function, ulps = UNARY[op]
    for dtype in FLOATS:
        x = values(rng, dtype, 1001)
        if op in ("Log", "Sqrt", "Rsqrt"):
            x = np.abs(x) + metal(dtype).type(0.01)
        (out,) = unary(op, dtype, x)
        # Library functions of halves compute in float32 inside and round once; the sigmoid rounds
        # after each of its four steps.
        allowed = ulps if dtype == "float" or ulps == 0 else 3 if op == "Sigmoid" else 1
        expected = function(x.astype(np.float64))
        close(out, expected, allowed * EPS[dtype], np.maximum(np.abs(expected), SMALLEST[dtype]))


def unary(op, dtype, x):
    work = 8 // metal(dtype).itemsize
    threads = groups_for(x.size, work)
    return run("unary", "unary_v", [dtype, dtype, op], {"in": x, "size": np.uint32(x.size)},
               {"out": (x.dtype, x.shape)}, [threads, 1, 1], [1, 1, 1])


def test_complex_exponential_and_power(rng):
    x = (rng.standard_normal(64) + 1j * rng.standard_normal(64)).astype(np.complex64)
    y = (rng.standard_normal(64) + 1j * rng.standard_normal(64)).astype(np.complex64)
    (out,) = run("unary", "unary_v", ["complex64_t", "complex64_t", "Exp"], {"in": x, "size": np.uint32(64)},
                 {"out": (x.dtype, [64])}, [64, 1, 1], [1, 1, 1])
    wide = np.exp(x.astype(np.complex128))
    close(out, wide, 8 * EPS["float"], np.abs(wide))
    (out,) = run("binary", "binary_vv", ["complex64_t", "complex64_t", "Power"],
                 {"a": x, "b": y, "size": np.uint32(64)}, {"c": (x.dtype, [64])}, [64, 1, 1], [1, 1, 1])
    wide = x.astype(np.complex128) ** y.astype(np.complex128)
    # The angle y ln x is rounded once at its own size, here below 16.
    close(out, wide, 64 * EPS["float"], np.abs(wide))


BINARY = {"Add": np.add, "Subtract": np.subtract, "Multiply": np.multiply, "Maximum": np.maximum,
          "Divide": np.divide}


@pytest.mark.parametrize("op", BINARY)
def test_binary(op, rng):
    for dtype in FLOATS:
        a, b = values(rng, dtype, 333), values(rng, dtype, 333)
        work = 8 // metal(dtype).itemsize
        (out,) = run("binary", "binary_vv", [dtype, dtype, op], {"a": a, "b": b, "size": np.uint32(333)},
                     {"c": (a.dtype, a.shape)}, [groups_for(333, work), 1, 1], [1, 1, 1])
        # One rounding: half a step, which is at most EPS / 2 of the value.
        expected = BINARY[op](a.astype(np.float64), b.astype(np.float64))
        close(out, expected, EPS[dtype] / 2, np.maximum(np.abs(expected), 2 * SMALLEST[dtype]))


def test_integer_power_and_floor_remainder(rng):
    a, b = rng.integers(-9, 9, 128, np.int32), rng.integers(1, 5, 128, np.int32)
    for op, expected in [("Power", a**b), ("Remainder", np.mod(a, b))]:
        (out,) = run("binary", "binary_vv", ["int32_t", "int32_t", op],
                     {"a": a, "b": b, "size": np.uint32(128)}, {"c": (a.dtype, [128])}, [64, 1, 1], [1, 1, 1])
        np.testing.assert_array_equal(out, expected)


def test_binary_of_transposed_arrays(rng):
    a, b = values(rng, "float", 7, 12), values(rng, "float", 12, 7)
    (out,) = run("binary", "binary_g_nd2", ["float", "float", "Add", "int"],
                 {"a": a, "b": b, "a_strides": np.array([12, 1], np.int64),
                  "b_strides": np.array([1, 7], np.int64)}, {"c": (a.dtype, [7, 12])}, [12, 7, 1], [1, 1, 1])
    np.testing.assert_array_equal(out, a + b.T)


def test_ternary(rng):
    mask, b, c = rng.random(200) < 0.5, values(rng, "half", 200), values(rng, "half", 200)
    (out,) = run("ternary", "ternary_v", ["half", "Select", False, False],
                 {"a": mask, "b": b, "c": c, "size": np.uint32(200)}, {"d": (b.dtype, [200])}, [50, 1, 1], [1, 1, 1])
    np.testing.assert_array_equal(out, np.where(mask, b, c))


@pytest.mark.parametrize("to", ["half", "bfloat16_t", "int32_t", "uint8_t", "bool"])
def test_copies_convert(to, rng):
    x = values(rng, "float", 9, 14, scale=20)
    # Out of range, conversion to an unsigned type is open; half of the values stay inside.
    x = np.abs(x) if to == "uint8_t" else x
    (out,) = run("copy", "copy_g_nd2" if to == "float" else "copy_g_nd1", ["float", to, "int"],
                 {"src": x, "src_stride": np.int64(1)}, {"dst": (metal(to), [126])}, [126, 1, 1], [1, 1, 1])
    expected = np.trunc(x).reshape(-1) if to in ("int32_t", "uint8_t") else x.reshape(-1)
    np.testing.assert_array_equal(out, expected.astype(metal(to)))


def test_copies_transpose(rng):
    x = values(rng, "float", 9, 14)
    (out,) = run("copy", "copy_g_nd2", ["float", "float", "int"],
                 {"src": x, "src_strides": np.array([1, 14], np.int64)}, {"dst": (x.dtype, [14, 9])},
                 [9, 14, 1], [1, 1, 1])
    np.testing.assert_array_equal(out, x.T)


@pytest.mark.parametrize("kernel", ["softmax_single_row", "softmax_looped"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_softmax(kernel, dtype, rng):
    x = values(rng, dtype, 3, 777, scale=4)
    types = [dtype] if dtype == "float" else [dtype, "float"]
    (out,) = run("softmax", kernel, types, {"in": x, "axis_size": np.int32(777)},
                 {"out": (x.dtype, x.shape)}, [3, 1, 1], [224 if "single" in kernel else 64, 1, 1])
    wide = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True).astype(np.float64))
    # `fast::exp` and a sum of 777 terms in float32, then one rounding to the output.
    tolerance = 32 * EPS["float"] + (0 if dtype == "float" else EPS[dtype])
    expected = wide / wide.sum(-1, keepdims=True)
    close(out, expected, tolerance, np.maximum(np.abs(expected), SMALLEST[dtype]))


@pytest.mark.parametrize("kernel", ["logsumexp", "logsumexp_looped"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_logsumexp(kernel, dtype, rng):
    x = values(rng, dtype, 4, 501, scale=3)
    (out,) = run("logsumexp", kernel, [dtype], {"in": x, "axis_size": np.int32(501)},
                 {"out": (x.dtype, [4])}, [4, 1, 1], [128 if kernel == "logsumexp" else 64, 1, 1])
    expected = np.log(np.exp(x.astype(np.float64)).sum(-1))
    # The sum's relative error is an absolute one of its logarithm.
    close(out, expected, 16 * EPS["float"] + EPS[dtype] / 2)


@pytest.mark.parametrize("op", ["Sum", "Max", "Min", "Prod"])
def test_reduces_all(op, rng):
    x = rng.uniform(0.8, 1.2, 5000).astype(np.float32)
    (out,) = run("reduce", "all_reduce", ["float", "float", f"{op}<float>"],
                 {"in": x, "in_size": np.uint64(5000), "row_size": np.uint64(5000)},
                 {"out": (x.dtype, [1])}, [1, 1, 1], [256, 1, 1])
    function = {"Sum": np.sum, "Max": np.max, "Min": np.min, "Prod": np.prod}[op]
    # Errors of the partial results: 5000 / 256 additions in a row, then a tree.
    close(out, [function(x.astype(np.float64))], {"Sum": 16, "Prod": 160}.get(op, 0) * EPS["float"])


@pytest.mark.parametrize("dtype", FLOATS + ["int32_t"])
def test_reduces_rows(dtype, rng):
    x = values(rng, dtype, 12, 300, scale=8)
    (out,) = run("reduce", "row_reduce_simple", [dtype, dtype, f"Sum<{dtype}>"],
                 {"in": x, "reduction_size": np.uint64(300), "out_size": np.int64(12)},
                 {"out": (x.dtype, [12])}, [1, 3, 1], [64, 1, 1])
    wide = x.astype(np.float64)
    # MLX adds in the array's own type: a few roundings at the size of the partial sums.
    close(out, wide.sum(-1), 8 * EPS.get(dtype, 0), np.abs(wide).sum(-1) / 4)


def test_reduces_columns(rng):
    x = values(rng, "float", 40, 64)
    one, ints = np.zeros(1, np.int64), np.ones(1, np.int32)
    (out,) = run("reduce", "col_reduce_looped", ["float", "float", "Sum<float>", "int", 1, 32, 32],
                 {"in": x, "reduction_size": np.uint64(40), "reduction_stride": np.int64(64), "shape": ints,
                  "strides": one, "ndim": np.int32(0), "reduce_shape": np.array([40], np.int32),
                  "reduce_strides": np.array([64], np.int64), "reduce_ndim": np.int32(1),
                  "non_col_reductions": np.uint64(1), "column_offset": np.int64(0)},
                 {"out": (x.dtype, [64])}, [2, 1, 1], [256, 1, 1])
    wide = x.astype(np.float64)
    close(out, wide.sum(0), 8 * EPS["float"], np.abs(wide).sum(0))


@pytest.mark.parametrize("op,function", [("CumSum", np.cumsum), ("CumProd", np.cumprod),
                                         ("CumMax", np.maximum.accumulate)])
@pytest.mark.parametrize("inclusive,reverse", [(True, False), (True, True), (False, False)])
def test_scans(op, function, inclusive, reverse, rng):
    x = rng.uniform(0.9, 1.1, (2, 700)).astype(np.float32)
    (out,) = run("scan", "contiguous_scan", ["float", "float", f"{op}<float>", 4, inclusive, reverse],
                 {"in": x, "axis_size": np.uint64(700)}, {"out": (x.dtype, x.shape)}, [1, 2, 1], [64, 1, 1])
    wide = x.astype(np.float64)
    wide = function(wide[:, ::-1], axis=1)[:, ::-1] if reverse else function(wide, axis=1)
    if not inclusive:
        start = {"CumSum": 0, "CumProd": 1, "CumMax": -np.inf}[op]
        wide = np.concatenate([np.full((2, 1), start), wide[:, :-1]], axis=1)
        if op == "CumMax":
            out, wide = out[:, 1:], wide[:, 1:]
    # About 700 / 128 block prefixes, each with a tree of ten additions.
    close(out, wide, {"CumMax": 0}.get(op, 64) * EPS["float"], np.maximum(np.abs(wide), 1e-6))


@pytest.mark.parametrize("dtype", FLOATS)
def test_gemv(dtype, rng):
    rows, columns = 70, 130
    matrix, vector = values(rng, dtype, rows, columns), values(rng, dtype, columns)
    zero, one = np.zeros(1, np.int64), np.ones(1, np.int32)
    bm, bn, sm, sn, tm, tn = 4, 1, 1, 32, 4, 4
    (out,) = run("gemv", "gemv", [dtype, bm, bn, sm, sn, tm, tn, False, False],
                 {"mat": matrix, "in_vec": vector, "bias": vector[:1], "in_vec_size": np.int32(columns),
                  "out_vec_size": np.int32(rows), "marix_ld": np.int32(columns), "alpha": np.float32(1),
                  "beta": np.float32(0), "batch_ndim": np.int32(1), "batch_shape": one,
                  "vector_batch_stride": zero, "matrix_batch_stride": zero, "bias_batch_stride": zero,
                  "bias_stride": np.int32(1)},
                 {"out_vec": (matrix.dtype, [rows])}, [groups_for(rows, bm * sm * tm), 1, 1], [32, bn, bm])
    wide = matrix.astype(np.float64) @ vector.astype(np.float64)
    sizes = np.abs(matrix.astype(np.float64)) @ np.abs(vector.astype(np.float64))
    # Sums in float32, one rounding to the output.
    close(out, wide, 8 * EPS["float"], sizes + np.abs(wide) * EPS[dtype] / (16 * EPS["float"]))


def attention(q, k, v, scale, bias=0.0):
    scores = q @ k.swapaxes(-1, -2) * scale + bias
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights @ v / weights.sum(-1, keepdims=True)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("masked", [False, True])
def test_vector_attention(dtype, masked, rng):
    heads, kv_heads, keys, dim = 4, 2, 45, 64
    q = values(rng, dtype, heads, 1, dim)
    k, v = values(rng, dtype, kv_heads, keys, dim), values(rng, dtype, kv_heads, keys, dim)
    bias = values(rng, dtype, heads, 1, keys)
    inputs = {"queries": q, "keys": k, "values": v, "gqa_factor": np.int32(2), "N": np.int32(keys),
              "scale": np.float32(dim**-0.5)}
    inputs |= {f"{n}_head_stride": np.uint64(keys * dim) for n in "kv"}
    inputs |= {f"{n}_seq_stride": np.uint64(dim) for n in "kv"}
    constants = {}
    if masked:
        constants = {20: "true", 24: "true"}
        inputs |= {"fmask": bias, "mask_kv_seq_stride": np.int32(1), "mask_q_seq_stride": np.int32(keys),
                   "mask_head_stride": np.int32(keys)}
    (out,) = run("sdpa_vector", "sdpa_vector", [dtype, dim, dim], inputs, {"out": (q.dtype, q.shape)},
                 [heads, 1, 1], [1024, 1, 1], constants)
    wide = [np.repeat(a.astype(np.float64), 2, 0) for a in (k, v)]
    expected = attention(q.astype(np.float64), *wide, dim**-0.5, bias.astype(np.float64) if masked else 0)
    # Sums in float32 at the size of the values, one rounding to the output.
    close(out, expected, 32 * EPS["float"] + EPS[dtype] / 2, np.maximum(np.abs(expected), 1))


def test_sort(rng):
    x = values(rng, "float", 3, 500)
    stride = {"in_stride_sorted_axis": np.int32(1), "out_stride_sorted_axis": np.int32(1),
              "in_stride_segment_axis": np.int32(500), "out_stride_segment_axis": np.int32(500)}
    (out,) = run("sort", "block_sort", ["float", "float", False, 128, 8],
                 {"inp": x, "size_sorted_axis": np.int32(500), **stride}, {"out": (x.dtype, x.shape)},
                 [1, 3, 1], [128, 1, 1])
    np.testing.assert_array_equal(out, np.sort(x, -1))


@pytest.mark.parametrize("dtype", FLOATS)
def test_matrix_product(dtype, rng):
    m, n, k = 45, 70, 50
    a, b = values(rng, dtype, m, k), values(rng, dtype, n, k)
    bm, bn, bk, wm, wn = 32, 32, 16, 2, 2
    tiles = groups_for(n, bn), groups_for(m, bm)
    params = np.zeros(1, np.dtype([("sizes", np.int32, 8), ("strides", np.int64, 3), ("rest", np.int32, 4)]))
    params["sizes"] = [m, n, k, k, k, n, *tiles]
    params["rest"] = [0, k // bk, 1, 0]
    raw = np.frombuffer(params.tobytes(), np.uint8)
    (out,) = run("steel gemm", "gemm", [dtype, bm, bn, bk, wm, wn, False, True],
                 {"A": a, "B": b, "params": raw}, {"D": (a.dtype, [m, n])}, [*tiles, 1], [32, wn, wm],
                 {10: "false", 100: "false", 110: "false", 200: "false", 201: "false", 202: "false"},
                 # MLX reads alpha and beta also where there is nothing to add, and uses neither.
                 bounds="warn")
    wide = a.astype(np.float64) @ b.astype(np.float64).T
    sizes = np.abs(a.astype(np.float64)) @ np.abs(b.astype(np.float64)).T
    close(out, wide, 8 * EPS["float"], sizes + np.abs(wide) * EPS[dtype] / (16 * EPS["float"]))


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_quantised_matrix_times_vector(bits, rng):
    rows, columns, group = 16, 512, 64
    w, x = values(rng, "float", rows, columns), values(rng, "float", columns)
    per_thread = group // 32
    threads = rows * columns // per_thread
    packed, scales, biases = run("quantized", "affine_quantize", ["float", group, bits], {"w": w},
                                 {"out": (np.uint8, [rows * columns * bits // 8]),
                                  "scales": (w.dtype, [rows, columns // group]),
                                  "biases": (w.dtype, [rows, columns // group])},
                                 [threads // 64, 1, 1], [64, 1, 1])
    # MLX's own CPU kernel: the same formula in float32, where a level may fall on the other side of
    # a tie.
    theirs, their_scales, their_biases = (np.array(a) for a in mx.quantize(mx.array(w), group, bits))
    close(scales, their_scales, 4 * EPS["float"])
    close(biases, their_biases, 4 * EPS["float"])
    assert np.mean(packed != theirs.view(np.uint8).reshape(-1)) < 0.01
    shaped = mx.array(packed.view(np.uint32).reshape(rows, -1))
    weights = np.array(mx.dequantize(shaped, mx.array(scales), mx.array(biases), group, bits))
    zero, one = np.zeros(1, np.int64), np.ones(1, np.int32)
    (out,) = run("quantized", "affine_qmv_fast", ["float", group, bits, False],
                 {"w": packed.view(np.uint32), "scales": scales, "biases": biases, "x": x,
                  "in_vec_size": np.int32(columns), "out_vec_size": np.int32(rows),
                  "x_batch_ndims": np.int32(0), "x_shape": one, "x_strides": zero,
                  "w_batch_ndims": np.int32(0), "w_shape": one, "w_strides": zero, "s_strides": zero,
                  "b_strides": zero}, {"y": (x.dtype, [rows])}, [1, rows // 8, 1], [32, 2, 1])
    wide, sizes = weights.astype(np.float64) @ x, np.abs(weights.astype(np.float64)) @ np.abs(x)
    # Scale and bias are applied to sums of levels, which are larger than the weights.
    close(out, wide, 32 * EPS["float"], sizes)
