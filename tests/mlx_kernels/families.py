"""MLX's kernel families: which headers each needs and in which instantiations it is compiled.

Nothing of MLX is here, only the names of its headers, templates and functors. The instantiations
are those MLX builds or makes at run time: its types, block sizes and variants.
"""

from dataclasses import dataclass, field

INTS = ["uint8_t", "uint16_t", "uint32_t", "uint64_t", "int8_t", "int16_t", "int32_t", "int64_t"]
FLOATS = ["half", "bfloat16_t", "float"]
COMPLEX = "complex64_t"
REAL = INTS + FLOATS
ALL = ["bool"] + REAL + [COMPLEX]


@dataclass
class Family:
    """Kernels that share their headers."""

    name: str
    headers: list[str]
    # (template, arguments) of every instantiation, or its full text for macro-made kernels.
    kernels: list[tuple[str, tuple]]
    # Values of function constants by index.
    constants: dict[int, str] = field(default_factory=dict)

    def instantiations(self):
        """The instantiations by the name each has as a kernel."""
        named = {}
        for template, arguments in self.kernels:
            words = [str(a).replace("<", "_").replace(">", "").replace("::", "_") for a in arguments]
            name = "_".join([template, *words]).replace(" ", "").replace(",", "_").replace("-", "n")
            named[name] = (template, arguments)
        return named


def text(value):
    """A template argument as Metal writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def source(family, names=None):
    """A program with the family's instantiations, or only those of `names`."""
    lines = ["#include <metal_stdlib>", "using namespace metal;"]
    lines += [f'#include "mlx/backend/metal/kernels/{header}"' for header in family.headers]
    for name, (template, arguments) in family.instantiations().items():
        if names is None or name in names:
            value = f"{template}<{', '.join(map(text, arguments))}>"
            lines.append(f'template [[host_name("{name}")]] [[kernel]] decltype({value}) {value};')
    return "\n".join(lines) + "\n"


def unary():
    same = {
        "Abs": ALL, "Negative": REAL + [COMPLEX], "Sign": ALL, "Square": ALL,
        "Ceil": REAL, "Floor": REAL, "Round": REAL + [COMPLEX],
        "BitwiseInvert": ["bool"] + INTS, "LogicalNot": ["bool"], "Conjugate": [COMPLEX],
    }
    for op in ["ArcCos", "ArcSin", "ArcTan", "Cos", "Cosh", "Exp", "Log", "Log10", "Log1p",
               "Log2", "Rsqrt", "Sin", "Sinh", "Sqrt", "Tan", "Tanh"]:
        same[op] = FLOATS + [COMPLEX]
    for op in ["ArcCosh", "ArcSinh", "ArcTanh", "Erf", "ErfInv", "Expm1", "Sigmoid"]:
        same[op] = FLOATS
    rows = [(op, t, t) for op, types in same.items() for t in types]
    rows += [(op, COMPLEX, "float") for op in ["Real", "Imag"]]
    rows += [("ToFP8", t, "uint8_t") for t in FLOATS] + [("FromFP8", "uint8_t", t) for t in FLOATS]
    kernels = []
    for op, t, u in rows:
        kernels += [("unary_v", (t, u, op)), ("unary_v2", (t, u, op)), ("unary_g", (t, u, op, 1, "int")),
                    ("unary_g", (t, u, op, 4))]
    return kernels


def binary():
    same = {op: ALL for op in ["Add", "Multiply", "Subtract", "Maximum", "Minimum"]}
    same |= {op: REAL + [COMPLEX] for op in ["Power", "Remainder", "Divide"]}
    same |= {op: ["bool"] + INTS for op in ["BitwiseAnd", "BitwiseOr", "BitwiseXor"]}
    same |= {op: INTS for op in ["LeftShift", "RightShift"]}
    same |= {"LogAddExp": FLOATS + [COMPLEX], "ArcTan2": FLOATS}
    rows = [(op, t, t) for op, types in same.items() for t in types]
    compare = ["Equal", "NotEqual", "Greater", "GreaterEqual", "Less", "LessEqual"]
    rows += [(op, t, "bool") for op in compare for t in ALL]
    rows += [("NaNEqual", t, "bool") for t in FLOATS + [COMPLEX]]
    rows += [(op, "bool", "bool") for op in ["LogicalAnd", "LogicalOr"]]
    return binary_shapes(rows)


def binary_shapes(rows):
    kernels = []
    for op, t, u in rows:
        kernels += [(f"binary_{k}", (t, u, op)) for k in ["ss", "sv", "vs", "vv", "sv2", "vs2", "vv2"]]
        kernels += [(f"binary_g_nd{n}", (t, u, op, "int")) for n in [1, 2, 3]]
        kernels += [("binary_g", (t, u, op, 2, "int")), ("binary_g", (t, u, op, 4))]
    return kernels


def ternary():
    kernels = []
    for t in ALL:
        for b in (False, True):
            for c in (False, True):
                kernels += [("ternary_v", (t, "Select", b, c)), ("ternary_v2", (t, "Select", b, c))]
        kernels += [(f"ternary_g_nd{n}", (t, "Select", "int")) for n in [1, 2, 3]]
        kernels += [("ternary_g", (t, "Select", 2, "int")), ("ternary_g", (t, "Select", 4))]
    return kernels


def copies():
    kernels = []
    for t in ALL:
        for u in ALL:
            kernels += [("copy_s", (t, u)), ("copy_v", (t, u)), ("copy_v2", (t, u))]
            kernels += [("copy_g_nd1", (t, u, "int")), ("copy_g", (t, u, 2, "int"))]
            if t == u:
                kernels += [(f"copy_g_nd{n}", (t, u, "int")) for n in [2, 3]]
                kernels += [(f"copy_gg_nd{n}", (t, u, "int")) for n in [1, 2, 3]]
                kernels += [(f"copy_gg_dynamic_nd{n}", (t, u, "int")) for n in [1, 2, 3]]
                kernels += [("copy_s2", (t, u)), ("copy_gg", (t, u, 2, "int")),
                            ("copy_gg_dynamic", (t, u, 2, "int"))]
    return kernels


def softmax():
    kernels = [(k, (t,)) for k in ["softmax_single_row", "softmax_looped"] for t in FLOATS]
    kernels += [(k, (t, "float")) for k in ["softmax_single_row", "softmax_looped"] for t in FLOATS[:2]]
    return kernels


def reduction_ops():
    """Functor, input and output types of MLX's reductions."""
    wide = {"bool": "int32_t", "int8_t": "int32_t", "int16_t": "int32_t", "uint8_t": "uint32_t",
            "uint16_t": "uint32_t"}
    rows = [(f"{op}<bool>", t, "bool") for op in ["And", "Or"]
            for t in ["bool", "int16_t", "int32_t", "int64_t"]]
    for op in ["Sum", "Prod"]:
        rows += [(f"{op}<{wide.get(t, t)}>", t, wide.get(t, t)) for t in ALL]
    for op in ["Min", "Max"]:
        rows += [(f"{op}<{t}>", t, t) for t in ALL]
    return rows


def reduce():
    kernels = []
    for op, t, u in reduction_ops():
        kernels += [("init_reduce", (u, op)), ("all_reduce", (t, u, op)),
                    ("row_reduce_simple", (t, u, op))]
        kernels += [("row_reduce_small", (t, u, op, "int", n)) for n in [1, 2, 5]]
        kernels += [("row_reduce_looped", (t, u, op, "int", n)) for n in [1, 2, 5]]
        kernels += [("col_reduce_small", (t, u, op, "int", 1)), ("col_reduce_longcolumn", (t, u, op, "int", 1)),
                    ("col_reduce_looped", (t, u, op, "int", 1, 32, 32)),
                    ("col_reduce_2pass", (t, u, op, "int", 1, 32, 32))]
    return kernels


def scan():
    ops = {"CumSum": (ALL, "int32_t"), "CumProd": (ALL, "int32_t"),
           "CumMax": (ALL, "bool"), "CumMin": (ALL, "bool"), "CumLogaddexp": (FLOATS + [COMPLEX], None)}
    kernels = []
    for op, (types, of_bool) in ops.items():
        for t in types:
            u = of_bool if t == "bool" else t
            reads = 2 if t in ("int64_t", "uint64_t", COMPLEX) else 4
            for inclusive in (True, False):
                for reverse in (True, False):
                    for k in ["contiguous_scan", "strided_scan"]:
                        kernels.append((k, (t, u, f"{op}<{u}>", reads, inclusive, reverse)))
    return kernels


def sort():
    kernels = []
    for t in ["bool"] + REAL:
        for arg in (False, True):
            u = "uint32_t" if arg else t
            blocks = [128, 256] if t in ("int64_t", "uint64_t") else [128, 512]
            for bn in blocks:
                kernels += [("block_sort", (t, u, arg, bn, 8)), ("block_sort_nc", (t, u, arg, bn, 8))]
        for k in ["mb_block_sort", "mb_block_partition", "mb_block_merge"]:
            kernels.append((k, (t, "uint32_t", True, 256, 8)))
    return kernels


def gemv():
    kernels = []
    for t in FLOATS + [COMPLEX]:
        for bm, bn, sm, sn, tm, tn in [(1, 8, 1, 32, 4, 4), (1, 8, 1, 32, 1, 4), (1, 1, 8, 4, 4, 4),
                                      (1, 1, 8, 4, 1, 4), (4, 1, 1, 32, 1, 4), (4, 1, 1, 32, 4, 4),
                                      (8, 1, 1, 32, 4, 4)]:
            for batch in (False, True):
                for axpby in (False, True):
                    kernels.append(("gemv", (t, bm, bn, sm, sn, tm, tn, batch, axpby)))
            kernels.append(("gemv_gather", (t, bm, bn, sm, sn, tm, tn)))
        for bm, bn, sm, sn, tm, tn in [(1, 2, 8, 4, 4, 1), (1, 2, 8, 4, 4, 4), (1, 4, 8, 4, 4, 4),
                                      (1, 16, 8, 4, 4, 4), (1, 16, 4, 8, 4, 4)]:
            for batch in (False, True):
                for axpby in (False, True):
                    kernels.append(("gemv_t", (t, bm, bn, sm, sn, tm, tn, batch, axpby)))
            kernels.append(("gemv_t_gather", (t, bm, bn, sm, sn, tm, tn)))
    return kernels


def gemv_masked():
    kernels = []
    for t in FLOATS:
        for out, op in [("bool", "bool"), ("nomask_t", "nomask_t"), (t, "nomask_t"), ("nomask_t", t)]:
            kernels.append(("gemv_masked", (t, out, op, 2, 1, 8, 4, 4, 4, False)))
            kernels.append(("gemv_t_masked", (t, out, op, 1, 2, 8, 4, 4, 4, False)))
    return kernels


def sdpa_vector():
    kernels = []
    for t in FLOATS:
        for d, v in [(64, 64), (96, 96), (128, 128), (256, 256), (192, 128)]:
            kernels += [("sdpa_vector", (t, d, v)), ("sdpa_vector_2pass_1", (t, d, v))]
        kernels += [("sdpa_vector_2pass_2", (t, d)) for d in [64, 96, 128, 256]]
        kernels += [("sdpa_vector_2pass_1_gqa", (t, 128, 128, 8, 4))]
    return kernels


def quantized():
    kernels = []
    for t in FLOATS:
        for group in [32, 64, 128]:
            for bits in [2, 3, 4, 5, 6, 8]:
                head = (t, group, bits)
                kernels += [("affine_quantize", head), ("affine_dequantize", head)]
                kernels += [("affine_qmv_fast", (*head, False)), ("affine_qmv", (*head, False)),
                            ("affine_qvm", (*head, False)), ("affine_qvm_split_k", (*head, 8))]
                kernels += [("affine_qmm_t", (*head, True, False)), ("affine_qmm_n", (*head, False))]
                kernels += [("affine_gather_qmv_fast", head), ("affine_gather_qmv", head),
                            ("affine_gather_qvm", head), ("affine_gather_qmm_t", (*head, False)),
                            ("affine_gather_qmm_n", head)]
                if bits in (2, 4, 8):
                    kernels.append(("affine_qmv_quad", (*head, 64, False)))
        kernels += [("affine_gather_qmm_rhs", (t, 64, 4, 16, 32, 32, 1, 2, True)),
                    ("affine_qmm_t_splitk", (t, 64, 4, True))]
    return kernels


def fp_quantized():
    kernels = []
    for t in FLOATS:
        for group, bits in [(32, 4), (16, 4), (32, 8)]:
            head = (t, group, bits)
            kernels += [("fp_qmv_fast", (*head, False)), ("fp_qmv", (*head, False)), ("fp_qvm", (*head, False)),
                        ("fp_qmm_t", (*head, True, False)), ("fp_qmm_n", (*head, False)),
                        ("fp_qmv_quad", (*head, 64, False)), ("fp_qvm_split_k", (*head, 8)),
                        ("fp_gather_qmv", head), ("fp_gather_qmm_t", (*head, False)),
                        ("fp_quantize", (*head, False)), ("fp_dequantize", (*head, False))]
    return kernels


TILES = [(64, 64, 16, 2, 2), (64, 64, 16, 1, 2), (64, 32, 32, 2, 2), (32, 64, 16, 1, 2), (32, 32, 16, 2, 2)]


def steel_gemm(template):
    kernels = []
    for t in FLOATS + ([COMPLEX] if template == "gemm" else []):
        for tile in TILES:
            for ta in (False, True):
                for tb in (False, True):
                    kernels.append((template, (t, *tile, ta, tb)))
    return kernels


def steel_splitk():
    kernels = []
    for t in FLOATS:
        for tile in [(16, 16, 16, 2, 2), (16, 32, 16, 2, 2), (32, 16, 16, 2, 2), (32, 32, 16, 2, 2)]:
            for tb in (False, True):
                for aligned in (False, True):
                    kernels.append(("gemm_splitk", (t, "float", *tile, False, tb, aligned, aligned)))
        kernels += [("gemm_splitk_accum", ("float", t)), ("gemm_splitk_accum_axpby", ("float", t))]
    return kernels


def steel_masked():
    kernels = []
    for t in FLOATS:
        for out, op in [("nomask_t", "nomask_t"), ("bool", "bool"), ("bool", "nomask_t"), (t, t)]:
            for aligned in (False, True):
                kernels.append(("block_masked_gemm",
                                (t, out, op, 32, 32, 16, 2, 2, False, True, aligned, aligned)))
    return kernels


def steel_attention():
    shapes = [(32, 16, 128, 128, 4, 1), (32, 32, 64, 64, 4, 1), (32, 32, 80, 80, 4, 1)]
    return [("attention", (t, *s, m, "float")) for t in FLOATS for s in shapes for m in ("bool", t)]


def steel_conv():
    kernels = []
    for t in FLOATS:
        for tile in [(32, 8, 16, 4, 1), (64, 8, 16, 4, 1), (32, 32, 16, 2, 2), (64, 64, 16, 2, 2)]:
            for channels, small in [(0, True), (0, False), (1, False), (2, False), (3, False), (4, False)]:
                kernels.append(("implicit_gemm_conv_2d", (t, *tile, channels, small)))
    return kernels


def hadamard():
    kernels = []
    for t in FLOATS:
        kernels += [("hadamard_n", (t, n, min(n, 16), 4)) for n in [16, 64, 256, 1024]]
    return kernels


def indexing():
    kernels = []
    for t in ["bool", "int8_t", "int32_t", "int64_t", *FLOATS, COMPLEX]:
        for i in ["uint32_t", "int32_t", "uint8_t"]:
            kernels += [("gather_front", (t, i, "int", 2))]
            kernels += [("gather_axis", (t, i, "int", s, c)) for s in (False, True) for c in (False, True)]
    return kernels


BASE = ["utils.h"]
FAMILIES = [
    Family("arange", BASE + ["arange.h"], [("arange", (t,)) for t in REAL]),
    Family("unary", BASE + ["unary_ops.h", "unary.h"], unary()),
    Family("binary", BASE + ["binary_ops.h", "binary.h"], binary()),
    Family("binary_two", BASE + ["binary_ops.h", "binary_two.h"],
           binary_shapes([("DivMod", t, t) for t in REAL])),
    Family("ternary", BASE + ["ternary_ops.h", "ternary.h"], ternary()),
    Family("copy", BASE + ["copy.h"], copies()),
    Family("softmax", BASE + ["softmax.h"], softmax()),
    Family("logsumexp", BASE + ["logsumexp.h"],
           [(k, (t,)) for k in ["logsumexp", "logsumexp_looped"] for t in FLOATS]),
    Family("cross_entropy", BASE + ["cross_entropy.h"],
           [(k, (t,)) for k in ["cross_entropy", "cross_entropy_vjp"] for t in FLOATS]),
    Family("reduce", BASE + ["atomic.h", "reduction/ops.h", "reduce_utils.h", "reduce.h"], reduce()),
    Family("scan", BASE + ["binary_ops.h", "scan.h"], scan()),
    Family("sort", BASE + ["sort.h"], sort()),
    Family("searchsorted", BASE + ["sort.h", "searchsorted.h"],
           [("searchsorted", (t, r)) for t in REAL for r in (False, True)]),
    Family("dot", ["dot.h"], [("dot_product", (t, 4, 256, 8)) for t in FLOATS]),
    Family("gemv", ["gemv.h"], gemv()),
    Family("gemv_wide", ["gemv.h"], [(k, (t, v, 4)) for k in ["gemv_wide", "gemv_wide_gather"]
                                     for t in FLOATS for v in [2, 4]],
           {0: "false", 1: "false"}),
    Family("gemv_masked", BASE + ["steel/utils.h", "gemv_masked.h"], gemv_masked()),
    Family("sdpa_vector", BASE + ["sdpa_vector.h"], sdpa_vector(),
           {20: "false", 21: "false", 22: "false", 23: "false", 24: "false", 25: "false", 26: "32"}),
    Family("sdpa_vector, masked", BASE + ["sdpa_vector.h"], sdpa_vector(),
           {20: "true", 21: "true", 22: "true", 23: "false", 24: "true", 25: "true", 26: "32"}),
    Family("quantized", BASE + ["steel/gemm/gemm.h", "quantized_utils.h", "quantized.h"], quantized(),
           {200: "true", 201: "true", 202: "true"}),
    Family("fp_quantized", BASE + ["steel/gemm/gemm.h", "quantized_utils.h", "fp_quantized.h"],
           fp_quantized(), {200: "true", 201: "true", 202: "true"}),
    Family("steel gemm", BASE + ["steel/gemm/gemm.h", "steel/gemm/kernels/steel_gemm_fused.h"],
           steel_gemm("gemm"), {10: "true", 100: "true", 110: "true", 200: "false", 201: "false", 202: "false"}),
    Family("steel gemm, gathered", BASE + ["steel/gemm/gemm.h", "steel/gemm/kernels/steel_gemm_gather.h"],
           steel_gemm("gather_mm") + steel_gemm("gather_mm_rhs"),
           {10: "false", 200: "false", 201: "false", 202: "false"}),
    Family("steel gemm, segmented", BASE + ["steel/gemm/gemm.h", "steel/gemm/kernels/steel_gemm_segmented.h"],
           steel_gemm("segmented_mm"), {199: "true", 200: "false", 201: "false"}),
    Family("steel gemm, split", BASE + ["steel/gemm/gemm.h", "steel/gemm/kernels/steel_gemm_splitk.h"],
           steel_splitk()),
    Family("steel gemm, masked", BASE + ["steel/gemm/gemm.h", "steel/gemm/kernels/steel_gemm_masked.h"],
           steel_masked()),
    Family("steel attention", BASE + ["steel/attn/attn.h", "steel/attn/kernels/steel_attention.h"],
           steel_attention(), {200: "false", 201: "false", 300: "true", 301: "true", 302: "true", 303: "true"}),
    Family("steel convolution", BASE + ["steel/conv/conv.h", "steel/conv/params.h", "steel/utils.h",
                                        "steel/gemm/mma.h", "steel/conv/kernels/steel_conv.h"], steel_conv()),
    Family("steel convolution 3D", BASE + ["steel/conv/conv.h", "steel/conv/kernels/steel_conv_3d.h"],
           [("implicit_gemm_conv_3d", (t, 32, 8, 16, 4, 1, s)) for t in FLOATS for s in (False, True)]),
    Family("steel convolution, general",
           BASE + ["steel/gemm/gemm.h", "steel/conv/conv.h", "steel/conv/kernels/steel_conv_general.h"],
           [("implicit_gemm_conv_2d_general", (t, bm, 32, 16, 2, 2)) for t in FLOATS for bm in [32, 64]],
           {200: "false"}),
    Family("hadamard", BASE + ["hadamard.h"], hadamard()),
    Family("indexing", BASE + ["indexing/indexing.h", "indexing/gather_front.h", "indexing/gather_axis.h"],
           indexing()),
    Family("gated delta", BASE + ["gated_delta_update.h"],
           [("gated_delta_seq", (t, 64, 64, 2, 4, 16)) for t in FLOATS]
           + [("gated_delta_fused_chunk", (t, 64, 64, 2, 4, 16)) for t in FLOATS], {200: "true"}),
    Family("fft", BASE + ["fft.h"], [("fft", (256, a, b)) for a, b in
                                     [("float2", "float2"), ("float", "float2"), ("float2", "float")]],
           {0: "false", 1: "true", 2: "4", **{i: "0" for i in range(3, 22)}, 8: "1", 10: "1", 22: "false"}),
]
