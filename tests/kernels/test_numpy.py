"""The whole kernels of kernels.md on fresh random inputs, run by the command, against numpy."""

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

COMMAND = os.environ.get("ANYMETAL_COMMAND", "target/debug/anymetal")
TEXT = (Path(__file__).parent / "kernels.md").read_text()
TYPES = {"float32": "f32", "float16": "f16", "int32": "i32", "uint32": "u32", "uint8": "u8"}


@pytest.fixture
def rng():
    seed = int(os.environ.get("ANYMETAL_TEST_SEED") or np.random.SeedSequence().entropy)
    print(f"seed {seed}")
    return np.random.default_rng(seed)


def launch(folder, heading, kernel, grid, threadgroup, inputs, outputs):
    """Runs a kernel of the page; `outputs` give dtype and shape."""
    section = TEXT.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    source = folder / "kernel.metal"
    body = re.search(r"```metal\n(.*?)```", section, re.S).group(1)
    source.write_text("#include <metal_stdlib>\nusing namespace metal;\n" + body)
    words = [COMMAND, "run", source, "--kernel", kernel, "--bounds", "error"]
    words += ["--grid", str(grid), "--threadgroup", str(threadgroup)]
    for name, value in inputs.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(value))
        words += ["--input", f"{name}={folder}/{name}.npy"]
    for name, (dtype, shape) in outputs.items():
        size = ",".join(map(str, shape))
        words += ["--output", f"{name}:{TYPES[np.dtype(dtype).name]}:{size}", "-o", f"{folder}/{name}.out.npy"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    return [np.load(folder / f"{name}.out.npy") for name in outputs]


def close(got, want, units, scale=None):
    """Within so many units of `got`'s type, relative to `scale` or the largest value wanted."""
    scale = np.abs(want).max() if scale is None else scale
    assert np.abs(got - want).max() <= units * np.finfo(got.dtype).eps * scale


def test_softmax(tmp_path, rng):
    x = rng.uniform(-20, 20, (5, 333)).astype(np.float32)
    inputs = {"x": x, "n": np.uint32(333)}
    (out,) = launch(tmp_path, "Row softmax", "softmax", 5 * 96, 96, inputs, {"out": (np.float32, x.shape)})
    e = np.exp(x.astype(np.float64) - x.max(1, keepdims=True))
    # Differences of up to 40 keep 2e-6 of an exponent; sums of 333 add a few units.
    close(out, e / e.sum(1, keepdims=True), 40)


def test_layer_norm(tmp_path, rng):
    x, w, b = (rng.normal(1, 2, s).astype(np.float32) for s in [(4, 257), 257, 257])
    inputs = {"x": x, "w": w, "b": b, "eps": np.float32(1e-5), "n": np.uint32(257)}
    (out,) = launch(tmp_path, "Layer norm", "layer_norm_float", 4 * 64, 64, inputs, {"out": (np.float32, x.shape)})
    d = x.astype(np.float64) - x.mean(1, keepdims=True, dtype=np.float64)
    # A mean and a variance of 257 terms in float32, then four roundings.
    close(out, d / np.sqrt((d * d).mean(1, keepdims=True) + 1e-5) * w + b, 30)


def quantized(rng, rows, columns, bits, group, dtype):
    levels = rng.integers(0, 1 << bits, (rows, columns))
    scales = rng.uniform(0.01, 0.04, (rows, columns // group)).astype(dtype)
    biases = rng.uniform(-0.3, 0, (rows, columns // group)).astype(dtype)
    per = 32 // bits
    parts = levels.reshape(rows, -1, per).astype(np.uint64) << (bits * np.arange(per, dtype=np.uint64))
    spread = [np.repeat(a.astype(np.float64), group, 1) for a in (scales, biases)]
    return parts.sum(2).astype(np.uint32), scales, biases, levels * spread[0] + spread[1]


def test_8_bit_matrix_vector_product(tmp_path, rng):
    w, scales, biases, dense = quantized(rng, 7, 128, 8, 32, np.float32)
    x = rng.normal(size=128).astype(np.float32)
    heading = "Matrix-vector product with 8-bit weights, group scales and biases"
    inputs = {"w": w, "scales": scales, "biases": biases, "x": x}
    (y,) = launch(tmp_path, heading, "qmv8", 7 * 32, 32, inputs, {"y": (np.float32, (7,))})
    # Relative to the sum of magnitudes: 128 products and sums.
    close(y, dense @ x, 20, (np.abs(dense) @ np.abs(x)).max())


def test_4_bit_matrix_vector_product(tmp_path, rng):
    w, scales, biases, dense = quantized(rng, 13, 256, 4, 64, np.float16)
    x = rng.uniform(-0.5, 0.5, 256).astype(np.float16)
    inputs = {"w": w, "scales": scales, "biases": biases, "x": x, "rows": np.int32(13)}
    heading = "Matrix-vector product with 4-bit weights"
    (y,) = launch(tmp_path, heading, "qmv4", 2 * 64, 64, inputs, {"y": (np.float16, (13,))})
    want = dense @ x.astype(np.float64)
    # Computed in float32 (256 products and sums), then rounded once: half a unit of half.
    slack = 20 * np.finfo(np.float32).eps * (np.abs(dense) @ np.abs(x.astype(np.float64)))
    assert (np.abs(y - want) <= 2.0**-11 * np.abs(want) + slack).all()


def test_flash_attention(tmp_path, rng):
    q, k, v = (rng.normal(size=(n, 16)).astype(np.float32) for n in (24, 40, 40))
    inputs = {"q": q, "k": k, "v": v, "keys": np.int32(40), "scale": np.float32(0.25)}
    heading = "Flash attention with simdgroup matrices"
    (out,) = launch(tmp_path, heading, "attention", 3 * 32, 32, inputs, {"out": (np.float32, q.shape)})
    scores = 0.25 * q.astype(np.float64) @ k.T
    p = np.exp(scores - scores.max(1, keepdims=True))
    # Scores of 16 products reach the exponents; 40 weights are summed.
    close(out, p / p.sum(1, keepdims=True) @ v, 40)


def test_gated_delta_recurrence(tmp_path, rng):
    T, DK, DV = 9, 4, 6
    q, k = (rng.normal(size=(T, DK)).astype(np.float32) / 2 for _ in range(2))
    v = rng.normal(size=(T, DV)).astype(np.float32)
    g, beta = (rng.uniform(0.5, 1, T).astype(np.float32) for _ in range(2))
    inputs = {"q": q, "k": k, "v": v, "g": g, "beta": beta, "T": np.int32(T)}
    outputs = {"y": (np.float32, (T, DV)), "state": (np.float32, (DK, DV))}
    y, state = launch(tmp_path, "Gated delta recurrence", "gated_delta", DV, DV, inputs, outputs)
    s, want = np.zeros((DK, DV)), []
    for t in range(T):
        s = g[t] * s
        s = s + np.outer(k[t], beta[t] * (v[t] - k[t] @ s))
        want.append(q[t] @ s)
    # Nine steps, each a dozen roundings; the state stays of the inputs' size.
    close(y, np.array(want), 100)
    close(state, s, 100)


def test_scan(tmp_path, rng):
    x = rng.integers(-1000, 1000, 517).astype(np.int32)
    inputs = {"x": x, "n": np.uint32(517)}
    (out,) = launch(tmp_path, "Block scan with simdgroup prefixes", "scan", 96, 96, inputs, {"out": (np.int32, x.shape)})
    assert (out == np.cumsum(x)).all()


def test_histogram(tmp_path, rng):
    x = (rng.beta(2, 5, 3001) * 256).astype(np.uint8)
    inputs = {"x": x, "n": np.uint32(3001)}
    heading = "Histogram through threadgroup and device atomics"
    (bins,) = launch(tmp_path, heading, "histogram", 330, 50, inputs, {"bins": (np.uint32, (16,))})
    assert (bins == np.bincount(x >> 4, minlength=16)).all()


def test_top_k(tmp_path, rng):
    x = rng.permutation(300).astype(np.float32)
    outputs = {"values": (np.float32, (4,)), "indices": (np.uint32, (4,))}
    heading = "Top-k of a row by repeated selection"
    values, indices = launch(tmp_path, heading, "topk", 32, 32, {"x": x, "n": np.int32(300)}, outputs)
    order = np.argsort(-x)[:4]
    assert (indices == order).all() and (values == x[order]).all()


def test_double_float(tmp_path, rng):
    x, y = (rng.normal(size=200).astype(np.float32) * 1000 for _ in range(2))
    outputs = {"hi": (np.float32, (1,)), "lo": (np.float32, (1,))}
    inputs = {"x": x, "y": y, "n": np.int32(200)}
    hi, lo = launch(tmp_path, "Double-float sums and products", "dot", 1, 1, inputs, outputs)
    exact = x.astype(np.float64) @ y
    # Twice float32's digits, less what 200 sums lose, relative to the sum of magnitudes.
    assert abs(float(hi[0]) + float(lo[0]) - exact) <= 200 * 2.0**-46 * (np.abs(x) @ np.abs(y))
