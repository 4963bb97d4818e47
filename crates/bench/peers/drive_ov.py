"""OpenVINO: compiled graphs. Its compiler fuses attention from the opset's own operation."""

import math

import ml_dtypes
import numpy as np
import openvino as ov
import openvino.opset13 as op

from protocol import THREADS, serve, visible

DTYPES = {
    "f32": (ov.Type.f32, np.float32),
    "bf16": (ov.Type.bf16, ml_dtypes.bfloat16),
    "f16": (ov.Type.f16, np.float16),
}
core = ov.Core()
rng = np.random.default_rng(20)


class Graph:
    """Builds and compiles one-output models of one element type."""

    def __init__(self, dtype):
        self.type, self.numpy = DTYPES[dtype]
        self.name = dtype

    def tensor(self, shape):
        tensor = ov.Tensor(self.type, ov.Shape(shape))
        values = rng.standard_normal(shape, dtype=np.float32).astype(self.numpy)
        tensor.data[...] = values.view(tensor.data.dtype)
        return tensor

    def constant(self, value):
        constant = op.constant(np.asarray(value, np.float32), ov.Type.f32)
        return constant if self.name == "f32" else op.convert(constant, self.name)

    def compile(self, build, shapes, out, masks=()):
        inputs = [op.parameter(ov.Shape(s), self.type) for s in shapes]
        inputs += [op.parameter(ov.Shape(m.shape), ov.Type.boolean) for m in masks]
        settings = {
            "INFERENCE_NUM_THREADS": THREADS,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": self.type,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,
        }
        model = ov.Model([build(*inputs)], inputs, "workload")
        request = core.compile_model(model, "CPU", settings).create_infer_request()
        tensors = [self.tensor(s) for s in shapes] + [ov.Tensor(m) for m in masks]
        for index, tensor in enumerate(tensors):
            request.set_input_tensor(index, tensor)
        request.set_output_tensor(0, self.tensor(out))
        return request.infer


def prepare(w):
    graph = Graph(w.dtype)
    if w.op in ("rms_norm", "layer_norm"):
        weight, bias = (graph.constant(rng.standard_normal((1, w.d))) for _ in range(2))
        last = np.array([-1], np.int32)

        def rms(x):
            mean = op.reduce_mean(op.power(x, graph.constant(2.0)), last, True)
            root = op.sqrt(op.add(mean, graph.constant(1e-5)))
            return op.multiply(op.multiply(x, op.divide(graph.constant(1.0), root)), weight)

        def layer(x):
            centred = op.mvn(x, last, True, 1e-5, "inside_sqrt")
            return op.add(op.multiply(centred, weight), bias)

        shape = (w.rows, w.d)
        build = rms if w.op == "rms_norm" else layer
        yield "graph", lambda: graph.compile(build, [shape], shape)
    elif w.op == "rope" and not w.traditional:
        shape, table = (w.b, w.h, w.t, w.d), (1, 1, w.t, w.d)

        def rope(x, cos, sin):
            axis, sizes = np.array(-1, np.int64), np.array([w.d // 2] * 2, np.int64)
            halves = op.variadic_split(x, op.constant(axis), op.constant(sizes))
            minus = op.multiply(halves.output(1), graph.constant(-1.0))
            turned = op.concat([minus, halves.output(0)], -1)
            return op.add(op.multiply(x, cos), op.multiply(turned, sin))

        yield "graph", lambda: graph.compile(rope, [shape, table, table], shape)
    elif w.op == "sdpa":
        yield from attention(w, graph)
    elif w.op == "gemm":
        shape = (w.n, w.n)
        product = lambda a, b: op.matmul(a, b, False, False)
        yield "graph", lambda: graph.compile(product, [shape, shape], shape)


def attention(w, graph):
    group, causal = w.hq // w.hkv, w.mask == "causal"
    masks = [visible(w.lq, w.lk)] if w.mask == "bool" else []
    query, keys = (1, w.hq, w.lq, w.d), (1, w.hkv, w.lk, w.d)

    def spread(t):
        if group == 1:
            return t
        wide = op.constant(np.array([1, w.hkv, group, w.lk, w.d], np.int64))
        flat = op.constant(np.array([1, w.hq, w.lk, w.d], np.int64))
        copies = op.broadcast(op.unsqueeze(t, 2), wide, "BIDIRECTIONAL")
        return op.reshape(copies, flat, False)

    def fused(q, k, v, *mask):
        return op.scaled_dot_product_attention(q, spread(k), spread(v), *mask, causal=causal)

    def plain(q, k, v, *mask):
        low = -1e30 if w.dtype != "f16" else -6e4
        scores = op.matmul(q, spread(k), False, True)
        scores = op.multiply(scores, graph.constant(1 / math.sqrt(w.d)))
        if causal:
            lower = np.tril(np.ones((w.lq, w.lk), bool))
            scores = op.add(scores, graph.constant(np.where(lower, 0, low)))
        for m in mask:
            scores = op.select(m, scores, graph.constant(low))
        return op.matmul(op.softmax(scores, -1), spread(v), False, False)

    shapes = [query, keys, keys]
    yield "sdpa", lambda: graph.compile(fused, shapes, query, masks)
    yield "plain", lambda: graph.compile(plain, shapes, query, masks)


serve(prepare)
