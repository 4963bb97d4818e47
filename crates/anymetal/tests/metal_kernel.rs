//! Custom kernels in the lazy graph: the published examples, every option, and errors.

mod support;

use anymetal::fast::{self, Bounds};
use anymetal::{Array, CustomFunction, Dtype, Error, Result, grad, ops, vmap};
use support::matrix::random::fresh;
use support::{close, everywhere, normal};

/// The published example of a kernel with a header, whose helper uses the template name of the
/// launch.
#[test]
fn the_published_header_example() {
    everywhere(|| {
        let source = "\n// body uses helper declared in header\n\
                      uint elem = thread_position_in_grid.x;\n\
                      out[elem] = helper(inp[elem]);\n";
        let header = "\ninline T helper(T v) { return metal::exp(v); }\n";
        let kernel =
            fast::metal_kernel("myexp_hdr", &["inp"], &["out"], source).header(header).build()?;
        for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
            let a = normal(&mut fresh(), &[1000]).astype(dtype)?;
            let out = kernel
                .call(&[(&a).into()])
                .template("T", dtype)
                .grid([1000, 1, 1])
                .threadgroup([256, 1, 1])
                .output(&[1000], dtype)
                .verbose(dtype == Dtype::F32)
                .run()?
                .remove(0);
            // One rounding to the dtype.
            let tolerance = match dtype {
                Dtype::F32 => 1e-6,
                Dtype::F16 => 1e-3,
                _ => 8e-3,
            };
            close(&out, &a.exp()?, tolerance)?;
        }
        Ok(())
    });
}

#[test]
fn strided_inputs_through_their_strides() {
    everywhere(|| {
        let source = "uint elem = thread_position_in_grid.x;\n\
                      uint loc = elem_to_loc(elem, inp_shape, inp_strides, inp_ndim);\n\
                      T tmp = inp[loc];\n\
                      out[elem] = metal::precise::exp(tmp);";
        let kernel = fast::metal_kernel("myexp_strided", &["inp"], &["out"], source)
            .ensure_row_contiguous(false)
            .build()?;
        let x = normal(&mut fresh(), &[4, 16]);
        let views = [x.index(&[(..).into(), (1..13).into()])?.t(), x.clone(), x.t()];
        for x in views {
            let y = kernel
                .call(&[(&x).into()])
                .template("T", Dtype::F32)
                .grid([x.size() as u32, 1, 1])
                .threadgroup([256, 1, 1])
                .output(x.shape(), Dtype::F32)
                .run()?
                .remove(0);
            close(&y, &x.exp()?, 1e-6)?;
        }
        Ok(())
    });
}

#[test]
fn scalars_templates_and_several_outputs() {
    everywhere(|| {
        let source = "uint i = thread_position_in_grid.x;\n\
                      if (FLAG) { a[i] = inp[i] * s + N; } else { a[i] = 0; }\n\
                      b[i] = n > 2 ? inp_shape[0] : -1;";
        let kernel =
            fast::metal_kernel("rms_eps1e-06", &["inp", "s", "n"], &["a", "b"], source).build()?;
        let x = Array::from_slice(&[1.0f32, 2.0, 3.0], &[3])?;
        let run = |flag: bool| {
            kernel
                .call(&[(&x).into(), 2.5f64.into(), 3i64.into()])
                .template("FLAG", flag)
                .template("N", -4)
                .grid([3, 1, 1])
                .threadgroup([1, 1, 1])
                .output(&[3], Dtype::F32)
                .output(&[3], Dtype::I32)
                .run()
        };
        let out = run(true)?;
        assert_eq!(out[0].to_vec::<f32>()?, [-1.5, 1.0, 3.5]);
        assert_eq!(out[1].to_vec::<i32>()?, [3, 3, 3]);
        assert_eq!(run(false)?[0].to_vec::<f32>()?, [0.0; 3]);
        Ok(())
    });
}

#[test]
fn atomic_outputs_with_an_initial_value() {
    everywhere(|| {
        let source = "uint i = thread_position_in_grid.x;\n\
                      atomic_fetch_add_explicit(&out[i % 4], inp[i], memory_order_relaxed);";
        let kernel =
            fast::metal_kernel("hist", &["inp"], &["out"], source).atomic_outputs(true).build()?;
        let x = ops::ones(&[1002], Dtype::F32)?;
        let y = kernel
            .call(&[(&x).into()])
            .grid([1002, 1, 1])
            .threadgroup([64, 1, 1])
            .output(&[4], Dtype::F32)
            .init_value(10.0)
            .run()?
            .remove(0);
        assert_eq!(y.to_vec::<f32>()?, [261.0, 261.0, 260.0, 260.0]);
        Ok(())
    });
}

#[test]
fn threadgroups_and_simdgroups() {
    everywhere(|| {
        // A row softmax with threadgroup memory, a barrier and simdgroup reductions.
        let source = "
            threadgroup float shared[32];
            uint row = threadgroup_position_in_grid.x;
            uint lid = thread_position_in_threadgroup.x;
            uint lane = thread_index_in_simdgroup;
            uint group = simdgroup_index_in_threadgroup;
            float top = -INFINITY;
            for (uint i = lid; i < N; i += 64) top = max(top, inp[row * N + i]);
            top = simd_max(top);
            if (lane == 0) shared[group] = top;
            threadgroup_barrier(mem_flags::mem_threadgroup);
            top = max(shared[0], shared[1]);
            threadgroup_barrier(mem_flags::mem_threadgroup);
            float total = 0;
            for (uint i = lid; i < N; i += 64) total += exp(inp[row * N + i] - top);
            total = simd_sum(total);
            if (lane == 0) shared[group] = total;
            threadgroup_barrier(mem_flags::mem_threadgroup);
            total = shared[0] + shared[1];
            for (uint i = lid; i < N; i += 64) out[row * N + i] = exp(inp[row * N + i] - top) / total;
        ";
        let kernel = fast::metal_kernel("softmax", &["inp"], &["out"], source).build()?;
        let x = normal(&mut fresh(), &[5, 100]);
        let y = kernel
            .call(&[(&x).into()])
            .template("N", 100)
            .grid([5 * 64, 1, 1])
            .threadgroup([64, 1, 1])
            .output(&[5, 100], Dtype::F32)
            .run()?
            .remove(0);
        close(&y, &ops::softmax(&x, -1, true)?, 1e-6)
    });
}

#[test]
fn kernels_differentiate_through_custom_functions() {
    everywhere(|| {
        let source = "uint i = thread_position_in_grid.x; out[i] = inp[i] * inp[i];";
        let kernel = fast::metal_kernel("square", &["inp"], &["out"], source).build()?;
        let plain = kernel.clone();
        let run = move |kernel: &fast::MetalKernel, x: &Array| {
            kernel
                .call(&[x.into()])
                .grid([x.size() as u32, 1, 1])
                .threadgroup([32, 1, 1])
                .output(x.shape(), x.dtype())
                .run()
        };
        let square = CustomFunction::new(move |a| run(&kernel, &a[0]))
            .with_vjp(|a, g, _| Ok(vec![ops::multiply(&g[0], &ops::multiply(&a[0], 2.0)?)?]));
        let x = Array::from_slice(&[1.0f32, -3.0, 2.0], &[3])?;
        let loss = |a: &[Array]| ops::sum(&square.call(a)?[0], (), false);
        assert_eq!(grad(loss, &[0])(&[x.clone()])?[0].to_vec::<f32>()?, [2.0, -6.0, 4.0]);
        let loss = |a: &[Array]| ops::sum(&run(&plain, &a[0])?[0], (), false);
        let error = grad(loss, &[0])(&[x.clone()]).unwrap_err();
        assert_eq!(error.to_string(), "[Primitive::vjp] Not implemented for CustomKernel.");
        let error = vmap(|a| run(&plain, &a[0]), &[x], &[], &[]).unwrap_err();
        assert_eq!(error.to_string(), "[Primitive::vmap] Not implemented for CustomKernel.");
        Ok(())
    });
}

#[test]
fn errors_point_at_the_users_own_line() -> Result<()> {
    let x = ops::ones(&[8], Dtype::F32)?;
    let call = |source: &str, header: &str| -> Result<()> {
        let kernel =
            fast::metal_kernel("broken", &["inp"], &["out"], source).header(header).build()?;
        let call = kernel.call(&[(&x).into()]).grid([8, 1, 1]).threadgroup([8, 1, 1]);
        call.output(&[8], Dtype::F32).run()?[0].eval()
    };
    let source = "uint i = thread_position_in_grid.x;\nout[i] = inpt[i];";
    let error = call(source, "").unwrap_err().to_string();
    assert!(error.contains("source:2:10") && error.contains("inpt"), "{error}");
    let error = call("out[0] = f(1.0f);", "\nfloat f(float x) { return y; }\n").unwrap_err();
    assert!(error.to_string().contains("header:2:"), "{error}");
    // A write out of range is an error with line, thread, index and length.
    let source = "uint i = thread_position_in_grid.x;\n\nout[i + 1] = 1;";
    let error = call(source, "").unwrap_err();
    assert!(matches!(&error, Error::Failed(e) if matches!(&**e, Error::Kernel { .. })));
    let text = error.to_string();
    assert!(text.contains("source:3:") && text.contains("out[8] of 8 float"), "{text}");
    assert!(text.contains("thread (7, 0, 0)"), "{text}");
    Ok(())
}

#[test]
fn wrong_calls_are_errors_at_the_call() -> Result<()> {
    let x = ops::ones(&[8], Dtype::F32)?;
    let none = fast::metal_kernel("k", &["inp"], &[], "").build();
    let text = none.err().map(|e| e.to_string());
    assert_eq!(text.as_deref(), Some("[metal_kernel] Must specify at least one output."));
    let kernel = fast::metal_kernel("k", &["inp"], &["out"], "out[0] = inp[0];").build()?;
    let error = kernel.call(&[]).output(&[1], Dtype::F32).run().unwrap_err();
    assert_eq!(
        error.to_string(),
        "[metal_kernel] Expected `inputs` to have size 1 but got size 0."
    );
    let wide = x.astype(Dtype::F64)?;
    assert!(kernel.call(&[(&wide).into()]).output(&[1], Dtype::F32).run().is_err());
    let large = kernel.call(&[(&x).into()]).grid([4096, 1, 1]).threadgroup([2048, 1, 1]);
    let error = large.output(&[1], Dtype::F32).run()?[0].eval().unwrap_err();
    assert!(error.to_string().contains("Thread group size (2048) is greater than"), "{error}");
    Ok(())
}

#[test]
fn reads_out_of_range_warn_or_fail_as_asked() -> Result<()> {
    let x = ops::ones(&[8], Dtype::F32)?;
    let source = "uint i = thread_position_in_grid.x; float v = inp[i + 4]; out[i] = v;";
    let kernel = fast::metal_kernel("gap", &["inp"], &["out"], source).build()?;
    let call = |bounds| {
        let call = kernel.call(&[(&x).into()]).grid([8, 1, 1]).threadgroup([8, 1, 1]);
        call.output(&[8], Dtype::F32).bounds(bounds).run()?[0].to_vec::<f32>()
    };
    assert_eq!(call(Bounds::Warn)?, [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    assert!(call(Bounds::Error).is_err());
    Ok(())
}

/// A header that uses the launch's template name means the launch's type only where nothing else of
/// that name is declared.
#[test]
fn what_a_header_declares_comes_before_template_names() -> Result<()> {
    let x = Array::from_slice(&[1.5f32, 2.5], &[2])?;
    let run = |header: &str, source: &str| -> Result<Vec<f32>> {
        let kernel =
            fast::metal_kernel("clash", &["inp"], &["out"], source).header(header).build()?;
        let call = kernel.call(&[(&x).into()]).template("T", Dtype::F32).template("N", 3);
        let call = call.grid([2, 1, 1]).threadgroup([2, 1, 1]);
        call.output(&[2], Dtype::F32).run()?[0].to_vec::<f32>()
    };
    let body = "uint i = thread_position_in_grid.x; out[i] = f(inp[i]);";
    for (header, expected) in [
        // Nothing else: the launch's `float` and 3.
        ("T f(T v) { T w = v * N; return w; }", [4.5, 7.5]),
        // A constant, an alias, a macro, a template parameter and a function of that name.
        ("constant int N = 7; float f(float v) { return v * N; }", [10.5, 17.5]),
        ("typedef int T; float f(T v) { return v; }", [1.0, 2.0]),
        ("using T = short; float f(float v) { return T(v) + sizeof(T); }", [3.0, 4.0]),
        ("#define N 10\nfloat f(float v) { return v * N; }\n#undef N\n", [15.0, 25.0]),
        (
            "template <typename T> T twice(T v) { return v + v; } float f(int v) { return twice(v); }",
            [2.0, 4.0],
        ),
        (
            "template <int N> int g() { return N; } float f(float v) { return v + g<20>(); }",
            [21.5, 22.5],
        ),
        ("struct T { float v; }; float f(float v) { T t = {v}; return t.v + 1; }", [2.5, 3.5]),
        ("float N(float v) { return -v; } float f(float v) { return N(v); }", [-1.5, -2.5]),
        // Names of parameters and locals, too.
        ("float f(float N) { float T = N + 1; return T; }", [2.5, 3.5]),
    ] {
        let got = run(header, body).unwrap_or_else(|e| panic!("{header}\n{e}"));
        assert_eq!(got, expected, "{header}");
    }
    Ok(())
}

#[test]
fn options_at_the_call_override_those_of_the_kernel() -> Result<()> {
    let source = "uint i = thread_position_in_grid.x;\n\
                  atomic_fetch_add_explicit(&out[0], inp[i * inp_strides[0]], memory_order_relaxed);";
    let kernel = fast::metal_kernel("sum", &["inp"], &["out"], source).build()?;
    let x = Array::from_slice(&(0..20).map(|i| i as f32).collect::<Vec<_>>(), &[10, 2])?;
    let column = x.index(&[(..).into(), 1.into()])?;
    let call = kernel.call(&[(&column).into()]).ensure_row_contiguous(false).atomic_outputs(true);
    let call = call.grid([10, 1, 1]).threadgroup([4, 1, 1]).output(&[1], Dtype::F32);
    assert_eq!(call.init_value(0.5).run()?[0].to_vec::<f32>()?, [100.5]);
    Ok(())
}

#[test]
fn kernels_of_one_name_are_told_apart() -> Result<()> {
    let x = ops::ones(&[4], Dtype::F32)?;
    let with = |body: &str, mode: fast::MathMode| {
        let kernel =
            fast::metal_kernel("same", &["inp"], &["out"], body).math_mode(mode).build()?;
        let call = kernel.call(&[(&x).into()]).grid([4, 1, 1]).threadgroup([4, 1, 1]);
        Ok::<_, Error>(call.output(&[4], Dtype::F32).run()?.remove(0))
    };
    let i = "uint i = thread_position_in_grid.x;";
    let mode = format!(
        "{i}\n#if defined(__FAST_MATH__) && __FAST_MATH__\nout[i] = 1;\n#else\nout[i] = 2;\n#endif"
    );
    use fast::MathMode::{Fast, Relaxed, Safe};
    let outs = [
        with(&format!("{i} out[i] = inp[i] + 5;"), Safe)?,
        with(&format!("{i} out[i] = inp[i] + 6;"), Safe)?,
        with(&mode, Safe)?,
        with(&mode, Fast)?,
        with(&mode, Relaxed)?,
    ];
    // One evaluation for all of them, in which other dtypes of one kernel take part.
    anymetal::eval(&outs)?;
    let firsts: Vec<f32> =
        outs.iter().map(|out| Ok(out.to_vec::<f32>()?[0])).collect::<Result<_>>()?;
    assert_eq!(firsts, [6.0, 7.0, 2.0, 1.0, 2.0]);
    let kernel =
        fast::metal_kernel("mixed", &["a"], &["out"], &format!("{i} out[i] = a[i] + a[i];"))
            .build()?;
    let double = |x: &Array| {
        let call = kernel.call(&[x.into()]).grid([4, 1, 1]).threadgroup([9, 1, 1]);
        Ok::<_, Error>(call.output(&[4], x.dtype()).run()?.remove(0))
    };
    let mixed = [double(&x)?, double(&x.astype(Dtype::F16)?)?, double(&x.astype(Dtype::I8)?)?];
    anymetal::eval(&mixed)?;
    for out in mixed {
        assert_eq!(out.astype(Dtype::F32)?.to_vec::<f32>()?, [2.0; 4]);
    }
    Ok(())
}

#[test]
fn empty_grids_and_inputs() -> Result<()> {
    let x = ops::zeros(&[0, 3], Dtype::F32)?;
    let source = "out[0] = inp_shape[0] * 100 + inp_shape[1] * 10 + inp_ndim;";
    let kernel = fast::metal_kernel("shapes", &["inp"], &["out"], source).build()?;
    let run = |grid: [u32; 3]| {
        let call = kernel.call(&[(&x).into()]).grid(grid).threadgroup([1, 1, 1]);
        call.output(&[1], Dtype::I32).init_value(-7.9).run()?[0].to_vec::<i32>()
    };
    assert_eq!(run([1, 1, 1])?, [32]);
    // Nothing runs; the initial value is cast to the output's dtype.
    assert_eq!(run([0, 1, 1])?, [-7]);
    assert_eq!(run([4, 0, 1])?, [-7]);
    Ok(())
}

#[test]
fn every_attribute_has_its_value_and_width() -> Result<()> {
    // A grid of 70 x 3 in groups of 40 x 2: smaller groups at both edges.
    let vectors = [
        ("dispatch_threads_per_threadgroup", [40, 2, 1]),
        ("grid_origin", [0, 0, 0]),
        ("grid_size", [70, 3, 1]),
        ("thread_position_in_grid", [69, 2, 0]),
        ("thread_position_in_threadgroup", [29, 0, 0]),
        ("threadgroup_position_in_grid", [1, 1, 0]),
        ("threadgroups_per_grid", [2, 2, 1]),
        ("threads_per_grid", [70, 3, 1]),
        ("threads_per_threadgroup", [30, 1, 1]),
    ];
    let scalars = [
        ("dispatch_quadgroups_per_threadgroup", 20),
        ("dispatch_simdgroups_per_threadgroup", 3),
        ("quadgroup_index_in_threadgroup", 7),
        ("quadgroups_per_threadgroup", 8),
        ("simdgroup_index_in_threadgroup", 0),
        ("simdgroups_per_threadgroup", 1),
        ("thread_execution_width", 32),
        ("thread_index_in_quadgroup", 1),
        ("thread_index_in_simdgroup", 29),
        ("thread_index_in_threadgroup", 29),
        ("threads_per_simdgroup", 32),
    ];
    let mut lines: Vec<String> = Vec::new();
    let mut expected: Vec<u32> = Vec::new();
    for (name, values) in vectors {
        for (axis, value) in ["x", "y", "z"].into_iter().zip(values) {
            lines.push(format!("out[{}] = {name}.{axis};", lines.len()));
            expected.push(value);
        }
    }
    for (name, value) in scalars {
        // `uint` exactly: a template that takes nothing else.
        lines.push(format!("out[{}] = same<uint>({name});", lines.len()));
        expected.push(value);
    }
    let header = "template <typename T> T same(thread T& v) { return v; }\n";
    let last = "if (thread_position_in_grid.x == 69 && thread_position_in_grid.y == 2) {\n";
    let source = format!("{last}{}\n}}", lines.join("\n"));
    let kernel = fast::metal_kernel("all", &[], &["out"], &source).header(header).build()?;
    let call = kernel.call(&[]).grid([70, 3, 1]).threadgroup([40, 2, 1]);
    let out = call.output(&[expected.len()], Dtype::U32).run()?[0].to_vec::<u32>()?;
    assert_eq!(out, expected);
    Ok(())
}

#[test]
fn a_call_runs_on_its_stream() {
    let body = "uint i = thread_position_in_grid.x; out[i] = 2 * inp[i];";
    let kernel = fast::metal_kernel("double", &["inp"], &["out"], body).build().unwrap();
    let x = Array::from_slice(&[1i32, 2, 3], &[3]).unwrap();
    let fake = anymetal::device::fake::device();
    let call = kernel.call(&[(&x).into()]).grid([3, 1, 1]).output(&[3], Dtype::I32);
    let y = call.stream(fake.stream()).run().unwrap().remove(0);
    assert_eq!(y.to_vec::<i32>().unwrap(), [2, 4, 6]);
}
