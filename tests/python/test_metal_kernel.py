"""Custom kernels: arguments, conversions, errors, warnings, interruption."""

import os
import random
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

import anymetal
import anymetal.core as mx

SEED = random.randrange(2**32)
rng = np.random.default_rng(SEED)
print("seed", SEED)

EXP = "uint i = thread_position_in_grid.x; out[i] = metal::exp(inp[i]);"


def build(source=EXP, inputs=("inp",), outputs=("out",), name="k", **options):
    return mx.fast.metal_kernel(name, list(inputs), list(outputs), source, **options)


def call(kernel, **changes):
    arguments = {
        "inputs": [mx.array([0.0, 1.0, 2.0])],
        "output_shapes": [(3,)],
        "output_dtypes": [mx.float32],
        "grid": (3, 1, 1),
        "threadgroup": (3, 1, 1),
    }
    arguments.update(changes)
    return kernel(**{k: v for k, v in arguments.items() if v is not ...})


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_kernel_with_header_and_template(dtype):
    values = rng.normal(size=1000).astype(np.float32)
    a = mx.array(values, getattr(mx, dtype))
    kernel = mx.fast.metal_kernel(
        name="myexp",
        input_names=["inp"],
        output_names=["out"],
        source="uint elem = thread_position_in_grid.x;\nout[elem] = helper(inp[elem]);",
        header="inline T helper(T v) { return metal::exp(v); }\n",
    )
    outputs = kernel(
        inputs=[a],
        template=[("T", a.dtype)],
        grid=(a.size, 1, 1),
        threadgroup=(256, 1, 1),
        output_shapes=[a.shape],
        output_dtypes=[a.dtype],
    )
    assert isinstance(outputs, list) and len(outputs) == 1
    assert outputs[0].dtype == a.dtype and outputs[0].shape == (1000,)
    exact = np.exp(np.asarray(a, dtype=np.float64))
    # One rounding to the dtype, and a few ULP of float32 for the function.
    rtol = {"float32": 1e-6, "float16": 2**-10.9, "bfloat16": 2**-7.9}[dtype]
    np.testing.assert_allclose(np.asarray(outputs[0], dtype=np.float64), exact, rtol=rtol)


MISFITS = [
    {"inputs": ...},
    {"grid": (1, 1)},
    {"grid": (1.0, 1, 1)},
    {"grid": 3},
    {"template": {}},
    {"template": [("T",)]},
    {"template": [(1, 2)]},
    {"init_value": "a"},
    {"verbose": 1},
    {"stream": "cpu"},
    {"inputs": [None]},
    {"output_shapes": [3]},
    {"output_shapes": (3,)},
    {"output_shapes": [(2.0,)]},
    {"output_dtypes": ["float32"]},
    {"foo": 1},
]


@pytest.mark.parametrize("changes", MISFITS, ids=str)
def test_calls_that_do_not_fit(changes):
    with pytest.raises(TypeError, match=r"__call__\(\): incompatible function arguments"):
        call(build(), **changes)


def test_all_arguments_of_a_call_are_keywords():
    with pytest.raises(TypeError, match="incompatible function arguments"):
        build()([mx.array(1.0)])
    with pytest.raises(TypeError, match="incompatible function arguments"):
        build()()


REFUSED = [
    ({"inputs": []}, "[metal_kernel] Expected `inputs` to have size 1 but got size 0.\n"),
    (
        {"output_shapes": []},
        "[metal_kernel] Expected `output_shapes` to have size 1 but got size 0.\n",
    ),
    (
        {"output_dtypes": []},
        "[metal_kernel] Expected `output_dtypes` to have size 1 but got size 0.\n",
    ),
    (
        {"template": [["T", 1.0]]},
        "[metal_kernel] Invalid template argument. Must be `mlx.core.Dtype`, `int` or `bool`.",
    ),
    (
        {"template": [("T", 2**40)], "inputs": []},
        "[metal_kernel] Invalid template argument. Must be `mlx.core.Dtype`, `int` or `bool`.",
    ),
    (
        {"template": [("T", np.int32(1))]},
        "[metal_kernel] Invalid template argument. Must be `mlx.core.Dtype`, `int` or `bool`.",
    ),
    ({"inputs": ["a"]}, "Invalid type str received in array initialization."),
    ({"inputs": [[1]]}, "Invalid type list received in array initialization."),
]


@pytest.mark.parametrize(("changes", "text"), REFUSED, ids=str)
def test_values_that_are_refused(changes, text):
    with pytest.raises(ValueError) as caught:
        call(build(), **changes)
    assert str(caught.value) == text


def test_float64_is_refused():
    for changes in [
        {"inputs": [mx.array(np.zeros(3), mx.float64)]},
        {"output_dtypes": [mx.float64]},
    ]:
        with pytest.raises(ValueError, match="float64 is not supported on the GPU"):
            call(build(), **changes)
    with pytest.raises(ValueError, match="negative"):
        call(build(), grid=(-1, 1, 1))
    with pytest.raises(ValueError, match="negative"):
        call(build(), output_shapes=[(-1,)])


def test_construction():
    kernel = mx.fast.metal_kernel
    for arguments in [
        ("n", "a", ["o"], ""),
        ("n", ["a"], "o", ""),
        ("n", ["a"], ["o"]),
        (1, ["a"], ["o"], ""),
        ("n", ["a"], [1], ""),
        ("n", ["a"], ["o"], "", None),
        ("n", ["a"], ["o"], "", "", 1),
    ]:
        with pytest.raises(TypeError, match=r"metal_kernel\(\): incompatible function arguments"):
            kernel(*arguments)
    kernel("n", (), ("o",), "", "", True, False, {"math_mode": "fast"})
    kernel("n", ["1a"], ["o b"], "")
    kernel("n", ["a", "a"], ["a"], "this is no program")
    for options, text in [
        (3, "Expected `compile_options` to be a dict."),
        ({"x": "y"}, "Unknown compile option `x`."),
        ({"math_mode": "x"}, "Expected math_mode to be 'safe', 'relaxed', or 'fast'."),
    ]:
        with pytest.raises(ValueError) as caught:
            kernel("n", ["a"], ["o"], "", compile_options=options)
        assert str(caught.value) == "[metal_kernel] " + text
    for options in [{"math_mode": 1}, {1: "safe"}]:
        with pytest.raises(RuntimeError):
            kernel("n", ["a"], ["o"], "", compile_options=options)
    with pytest.raises(ValueError, match="Must specify at least one output"):
        kernel("n", ["a"], [], "")


def test_names_that_are_no_identifiers_are_errors_of_the_evaluation():
    (out,) = call(build("out[0] = 1;", inputs=["1a"]))
    with pytest.raises(RuntimeError):
        mx.eval(out)
    # The kernel's own name is only part of the function's.
    (out,) = call(build(name="a kernel-1"))
    np.testing.assert_allclose(out.tolist(), np.exp([0, 1, 2]), rtol=1e-6)


def test_scalars_and_foreign_arrays_as_inputs():
    kernel = build(
        "uint i = thread_position_in_grid.x;"
        "out[i] = (float)x[i] * f + (float)n + (b ? 100 : 0) + (float)z;",
        inputs=["x", "f", "n", "b", "z"],
    )
    x = np.arange(9, dtype=np.int64)
    (out,) = call(
        kernel,
        inputs=[x, 0.5, 3, True, np.float64(0.25)],
        output_shapes=[[9]],
        grid=np.array([9, 1, 1]),
        threadgroup=[4, 1, 1],
    )
    assert out.tolist() == (x * 0.5 + 103.25).tolist()


def test_strides_are_seen_unless_rows_are_made_contiguous():
    source = (
        "uint i = thread_position_in_grid.x;"
        "out[i] = inp[i * inp_strides[0]] + 1000 * inp_strides[0] + inp_ndim + inp_shape[0];"
    )
    x = mx.asarray(np.arange(20, dtype=np.float32)[::2], copy=False)
    arguments = {"inputs": [x], "output_shapes": [(10,)], "grid": (10, 1, 1)}
    expected = np.arange(0, 20, 2) + 11
    assert call(build(source), **arguments)[0].tolist() == (expected + 1000).tolist()
    raw = build(source, ensure_row_contiguous=False)
    assert call(raw, **arguments)[0].tolist() == (expected + 2000).tolist()
    assert call(raw, **arguments, ensure_row_contiguous=True)[0].tolist() == (
        expected + 1000
    ).tolist()
    copied = call(build(source), **arguments, ensure_row_contiguous=False)[0]
    assert copied.tolist() == (expected + 2000).tolist()


def test_atomic_outputs_and_init_value():
    source = "atomic_fetch_add_explicit(&out[0], inp[thread_position_in_grid.x], memory_order_relaxed);"
    arguments = {"inputs": [mx.array(np.ones(100, np.float32))], "grid": (100, 1, 1)}
    arguments |= {"output_shapes": [(2,)], "init_value": 5}
    assert call(build(source, atomic_outputs=True), **arguments)[0].tolist() == [105, 5]
    assert call(build(source), **arguments, atomic_outputs=True)[0].tolist() == [105, 5]


def test_template_values():
    source = "out[0] = B ? N : -1; T x = T(1.5); out[1] = x; out[2] = sizeof(T);"
    (out,) = call(build(source), template=[("T", mx.int16), ("N", -7), ("B", True)], grid=(1, 1, 1))
    assert out.tolist() == [-7, 1, 2]


def test_verbose_prints_to_the_process_s_standard_output(capfd):
    call(build(name="loud"), verbose=True)
    printed = capfd.readouterr().out
    assert printed.startswith("Generated source code for `loud`:\n```\n")
    assert printed.endswith("\n```\n") and EXP in printed


def test_compile_errors_show_the_user_s_line_at_evaluation():
    (out,) = call(build("uint i = thread_position_in_grid.x;\nout[i] = inp[i] + missing;"))
    with pytest.raises(RuntimeError) as caught:
        mx.eval(out)
    text = str(caught.value)
    assert "Unable to build metal library from source" in text
    assert "missing" in text and "out[i] = inp[i] + missing;" in text


def test_too_large_threadgroups():
    (out,) = call(build(), threadgroup=(2048, 1, 1))
    with pytest.raises(ValueError) as caught:
        mx.eval(out)
    assert "Thread group size (2048) is greater than  the maximum allowed threads" in str(
        caught.value
    )


def test_reads_out_of_range_are_warnings_at_the_line_that_evaluates():
    source = "uint i = thread_position_in_grid.x; out[i] = inp[i + 1000];"
    (out,) = call(build(source, name="far"))
    with pytest.warns(anymetal.KernelWarning, match="far") as caught:
        mx.eval(out)
    assert caught[0].filename == __file__
    assert out.tolist() == [0, 0, 0]
    # Once per kernel and place.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call(build(source, name="far"))[0].tolist()
    (out,) = call(build(source + "// other", name="far"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(anymetal.KernelWarning):
            mx.eval(out)


def test_kernels_have_no_derivatives_of_their_own():
    kernel = build()
    with pytest.raises(ValueError, match=r"\[Primitive::vjp\] Not implemented for CustomKernel\."):
        mx.grad(lambda x: call(kernel, inputs=[x], output_shapes=[()], grid=(1, 1, 1))[0])(
            mx.array(1.0)
        )
    with pytest.raises(ValueError, match=r"\[Primitive::jvp\] Not implemented for CustomKernel\."):
        x = mx.array([1.0, 2.0, 3.0])
        mx.jvp(lambda x: call(kernel, inputs=[x])[0], [x], [x])
    with pytest.raises(ValueError, match=r"\[Primitive::vmap\] Not implemented for CustomKernel\."):
        mx.vmap(lambda x: call(kernel, inputs=[x])[0])(mx.array([[1.0, 2.0, 3.0]]))


def test_a_custom_function_gives_a_kernel_derivatives_and_mapping():
    kernel = build()

    @mx.custom_function
    def f(x):
        return call(kernel, inputs=[x], output_shapes=[x.shape], grid=(x.size, 1, 1))[0]

    f.vjp(lambda x, cotangent, y: cotangent * y)
    f.jvp(lambda x, t: t * f(x))
    f.vmap(lambda x, axis: (f(x), axis))
    values = rng.normal(size=3).astype(np.float32)
    x = mx.array(values)
    # A few ULP of float32 for the function, and one for the product.
    close = lambda ours, exact: np.testing.assert_allclose(np.asarray(ours), exact, rtol=1e-6)  # noqa: E731
    close(mx.vjp(f, [x], [x])[1][0], values * np.exp(values))
    close(mx.jvp(f, [x], [x])[1][0], values * np.exp(values))
    matrix = rng.normal(size=(4, 3)).astype(np.float32)
    close(mx.vmap(f)(mx.array(matrix)), np.exp(matrix))


def test_kernels_run_on_the_default_device():
    assert anymetal.kernels_available() == ("cpu",)
    assert call(build(), stream=mx.cpu)[0].shape == (3,)
    with pytest.raises(ValueError, match="gpu"):
        call(build(), stream=mx.gpu)


SPIN = """
import signal, sys, threading, time, os
import anymetal.core as mx
kernel = mx.fast.metal_kernel("spin", [], ["out"], "volatile int i = 0; while (true) { i++; } out[0] = 1;")
good = mx.array([1, 2]) + 1
def spin():
    return kernel(inputs=[], output_shapes=[(1,)], output_dtypes=[mx.float32], grid=(1, 1, 1),
                  threadgroup=(1, 1, 1))[0]
out = spin()
print("ready", flush=True)
try:
    mx.eval(out)
except KeyboardInterrupt:
    print("interrupted", flush=True)
print((good * 2).tolist(), flush=True)
print("ready", flush=True)
try:
    spin().item()
except KeyboardInterrupt:
    print("interrupted", flush=True)
def handler(*_):
    raise ZeroDivisionError("from the handler")
signal.signal(signal.SIGINT, handler)
print("ready", flush=True)
try:
    spin().tolist()
except ZeroDivisionError as error:
    print(error, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT for a single child on Windows")
def test_control_c_stops_a_kernel_and_the_process_goes_on():
    child = subprocess.Popen(
        [sys.executable, "-c", SPIN], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        for expected in [["interrupted", "[4, 6]"], ["interrupted"], ["from the handler"]]:
            assert child.stdout.readline() == "ready\n", child.stderr.read()
            time.sleep(0.3)
            began = time.monotonic()
            child.send_signal(signal.SIGINT)
            assert [child.stdout.readline().strip() for _ in expected] == expected
            assert time.monotonic() - began < 10
        assert child.wait(timeout=30) == 0, child.stderr.read()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
        child.stderr.close()
