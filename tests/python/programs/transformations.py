"""Gradients, products and mapping of functions over trees of arrays."""

import mlx.core as mx
import pytest


def test_grad_of_one_and_of_several_arguments():
    f = lambda x, y: (x * x * y).sum()  # noqa: E731
    x, y = mx.array([1.0, 2.0]), mx.array([3.0, 4.0])
    assert mx.array_equal(mx.grad(f)(x, y), 2 * x * y)
    assert mx.array_equal(mx.grad(f, argnums=1)(x, y), x * x)
    pair = mx.grad(f, argnums=(0, 1))(x, y)
    assert isinstance(pair, tuple) and mx.array_equal(pair[0], 2 * x * y)
    value, grads = mx.value_and_grad(f, argnums=[0, 1])(x, y)
    assert value.item() == f(x, y).item() and len(grads) == 2


def test_grad_by_name():
    f = lambda x, *, y: (x * y).sum()  # noqa: E731
    x, y = mx.array([1.0, 2.0]), mx.array([3.0, 4.0])
    both = mx.grad(f, argnums=0, argnames="y")(x, y=y)
    assert mx.array_equal(both[0], y) and mx.array_equal(both[1]["y"], x)
    _, grads = mx.value_and_grad(f, argnames=["y"])(x, y=y)
    assert mx.array_equal(grads["y"] if isinstance(grads, dict) else grads[1]["y"], x)


def test_trees_keep_their_shape():
    def loss(params, x):
        h = x
        for layer in params["layers"]:
            h = mx.tanh(h @ layer["w"] + layer["b"])
        return (h * params["scale"][0]).sum()

    params = {
        "layers": [{"w": mx.random.normal((4, 4)), "b": mx.zeros((4,))} for _ in range(2)],
        "scale": (mx.array(2.0), mx.array(1.0)),
    }
    grads = mx.grad(loss)(params, mx.random.normal((3, 4)))
    assert set(grads) == {"layers", "scale"} and len(grads["layers"]) == 2
    assert grads["layers"][0]["w"].shape == (4, 4) and isinstance(grads["scale"], tuple)
    assert grads["scale"][1].item() == 0


def test_higher_orders():
    f = mx.grad(mx.grad(mx.grad(lambda x: x**5)))
    assert abs(f(mx.array(2.0)).item() - 240) < 1e-2
    x = mx.random.normal((3,))
    hessian = mx.vmap(
        mx.grad(lambda x, v: (mx.grad(lambda x: (x**3).sum())(x) * v).sum()), in_axes=(None, 0)
    )
    assert mx.allclose(hessian(x, mx.eye(3)), mx.diag(6 * x), rtol=1e-5, atol=1e-5)


def test_vjp_and_jvp():
    f = lambda x, y: (x * y, mx.sin(x))  # noqa: E731
    x, y = mx.array([1.0, 2.0]), mx.array([3.0, 4.0])
    outs, grads = mx.vjp(f, (x, y), (mx.ones(2), mx.ones(2)))
    assert mx.allclose(outs[1], mx.sin(x)) and mx.allclose(grads[0], y + mx.cos(x))
    outs, tangents = mx.jvp(f, (x, y), (mx.ones(2), mx.zeros(2)))
    assert mx.allclose(tangents[0], y) and mx.allclose(tangents[1], mx.cos(x))


def test_a_loss_with_more_results():
    def f(x):
        return x.sum(), x * 2, {"a": [x]}

    (value, doubled, more), grad = mx.value_and_grad(f)(mx.array([1.0, 2.0]))
    assert value.item() == 3 and mx.array_equal(doubled, mx.array([2.0, 4.0]))
    assert mx.array_equal(more["a"][0], mx.array([1.0, 2.0])) and mx.array_equal(grad, mx.ones(2))


def test_stop_gradient():
    x = mx.array([1.0, 2.0])
    assert mx.array_equal(mx.grad(lambda x: (x * mx.stop_gradient(x)).sum())(x), x)


def test_custom_function():
    @mx.custom_function
    def f(x, y):
        return x * mx.sin(y)

    @f.vjp
    def f_vjp(primals, cotangent, output):
        x, y = primals
        return cotangent * 10, cotangent * output

    @f.jvp
    def f_jvp(primals, tangents):
        return tangents[0] * 100

    @f.vmap
    def f_vmap(inputs, axes):
        x, y = inputs
        return x + 1000, axes[0]

    x, y = mx.array([1.0, 2.0]), mx.array([3.0, 4.0])
    assert mx.allclose(f(x, y), x * mx.sin(y))
    dx, dy = mx.grad(lambda x, y: f(x, y).sum(), argnums=(0, 1))(x, y)
    assert mx.array_equal(dx, mx.full((2,), 10.0)) and mx.allclose(dy, x * mx.sin(y))
    assert mx.array_equal(mx.jvp(f, [x, y], [x, y])[1][0], x * 100)
    assert mx.array_equal(mx.vmap(f)(x, y), x + 1000)


def test_mapping_over_axes():
    a, b = mx.random.normal((2, 3, 4)), mx.random.normal((4, 3))
    dot = mx.vmap(lambda x, y: x @ y, in_axes=(2, 0), out_axes=1)
    assert dot(a, b).shape == (2, 4)
    assert mx.allclose(dot(a, b), (a * b.T).sum(axis=1), rtol=1e-5, atol=1e-5)
    twice = mx.vmap(mx.vmap(lambda x: x.sum()))
    assert mx.allclose(twice(a), a.sum(-1), rtol=1e-5, atol=1e-5)


def test_mapping_over_trees():
    tree = {"x": mx.random.normal((3, 2)), "y": [mx.random.normal((3,))]}
    f = lambda t, factor: {"z": t["x"] * t["y"][0] * factor}  # noqa: E731
    wanted = 2 * tree["x"] * tree["y"][0][:, None]
    for axes in [({"x": 0, "y": [0]}, None), ({"x": 0, "y": 0}, None)]:
        assert mx.allclose(mx.vmap(f, in_axes=axes)(tree, mx.array(2.0))["z"], wanted)


def test_gradients_for_each_example():
    w, x = mx.random.normal((4,)), mx.random.normal((5, 4))
    loss = lambda w, x: mx.tanh(x @ w)  # noqa: E731
    each = mx.vmap(mx.grad(loss), in_axes=(None, 0))(w, x)
    assert mx.allclose(
        each, mx.stack([mx.grad(loss)(w, x[i]) for i in range(5)]), rtol=1e-5, atol=1e-6
    )


def test_compile_gives_the_same():
    f = lambda x, y: mx.exp(-mx.abs(x)) + y  # noqa: E731
    x, y = mx.random.normal((10,)), mx.random.normal((10,))
    assert mx.allclose(mx.compile(f)(x, y), f(x, y))
    assert mx.allclose(
        mx.compile(mx.grad(lambda x: f(x, y).sum()))(x), mx.grad(lambda x: f(x, y).sum())(x)
    )


def test_checkpoint_gives_the_same():
    f = lambda x: mx.sin(x * x).sum()  # noqa: E731
    x = mx.random.normal((10,))
    assert mx.allclose(mx.grad(mx.checkpoint(f))(x), mx.grad(f)(x))


@pytest.mark.parametrize(
    "call",
    [
        lambda: mx.grad(lambda x: x)(mx.ones((2,))),
        lambda: mx.grad(lambda x: x.sum(), argnums=1)(mx.ones((2,))),
        lambda: mx.grad(lambda x: x.sum(), argnums=(0, 0)),
        lambda: mx.grad(lambda x: 3)(mx.ones((2,))),
        lambda: mx.vmap(lambda x, y: x + y)(mx.ones((2,)), mx.ones((3,))),
        lambda: mx.vmap(lambda x: x, in_axes=3)(mx.ones((2,))),
    ],
)
def test_errors(call):
    with pytest.raises((ValueError, IndexError)):
        call()
