"""Random streams: the same numbers as real MLX from the same keys and seeds."""

import numpy as np
from peers import check, generator, ours, theirs, twin

SHAPES = [(), (1,), (5,), (2, 3), (0,), (3, 1, 2), (1001,)]


def keyed(rng):
    return rng.choice([0, 7, rng.randrange(2**32), 2**33 + 5, 2**64 - 1])


def same_bits(expression, label):
    """Equal to the last bit."""
    expected, found = expression(theirs), expression(ours)
    assert str(expected.dtype).rpartition(".")[2] == str(found.dtype).rpartition(".")[2], label
    assert tuple(expected.shape) == found.shape, label
    np.testing.assert_array_equal(
        np.array(found.tolist()), np.array(expected.tolist()), err_msg=label
    )


def test_keys_and_splits():
    rng = generator("keys")
    for _ in range(20):
        seed, n = keyed(rng), rng.randint(1, 5)
        same_bits(lambda m: m.random.key(seed), f"key {seed}")
        same_bits(lambda m: m.random.split(m.random.key(seed)), f"split {seed}")
        same_bits(lambda m: m.random.split(m.random.key(seed), num=n), f"split {seed} {n}")
        same_bits(lambda m: m.random.split(m.random.key(seed), n), f"split {seed} {n}")


def test_uniform_is_the_same_to_the_bit():
    rng = generator("uniform")
    for dtype in ("float32", "float16", "bfloat16"):
        for shape in SHAPES:
            seed, low, high = keyed(rng), rng.choice([0, -1, 0.5]), rng.choice([1, 2.5, 3])
            same_bits(
                lambda m: m.random.uniform(low, high, shape, getattr(m, dtype), m.random.key(seed)),
                f"{shape} {seed}",
            )
            same_bits(
                lambda m: m.random.uniform(
                    shape=list(shape), dtype=getattr(m, dtype), key=m.random.key(seed)
                ),
                f"{shape} {seed}",
            )


def test_integers_are_the_same():
    rng = generator("randint")
    for dtype in ("int32", "uint32", "int8", "uint8", "int64"):
        for shape in SHAPES:
            seed, low, high = keyed(rng), rng.randint(0, 5), rng.randint(3, 100)
            same_bits(
                lambda m: m.random.randint(low, high, shape, getattr(m, dtype), m.random.key(seed)),
                f"{shape} {seed}",
            )
            same_bits(
                lambda m: m.random.randint(low=low, high=high, shape=shape, key=m.random.key(seed)),
                f"{shape} {seed}",
            )


def test_the_state_advances_as_mlx_s():
    rng = generator("state")
    for _ in range(10):
        seed = rng.randrange(2**40)
        for m in (ours, theirs):
            m.random.seed(seed)
        for _ in range(4):
            same_bits(lambda m: m.random.uniform(shape=(3,)), f"seed {seed}")
            same_bits(lambda m: m.random.randint(0, 50, (4,)), f"seed {seed}")
            same_bits(lambda m: m.random.bernoulli(0.4, (5,)), f"seed {seed}")
            check(lambda m: m.random.normal((3,)), relative=4, label=f"seed {seed}")


def test_distributions():
    # Through the inverse error function and logarithms, which round differently.
    rng = generator("distributions")
    for dtype in ("float32", "float16", "bfloat16"):
        for shape in SHAPES:
            seed = keyed(rng)
            of = lambda m: {"dtype": getattr(m, dtype), "key": m.random.key(seed)}  # noqa: E731
            label = f"{dtype} {shape} {seed}"
            check(lambda m: m.random.normal(shape, **of(m)), relative=8, scale=4.0, label=label)
            check(
                lambda m: m.random.normal(shape=shape, loc=1.0, scale=2.5, **of(m)),
                relative=8,
                scale=4.0,
                label=label,
            )
            check(lambda m: m.random.gumbel(shape, **of(m)), relative=8, scale=4.0, label=label)
            check(
                lambda m: m.random.laplace(shape, loc=0.5, scale=2.0, **of(m)),
                relative=8,
                scale=4.0,
                label=label,
            )
            check(lambda m: m.random.laplace(shape, **of(m)), relative=8, scale=4.0, label=label)
            check(
                lambda m: m.random.truncated_normal(-1, 1.5, shape, **of(m)),
                relative=8,
                scale=4.0,
                label=label,
            )
            check(
                lambda m: m.random.truncated_normal(m.array([-1.0, 0.0]), m.array(1), **of(m)),
                relative=8,
                scale=4.0,
                label=label,
            )
    for shape in SHAPES:
        seed, p = keyed(rng), rng.choice([0.0, 0.3, 0.5, 1.0])
        same_bits(
            lambda m: m.random.bernoulli(p, shape, m.random.key(seed)),
            f"bernoulli {p} {shape} {seed}",
        )
    same_bits(lambda m: m.random.bernoulli(m.array([0.2, 0.8]), key=m.random.key(3)), "bernoulli")
    same_bits(lambda m: m.random.bernoulli(key=m.random.key(3)), "bernoulli")


def test_categories_and_permutations():
    rng = generator("categories")
    for _ in range(40):
        # A single row among several axes or with several samples MLX draws from the same
        # distribution in another way, of which only the distribution is ours.
        shape = rng.choice([(3, 2), (2, 5), (4, 3, 2)])
        logits, seed = twin(rng, shape, "float32"), keyed(rng)
        axis = rng.randrange(-len(shape), len(shape))
        samples = rng.randint(1, 4)
        rest = [n for i, n in enumerate(shape) if i != axis % len(shape)]
        key = lambda m: m.random.key(seed)  # noqa: E731
        check(
            lambda m, x: m.random.categorical(x, axis, key=key(m)), logits, label=f"{axis} {seed}"
        )
        check(
            lambda m, x: m.random.categorical(x, axis, num_samples=samples, key=key(m)),
            logits,
            label=f"{axis} {seed}",
        )
        check(
            lambda m, x: m.random.categorical(x, axis, shape=[2, *rest], key=key(m)),
            logits,
            label=f"{axis} {seed}",
        )
        n = rng.randint(1, 300)
        same_bits(lambda m: m.random.permutation(n, key=key(m)), f"permutation {n} {seed}")
        check(
            lambda m, x: m.random.permutation(x, axis, key(m)),
            logits,
            label=f"permutation {axis} {seed}",
        )


def test_wrong_arguments():
    for text in (
        "uniform(m.zeros((2,)), 1, (3,))",
        "uniform(m.zeros((2,)), 1)",
        "uniform((2,))",
        "uniform(0, 1, (2, -1))",
        "laplace((3,), m.int32)",
        "gumbel((3,), m.int32)",
        "bernoulli(m.array([1, 2]))",
        "bernoulli(m.array([0.1, 0.2]), (5,))",
        "categorical(m.zeros((3, 4)), 5)",
        "categorical(m.zeros((3, 4)), shape=(5,))",
        "categorical(m.zeros((3, 4)), shape=(3,), num_samples=2)",
        "split(m.zeros((3,)))",
        "normal('x')",
        "key(1.5)",
    ):
        check(lambda m: eval("m.random." + text, {"m": m}), label=text)
