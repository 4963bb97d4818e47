"""``linalg`` against real MLX."""

import pytest
from peers import check, generator, twin

INF = float("inf")


def test_norms_of_vectors():
    rng = generator("norm")
    for dtype in ("float32", "float16", "float64", "int32", "complex64"):
        for _ in range(30):
            shape = rng.choice([(5,), (2, 3), (2, 3, 4)])
            axis = rng.randrange(-len(shape), len(shape))
            order = rng.choice([None, 0, 1, 2, 3, 0.5, -1, INF, -INF])
            keep = rng.random() < 0.5
            a = twin(rng, shape, dtype, low=0.5)
            check(
                lambda m, a: m.linalg.norm(a, order, axis, keep),
                a,
                relative=16,
                label=f"norm {order} {axis}",
            )
            check(lambda m, a: m.linalg.norm(a), a, relative=16)


def test_norms_of_matrices():
    rng = generator("matrix norm")
    for dtype in ("float32", "int32", "complex64"):
        for _ in range(20):
            shape = rng.choice([(3, 4), (2, 3, 4)])
            axes = rng.sample(range(len(shape)), 2)
            order = rng.choice([None, "fro", "f", 1, -1, INF, -INF])
            keep = rng.random() < 0.5
            a = twin(rng, shape, dtype)
            check(
                lambda m, a: m.linalg.norm(a, order, axes, keep),
                a,
                relative=16,
                label=f"norm {order} {axes}",
            )


@pytest.mark.parametrize("order", [3, "foo", 0.5])
def test_orders_that_matrices_do_not_have(order):
    check(lambda m: m.linalg.norm(m.ones((2, 3)), order), text=True)


def test_cross_products():
    rng = generator("cross")
    for _ in range(30):
        shape = rng.choice([(3,), (2, 3), (4, 2), (2, 4)])
        a, b = twin(rng, shape, "float32"), twin(rng, shape, rng.choice(["float32", "int32"]))
        check(lambda m, a, b: m.linalg.cross(a, b), a, b, relative=2, scale=16.0)
