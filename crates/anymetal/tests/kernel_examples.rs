//! Custom kernels as MLX's documentation shows them: element-wise functions, and sampling an image
//! on a grid with a gradient of its own, against the same mathematics in plain operations.

mod support;

use std::sync::{Arc, Mutex};

use anymetal::fast::{self, MetalKernel};
use anymetal::{Array, CustomFunction, Dtype, Result, ops, vjp};
use support::matrix::random::fresh;
use support::{close, everywhere, normal};

#[test]
fn an_exponential_of_each_element() {
    everywhere(|| {
        let source = "
            uint elem = thread_position_in_grid.x;
            T value = inp[elem];
            out[elem] = metal::exp(value);
        ";
        let kernel = fast::metal_kernel("elementwise_exp", &["inp"], &["out"], source).build()?;
        for (dtype, tolerance) in [(Dtype::F32, 1e-6), (Dtype::F16, 1e-3), (Dtype::Bf16, 8e-3)] {
            let x = normal(&mut fresh(), &[4, 16]).astype(dtype)?;
            let y = kernel
                .call(&[(&x).into()])
                .template("T", dtype)
                .grid([x.size() as u32, 1, 1])
                .threadgroup([256, 1, 1])
                .output(x.shape(), dtype)
                .run()?;
            // One rounding to the dtype.
            close(&y[0], &x.exp()?, tolerance)?;
        }
        Ok(())
    });
}

/// Where a point of the grid lies: its batch, and the pixel coordinates of x and y.
const CORNERS: &str = "
    // Pixel centres lie at halves: -1 and 1 are the outer edges of the image.
    float px = ((float(where_to[2 * cell]) + 1) * W - 1) / 2;
    float py = ((float(where_to[2 * cell + 1]) + 1) * H - 1) / 2;
    int left = int(floor(px)), top = int(floor(py));
    float right_part = px - left, low_part = py - top;
    int xs[4] = {left, left + 1, left, left + 1};
    int ys[4] = {top, top, top + 1, top + 1};
    float weights[4] = {
        (1 - right_part) * (1 - low_part), right_part * (1 - low_part),
        (1 - right_part) * low_part, right_part * low_part,
    };
    float by_x[4] = {-(1 - low_part), 1 - low_part, -low_part, low_part};
    float by_y[4] = {-(1 - right_part), -right_part, 1 - right_part, right_part};
";

const FORWARD: &str = "
    uint elem = thread_position_in_grid.x;
    int H = image_shape[1], W = image_shape[2], C = image_shape[3];
    uint cell = elem / C;
    uint channel = elem % C;
    uint batch = cell / (where_to_shape[1] * where_to_shape[2]);
    CORNERS
    float total = 0;
    for (int k = 0; k < 4; k++) {
        // Read first and masked afterwards: the address may lie outside the image.
        T pixel = image[((int(batch) * H + ys[k]) * W + xs[k]) * C + int(channel)];
        bool inside = xs[k] >= 0 && xs[k] < W && ys[k] >= 0 && ys[k] < H;
        total += inside ? weights[k] * float(pixel) : 0.0f;
    }
    out[elem] = T(total);
";

/// Channels are padded to whole simdgroups, so that one simdgroup works on one cell.
const BACKWARD: &str = "
    uint elem = thread_position_in_grid.x;
    int H = image_shape[1], W = image_shape[2], C = image_shape[3];
    int padded = ceildiv(C, threads_per_simdgroup) * threads_per_simdgroup;
    uint cell = elem / padded;
    int channel = elem % padded;
    uint batch = cell / (where_to_shape[1] * where_to_shape[2]);
    CORNERS
    float grad_x = 0, grad_y = 0;
    if (channel < C) {
        float g = cotangent[cell * C + channel];
        for (int k = 0; k < 4; k++) {
            if (xs[k] >= 0 && xs[k] < W && ys[k] >= 0 && ys[k] < H) {
                int at = ((int(batch) * H + ys[k]) * W + xs[k]) * C + channel;
                atomic_fetch_add_explicit(&image_grad[at], weights[k] * g, memory_order_relaxed);
                grad_x += by_x[k] * image[at] * g;
                grad_y += by_y[k] * image[at] * g;
            }
        }
    }
    grad_x = simd_sum(grad_x * W / 2);
    grad_y = simd_sum(grad_y * H / 2);
    if (thread_index_in_simdgroup == 0) {
        atomic_fetch_add_explicit(&grid_grad[2 * cell], grad_x, memory_order_relaxed);
        atomic_fetch_add_explicit(&grid_grad[2 * cell + 1], grad_y, memory_order_relaxed);
    }
";

/// Sampling of an image (B, H, W, C) at a grid (B, P, Q, 2), as a kernel with a gradient.
fn sampler() -> Result<CustomFunction> {
    let source = |text: &str| text.replace("CORNERS", CORNERS);
    let forward =
        fast::metal_kernel("grid_sample", &["image", "where_to"], &["out"], &source(FORWARD))
            .build()?;
    let backward = fast::metal_kernel(
        "grid_sample_grad",
        &["image", "where_to", "cotangent"],
        &["image_grad", "grid_grad"],
        &source(BACKWARD),
    )
    .atomic_outputs(true)
    .build()?;
    let sample = move |a: &[Array]| {
        let ([image, grid], kernel): (_, &MetalKernel) = (two(a), &forward);
        let [b, p, q, _] = axes(grid);
        let shape = [b, p, q, image.shape()[3]];
        let count = shape.iter().product::<usize>() as u32;
        kernel
            .call(&[image.into(), grid.into()])
            .template("T", image.dtype())
            .grid([count, 1, 1])
            .threadgroup([256, 1, 1])
            .output(&shape, image.dtype())
            .run()
    };
    let gradient = move |a: &[Array], g: &[Array], _: &[Array]| {
        let [image, grid] = two(a);
        let [b, p, q, _] = axes(grid);
        let padded = image.shape()[3].div_ceil(32) * 32;
        backward
            .call(&[image.into(), grid.into(), (&g[0]).into()])
            .grid([(b * p * q * padded) as u32, 1, 1])
            .threadgroup([256, 1, 1])
            .output(image.shape(), image.dtype())
            .output(grid.shape(), grid.dtype())
            .init_value(0.0)
            .run()
    };
    Ok(CustomFunction::new(sample).with_vjp(gradient))
}

/// The same in plain operations, whose gradient is theirs.
fn composed(image: &Array, grid: &Array) -> Result<Array> {
    let ([b, h, w, c], [_, p, q, _]) = (axes(image), axes(grid));
    let pixel = |axis: isize, n: usize| -> Result<Array> {
        let part = ops::take(grid, &Array::from_slice(&[axis as i32], &[1])?, Some(-1))?;
        let part = ops::multiply(
            &ops::add(&ops::reshape(&part, &[b as isize, p as isize, q as isize])?, 1.0)?,
            n as f64,
        )?;
        ops::divide(&ops::subtract(&part, 1.0)?, 2.0)
    };
    let (px, py) = (pixel(0, w)?, pixel(1, h)?);
    let (left, top) = (ops::floor(&px)?, ops::floor(&py)?);
    let batch = ops::arange(0.0, b as f64, 1.0, Dtype::I32)?;
    let batch = ops::reshape(&batch, &[b as isize, 1, 1])?;
    let pixels = ops::reshape(image, &[-1, c as isize])?;
    let mut total = ops::zeros(&[b, p, q, c], image.dtype())?;
    for (dx, dy) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
        let (x, y) = (ops::add(&left, dx)?, ops::add(&top, dy)?);
        let weight = |at: &Array, of: &Array| -> Result<Array> {
            ops::subtract(1.0, &ops::abs(&ops::subtract(at, of)?)?)
        };
        let weight = ops::multiply(&weight(&px, &x)?, &weight(&py, &y)?)?;
        let inside = |at: &Array, n: usize| {
            ops::logical_and(&ops::greater_equal(at, 0.0)?, &ops::less(at, n as f64)?)
        };
        let inside = ops::logical_and(&inside(&x, w)?, &inside(&y, h)?)?;
        let weight = ops::select(&inside, &weight, 0.0)?;
        let index = |at: &Array, n: usize| {
            let high = (n - 1) as f64;
            ops::clip(at, Some(0.0f64.into()), Some(high.into()))?.astype(Dtype::I32)
        };
        let row = ops::add(&ops::multiply(&batch, h as i64)?, &index(&y, h)?)?;
        let at = ops::add(&ops::multiply(&row, w as i64)?, &index(&x, w)?)?;
        let corner = ops::take(&pixels, &at, Some(0))?;
        total = ops::add(&total, &ops::multiply(&corner, &ops::expand_dims(&weight, &[-1])?)?)?;
    }
    Ok(total)
}

fn two(a: &[Array]) -> [&Array; 2] {
    [&a[0], &a[1]]
}

fn axes(a: &Array) -> [usize; 4] {
    a.shape().try_into().expect("four axes")
}

#[test]
fn sampling_on_a_grid_and_its_gradient() {
    // The forward kernel reads outside of the image before it masks: warnings, no error.
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let seen = warnings.clone();
    fast::on_kernel_warning(Some(Box::new(move |warning: &fast::KernelWarning| {
        seen.lock().unwrap().push(warning.to_string());
    })));
    everywhere(|| {
        let sampler = sampler()?;
        // Even sizes, so that `W / 2` is the same in integers and floats; channels that leave the
        // second simdgroup of a cell partly idle.
        let image = normal(&mut fresh(), &[2, 6, 8, 35]);
        let grid = ops::multiply(&normal(&mut fresh(), &[2, 5, 4, 2]), 0.8)?;
        let cotangent = normal(&mut fresh(), &[2, 5, 4, 35]);
        let primals = [image, grid];
        let (out, gradients) = vjp(|a| sampler.call(a), &primals, &[cotangent.clone()])?;
        let (expected, expected_gradients) =
            vjp(|a| Ok(vec![composed(&a[0], &a[1])?]), &primals, &[cotangent])?;
        // Four products in float32.
        close(&out[0], &expected[0], 1e-5)?;
        close(&gradients[0], &expected_gradients[0], 1e-5)?;
        // Sums over 35 channels and four corners, times W / 2.
        close(&gradients[1], &expected_gradients[1], 1e-4)
    });
    fast::on_kernel_warning(None);
    let warnings = warnings.lock().unwrap();
    assert!(
        warnings.iter().all(|text| text.contains("grid_sample") && text.contains("image[")),
        "{warnings:?}"
    );
    assert!(!warnings.is_empty());
}
