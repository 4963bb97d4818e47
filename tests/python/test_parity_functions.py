"""Every function against real MLX: random arrays of all dtypes and odd shapes."""

import numpy as np
import pytest
from peers import DTYPES, FLOATS, INTEGERS, SHAPES, Twin, check, generator, ours, theirs, twin

ANY = (-4.0, 4.0)

# Name: range of the arguments, and how many of RELATIVE's tolerances a result may be off.
UNARY = {
    "abs": (ANY, 1),
    "negative": (ANY, 1),
    "sign": (ANY, 1),
    "square": (ANY, 1),
    "sqrt": ((0.0, 9.0), 1),
    "rsqrt": ((0.25, 9.0), 1),
    "reciprocal": ((0.5, 4.0), 1),
    "exp": (ANY, 2),
    "expm1": (ANY, 2),
    "log": ((0.5, 9.0), 2),
    "log2": ((0.5, 9.0), 2),
    "log10": ((0.5, 9.0), 2),
    "log1p": ((0.0, 9.0), 2),
    "sin": (ANY, 2),
    "cos": (ANY, 2),
    "tan": ((-1.0, 1.0), 2),
    "sinh": (ANY, 2),
    "cosh": (ANY, 2),
    "tanh": (ANY, 2),
    "arcsin": ((-0.9, 0.9), 2),
    "arccos": ((-0.9, 0.9), 2),
    "arctan": (ANY, 2),
    "arcsinh": (ANY, 2),
    "arccosh": ((1.5, 9.0), 2),
    "arctanh": ((-0.9, 0.9), 2),
    "erf": (ANY, 2),
    # MLX's approximation is good to a few units of float32.
    "erfinv": ((-0.9, 0.9), 8),
    "sigmoid": (ANY, 2),
    "floor": (ANY, 1),
    "ceil": (ANY, 1),
    "round": (ANY, 1),
    "trunc": (ANY, 1),
    "logical_not": ((-1.0, 1.0), 1),
    "bitwise_invert": (ANY, 1),
    "isnan": (ANY, 1),
    "isinf": (ANY, 1),
    "isfinite": (ANY, 1),
    "isneginf": (ANY, 1),
    "isposinf": (ANY, 1),
    "conjugate": (ANY, 1),
    "conj": (ANY, 1),
    "real": (ANY, 1),
    "imag": (ANY, 1),
    "positive": (ANY, 1),
    "degrees": (ANY, 2),
    "radians": (ANY, 2),
    "nan_to_num": (ANY, 1),
    "stop_gradient": (ANY, 1),
    "acos": ((-0.9, 0.9), 2),
    "acosh": ((1.5, 9.0), 2),
    "asin": ((-0.9, 0.9), 2),
    "asinh": (ANY, 2),
    "atan": (ANY, 2),
    "atanh": ((-0.9, 0.9), 2),
    "contiguous": (ANY, 1),
    "zeros_like": (ANY, 1),
    "ones_like": (ANY, 1),
    "atleast_1d": (ANY, 1),
    "atleast_2d": (ANY, 1),
    "atleast_3d": (ANY, 1),
    "flip": (ANY, 1),
    "flatten": (ANY, 1),
    "squeeze": (ANY, 1),
    "transpose": (ANY, 1),
    "permute_dims": (ANY, 1),
    "matrix_transpose": (ANY, 1),
    "tril": (ANY, 1),
    "triu": (ANY, 1),
    "diag": (ANY, 1),
    "diagonal": (ANY, 1),
    "trace": (ANY, 4),
    "unstack": (ANY, 1),
    "diff": (ANY, 1),
}

# MLX computes these in float32 even for float64; NumPy judges ours.
SINGLE = {"exp", "sin", "cos", "erf", "erfinv", "sigmoid", "logaddexp", "softmax", "logsumexp"}

# What MLX refuses or gets wrong, and we give.
OURS_ALONE = {
    ("nan_to_num", "float64"),
    # The sign of not-a-number is 0 in MLX, and not a number in NumPy and here.
    *(("sign", dtype) for dtype in FLOATS),
}

# What is not in anymetal: extremes and soft maxima of complex numbers, and their quotients, which
# MLX does not round down either.
NO_COMPLEX = {"floor_divide", "max", "min", "minmax", "softmax", "logsumexp"}

BINARY = {
    "add": (ANY, 1),
    "subtract": (ANY, 1),
    "multiply": (ANY, 1),
    "divide": ((0.5, 4.0), 1),
    "floor_divide": ((1.0, 9.0), 1),
    "remainder": ((1.0, 9.0), 1),
    "divmod": ((1.0, 9.0), 1),
    "power": ((0.5, 3.0), 2),
    "maximum": (ANY, 1),
    "minimum": (ANY, 1),
    "logaddexp": (ANY, 2),
    "arctan2": (ANY, 2),
    "equal": ((-1.0, 1.0), 1),
    "not_equal": ((-1.0, 1.0), 1),
    "less": ((-1.0, 1.0), 1),
    "less_equal": ((-1.0, 1.0), 1),
    "greater": ((-1.0, 1.0), 1),
    "greater_equal": ((-1.0, 1.0), 1),
    "logical_and": ((-1.0, 1.0), 1),
    "logical_or": ((-1.0, 1.0), 1),
    "logical_xor": ((-1.0, 1.0), 1),
    "bitwise_and": ((0.0, 9.0), 1),
    "bitwise_or": ((0.0, 9.0), 1),
    "bitwise_xor": ((0.0, 9.0), 1),
    "left_shift": ((0.0, 4.0), 1),
    "right_shift": ((0.0, 4.0), 1),
    "isclose": ((-1.0, 1.0), 1),
    "allclose": ((-1.0, 1.0), 1),
    "array_equal": ((0.0, 1.0), 1),
    "outer": (ANY, 1),
    "kron": (ANY, 1),
}


def broadcastable(rng, shape):
    """A shape that broadcasts with another, mostly."""
    if rng.random() < 0.05:
        return rng.choice(SHAPES)
    other = [n if rng.random() < 0.7 else 1 for n in shape]
    return tuple(other[rng.randrange(len(other) + 1) :])


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_array(name):
    rng = generator(name)
    (low, high), relative = UNARY[name]
    for dtype in DTYPES:
        for _ in range(6):
            if (name, dtype) in OURS_ALONE:
                continue
            a = twin(rng, dtype=dtype, low=low, high=high)
            run = lambda m, a: getattr(m, name)(a)  # noqa: E731
            check(run, a, relative=relative, label=name, single=name in SINGLE)


MATHEMATICAL = list(UNARY)[: list(UNARY).index("stop_gradient")]


@pytest.mark.parametrize(
    "name", [n for n in MATHEMATICAL if hasattr(np, n) and n != "bitwise_invert"]
)
def test_float64_is_as_precise_as_numpy_s(name):
    rng = generator(f"float64 {name}")
    (low, high), _ = UNARY[name]
    for _ in range(10):
        a = twin(rng, dtype="float64", low=low, high=high)
        found = getattr(ours, name)(a.on(ours))
        expected = np.asarray(getattr(np, name)(np.array(a.content, np.float64)))
        # Four units in the last place.
        np.testing.assert_allclose(found.tolist(), expected, rtol=2.0**-50, atol=2.0**-60)


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_arrays(name):
    rng = generator(name)
    (low, high), relative = BINARY[name]
    for first in DTYPES:
        for second in DTYPES:
            if name in NO_COMPLEX and "complex64" in (first, second):
                continue
            shape = rng.choice(SHAPES)
            other = broadcastable(rng, shape)
            if rng.random() < 0.5:
                shape, other = other, shape
            a, b = (twin(rng, s, d, low, high) for s, d in ((shape, first), (other, second)))
            run = lambda m, a, b: getattr(m, name)(a, b)  # noqa: E731
            check(run, a, b, relative=relative, label=name, single=name in SINGLE)


@pytest.mark.parametrize(
    "name", [n for n in BINARY if n not in ("isclose", "allclose", "outer", "kron")]
)
def test_functions_of_an_array_and_a_number(name):
    rng = generator(name)
    (low, high), relative = BINARY[name]
    for dtype in DTYPES:
        for number in (rng.randint(1, 3), rng.choice([0.5, 1.5, 2.0]), True):
            if name in NO_COMPLEX and dtype == "complex64":
                continue
            a = twin(rng, rng.choice(SHAPES), dtype, low, high)
            run = lambda m, a, x: getattr(m, name)(a, x)  # noqa: E731
            back = lambda m, a, x: getattr(m, name)(x, a)  # noqa: E731
            single = name in SINGLE
            check(run, a, number, relative=relative, label=name, single=single)
            check(back, a, number, relative=relative, label=name, single=single)


REDUCTIONS = [
    "sum",
    "prod",
    "mean",
    "var",
    "std",
    "max",
    "min",
    "any",
    "all",
    "logsumexp",
    "softmax",
    "minmax",
]


def random_axes(rng, ndim):
    """None, an axis or several, at times wrong."""
    choice = rng.random()
    if choice < 0.2:
        return None
    if choice < 0.25:
        return rng.choice([ndim, -ndim - 1, (0, 0)])
    if ndim == 0:
        return None
    axes = rng.sample(range(ndim), rng.randint(1, ndim))
    axes = [a - ndim if rng.random() < 0.4 else a for a in axes]
    return axes[0] if len(axes) == 1 and rng.random() < 0.7 else rng.choice([tuple, list])(axes)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name):
    rng = generator(name)
    for dtype in DTYPES:
        if name in NO_COMPLEX and dtype == "complex64":
            continue
        # MLX leaves some integers as they are in softmax and counts wrong in logsumexp.
        if name in ("softmax", "logsumexp") and dtype not in FLOATS:
            continue
        for _ in range(8):
            a = twin(rng, dtype=dtype, low=-2.0, high=2.0)
            axes = random_axes(rng, len(a.shape))
            keep = rng.random() < 0.5
            relative = 8
            if name == "softmax":
                run = lambda m, a: m.softmax(a, axes, precise=keep)  # noqa: E731
                # MLX does not look at the axes of an empty array.
                if 0 in a.shape:
                    continue
                # Without precise, MLX rounds each exponential of a half to a half.
                relative = 16
            else:
                run = lambda m, a: getattr(m, name)(a, axes, keep)  # noqa: E731
            check(
                run,
                a,
                relative=relative,
                scale=8.0,
                label=f"{name} {axes} {keep}",
                single=name in SINGLE,
            )


@pytest.mark.parametrize("name", ["var", "std"])
def test_spread_with_a_correction(name):
    rng = generator(name)
    for dtype in FLOATS + ["int32"]:
        for _ in range(4):
            a = twin(rng, dtype=dtype)
            axis, ddof = random_axes(rng, len(a.shape)), rng.randint(0, 2)
            check(
                lambda m, a: getattr(m, name)(a, axis, ddof=ddof),
                a,
                relative=8,
                scale=8.0,
                label=f"{name} {axis} {ddof}",
            )
            check(lambda m, a: getattr(m, name)(a, axis, correction=ddof), a, relative=8, scale=8.0)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions_of_extremes(name):
    rng = generator(name)
    for dtype in DTYPES:
        if dtype == "complex64":
            continue
        for _ in range(6):
            a = twin(rng, dtype=dtype)
            if not a.shape:
                continue
            axis = rng.choice([None, *range(-len(a.shape), len(a.shape))])
            keep = rng.random() < 0.5
            check(lambda m, a: getattr(m, name)(a, axis, keep), a, label=f"{name} {axis}")


def test_matrix_products():
    rng = generator("matmul")
    for dtype in [*FLOATS, "complex64", "int32"]:
        for _ in range(12):
            m, n, k = (rng.randint(0 if rng.random() < 0.1 else 1, 5) for _ in range(3))
            lead = rng.choice([(), (2,), (3, 2), (1,)])
            a = twin(rng, rng.choice([(*lead, m, k), (k,)]), dtype)
            b = twin(
                rng,
                rng.choice([(*broadcastable(rng, lead), k, n), (k,)]),
                rng.choice([dtype, dtype, "float32"]),
            )
            check(lambda m, a, b: m.matmul(a, b), a, b, relative=8, scale=64.0, label="matmul")
            check(lambda m, a, b: a @ b, a, b, relative=8, scale=64.0, label="@")
            c = twin(rng, (m, n), dtype)
            x, y = twin(rng, (m, k), dtype), twin(rng, (k, n), dtype)
            alpha, beta = rng.choice([1.0, 0.5, -2.0]), rng.choice([1.0, 0.0, 3.0])
            check(
                lambda m, c, x, y: m.addmm(c, x, y, alpha, beta),
                c,
                x,
                y,
                relative=16,
                scale=128.0,
                label="addmm",
            )
            u, v = twin(rng, (m, k), dtype), twin(rng, (n, k), dtype)
            check(lambda m, u, v: m.inner(u, v), u, v, relative=8, scale=64.0, label="inner")
            check(
                lambda m, u, v: m.tensordot(u, v, [[1], [1]]),
                u,
                v,
                relative=8,
                scale=64.0,
                label="tensordot",
            )
            check(
                lambda m, u, v: m.tensordot(u, v, 1),
                x,
                y,
                relative=8,
                scale=64.0,
                label="tensordot",
            )


def test_creation():
    rng = generator("creation")
    for dtype in [None, *DTYPES]:
        pick = lambda m: None if dtype is None else getattr(m, dtype)  # noqa: E731
        for _ in range(4):
            shape = rng.choice([*SHAPES, 3, [2, 1], -1, (2, -1)])
            number = rng.choice([0, 1, 2.5, True, 3])
            check(lambda m: m.zeros(shape, pick(m)), label=f"zeros {shape} {dtype}")
            check(lambda m: m.ones(shape, dtype=pick(m)), label=f"ones {shape} {dtype}")
            # MLX's full does not convert a number to a lower kind of dtype, whatever is asked for.
            kinds = [bool, int, float].index(type(number))
            if dtype is None or dtype in FLOATS or kinds == 0 or (kinds == 1 and dtype in INTEGERS):
                check(
                    lambda m: m.full(shape, number, pick(m)), label=f"full {shape} {number} {dtype}"
                )
            a = twin(rng)
            check(lambda m, a: m.zeros_like(a, pick(m)), a)
            check(lambda m, a: m.ones_like(a, dtype=pick(m)), a)
            if "bool_" not in (dtype, a.dtype):
                check(lambda m, a: m.full_like(a, number, pick(m)), a)
            n, k = rng.randint(-1, 5), rng.randint(-4, 4)
            width = rng.choice([None, rng.randint(0, 5)])
            check(lambda m: m.eye(n, width, k, pick(m)), label=f"eye {n} {width} {k} {dtype}")
            check(
                lambda m: m.tri(max(n, 0), width, k, pick(m)), label=f"tri {n} {width} {k} {dtype}"
            )
            check(lambda m: m.identity(max(n, 0), pick(m)), label=f"identity {n} {dtype}")


def test_ranges():
    rng = generator("ranges")
    number = lambda: rng.choice(
        [rng.randint(-9, 9), round(rng.uniform(-9, 9) * 8) / 8, rng.randint(0, 3), True]
    )  # noqa: E731
    for dtype in [None, *DTYPES]:
        pick = lambda m: None if dtype is None else getattr(m, dtype)  # noqa: E731
        if dtype in ("complex64",):
            continue
        for _ in range(12):
            start, stop, step = number(), number(), rng.choice([number(), None, 1, -1, 0])
            check(lambda m: m.arange(stop), label=f"arange({stop})")
            if (
                dtype in (None, *FLOATS)
                or isinstance(start, int)
                and isinstance(step, int)
                and min(start, stop) >= 0
            ):
                check(
                    lambda m: m.arange(start, stop, step, pick(m)),
                    label=f"arange({start}, {stop}, {step}, {dtype})",
                )
                check(
                    lambda m: m.arange(start, stop, dtype=pick(m)),
                    label=f"arange({start}, {stop}, {dtype})",
                )
            count, endpoint = rng.randint(-1, 9), rng.random() < 0.5
            if dtype is None or dtype in FLOATS:
                check(
                    lambda m: m.linspace(start, stop, count, endpoint, pick(m)),
                    scale=9.0,
                    label=f"linspace({start}, {stop}, {count}, {endpoint}, {dtype})",
                )


def test_where_and_clip():
    rng = generator("where")
    for dtype in DTYPES:
        for other in DTYPES:
            shape = rng.choice(SHAPES)
            a, b = twin(rng, shape, dtype), twin(rng, broadcastable(rng, shape), other)
            condition = twin(
                rng, broadcastable(rng, shape), rng.choice(["bool_", "int32", "float32"]), 0.0, 1.0
            )
            check(lambda m, c, a, b: m.where(c, a, b), condition, a, b)
            number = (
                rng.choice([1, 0.5, True, -1e30, float("inf")])
                if dtype in FLOATS
                else rng.choice([1, 2])
            )
            check(lambda m, c, a: m.where(c, a, number), condition, a, label=f"where {number}")
            check(lambda m, c, a: m.where(c, number, a), condition, a, label=f"where {number}")
            if "complex64" not in (dtype, other):
                check(lambda m, a, b: m.clip(a, b, None), a, b)
                check(lambda m, a, b: m.clip(a, None, b), a, b)
                check(lambda m, a: m.clip(a, -1, 2), a)
                check(lambda m, a: m.clip(a, a_min=-0.5, a_max=1.5), a)


def test_casts_and_views():
    rng = generator("cast")
    for dtype in DTYPES:
        for other in DTYPES:
            # Negative numbers have no meaning in unsigned integers.
            low = 0.0 if other.startswith("u") else -4.0
            a = twin(rng, dtype=dtype, low=low)
            check(lambda m, a: m.astype(a, getattr(m, other)), a, label=f"astype {other}")
            check(lambda m, a: a.astype(getattr(m, other)), a, label=f"astype {other}")
            check(lambda m, a: m.result_type(a, getattr(m, other)), a, label="result_type")
            check(
                lambda m: m.can_cast(getattr(m, dtype), getattr(m, other)),
                label=f"can_cast {dtype} {other}",
            )
        for category in (
            "floating",
            "complexfloating",
            "inexact",
            "signedinteger",
            "unsignedinteger",
            "integer",
            "number",
            "generic",
        ):
            check(
                lambda m: m.issubdtype(getattr(m, dtype), getattr(m, category)),
                label=f"{dtype} {category}",
            )
        for kind in (
            "bool",
            "signed integer",
            "unsigned integer",
            "integral",
            "real floating",
            "complex floating",
            "numeric",
            "x",
        ):
            check(lambda m: m.isdtype(getattr(m, dtype), kind), text=True, label=f"{dtype} {kind}")
        for info, fields in (
            ("finfo", ("min", "max", "eps", "smallest_normal", "bits")),
            ("iinfo", ("min", "max")),
        ):
            for field in fields:
                check(
                    lambda m: getattr(getattr(m, info)(getattr(m, dtype)), field),
                    text=True,
                    label=f"{info}({dtype}).{field}",
                )
            check(lambda m: repr(getattr(m, info)(getattr(m, dtype))), label=f"{info}({dtype})")
    sized = [d for d in DTYPES if d not in ("bool_", *FLOATS, "complex64")]
    for dtype in sized:
        for other in sized:
            a = twin(rng, rng.choice([(4,), (2, 8), (3,), (1, 16), ()]), dtype, low=0.0)
            check(lambda m, a: m.view(a, getattr(m, other)), a, label=f"view {other}")


def test_rounding_to_places():
    rng = generator("round")
    for dtype in ["float32", "float64", "float16", "int32", "int16", "uint8", "complex64"]:
        for decimals in (-2, -1, 0, 1, 2):
            a = twin(rng, (9,), dtype, low=0.0 if dtype[0] == "u" else -100.0, high=100.0)
            check(lambda m, a: m.round(a, decimals), a, scale=100.0, label=f"round {decimals}")


def test_special_values():
    rng = generator("special")
    special = [0.0, -0.0, 1.0, -1.0, float("inf"), -float("inf"), float("nan"), 1e-30, -65504.0]
    two = [(x, y) for x in special for y in special]
    for dtype in FLOATS:
        a = Twin((len(special),), dtype, special)
        for name in UNARY:
            if name in ("diag", "trace", "tril", "triu", "matrix_transpose", "diagonal", "unstack"):
                continue
            if (name, dtype) in OURS_ALONE:
                continue
            relative, single = UNARY[name][1] * 2, name in SINGLE
            run = lambda m, a: getattr(m, name)(a)  # noqa: E731
            check(run, a, relative=relative, label=name, single=single)
        x, y = (Twin((len(two),), dtype, [p[i] for p in two]) for i in (0, 1))
        for name in BINARY:
            if name in ("outer", "kron") or name[:7] == "bitwise" or name.endswith("shift"):
                continue
            run = lambda m, a, b: getattr(m, name)(a, b)  # noqa: E731
            check(run, x, y, relative=2, label=name, single=name in SINGLE)
        for name in ("sum", "max", "min", "any", "all", "logsumexp", "mean", "prod"):
            for _ in range(8):
                part = rng.sample(special, 3)
                run = lambda m, a: getattr(m, name)(a)  # noqa: E731
                check(run, Twin((3,), dtype, part), label=name, single=name in SINGLE)
        if dtype != "float64":
            check(lambda m, a: m.nan_to_num(a, 1.0, 2.0, -3.0), a)
        check(lambda m, a: m.isclose(a, a, equal_nan=True), a)
        check(lambda m, a: m.array_equal(a, a, equal_nan=True), a)
    for dtype in INTEGERS:
        a = twin(rng, (5,), dtype)
        check(lambda m, a: m.nan_to_num(a), a)


def test_names_are_the_same_functions():
    for other, name in [
        ("acos", "arccos"),
        ("pow", "power"),
        ("concat", "concatenate"),
        ("atan2", "arctan2"),
    ]:
        assert getattr(ours, other) is getattr(ours, name)
    for name in ("pi", "e", "inf", "euler_gamma", "newaxis"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.nan != ours.nan
