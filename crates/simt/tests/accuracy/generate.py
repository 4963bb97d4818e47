"""Writes table.txt: library functions on hard inputs, computed with mpmath at 300 bits.

A line holds a function's name, the bits of its float arguments and the result as two doubles,
the second what the first leaves. Run it where mpmath 1.3 is installed:

    python generate.py > table.txt
"""

import random
import struct

from mpmath import mp, mpf

mp.prec = 300
random.seed(20240611)


def f32(bits):
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def bits32(x):
    return struct.unpack("<I", struct.pack("<f", x))[0]


def bits64(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def near(x, steps=1):
    """The floats around a real number."""
    b = bits32(float(x))
    return [f32(b + d) for d in range(-steps, steps + 1)]


def of_size(low, high, signed=True):
    """A random float whose exponent lies between two."""
    exponent = random.randint(low, high)
    x = random.uniform(1.0, 2.0) * 2.0**exponent
    return f32(bits32(x * (random.choice([-1, 1]) if signed else 1)))


def many(count, low, high, signed=True):
    return [of_size(low, high, signed) for _ in range(count)]


ANGLES = [x for n in (1, 2, 3, 4, 11, 355, 20000, 41000) for x in near(n * mp.pi / 2)]
HUGE = [f32(0x7F7FFFFF), 1e30, 2.0**100, 16777216.0, 123456.789, 99999.99, 100000.0]
HUGE = [f32(bits32(x)) for x in HUGE]
EXPS = near(88.72) + near(-87.34) + near(-103.9) + [1e-30, -1e-20]
LOGS = near(1.0, 4) + [f32(1), f32(0x007FFFFF), f32(0x00800000), f32(0x7F7FFFFF), 0.70710678, 1.4142135]
UNIT = near(1.0, 0) + [f32(0x3F7FFFFF), -f32(0x3F7FFFFF), 0.5, -0.5, 1e-20, f32(0x00800000)]

ONE = {
    "acos": (mp.acos, UNIT + many(30, -20, -1)),
    "acosh": (mp.acosh, near(1.0, 3)[4:] + many(30, 0, 127, False)),
    "asin": (mp.asin, UNIT + many(30, -20, -1)),
    "asinh": (mp.asinh, many(30, -20, 20) + HUGE),
    "atan": (mp.atan, many(30, -20, 20) + HUGE),
    "atanh": (mp.atanh, UNIT[1:] + many(30, -20, -1)),
    "cos": (mp.cos, ANGLES + HUGE + many(30, -10, 60)),
    "cosh": (mp.cosh, many(30, -10, 6) + near(89.4)[:1]),
    "cospi": (mp.cospi, many(30, -10, 22) + near(0.5) + near(1.5)),
    "exp": (mp.exp, EXPS + many(30, -12, 6)),
    "exp10": (lambda x: mp.power(10, x), near(38.5)[:1] + near(-44.8) + many(30, -12, 5)),
    "exp2": (lambda x: mp.power(2, x), near(127.9) + near(-148.9) + many(30, -12, 6)),
    "log": (mp.log, LOGS + many(30, -126, 127, False)),
    "log10": (mp.log10, LOGS + many(30, -126, 127, False)),
    "log2": (lambda x: mp.log(x, 2), LOGS + many(30, -126, 127, False)),
    "rsqrt": (lambda x: 1 / mp.sqrt(x), many(30, -126, 127, False) + LOGS),
    "sin": (mp.sin, ANGLES + HUGE + many(30, -10, 60)),
    "sinh": (mp.sinh, many(30, -10, 6) + near(89.4)[:1]),
    "sinpi": (mp.sinpi, many(30, -10, 22) + near(1.0) + near(2.0)),
    "sqrt": (mp.sqrt, many(30, -126, 127, False)),
    "tan": (mp.tan, ANGLES + HUGE + many(30, -10, 60)),
    "tanh": (mp.tanh, many(30, -14, 4) + near(9.01)),
    "tanpi": (lambda x: mp.sinpi(x) / mp.cospi(x), many(30, -10, 20)),
    "log1p": (mp.log1p, many(30, -30, 30, False) + [-x for x in many(20, -20, -1, False)]),
}


def pairs(count, low, high, low_y, high_y, signed=True):
    return [(of_size(low, high, signed), of_size(low_y, high_y)) for _ in range(count)]


TWO = {
    "atan2": (mp.atan2, pairs(40, -20, 20, -20, 20)),
    "divide": (lambda x, y: x / y, pairs(30, -40, 40, -40, 40)),
    "pow": (mp.power, pairs(60, -4, 4, -3, 4, False) + [(f32(0x3F800001), 1.0e8), (f32(0x3F7FFFFF), 1.0e9)]),
    "powr": (mp.power, pairs(40, -30, 30, -4, 1, False)),
}


def line(name, args, value):
    high = float(value)
    low = float(value - mpf(high)) if abs(high) < mp.inf else 0.0
    words = [f"{bits32(x):08x}" for x in args]
    print(name, *words, f"{bits64(high):016x}", f"{bits64(low):016x}")


def main():
    for name, (function, inputs) in ONE.items():
        for x in inputs:
            x = f32(bits32(x))
            line(name, [x], function(mpf(x)))
    for name, (function, inputs) in TWO.items():
        for x, y in inputs:
            x, y = f32(bits32(x)), f32(bits32(y))
            line(name, [x, y], function(mpf(x), mpf(y)))


if __name__ == "__main__":
    main()
