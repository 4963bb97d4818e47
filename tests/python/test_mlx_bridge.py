"""anymetal.mlx: Metal kernels on real MLX's arrays."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

mx = pytest.importorskip("mlx.core")

import anymetal.core
import anymetal.mlx

NATIVE = mx.fast.metal_kernel
EXP = "uint i = thread_position_in_grid.x; out[i] = metal::exp(inp[i]);"
FLOATS = [mx.float32, mx.float16, mx.bfloat16]


@pytest.fixture(autouse=True)
def bridge():
    with anymetal.mlx.enable():
        yield
    assert mx.fast.metal_kernel is NATIVE


@pytest.fixture
def exp():
    kernel = mx.fast.metal_kernel("myexp", ["inp"], ["out"], EXP)
    return lambda x: kernel(
        inputs=[x],
        grid=(x.size, 1, 1),
        threadgroup=(256, 1, 1),
        output_shapes=[x.shape],
        output_dtypes=[x.dtype],
    )[0]


def copy_kernel(name="copy", **options):
    """out = inp, whatever the shape, read through the strides."""
    source = """
        uint i = thread_position_in_grid.x;
        out[i] = inp[elem_to_loc(i, inp_shape, inp_strides, inp_ndim)];
    """
    kernel = mx.fast.metal_kernel(name, ["inp"], ["out"], source, **options)
    return lambda x: kernel(
        inputs=[x],
        grid=(x.size, 1, 1),
        threadgroup=(32, 1, 1),
        output_shapes=[x.shape],
        output_dtypes=[x.dtype],
    )[0]


def text(error):
    return type(error.value), str(error.value)


# Values.


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_a_kernel_computes_on_mlx_arrays(exp, dtype):
    x = mx.random.normal((7, 11)).astype(dtype)
    y = exp(x)
    assert type(y) is mx.array and y.shape == x.shape and y.dtype == dtype
    # One rounding of an accurate exponential each: at most two units in the last place apart.
    ulp = {mx.float32: 2**-23, mx.float16: 2**-10, mx.bfloat16: 2**-7}[dtype]
    wanted = np.exp(np.array(x.astype(mx.float32), np.float64))
    np.testing.assert_allclose(np.array(y.astype(mx.float32)), wanted, rtol=2 * ulp)
    # It is an array like any other.
    assert mx.allclose(mx.log((y * 1).astype(mx.float32)), x.astype(mx.float32), rtol=0.1, atol=0.02)


@pytest.mark.parametrize(
    "dtype",
    "bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 bfloat16 float32 complex64".split(),
)
def test_every_dtype_passes_through_bit_for_bit(dtype):
    dtype = getattr(mx, dtype)
    bits = mx.array(np.random.default_rng().integers(0, 256, 240, np.uint8))
    x = (bits % 2).astype(mx.bool_) if dtype == mx.bool_ else bits.view(dtype)
    for row_contiguous in [True, False]:
        y = copy_kernel(ensure_row_contiguous=row_contiguous)(x)
        assert y.dtype == dtype
        assert mx.array_equal(y.view(mx.uint8), x.view(mx.uint8))


@pytest.mark.parametrize("row_contiguous", [True, False])
def test_strides_are_honoured(row_contiguous):
    copy = copy_kernel(ensure_row_contiguous=row_contiguous)
    x = mx.random.normal((4, 6, 5))
    for view in [
        x.transpose(2, 0, 1),
        x[1:, ::2, ::-1],
        mx.broadcast_to(x[:, :1], (4, 3, 5)),
        x[2, 3],
        x[:, 5, 2],
        mx.broadcast_to(mx.array(2.5), (3, 2)),
    ]:
        assert mx.array_equal(copy(view), view)


def test_inputs_may_be_numbers_numpy_and_arrays_of_no_axes():
    source = "out[0] = a + b; out[1] = c; out[2] = d[0]; out[3] = e ? 1 : 0;"
    kernel = mx.fast.metal_kernel("mixed", ["a", "b", "c", "d", "e"], ["out"], source)
    out = kernel(
        inputs=[1.5, 2, mx.array(7, mx.float16), np.array([0.25]), True],
        grid=(1, 1, 1),
        threadgroup=(1, 1, 1),
        output_shapes=[(4,)],
        output_dtypes=[mx.float32],
    )[0]
    assert out.tolist() == [3.5, 7, 0.25, 1]


def test_every_parameter(capfd):
    source = """
        uint i = thread_position_in_grid.x;
        T v = scale<T>(inp[i]) * T(N);
        if (NEGATE) { v = -v; }
        if (i % 2 == 0) { a[i] = v; }
        b[i] = int(i);
        #if defined(__FAST_MATH__) && __FAST_MATH__
        b[i] += 1000;
        #endif
    """
    kernel = mx.fast.metal_kernel(
        name="all",
        input_names=("inp",),
        output_names=("a", "b"),
        source=source,
        header="template <typename U> inline U scale(U v) { return v * U(0.5); }\n",
        ensure_row_contiguous=True,
        atomic_outputs=False,
        compile_options={"math_mode": "fast"},
    )
    x = mx.arange(10).astype(mx.bfloat16)
    a, b = kernel(
        inputs=[x],
        template=[("T", mx.bfloat16), ("N", 3), ("NEGATE", True)],
        grid=(10, 1, 1),
        threadgroup=(4, 1, 1),
        output_shapes=[(2, 5), [10]],
        output_dtypes=[mx.bfloat16, mx.int32],
        init_value=-7,
        verbose=True,
        stream=mx.gpu,
    )
    assert (a.shape, a.dtype, b.shape, b.dtype) == ((2, 5), mx.bfloat16, (10,), mx.int32)
    wanted = [-1.5 * i if i % 2 == 0 else -7 for i in range(10)]
    assert a.astype(mx.float32).flatten().tolist() == wanted
    assert b.tolist() == [1000 + i for i in range(10)]
    printed = capfd.readouterr().out
    assert printed.count("Generated source code for `all`") == 1 and "custom_kernel_all" in printed


def test_atomic_outputs():
    source = "atomic_fetch_add_explicit(&out[inp[thread_position_in_grid.x]], 1, memory_order_relaxed);"
    kernel = mx.fast.metal_kernel("count", ["inp"], ["out"], source, atomic_outputs=True)
    x = mx.array(np.random.default_rng().integers(0, 10, 500))
    out = kernel(
        inputs=[x],
        grid=(500, 1, 1),
        threadgroup=(64, 1, 1),
        output_shapes=[(10,)],
        output_dtypes=[mx.int32],
        init_value=0,
    )[0]
    assert out.tolist() == np.bincount(np.array(x), minlength=10).tolist()


def test_empty_and_missing_inputs(exp):
    assert exp(mx.zeros((0, 3))).shape == (0, 3)
    kernel = mx.fast.metal_kernel("iota", [], ["out"], "out[thread_position_in_grid.x] = thread_position_in_grid.x;")
    call = dict(inputs=[], grid=(5, 1, 1), threadgroup=(5, 1, 1), output_shapes=[(5,)])
    assert kernel(**call, output_dtypes=[mx.uint32])[0].tolist() == [0, 1, 2, 3, 4]


# Memory.


@pytest.mark.parametrize("dtype", ["uint8", "float16", "bfloat16", "float32", "int64"])
def test_inputs_are_read_in_place(dtype):
    x = mx.zeros((8,), mx.uint8).view(getattr(mx, dtype))
    mx.eval(x)
    theirs = anymetal.core.from_dlpack(x)
    # Through another view of the same memory, whatever Python thinks of the dtype.
    (ctypes_bytes(x))[0] = 1
    assert anymetal.core.view(theirs, anymetal.core.uint8).tolist()[0] == 1


def ctypes_bytes(x):
    import ctypes

    return (ctypes.c_uint8 * x.nbytes).from_buffer(x)


def test_outputs_are_mlx_s_own_memory(exp):
    x = mx.random.normal((1000, 1000))
    mx.eval(x)
    before = mx.get_active_memory()
    y = exp(x)
    mx.eval(y)
    assert mx.get_active_memory() - before == y.nbytes
    assert not memoryview(y).readonly
    del y
    assert mx.get_active_memory() == before


def test_a_call_evaluates_its_inputs_and_drops_the_graph(exp):
    x = mx.random.normal((1000, 1000))
    mx.eval(x)
    before = mx.get_active_memory()
    y = exp(exp(x * 0) * 2 + x)
    mx.eval(y)
    assert mx.get_active_memory() - before == y.nbytes


# Transformations.


@pytest.mark.parametrize(
    "transformed",
    [
        lambda f, x: mx.grad(lambda x: f(x).sum())(x),
        lambda f, x: mx.grad(lambda x: (x * f(2 * x)).sum())(x),
        lambda f, x: mx.vjp(f, [x], [x]),
        lambda f, x: mx.value_and_grad(lambda x: f(x).sum())(x),
        lambda f, x: mx.grad(lambda p: f(p["w"]).sum())({"w": x}),
        lambda f, x: mx.grad(mx.checkpoint(lambda x: f(x).sum()))(x),
        lambda f, x: mx.grad(lambda x: mx.grad(lambda y: (y * f(x)).sum())(x).sum())(x),
    ],
)
def test_a_gradient_is_refused_as_mlx_does(exp, transformed):
    with pytest.raises(ValueError) as error:
        mx.eval(transformed(exp, mx.random.normal((5,))))
    assert str(error.value) == "[Primitive::vjp] Not implemented for CustomKernel."


def test_a_forward_derivative_is_refused_as_mlx_does(exp):
    x = mx.random.normal((5,))
    for f in [exp, lambda x: x + exp(2 * x)]:
        with pytest.raises(ValueError) as error:
            mx.eval(mx.jvp(f, [x], [x]))
        assert str(error.value) == "[Primitive::jvp] Not implemented for CustomKernel."


def test_what_does_not_depend_on_the_kernel_differentiates(exp):
    x, w = mx.random.normal((5,)), mx.random.normal((5,))
    assert mx.allclose(mx.grad(lambda x: (x * exp(w)).sum())(x), mx.exp(w))
    stopped = mx.grad(lambda x: (x * mx.stop_gradient(exp(x))).sum())(x)
    assert mx.allclose(stopped, mx.exp(x))
    assert mx.allclose(mx.jvp(lambda x: x * exp(w), [x], [mx.ones_like(x)])[1][0], mx.exp(w))


def test_a_custom_function_makes_it_differentiable(exp):
    @mx.custom_function
    def f(x):
        return exp(x)

    @f.vjp
    def f_vjp(x, cotangent, output):
        return cotangent * output

    x = mx.random.normal((3, 4))
    assert mx.allclose(mx.grad(lambda x: f(x).sum())(x), mx.exp(x))
    # 4 exp(2 x), twice through the rule.
    second = mx.grad(lambda x: mx.grad(lambda x: f(2 * x).sum())(x).sum())(x)
    assert mx.allclose(second, 4 * mx.exp(2 * x), rtol=1e-4)
    value, grads = mx.value_and_grad(lambda p: f(p["a"] * p["b"]).sum())({"a": x, "b": x})
    assert mx.allclose(value, mx.exp(x * x).sum())
    assert mx.allclose(grads["a"], x * mx.exp(x * x))
    with pytest.raises(ValueError, match=r"\[Primitive::jvp\] Not implemented for CustomKernel"):
        mx.eval(mx.jvp(f, [x], [x]))


@pytest.mark.parametrize(
    "transformed",
    [
        lambda f, x: mx.vmap(f)(x),
        lambda f, x: mx.vmap(lambda x: f(x * 2) + 1)(x),
        lambda f, x: mx.vmap(lambda a, b: a * f(b), in_axes=(None, 0))(x, x),
        lambda f, x: mx.compile(f)(x),
        lambda f, x: mx.compile(lambda x: f(x * 2))(x),
        lambda f, x: mx.compile(mx.grad(lambda x: f(x).sum()))(x),
        lambda f, x: mx.vmap(mx.grad(lambda x: f(x).sum()))(x),
    ],
)
def test_mapping_and_compiling_name_the_kernel(exp, transformed):
    with pytest.raises(ValueError, match="`myexp`: .* inside mx.vmap, mx.compile or"):
        mx.eval(transformed(exp, mx.random.normal((3, 5))))
    # Nothing is left behind.
    assert mx.allclose(exp(mx.zeros((2,))), mx.ones((2,)))


def test_a_constant_call_is_fine_anywhere(exp):
    x, w = mx.random.normal((3, 5)), mx.random.normal((5,))
    mx.eval(w)
    for f in [mx.vmap, mx.compile]:
        assert mx.allclose(f(lambda x: x + exp(w))(x), x + mx.exp(w))


# Errors.


def bad_calls():
    """Calls that MLX refuses before it looks for Metal."""
    x = mx.zeros((4,))
    fine = dict(
        inputs=[x],
        grid=(4, 1, 1),
        threadgroup=(4, 1, 1),
        output_shapes=[(4,)],
        output_dtypes=[mx.float32],
    )
    yield dict(fine, inputs=[])
    yield dict(fine, inputs=[None])
    yield dict(fine, inputs=["a"])
    yield dict(fine, output_shapes=[])
    yield dict(fine, output_shapes=[4])
    yield dict(fine, output_dtypes=["float32"])
    yield dict(fine, output_dtypes=[mx.float32, mx.float32])
    yield dict(fine, grid=(4, 1))
    yield dict(fine, threadgroup=4)
    yield dict(fine, template={"T": mx.float32})
    yield dict(fine, template=[("T", 1.5)])
    yield dict(fine, template=[("T", 2**40)])
    yield dict(fine, verbose=1)
    yield dict(fine, stream="gpu")
    yield dict(fine, init_value="0")
    yield dict(fine, unknown=1)
    yield {}


@pytest.mark.parametrize("call", bad_calls(), ids=lambda c: ",".join(f"{k}" for k in list(c)[:1]))
def test_bad_calls_raise_what_mlx_raises(call):
    with pytest.raises((TypeError, ValueError)) as theirs:
        NATIVE("k", ["inp"], ["out"], EXP)(**call)
    with pytest.raises((TypeError, ValueError)) as ours:
        mx.fast.metal_kernel("k", ["inp"], ["out"], EXP)(**call)
    assert text(ours) == text(theirs)
    with pytest.raises(TypeError):
        mx.fast.metal_kernel("k", ["inp"], ["out"], EXP)([mx.zeros((4,))])


@pytest.mark.parametrize(
    "arguments, options",
    [
        (("k", ["inp"], [], EXP), {}),
        (("k", "inp", ["out"], EXP), {}),
        (("k", ["inp"], ["out"]), {}),
        (("k", ["inp"], ["out"], EXP), {"compile_options": {"math_mode": "quick"}}),
        (("k", ["inp"], ["out"], EXP), {"compile_options": {"unknown": "safe"}}),
        (("k", ["inp"], ["out"], EXP), {"atomic_outputs": 1}),
    ],
)
def test_bad_kernels_raise_what_mlx_raises(arguments, options):
    with pytest.raises((TypeError, ValueError)) as theirs:
        NATIVE(*arguments, **options)
    with pytest.raises((TypeError, ValueError)) as ours:
        mx.fast.metal_kernel(*arguments, **options)
    assert text(ours) == text(theirs)


def test_a_kernel_that_does_not_compile_says_where(exp):
    kernel = mx.fast.metal_kernel("typo", ["inp"], ["out"], "out[0] = inp[0]\n")
    call = dict(inputs=[mx.zeros((1,))], grid=(1, 1, 1), threadgroup=(1, 1, 1))
    with pytest.raises(RuntimeError, match="typo"):
        mx.eval(kernel(**call, output_shapes=[(1,)], output_dtypes=[mx.float32]))
    assert exp(mx.zeros((1,))).item() == 1


# Turning it on and off.


def test_undoing_restores_mlx_exactly(exp):
    assert anymetal.mlx.is_enabled() and mx.fast.metal_kernel is not NATIVE
    before = dict(vars(mx.fast))
    with anymetal.mlx.enable():
        assert vars(mx.fast) == before
    # Enabled before, so the inner block left it enabled.
    assert anymetal.mlx.is_enabled()
    anymetal.mlx.disable()
    assert mx.fast.metal_kernel is NATIVE and not anymetal.mlx.is_enabled()
    anymetal.mlx.disable()
    # A kernel made in between still works; new ones are MLX's.
    assert exp(mx.zeros((1,))).item() == 1
    call = dict(inputs=[mx.zeros((1,))], grid=(1, 1, 1), threadgroup=(1, 1, 1))
    with pytest.raises(RuntimeError, match="No Metal back-end"):
        mx.fast.metal_kernel("k", ["inp"], ["out"], EXP)(
            **call, output_shapes=[(1,)], output_dtypes=[mx.float32]
        )
    anymetal.mlx.enable()


def test_metal_is_claimed_only_on_request():
    native = mx.metal.is_available
    assert not mx.metal.is_available()
    anymetal.mlx.enable(claim_metal=True)
    assert mx.metal.is_available()
    # Still enabled as before, and the same again.
    anymetal.mlx.enable(claim_metal=True)
    anymetal.mlx.disable()
    assert mx.metal.is_available is native
    anymetal.mlx.enable()


def test_another_s_replacement_is_not_lost(monkeypatch):
    ours = mx.fast.metal_kernel
    mx.fast.metal_kernel = theirs = lambda *_: None
    with pytest.raises(RuntimeError, match="was replaced after anymetal.mlx.enable"):
        anymetal.mlx.disable()
    assert mx.fast.metal_kernel is theirs
    mx.fast.metal_kernel = ours


PROGRAM = f"""
    import sys
    import mlx.core as mx

    def test_exp():
        kernel = mx.fast.metal_kernel("myexp", ["inp"], ["out"], "{EXP}")
        y = kernel(inputs=[mx.zeros((4,))], grid=(4, 1, 1), threadgroup=(4, 1, 1),
                   output_shapes=[(4,)], output_dtypes=[mx.float32])[0]
        assert y.tolist() == [1, 1, 1, 1]

    if __name__ == "__main__":
        test_exp()
        print(sys.argv[1:], mx.__name__, mx.metal.is_available())
    """


def python(*arguments, cwd):
    path = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def test_the_command(tmp_path):
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    done = python("-m", "anymetal.mlx", "program.py", "a", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("['a'] mlx.core False\n", "")
    done = python("-m", "anymetal.mlx", "--claim-metal", "program.py", cwd=tmp_path)
    assert done.stdout == "[] mlx.core True\n"
    assert "No Metal back-end" in python("program.py", cwd=tmp_path).stderr


def test_the_pytest_plugin(tmp_path):
    (tmp_path / "test_it.py").write_text(textwrap.dedent(PROGRAM))
    # Created as early as can be.
    (tmp_path / "conftest.py").write_text(
        f"import mlx.core as mx\nK = mx.fast.metal_kernel('k', ['inp'], ['out'], '{EXP}')\n"
        "def pytest_configure(config):\n    assert 'anymetal' in repr(K), K\n"
    )
    options = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = python(*options, "-p", "anymetal.mlx", cwd=tmp_path)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    (tmp_path / "conftest.py").unlink()
    assert "1 failed" in python(*options, cwd=tmp_path).stdout
