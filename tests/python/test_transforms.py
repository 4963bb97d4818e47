"""Transformations: structure of results and errors as in MLX, exceptions, custom functions."""

import functools
import random

import numpy as np
import pytest

import anymetal.core as mx

SEED = random.randrange(2**32)
rng = np.random.default_rng(SEED)
print("seed", SEED)

A = 1.5 + rng.random()
V = rng.random(3) + 0.5


def names():
    return {
        "a": lambda m: m.array(float(A)),
        "b": lambda m: m.array(float(A) * 3),
        "v": lambda m: m.array(V.astype(np.float32)),
        "w": lambda m: m.array(V[::-1].astype(np.float32)),
        "z": lambda m: m.zeros((2, 3)) if hasattr(m, "zeros") else m.array([[0.0] * 3] * 2),
        "f": lambda m: lambda x: x * x,
    }


GRADIENTS = """
mx.grad(f)(a)
mx.grad(f, argnums=(0,))(a)
mx.grad(f, argnums=[0])(a)
mx.grad(f, 0)(a)
mx.grad(f, argnums=1)(a)
mx.grad(f, argnums=-1)(a)
mx.grad(f, argnums=(0, 0))(a)
mx.grad(f, argnums=())(a)
mx.grad(f, argnums=(1,))(a)
mx.grad(f)()
mx.grad(f)(2.0)
mx.grad(lambda x: x["a"] * x["b"][0])({"a": a, "b": [b]})
mx.grad(lambda x: x["a"] * 2)({"a": a, "s": "text"})
mx.grad(lambda x, y: x * y, argnums=(0, 1))(a, b)
mx.grad(lambda x, y: x * y, argnums=(1, 0))(a, b)
mx.grad(lambda x, y: x[0] * x[1] * y, argnums=(0, 1))((a, b), a)
mx.grad(lambda x: x * x)(v)
mx.grad(lambda x: 2.0)(a)
mx.grad(lambda x: (x * x, x))(a)
mx.grad(lambda x: None)(a)
mx.value_and_grad(lambda x: (x * x, x))(a)
mx.value_and_grad(lambda x: (x * x, "text", [x]))(a)
mx.value_and_grad(lambda x: [x * x, x])(a)
mx.value_and_grad(lambda x: {"l": x * x})(a)
mx.value_and_grad(f)(a)
mx.value_and_grad(lambda x: ())(a)
mx.value_and_grad(lambda x: (2.0, x))(a)
mx.value_and_grad(lambda x: None)(a)
mx.value_and_grad(lambda x: x)(v)
mx.grad(lambda x, y=None: x * y, argnames="y")(a, y=b)
mx.grad(lambda x, y=None: x * y, argnums=0, argnames="y")(a, y=b)
mx.grad(lambda x, y=None: x * y, argnames=["y"])(a, y=b)
mx.grad(lambda x, y=None, z=None: x * y * z, argnames=["y", "z"])(a, y=b, z=a)
mx.grad(lambda x, y=None: x * y, argnames=["q"])(a, y=b)
mx.grad(lambda x, y: x * y, argnames=["y"])(a, a)
mx.grad(lambda x, y=None: x * y)(a, y=b)
mx.value_and_grad(lambda x, y=None: x * y, argnums=(0,), argnames=["y"])(a, y=b)
mx.value_and_grad(lambda x, y=None: x * y, argnames=["y"])(a, y=b)
mx.grad(f, argnums="a")
mx.grad(3)
mx.grad(f, argnames=3)
mx.grad(mx.grad(lambda x: x * x * x))(a)
mx.grad(lambda x: x.item() * x)(a)
mx.grad(lambda x: 1 / 0)(a)
mx.vjp(lambda x, y: x * y, (a, b), (a,))
mx.vjp(lambda x, y: x * y, [a, b], [a])
mx.vjp(lambda x, y: (x * y, x), [a, b], [a, a])
mx.vjp(lambda x, y: [x * y, x], [a, b], [a, a])
mx.vjp(lambda x: x, a, a)
mx.vjp(lambda x: x * 2, (a,), (v,))
mx.vjp(lambda x: x * 2, (a,), ())
mx.vjp(lambda x: x * 2, (a,), (a, b))
mx.vjp(lambda x: x * 2, (2.0,), (a,))
mx.vjp(lambda x: x, ((a,),), (a,))
mx.grad(lambda x: x * x)(z)
mx.vjp(lambda x: (x, x), [a], [v, a])
mx.vjp(lambda x: x, [v], [a])
mx.vjp(lambda x: (x, x), [a], [a, v])
mx.vjp(lambda x: x, [mx.array([1.0])], [v])
mx.jvp(lambda x, y: x * y, (a, b), (a, b))
mx.jvp(lambda x, y: (x * y,), (a, b), (a, b))
mx.jvp(lambda x, y: x * y, (a, a), (a,))
mx.jvp(lambda x: x * 2, (a,), (v,))
""".strip().splitlines()

MAPPINGS = """
mx.vmap(lambda x: x * 2)(v)
mx.vmap(lambda x, y: x * y)(v, w)
mx.vmap(lambda x, y: x * y, in_axes=(0, None))(v, w)
mx.vmap(lambda x, y: (x * y, x), in_axes=(0, None), out_axes=(1, 0))(v, w)
mx.vmap(lambda x: x * 2)(a)
mx.vmap(lambda x: x * 2, in_axes=1)(v)
mx.vmap(lambda x: x * 2, in_axes=-1)(v)
mx.vmap(lambda x: x * 2, in_axes=1, out_axes=1)(z)
mx.vmap(lambda x, y: x * y)(v, z)
mx.vmap(lambda x, y: x * y, in_axes=(None, None))(v, w)
mx.vmap(lambda x, y: x * y, in_axes=(0,))(v, w)
mx.vmap(lambda d: d["a"] * d["b"], in_axes=({"a": 0, "b": None},))({"a": v, "b": w})
mx.vmap(lambda d: d["a"] * d["b"], in_axes={"a": 0, "b": None})({"a": v, "b": w})
mx.vmap(lambda x: {"o": x, "p": [x]}, out_axes={"o": 0, "p": [0]})(v)
mx.vmap(lambda x: {"o": x, "p": [x]})(v)
mx.vmap(lambda x: 2.0)(v)
mx.vmap(lambda x: x.item())(v)
mx.vmap(lambda x: (x, 3))(v)
mx.vmap(lambda x: mx.eval(x))(v)
mx.vmap(lambda x: x, out_axes=None)(v)
mx.vmap(lambda x: mx.array(3.0))(v)
mx.vmap(lambda x: x, in_axes="a")(v)
mx.vmap(lambda x: x, out_axes="a")(v)
mx.vmap(lambda x, y: x * y, in_axes=(0, 0))(v, 2.0)
mx.vmap(lambda x: x, in_axes=[0])(v)
mx.vmap(lambda x, y: x * y, in_axes=[0, None])(v, w)
mx.vmap(lambda x: x, out_axes=3)(v)
mx.vmap(lambda x, k=None: x * k)(v, k=w)
mx.vmap(3)
mx.vmap(lambda: v)()
mx.vmap(lambda x: x)([v, w])
mx.vmap(mx.grad(lambda x: x * x))(v)
mx.vjp(lambda x: mx.vmap(lambda y: y * x)(v), [a], [w])
""".strip().splitlines()

CUSTOM = """
mx.custom_function(f)(a)
mx.custom_function(lambda x, y: (x * y, [x]))(a, b)
mx.custom_function(lambda d: {"z": d["x"] * d["y"]})({"x": a, "y": b})
mx.custom_function(f)(2.0)
mx.custom_function(lambda x, n: x * n)(a, 3)
mx.custom_function(3)
mx.checkpoint(lambda x: (x * x, x))(a)
mx.grad(mx.checkpoint(f))(a)
mx.grad(mx.grad(mx.checkpoint(lambda x: x * x * x)))(a)
mx.grad(lambda w: mx.checkpoint(lambda x: x * w)(a))(b)
mx.grad(lambda k: mx.checkpoint(lambda x, k=None: x * k)(a, k=k))(b)
mx.grad(mx.checkpoint(lambda x, y: x * y), argnums=(0, 1))(a, b)
mx.checkpoint(lambda x, s: x)(a, "s")
mx.vmap(mx.checkpoint(f))(v)
mx.compile(lambda x: (x, {"a": x}))(a)
mx.compile(lambda x, k=None: x * k)(a, k=b)
mx.compile(3)
mx.compile(f, shapeless=1)
mx.compile(f, inputs=[a], outputs=[b], shapeless=True)(a)
mx.eval()
mx.eval(3, "a", None, {"a": a}, [b, (a,)])
mx.async_eval(a, 3)
mx.eval(a, foo=1)
mx.disable_compile()
mx.enable_compile()
""".strip().splitlines()


@pytest.mark.parametrize("expression", GRADIENTS + MAPPINGS + CUSTOM)
def test_as_in_mlx(expression):
    from real_mlx import check

    # Products of three float32 factors: three roundings of 2^-24 at most on either side.
    check(expression, names(), rtol=4e-7)


def close(x, expected):
    np.testing.assert_allclose(np.asarray(x), expected, rtol=1e-6)


def recorded(calls, result):
    def rule(*args):
        calls.append(args)
        return result(*args)

    return rule


def test_the_rules_of_a_custom_function_see_the_function_s_structure():
    a, b = mx.array(2.0), mx.array(3.0)
    calls = []
    one = mx.custom_function(lambda x: x * x)
    assert one.vjp(recorded(calls, lambda p, c, o: p * 10)) is one
    close(mx.grad(one)(a), 20)
    (primals, cotangents, outputs), = calls
    assert primals.item() == 2 and cotangents.item() == 1 and outputs.item() == 4

    calls.clear()
    two = mx.custom_function(lambda x, y: [x * y, x])
    two.vjp(recorded(calls, lambda p, c, o: (p[1], p[0])))
    outputs, grads = mx.vjp(two, [a, b], [a, b])
    assert [g.item() for g in grads] == [3, 2]
    (primals, cotangents, outputs), = calls
    assert isinstance(primals, tuple) and isinstance(cotangents, list)
    assert [c.item() for c in cotangents] == [2, 3] and [o.item() for o in outputs] == [6, 2]

    calls.clear()
    tree = mx.custom_function(lambda d: {"z": d["x"] * d["y"]})
    tree.vjp(recorded(calls, lambda p, c, o: {"x": p["y"], "y": p["x"]}))
    grads = mx.grad(lambda d: tree(d)["z"])({"x": a, "y": b})
    assert grads["x"].item() == 3 and grads["y"].item() == 2
    assert calls[0][1]["z"].item() == 1

    calls.clear()
    forward = mx.custom_function(lambda x, y: x * y)
    forward.jvp(recorded(calls, lambda p, t: p[0] * 100))
    assert mx.jvp(forward, [a, b], [a, b])[1][0].item() == 200
    assert mx.jvp(lambda x: forward(x, b), [a], [a])[1][0].item() == 200
    assert calls[1][1][1] is None
    # Without a rule of its own the gradient is the function's.
    assert mx.grad(forward)(a, b).item() == 3

    calls.clear()
    v = mx.array([1.0, 2.0])
    mapped = mx.custom_function(lambda x, y: x * y)
    mapped.vmap(recorded(calls, lambda i, ax: (i[0] * 5, ax[0])))
    assert mx.vmap(mapped, in_axes=(0, None))(v, a).tolist() == [5, 10]
    assert calls[0][1] == (0, None)


def test_arguments_of_rules_that_are_no_arrays():
    a = mx.array(2.0)
    scaled = mx.custom_function(lambda x, n, k=1: x * n * k)
    scaled.vjp(lambda p, c, o, k=1: (c * p[1] * 100 * k, None))
    assert mx.grad(lambda x: scaled(x, 3))(a).item() == 300
    assert mx.grad(lambda x: scaled(x, 3, k=2))(a).item() == 600
    both = mx.custom_function(lambda x, y: x * y)
    both.vjp(lambda p, c, o: (p[1], None))
    assert [g.item() for g in mx.grad(both, argnums=(0, 1))(a, a)] == [2, 0]


def test_errors_of_rules():
    a = mx.array(2.0)

    def custom(**rules):
        f = mx.custom_function(lambda x: x * x)
        for name, rule in rules.items():
            getattr(f, name)(rule)
        return f

    with pytest.raises(ValueError, match="shape"):
        mx.grad(custom(vjp=lambda p, c, o: mx.array([1.0, 2.0])))(a)
    with pytest.raises(ValueError, match="float"):
        mx.grad(custom(vjp=lambda p, c, o: 2.0))(a)
    with pytest.raises(ValueError, match="0 gradients for 1"):
        mx.grad(custom(vjp=lambda p, c, o: ()))(a)
    with pytest.raises(ZeroDivisionError):
        mx.grad(custom(vjp=lambda p, c, o: 1 / 0))(a)
    with pytest.raises(ZeroDivisionError):
        mx.jvp(custom(jvp=lambda p, t: 1 / 0), [a], [a])
    with pytest.raises(ValueError, match="tuple with 2 items"):
        mx.vmap(custom(vmap=lambda i, ax: i))(mx.array([1.0]))
    with pytest.raises(ValueError, match="axis must be int"):
        mx.vmap(custom(vmap=lambda i, ax: (i, "a")))(mx.array([1.0]))
    ruled = mx.custom_function(lambda x: 3.0)
    ruled.vjp(lambda p, c, o: p)
    with pytest.raises(ValueError, match="only arrays"):
        ruled(a)


def test_captured_arrays_are_constants_to_rules():
    def g(x, y):
        f = mx.custom_function(lambda x: x * y)
        f.vjp(lambda p, c, o: c * 7)
        return f(x)

    x, y = mx.array(2.0), mx.array(3.0)
    assert mx.grad(g)(x, y).item() == 7
    assert mx.grad(g, argnums=1)(x, y).item() == 0


def test_transformations_of_custom_functions_compose():
    square = mx.custom_function(lambda x: x * x)
    square.vjp(lambda p, c, o: c * p * 10)
    v = mx.array([1.0, 2.0, 3.0])
    assert mx.vmap(square)(v).tolist() == [1, 4, 9]
    assert mx.vmap(mx.grad(square))(v).tolist() == [10, 20, 30]
    assert mx.grad(mx.grad(square))(mx.array(2.0)).item() == 10
    forward = mx.custom_function(lambda x, y: x * y)
    forward.jvp(lambda p, t: t[0] * 10 if t[1] is None else t[0] * 20)
    along = mx.vmap(lambda x: mx.jvp(lambda x: forward(x, x), [x], [x])[1][0])
    assert along(v).tolist() == [20, 40, 60]


def test_exceptions_of_functions_come_through_unchanged():
    class Mine(Exception):
        pass

    error = Mine("text")

    def f(x):
        raise error

    a, v = mx.array(1.0), mx.array([1.0])
    for run in [
        lambda: mx.grad(f)(a),
        lambda: mx.value_and_grad(f)(a),
        lambda: mx.vjp(f, [a], [a]),
        lambda: mx.jvp(f, [a], [a]),
        lambda: mx.vmap(f)(v),
        lambda: mx.custom_function(f)(a),
        lambda: mx.compile(f)(a),
        lambda: mx.checkpoint(f)(a),
        lambda: mx.grad(lambda x: mx.vmap(mx.custom_function(f))(x))(v),
    ]:
        with pytest.raises(Mine) as caught:
            run()
        assert caught.value is error
    for stop in [KeyboardInterrupt, SystemExit]:
        with pytest.raises(stop):
            mx.grad(lambda x: (_ for _ in ()).throw(stop()))(a)


def test_decorators_and_partials():
    @mx.compile
    def f(x):
        """Doubles."""
        return x * 2

    @functools.partial(mx.compile, shapeless=True)
    def g(x):
        return x * 3

    assert f(mx.array(2)).item() == 4 and g(mx.array(2)).item() == 6
    assert f.__doc__ == "Doubles." and f.__name__ == "f"
    assert mx.grad(f).__name__ == "f"
    assert mx.grad(functools.partial(lambda n, x: x * n, 3.0))(mx.array(1.0)).item() == 3

    @mx.custom_function
    def h(x):
        return x * x

    @h.vjp
    def h_vjp(primals, cotangent, output):
        return cotangent * 2 * primals

    assert mx.grad(h)(mx.array(3.0)).item() == 6


def test_checkpointed_functions_run_again_for_their_gradient():
    runs = []

    def f(x, y):
        runs.append(0)
        return {"z": x * x * y}

    x, y = mx.array(2.0), mx.array(3.0)
    loss = mx.value_and_grad(lambda x, y: mx.checkpoint(f)(x, y)["z"], argnums=(0, 1))
    value, grads = loss(x, y)
    assert value.item() == 12 and [g.item() for g in grads] == [12, 4]
    assert len(runs) == 2
    with pytest.raises(ValueError, match="only arrays"):
        mx.checkpoint(lambda x: 3.0)(x)


def test_named_tuples_keep_their_type():
    import collections

    Pair = collections.namedtuple("Pair", "x y")
    grads = mx.grad(lambda p: p.x * p.y)(Pair(mx.array(2.0), mx.array(3.0)))
    assert isinstance(grads, Pair) and grads.x.item() == 3 and grads.y.item() == 2


def test_threads_transform_and_evaluate_without_deadlock(on_threads):
    shared = mx.array(np.arange(100, dtype=np.float32))

    @mx.custom_function
    def cube(x):
        return x * x * x

    @cube.vjp
    def cube_vjp(primals, cotangent, output):
        mx.eval(shared + 1)
        return cotangent * 3 * primals * primals

    def work(i):
        for k in range(30):
            x = mx.array(float(i + k))
            assert mx.grad(cube)(x).item() == 3.0 * (i + k) ** 2
            y = shared * (i + 1)
            mx.async_eval(y)
            assert mx.vmap(cube)(y).tolist()[2] == (2.0 * (i + 1)) ** 3

    on_threads(work)
