"""Random streams: keys, splits, and the draws that must come out bit for bit."""

import mlx.core as mx

SEEDS = [0, 1, 7, 2**32 - 1, 2**33 + 5]


def shapes(rng):
    return [[], [1], [2], [5], [0], [3, 4], [1001], [int(n) for n in rng.integers(1, 30, 2)]]


def record(recorder, rounds):
    rng = recorder.rng
    seeds = SEEDS + [int(n) for n in rng.integers(0, 2**48, max(2, rounds // 10))]
    recorder.begin("random-keys")
    for seed in seeds:
        key = mx.random.key(seed)
        draw(recorder, "random_key", key, seed=seed)
        for count in (2, 3, 8):
            draw(recorder, "random_split", mx.random.split(key, count), seed=seed, count=count)
    recorder.begin("random-bits")
    each(recorder, seeds, bits)
    recorder.begin("random-uniform")
    each(recorder, seeds, uniform)
    recorder.begin("random-normal")
    each(recorder, seeds, normal)
    recorder.begin("random-randint")
    each(recorder, seeds, randint)
    recorder.begin("random-state")
    for seed in seeds:
        # The thread's own state: one seed, then draws that each move it on.
        mx.random.seed(seed)
        first, second = mx.random.uniform(shape=[3]), mx.random.normal([2, 2])
        third = mx.random.randint(0, 1000, [5])
        outs = zip(["out", "out2", "out3"], [first, second, third])
        outs = {name: recorder.keep(name, array) for name, array in outs}
        recorder.case("random_state", seed=seed, ulp=8, size=1.0, **outs)


def each(recorder, seeds, cases):
    for seed in seeds:
        for shape in shapes(recorder.rng):
            cases(recorder, mx.random.key(seed), {"seed": seed, "shape": shape})


def draw(recorder, op, array, ulp=0, size=0.0, **fields):
    recorder.case(op, out=recorder.keep("out", array), ulp=ulp, size=size, **fields)


def bits(recorder, key, fields):
    # MLX has no call for the raw words in Python, but a split is just that: words of shape (n, 2).
    count = recorder.rng.integers(1, 200)
    words = mx.random.split(key, int(count))
    draw(recorder, "random_bits", words, **fields | {"shape": [int(count), 2]})


def uniform(recorder, key, fields):
    rng = recorder.rng
    low, high = [(0.0, 1.0), (-1.0, 1.0), (2.5, 10.0)][rng.integers(3)]
    for name, dtype in {"float32": mx.float32, "float16": mx.float16, "bfloat16": mx.bfloat16}.items():
        array = mx.random.uniform(low, high, fields["shape"], dtype=dtype, key=key)
        draw(recorder, "random_uniform", array, low=low, high=high, dtype=name, **fields)


def normal(recorder, key, fields):
    for name, dtype in {"float32": mx.float32, "float16": mx.float16, "bfloat16": mx.bfloat16}.items():
        array = mx.random.normal(fields["shape"], dtype=dtype, key=key)
        # MLX's inverse error function is a polynomial with an error of a few units; a half result
        # may then round the other way twice.
        draw(recorder, "random_normal", array, ulp=8 if name == "float32" else 2, dtype=name, **fields)


def randint(recorder, key, fields):
    rng = recorder.rng
    low, high = [(0, 10), (-5, 6), (0, 2**24), (100, 101)][rng.integers(4)]
    for name, dtype in {"int32": mx.int32, "uint32": mx.uint32, "int64": mx.int64}.items():
        if low >= 0 or name != "uint32":
            array = mx.random.randint(low, high, fields["shape"], dtype=dtype, key=key)
            draw(recorder, "random_randint", array, low=low, high=high, dtype=name, **fields)
