"""ONNX Runtime: standard and contributed operators, and graphs of plain ones."""

import math

import ml_dtypes
import numpy as np
import onnxruntime as rt
from onnx import TensorProto, helper, numpy_helper

from protocol import THREADS, serve, visible

DTYPES = {
    "f32": (TensorProto.FLOAT, np.float32),
    "bf16": (TensorProto.BFLOAT16, ml_dtypes.bfloat16),
    "f16": (TensorProto.FLOAT16, np.float16),
}
INTEGERS = {"int64": TensorProto.INT64, "int32": TensorProto.INT32, "bool": TensorProto.BOOL}
rng = np.random.default_rng(20)
node = helper.make_node
CONTRIBUTED = "com.microsoft"


class Graph:
    """Builds sessions whose inputs and outputs are bound once, of one element type."""

    def __init__(self, dtype):
        self.onnx, self.numpy = DTYPES[dtype]
        self.low = -1e30 if dtype != "f16" else -6e4

    def rand(self, *shape):
        return rng.standard_normal(shape, dtype=np.float32).astype(self.numpy)

    def scalar(self, value):
        return np.array(value).astype(self.numpy)

    def type_of(self, array):
        return self.onnx if array.dtype == self.numpy else INTEGERS[array.dtype.name]

    def value(self, array):
        if array.dtype == ml_dtypes.bfloat16:
            bits = array.view(np.uint16)
            return rt.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, TensorProto.BFLOAT16)
        return rt.OrtValue.ortvalue_from_numpy(array)

    def session(self, nodes, inputs, outputs, constants=None, opset=23):
        """Inputs and constants are name -> array, outputs name -> shape."""
        info = helper.make_tensor_value_info
        graph = helper.make_graph(
            nodes,
            "workload",
            [info(k, self.type_of(a), a.shape) for k, a in inputs.items()],
            [info(k, self.onnx, s) for k, s in outputs.items()],
            initializer=[numpy_helper.from_array(a, k) for k, a in (constants or {}).items()],
        )
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid(CONTRIBUTED, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        options = rt.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        text = model.SerializeToString()
        session = rt.InferenceSession(text, options, providers=["CPUExecutionProvider"])
        binding, held = session.io_binding(), []
        for name, array in inputs.items():
            held.append(self.value(array))
            binding.bind_ortvalue_input(name, held[-1])
        for name, shape in outputs.items():
            held.append(self.value(np.zeros(shape, self.numpy)))
            binding.bind_ortvalue_output(name, held[-1])

        def call():
            session.run_with_iobinding(binding)

        call.held = held
        return call


def prepare(w):
    g = Graph(w.dtype)
    yield from {"rope": rope, "sdpa": attention, "gemm": gemm}.get(w.op, norm)(w, g)


def norm(w, g):
    x, out = {"x": g.rand(w.rows, w.d)}, {"y": (w.rows, w.d)}
    weight = {"w": g.rand(w.d)}
    common = {"axis": -1, "epsilon": 1e-5}
    if w.op == "layer_norm":
        both = weight | {"b": g.rand(w.d)}
        nodes = [node("LayerNormalization", ["x", "w", "b"], ["y"], **common)]
        yield "fused", lambda: g.session(nodes, x, out, both)
        return
    simple = [node("SimplifiedLayerNormalization", ["x", "w"], ["y"], **common)]
    yield "fused", lambda: g.session(simple, x, out, weight, opset=17)
    standard = [node("RMSNormalization", ["x", "w"], ["y"], **common)]
    yield "rms23", lambda: g.session(standard, x, out, weight)


def rope(w, g):
    shape = (w.b, w.h, w.t, w.d)
    positions = np.tile(np.arange(w.t, dtype=np.int64), (w.b, 1))
    x, cos, sin = g.rand(*shape), g.rand(w.t, w.d // 2), g.rand(w.t, w.d // 2)
    inputs, out = {"x": x, "p": positions, "c": cos, "s": sin}, {"y": shape}
    pairs = {"interleaved": w.traditional}
    own = [node("RotaryEmbedding", ["x", "p", "c", "s"], ["y"], domain=CONTRIBUTED, **pairs)]
    yield "fused", lambda: g.session(own, inputs, out)
    standard = [node("RotaryEmbedding", ["x", "c", "s", "p"], ["y"], **pairs)]
    yield "rotary23", lambda: g.session(standard, inputs, out)


def gemm(w, g):
    inputs = {"a": g.rand(w.n, w.n), "b": g.rand(w.n, w.n)}
    product = [node("MatMul", ["a", "b"], ["y"])]
    yield "matmul", lambda: g.session(product, inputs, {"y": (w.n, w.n)}, opset=18)


def attention(w, g):
    query, keys = (1, w.hq, w.lq, w.d), (1, w.hkv, w.lk, w.d)
    inputs = {"q": g.rand(*query), "k": g.rand(*keys), "v": g.rand(*keys)}
    causal, out = int(w.mask == "causal"), {"y": query}
    mask = {"m": visible(w.lq, w.lk)} if w.mask == "bool" else {}
    names = ["q", "k", "v", *mask]
    standard = [node("Attention", names, ["y"], is_causal=causal)]
    yield "attention23", lambda: g.session(standard, inputs | mask, out)

    # The contributed operators take (batch, length, heads * size).
    packed = lambda length, heads: g.rand(1, length, heads * w.d)
    flat = {"q": packed(w.lq, w.hq), "k": packed(w.lk, w.hkv), "v": packed(w.lk, w.hkv)}
    flat_out = {"y": (1, w.lq, w.hq * w.d)}
    if w.hq == w.hkv and not mask:
        options = {"num_heads": w.hq, "unidirectional": causal, "domain": CONTRIBUTED}
        heads = [node("MultiHeadAttention", ["q", "k", "v"], ["y"], **options)]
        yield "mha", lambda: g.session(heads, flat, flat_out)

    grouped = {"num_heads": w.hq, "kv_num_heads": w.hkv, "domain": CONTRIBUTED}
    lengths = {"sl": np.array([w.lk - 1], np.int32), "tl": np.array(w.lk, np.int32)}
    present = flat_out | {"pk": keys, "pv": keys}
    if causal:
        names = ["q", "k", "v", "", "", "sl", "tl"]
        nodes = [node("GroupQueryAttention", names, ["y", "pk", "pv"], **grouped)]
        yield "gqa", lambda: g.session(nodes, flat | lengths, present)
    if w.lq == 1 and not mask:
        past = (1, w.hkv, w.lk - 1, w.d)
        step = {"q": flat["q"], "k": packed(1, w.hkv), "v": packed(1, w.hkv)}
        step |= {"oldk": g.rand(*past), "oldv": g.rand(*past)} | lengths
        nodes = [node("GroupQueryAttention", list(step), ["y", "pk", "pv"], **grouped)]
        yield "gqa-step", lambda: g.session(nodes, step, present)

    yield "plain", lambda: plain_attention(w, g, inputs, out, mask)


def plain_attention(w, g, inputs, out, mask):
    nodes, k, v = [], "k", "v"
    constants = {"scale": g.scalar(1 / math.sqrt(w.d))}
    if w.hq != w.hkv:
        constants["axis"] = np.array([2])
        constants["wide"] = np.array([1, w.hkv, w.hq // w.hkv, w.lk, w.d])
        constants["flat"] = np.array([1, w.hq, w.lk, w.d])
        for t in "kv":
            nodes += [
                node("Unsqueeze", [t, "axis"], [t + "1"]),
                node("Expand", [t + "1", "wide"], [t + "2"]),
                node("Reshape", [t + "2", "flat"], [t + "3"]),
            ]
        k, v = "k3", "v3"
    nodes += [
        node("Transpose", [k], ["kt"], perm=[0, 1, 3, 2]),
        node("MatMul", ["q", "kt"], ["raw"]),
        node("Mul", ["raw", "scale"], ["scores"]),
    ]
    scores = "scores"
    if w.mask != "none":
        lower = np.tril(np.ones((w.lq, w.lk), bool))[None, None]
        constants |= {"mask": mask.get("m", lower), "low": g.scalar(g.low)}
        nodes.append(node("Where", ["mask", scores, "low"], ["masked"]))
        scores = "masked"
    nodes += [node("Softmax", [scores], ["p"], axis=-1), node("MatMul", ["p", v], ["y"])]
    return g.session(nodes, inputs, out, constants, opset=18)


serve(prepare)
