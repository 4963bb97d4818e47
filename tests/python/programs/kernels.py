"""Custom kernels as programs write them: templates, headers, strides, atomics, gradients.

Under real MLX on a machine without Metal, run with `-p anymetal.mlx`.
"""

import mlx.core as mx
import pytest

TOLERANCE = {mx.float32: 1e-5, mx.float16: 2e-3, mx.bfloat16: 2e-2}


def same(a, b):
    tolerance = TOLERANCE.get(a.dtype, 0)
    return mx.allclose(a.astype(mx.float32), b.astype(mx.float32), rtol=tolerance, atol=tolerance)


def elementwise(kernel, x, **options):
    return kernel(
        inputs=[x],
        grid=(x.size, 1, 1),
        threadgroup=(min(x.size, 256), 1, 1),
        output_shapes=[x.shape],
        output_dtypes=[x.dtype],
        **options,
    )[0]


@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16])
def test_basic(dtype):
    kernel = mx.fast.metal_kernel(
        name="basic",
        input_names=["a"],
        output_names=["out1"],
        source="uint e = thread_position_in_grid.x; out1[e] = a[e] * T(2);",
    )
    x = mx.random.normal((2, 33)).astype(dtype)
    assert same(elementwise(kernel, x, template=[("T", dtype)]), x * 2)


def test_several_inputs_and_outputs():
    kernel = mx.fast.metal_kernel(
        name="several",
        input_names=["a", "b", "c", "d"],
        output_names=["out1", "out2"],
        source="""
            uint i = thread_position_in_grid.x;
            if (e) { out1[i] = a[i] + b[2] + c[i] + d + f; } else { out1[i] = 1; }
            out2[i] = a[i] - T(b[1]);
        """,
    )
    a = mx.random.normal((2, 3))
    b = mx.array([3, 4, 5], mx.int32)
    c = mx.random.normal((2, 3)).astype(mx.float16)
    for flag in [True, False]:
        one, two = kernel(
            inputs=[a, b, c, 7.25],
            template=[("e", flag), ("f", 3), ("T", mx.float16)],
            grid=(6, 1, 1),
            threadgroup=(2, 1, 1),
            output_shapes=[(2, 3), (3, 2)],
            output_dtypes=[mx.float32, mx.int32],
        )
        wanted = a + 5 + c + 7.25 + 3 if flag else mx.ones((2, 3))
        assert mx.allclose(one, wanted, rtol=1e-5, atol=1e-5)
        # Towards zero, in half precision before.
        difference = (a.astype(mx.float16).astype(mx.float32) - 4).reshape(3, 2)
        assert mx.all(mx.abs(two - difference) <= 1.01)


@pytest.mark.parametrize("row_contiguous", [True, False])
def test_strides(row_contiguous):
    kernel = mx.fast.metal_kernel(
        name="strides",
        input_names=["inp"],
        output_names=["out"],
        source="""
            uint i = thread_position_in_grid.x;
            uint where = elem_to_loc(i, inp_shape, inp_strides, inp_ndim);
            T x = inp[where];
            out[i] = metal::precise::exp(x) * threads_per_simdgroup;
        """,
        ensure_row_contiguous=row_contiguous,
    )
    x = mx.random.normal((3, 6, 4))
    for view in [x, x[::2], x.transpose(2, 0, 1), mx.broadcast_to(x[:, :1], (3, 5, 4))]:
        y = elementwise(kernel, view, template=[("T", mx.float32)])
        assert mx.allclose(y, mx.exp(view) * 32, rtol=1e-5)


def test_shapes_in_the_source():
    kernel = mx.fast.metal_kernel(
        name="rows",
        input_names=["x", "w"],
        output_names=["out"],
        source="""
            uint row = thread_position_in_grid.x;
            int n = x_shape[1];
            float sum = 0;
            for (int i = 0; i < n; i++) { sum += x[row * n + i] * w[i]; }
            out[row] = sum;
        """,
    )
    x, w = mx.random.normal((37, 12)), mx.random.normal((12,))
    y = kernel(
        inputs=[x, w],
        grid=(37, 1, 1),
        threadgroup=(8, 1, 1),
        output_shapes=[(37,)],
        output_dtypes=[mx.float32],
    )[0]
    assert mx.allclose(y, x @ w, rtol=1e-4, atol=1e-5)


def test_a_helper_in_the_header():
    kernel = mx.fast.metal_kernel(
        name="helper",
        input_names=["a"],
        output_names=["out"],
        header="""
            template <typename T>
            T swish(T x) { return x / (T(1) + metal::exp(-x)); }
        """,
        source="uint e = thread_position_in_grid.x; out[e] = swish(a[e]);",
    )
    x = mx.random.normal((77,))
    assert mx.allclose(elementwise(kernel, x), x * mx.sigmoid(x), rtol=1e-5, atol=1e-6)


def test_attributes_and_two_axes():
    kernel = mx.fast.metal_kernel(
        name="places",
        input_names=[],
        output_names=["out"],
        source="""
            uint3 p = thread_position_in_grid;
            out[p.y * threads_per_grid.x + p.x] =
                threadgroup_position_in_grid.y * 100 + thread_index_in_threadgroup;
        """,
    )
    y = kernel(
        inputs=[],
        grid=(6, 4, 1),
        threadgroup=(3, 2, 1),
        output_shapes=[(4, 6)],
        output_dtypes=[mx.uint32],
    )[0]
    wanted = [[100 * (j // 2) + j % 2 * 3 + i % 3 for i in range(6)] for j in range(4)]
    assert y.tolist() == wanted


@pytest.mark.parametrize("axis", [31, 32, 33, 300])
def test_softmax_with_a_threadgroup(axis):
    kernel = mx.fast.metal_kernel(
        name="softmax",
        input_names=["x"],
        output_names=["out"],
        source="""
            constexpr uint SIMDS = THREADS / 32;
            threadgroup float partial[SIMDS];
            uint row = threadgroup_position_in_grid.x, lane = thread_index_in_threadgroup;
            uint n = x_shape[1];
            float top = -INFINITY;
            for (uint i = lane; i < n; i += THREADS) { top = max(top, float(x[row * n + i])); }
            top = simd_max(top);
            if (thread_index_in_simdgroup == 0) { partial[simdgroup_index_in_threadgroup] = top; }
            threadgroup_barrier(mem_flags::mem_threadgroup);
            for (uint i = 0; i < SIMDS; i++) { top = max(top, partial[i]); }
            threadgroup_barrier(mem_flags::mem_threadgroup);
            float sum = 0;
            for (uint i = lane; i < n; i += THREADS) { sum += exp(x[row * n + i] - top); }
            sum = simd_sum(sum);
            if (thread_index_in_simdgroup == 0) { partial[simdgroup_index_in_threadgroup] = sum; }
            threadgroup_barrier(mem_flags::mem_threadgroup);
            sum = 0;
            for (uint i = 0; i < SIMDS; i++) { sum += partial[i]; }
            for (uint i = lane; i < n; i += THREADS) {
                out[row * n + i] = exp(x[row * n + i] - top) / sum;
            }
        """,
    )
    x = 3 * mx.random.normal((5, axis))
    y = kernel(
        inputs=[x],
        template=[("THREADS", 64)],
        grid=(5 * 64, 1, 1),
        threadgroup=(64, 1, 1),
        output_shapes=[x.shape],
        output_dtypes=[x.dtype],
    )[0]
    assert mx.allclose(y, mx.softmax(x, axis=-1), rtol=1e-4, atol=1e-6)


def test_atomics_and_initial_values():
    kernel = mx.fast.metal_kernel(
        name="histogram",
        input_names=["x"],
        output_names=["out"],
        source="""
            uint bin = x[thread_position_in_grid.x];
            atomic_fetch_add_explicit(&out[bin], 1.0f, memory_order_relaxed);
        """,
        atomic_outputs=True,
    )
    x = mx.random.randint(0, 8, (500,))
    y = kernel(
        inputs=[x],
        grid=(500, 1, 1),
        threadgroup=(100, 1, 1),
        output_shapes=[(8,)],
        output_dtypes=[mx.float32],
        init_value=0,
    )[0]
    assert mx.array_equal(y, (x[:, None] == mx.arange(8)).sum(axis=0).astype(mx.float32))


def test_two_kernels_of_one_name_in_one_graph():
    x = mx.random.normal((64,))
    kernels = [
        mx.fast.metal_kernel(
            "twin", ["x"], ["out"], f"uint i = thread_position_in_grid.x; out[i] = x[i] {op};"
        )
        for op in ["+ 1", "* 3"]
    ]
    a, b = (elementwise(k, x) for k in kernels)
    halves = elementwise(kernels[0], x.astype(mx.float16))
    mx.eval(a, b, halves)
    assert mx.allclose(a, x + 1) and mx.allclose(b, x * 3)
    assert halves.dtype == mx.float16 and same(halves, x.astype(mx.float16) + 1)


@pytest.mark.parametrize("mode", ["safe", "relaxed", "fast"])
def test_math_modes(mode):
    kernel = mx.fast.metal_kernel(
        name="mode",
        input_names=["x"],
        output_names=["out"],
        source="""
            #if defined(__FAST_MATH__) && __FAST_MATH__
            out[0] = 1;
            #else
            out[0] = 0;
            #endif
        """,
        compile_options={"math_mode": mode},
    )
    y = elementwise(kernel, mx.zeros((1,)))
    assert mode == "relaxed" or y.item() == (mode == "fast")


@pytest.mark.parametrize("dtype", [mx.float32, mx.float16])
def test_a_kernel_with_a_gradient(dtype):
    forward = mx.fast.metal_kernel(
        name="square_gate",
        input_names=["x", "g"],
        output_names=["out"],
        source="uint i = thread_position_in_grid.x; out[i] = x[i] * x[i] * g[i];",
    )
    backward = mx.fast.metal_kernel(
        name="square_gate_gradient",
        input_names=["x", "g", "c"],
        output_names=["dx", "dg"],
        source="""
            uint i = thread_position_in_grid.x;
            dx[i] = 2 * x[i] * g[i] * c[i];
            dg[i] = x[i] * x[i] * c[i];
        """,
    )

    def call(kernel, inputs, outputs):
        return kernel(
            inputs=inputs,
            grid=(inputs[0].size, 1, 1),
            threadgroup=(16, 1, 1),
            output_shapes=[inputs[0].shape] * outputs,
            output_dtypes=[inputs[0].dtype] * outputs,
        )

    @mx.custom_function
    def gated(x, g):
        return call(forward, [x, g], 1)[0]

    @gated.vjp
    def gated_vjp(primals, cotangent, output):
        return tuple(call(backward, [*primals, cotangent], 2))

    x, g = (mx.random.normal((4, 5)).astype(dtype) for _ in "xg")

    def loss(f):
        return lambda x, g: (f(x * 2, mx.sigmoid(g)) ** 2).sum()

    ours = mx.value_and_grad(loss(gated), argnums=(0, 1))(x, g)
    plain = mx.value_and_grad(loss(lambda x, g: x * x * g), argnums=(0, 1))(x, g)
    scale = mx.abs(plain[1][0]).max().astype(mx.float32).item()
    tolerance = {mx.float32: 1e-5, mx.float16: 1e-2}[dtype]
    assert mx.allclose(ours[0].astype(mx.float32), plain[0].astype(mx.float32), rtol=tolerance)
    for a, b in zip(ours[1], plain[1]):
        assert mx.abs(a - b).max().astype(mx.float32).item() <= tolerance * max(scale, 1)


def test_a_kernel_alone_has_no_derivatives():
    kernel = mx.fast.metal_kernel(
        "id", ["x"], ["out"], "uint i = thread_position_in_grid.x; out[i] = x[i];"
    )
    f = lambda x: elementwise(kernel, x)  # noqa: E731
    x = mx.random.normal((3, 4))
    with pytest.raises(ValueError, match="CustomKernel"):
        mx.eval(mx.grad(lambda x: f(x).sum())(x))
    with pytest.raises(ValueError, match="CustomKernel"):
        mx.eval(mx.jvp(f, [x], [x]))
    with pytest.raises(ValueError):
        mx.eval(mx.vmap(f)(x))


@pytest.mark.parametrize(
    "make, error",
    [
        (lambda: mx.fast.metal_kernel("k", ["x"], [], ""), ValueError),
        (lambda: mx.fast.metal_kernel("k", "x", ["out"], ""), TypeError),
        (
            lambda: mx.fast.metal_kernel("k", ["x"], ["out"], "", compile_options={"a": "b"}),
            ValueError,
        ),
        (lambda: mx.fast.cuda_kernel("k", ["x"], ["out"], ""), RuntimeError),
    ],
)
def test_errors(make, error):
    with pytest.raises(error):
        make()
