"""The types of results: every pair of element types, weak scalars, and single arguments."""

import mlx.core as mx

from recorder import DTYPES, outcome

BINARY = {
    "add": lambda a, b: a + b,
    "divide": lambda a, b: a / b,
    "maximum": mx.maximum,
    "less": lambda a, b: a < b,
    "where": lambda a, b: mx.where(mx.array(True), a, b),
    "power": lambda a, b: a**b,
}
SCALARS = {"int": 2, "float": 2.5, "bool": True}
# Of complex numbers anymetal has storage, arithmetic and casts only.
REAL = ("max", "argmax", "logsumexp", "softmax")
UNARY = {
    "exp": mx.exp,
    "sqrt": mx.sqrt,
    "abs": mx.abs,
    "negative": lambda a: -a,
    "square": mx.square,
    "sum": mx.sum,
    "mean": mx.mean,
    "prod": mx.prod,
    "max": mx.max,
    "argmax": mx.argmax,
    "logsumexp": mx.logsumexp,
    "softmax": lambda a: mx.softmax(a, -1),
    "isnan": mx.isnan,
    "logical_not": mx.logical_not,
}


def record(recorder, rounds):
    ones = {name: mx.ones([2], dtype=dtype) for name, dtype in DTYPES.items()}
    recorder.begin("promotion-arrays")
    for op, call in BINARY.items():
        for a in DTYPES:
            for b in DTYPES:
                result(recorder, lambda: call(ones[a], ones[b]), op=op, a=a, b=b)
    recorder.begin("promotion-scalars")
    for op, call in BINARY.items():
        for a in DTYPES:
            for kind, scalar in SCALARS.items():
                result(recorder, lambda: call(ones[a], scalar), op=op, a=a, scalar=kind)
    recorder.begin("promotion-unary")
    for op, call in UNARY.items():
        for a in DTYPES:
            if a != "complex64" or op not in REAL:
                result(recorder, lambda: call(ones[a]), op=op, a=a)


def result(recorder, call, **fields):
    array, error = outcome(call)
    names = {dtype: name for name, dtype in DTYPES.items()}
    # What MLX refuses to compute it may word as it likes; that it refuses is compared.
    expected = {"error": error["error"]} if error else {"dtype_out": names[array.dtype]}
    op = "promote_" + fields.pop("op")
    recorder.case(op, **fields, **expected)
