"""Runs the same expression on real MLX and on this package, and compares what comes out.

The inputs are fresh in every run; the seed is printed and can be set with ANYMETAL_SEED.
"""

import math
import os
import random

import mlx.core as theirs
import numpy as np

import anymetal.core as ours

SEED = int(os.environ.get("ANYMETAL_SEED") or random.SystemRandom().randrange(2**32))
print(f"seed: ANYMETAL_SEED={SEED}")

FLOATS = ["float16", "bfloat16", "float32", "float64"]
SIGNED = ["int8", "int16", "int32", "int64"]
UNSIGNED = ["uint8", "uint16", "uint32", "uint64"]
INTEGERS = SIGNED + UNSIGNED
DTYPES = ["bool_", *INTEGERS, *FLOATS, "complex64"]

# Half a unit in the last place, with room: either side may round at every step, and sums may be
# taken in another order.
RELATIVE = {
    "float16": 2.0**-9,
    "bfloat16": 2.0**-6,
    "float32": 2.0**-19,
    "float64": 2.0**-45,
    "complex64": 2.0**-18,
}

# fmt: off
SHAPES = [
    (), (1,), (3,), (7,), (2, 3), (1, 5), (4, 1), (2, 3, 4), (1, 1, 3), (3, 1, 2), (0,), (2, 0),
    (17,), (2, 1, 3, 2),
]
# fmt: on

cases = {"passed": 0}


def generator(name):
    """Random numbers for one test, the same for the same seed."""
    return random.Random(f"{SEED} {name}")


def values(rng, shape, dtype, low=-4.0, high=4.0):
    """Nested lists of numbers that the dtype holds."""
    if shape:
        return [values(rng, shape[1:], dtype, low, high) for _ in range(shape[0])]
    if dtype == "bool_":
        # Divisors are above 0: MLX's integer division by 0 stops the process.
        return low > 0 or rng.random() < 0.5
    if dtype in INTEGERS:
        low = max(low, 0) if dtype in UNSIGNED else low
        return rng.randint(math.ceil(low), max(math.floor(high), math.ceil(low)))
    if dtype == "complex64":
        return complex(rng.uniform(low, high), rng.uniform(low, high))
    # A short fraction, so that every dtype holds it and ties occur.
    return round(rng.uniform(low, high) * 16) / 16


class Twin:
    """The same array twice."""

    def __init__(self, shape, dtype, content):
        self.shape, self.dtype, self.content = shape, dtype, content

    def on(self, module):
        dtype = getattr(module, self.dtype)
        if 0 in self.shape:
            return module.zeros(self.shape, dtype)
        return module.array(self.content, dtype)

    def __repr__(self):
        return f"array({self.content}, {self.dtype}) of shape {self.shape}"


def twin(rng, shape=None, dtype=None, low=-4.0, high=4.0):
    shape = rng.choice(SHAPES) if shape is None else shape
    dtype = rng.choice(DTYPES) if dtype is None else dtype
    return Twin(tuple(shape), dtype, values(rng, tuple(shape), dtype, low, high))


def run(module, expression, inputs):
    """The results as plain data, or the class of the error."""
    try:
        result = expression(module, *[i.on(module) if isinstance(i, Twin) else i for i in inputs])
        return plain(module, result), None
    except Exception as error:  # noqa: BLE001 - the class is what is compared
        return None, error


def plain(module, result):
    if isinstance(result, module.array):
        content = np.array(result.tolist(), dtype=object)
        # Lists do not show the axes behind an empty one.
        dtype = str(result.dtype).rpartition(".")[2]
        return "array", tuple(result.shape), dtype, content
    if isinstance(result, module.Dtype):
        return "dtype", str(result).rpartition(".")[2]
    if isinstance(result, (list, tuple)):
        return type(result).__name__, [plain(module, r) for r in result]
    if isinstance(result, dict):
        return "dict", {k: plain(module, v) for k, v in result.items()}
    return "value", result


def same(expected, found, relative, scale=None, single=False):
    """Whether two results are the same up to rounding; a reason if not."""
    if expected[0] != found[0]:
        return f"kind {expected[0]} became {found[0]}"
    if expected[0] in ("list", "tuple"):
        if len(expected[1]) != len(found[1]):
            return f"{len(expected[1])} results became {len(found[1])}"
        pairs = zip(expected[1], found[1])
        reasons = [same(e, f, relative, scale, single) for e, f in pairs]
        return next((r for r in reasons if r), None)
    if expected[0] == "dict":
        if expected[1].keys() != found[1].keys():
            return f"keys {expected[1].keys()} became {found[1].keys()}"
        pairs = ((expected[1][k], found[1][k]) for k in expected[1])
        return next((r for e, f in pairs if (r := same(e, f, relative, scale, single))), None)
    if expected[0] != "array":
        return None if expected == found else f"{expected} became {found}"
    if expected[1:3] != found[1:3]:
        return f"shape and dtype {expected[1:3]} became {found[1:3]}"
    dtype = expected[2]
    if dtype not in RELATIVE:
        equal = np.array_equal(expected[3], found[3])
        return None if equal else f"{expected[3]} became {found[3]}"
    kind = complex if dtype == "complex64" else float
    e, f = expected[3].astype(kind).ravel(), found[3].astype(kind).ravel()
    rtol = RELATIVE["float32" if single and dtype == "float64" else dtype] * (relative or 1)
    # Relative to the result, and where terms cancel to the inputs' size.
    with np.errstate(invalid="ignore", over="ignore"):
        close = np.isclose(f, e, rtol=rtol, atol=rtol * (scale or 0.0), equal_nan=True)
    return None if close.all() else f"{e[~close]} became {f[~close]}"


def check(expression, *inputs, relative=None, scale=1.0, text=False, label="", single=False):
    """Asserts that both modules agree: same values, or an error of the same class.

    ``single`` is for functions that MLX computes in float32 even for float64.
    """
    expected, their_error = run(theirs, expression, inputs)
    found, our_error = run(ours, expression, inputs)
    where = f"{label} {inputs}"
    if their_error is not None:
        assert our_error is not None, f"{where}: MLX raises {their_error!r}, we give {found}"
        assert type(our_error) is type(their_error), (
            f"{where}: {their_error!r} became {our_error!r}"
        )
        if text:
            assert str(our_error) == str(their_error), where
    else:
        assert our_error is None, f"{where}: we raise {our_error!r}, MLX gives {expected}"
        reason = same(expected, found, relative, scale, single)
        assert reason is None, f"{where}: {reason}"
    cases["passed"] += 1
