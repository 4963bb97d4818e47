//! Random numbers against real MLX's, kept in a file it wrote itself (see fixtures/random.py).

use std::path::Path;

use anymetal::device::fake;
use anymetal::random::{self, Normal};
use anymetal::{Array, Category, Complex64, Device, Dtype, ops, vmap};

const SEEDS: [u64; 3] = [0, 7, (1 << 33) + 5];

fn check_all(check: impl Fn(&dyn Fn(&str) -> Array)) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/random.safetensors");
    let file = anymetal::io::load_safetensors(path).unwrap();
    for device in [Device::cpu(), fake::device()] {
        device.stream().scope(|| check(&|name| file.arrays[name].clone()));
    }
}

fn assert_equal(ours: &Array, mlx: &Array, what: &str) {
    assert_eq!((ours.shape(), ours.dtype()), (mlx.shape(), mlx.dtype()), "{what}");
    let same = ops::array_equal(ours, mlx, false).unwrap().item::<bool>().unwrap();
    assert!(same, "{what}: {ours} instead of {mlx}");
}

/// Within `units` in the last place of numbers of size 1 to 4, where normals are; near zero the
/// same as absolute error, for there the inverse error function's own error is relative.
fn assert_near(ours: &Array, mlx: &Array, units: f64, what: &str) {
    assert_eq!((ours.shape(), ours.dtype()), (mlx.shape(), mlx.dtype()), "{what}");
    let eps = anymetal::finfo(ours.dtype()).unwrap().eps;
    let near = ops::allclose(ours, mlx, units * eps, units * eps, false).unwrap();
    assert!(near.item::<bool>().unwrap(), "{what}: {ours} instead of {mlx}");
}

#[test]
fn streams_are_those_of_mlx() {
    check_all(|mlx| {
        for seed in SEEDS {
            let key = random::key(seed).unwrap();
            for n in [0usize, 1, 2, 3, 8, 1001] {
                let name = |kind: &str, dtype: &str| format!("{kind}/{seed}/{n}/{dtype}");
                let split = format!("split/{seed}/{n}");
                assert_equal(&random::split(&key, n).unwrap(), &mlx(&split), &split);
                for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
                    let uniform = name("uniform", dtype.name());
                    let ours = random::uniform(-2.5, 4i64, &[n], dtype, Some(&key)).unwrap();
                    assert_equal(&ours, &mlx(&uniform), &uniform);
                    let normal = name("normal", dtype.name());
                    let ours = random::normal(&[n], dtype, Some(&key)).unwrap();
                    // Both sides have an inverse error function of a few units of error.
                    assert_near(&ours, &mlx(&normal), 8.0, &normal);
                }
                let ours = random::randint(-5i64, 7i64, &[n], Dtype::I32, Some(&key)).unwrap();
                assert_equal(&ours, &mlx(&name("randint", "int32")), "int32");
                let ours = random::randint(0i64, 300i64, &[n], Dtype::U8, Some(&key)).unwrap();
                assert_equal(&ours, &mlx(&name("randint", "uint8")), "uint8");
            }
            let wide = [3, 4];
            let low = Array::from_slice(&[0i32, 10, 100, -7], &[4]).unwrap();
            let high = Array::from_slice(&[5i32, 200, 3], &[3, 1]).unwrap();
            let ours = random::randint(&low, &high, &wide, Dtype::I64, Some(&key)).unwrap();
            assert_equal(&ours, &mlx(&format!("limits/{seed}")), "limits");
            let (low, high) = (1i64 << 24, (1i64 << 24) + 4);
            let ours = random::randint(low, high, &wide, Dtype::I32, Some(&key)).unwrap();
            assert_equal(&ours, &mlx(&format!("narrow/{seed}")), "narrow");
            let options =
                Normal { loc: Some(3.0.into()), scale: Some(0.7.into()), key: Some(&key) };
            let ours = random::normal_with(&wide, Dtype::F16, options).unwrap();
            assert_near(&ours, &mlx(&format!("shifted/{seed}")), 8.0, "shifted");
            let loc = Complex64::new(1.0, 2.0);
            let options =
                Normal { loc: Some(loc.into()), scale: Some(2.0.into()), key: Some(&key) };
            let ours = random::normal_with(&wide, Dtype::Complex64, options).unwrap();
            assert_near(&ours, &mlx(&format!("complex/{seed}")), 8.0, "complex");
            let keys = random::split(&key, 3).unwrap();
            let draw =
                |k: &[Array]| Ok(vec![random::uniform(0i64, 1i64, &[5], Dtype::F32, Some(&k[0]))?]);
            let ours = vmap(draw, &[keys], &[], &[]).unwrap().remove(0);
            assert_equal(&ours, &mlx(&format!("mapped/{seed}")), "mapped");
            random::seed(seed);
            for i in 0..3 {
                let ours = random::uniform(0i64, 1i64, &[3], Dtype::F32, None).unwrap();
                assert_equal(&ours, &mlx(&format!("state/{seed}/{i}")), "state");
            }
        }
    });
}

#[test]
fn narrow_bits_are_the_bytes_of_whole_words() {
    let key = random::key(3).unwrap();
    for device in [Device::cpu(), fake::device()] {
        device.stream().scope(|| {
            for (width, dtype) in [(1, Dtype::U8), (2, Dtype::U16), (4, Dtype::U32)] {
                for n in [0usize, 1, 2, 3, 4, 5, 99] {
                    let words = (n * width).div_ceil(4);
                    let whole = random::bits(&[words], 4, Some(&key)).unwrap();
                    let bytes: Vec<u8> = whole
                        .to_vec::<u32>()
                        .unwrap()
                        .into_iter()
                        .flat_map(u32::to_le_bytes)
                        .take(n * width)
                        .collect();
                    let narrow = random::bits(&[n], width, Some(&key)).unwrap();
                    assert_eq!(narrow.dtype(), dtype);
                    let narrow = if n == 0 {
                        Vec::new()
                    } else {
                        narrow.view(Dtype::U8).unwrap().to_vec::<u8>().unwrap()
                    };
                    assert_eq!(narrow, bytes, "{n} of {width} bytes");
                    // Mapped twice over keys, every stream is its own.
                    let keys = random::split(&key, 6).unwrap().reshape(&[2, 3, 2]).unwrap();
                    let draw = |k: &[Array]| Ok(vec![random::bits(&[n, 1], width, Some(&k[0]))?]);
                    let twice = |k: &[Array]| vmap(draw, k, &[], &[]);
                    let all = vmap(twice, std::slice::from_ref(&keys), &[], &[Some(-1)])
                        .unwrap()
                        .remove(0);
                    assert_eq!(all.shape(), [3, n, 1, 2]);
                    for (i, j) in [(0isize, 0isize), (1, 2)] {
                        let one = keys.index(&[i.into(), j.into()]).unwrap();
                        let alone = random::bits(&[n, 1], width, Some(&one)).unwrap();
                        let part = all.index(&[j.into(), (..).into(), (..).into(), i.into()]);
                        assert_equal(&part.unwrap(), &alone, "mapped");
                    }
                }
            }
        });
    }
}

#[test]
fn threads_have_states_of_their_own() {
    random::seed(1);
    let draw = || random::bits(&[2], 4, None).unwrap().to_vec::<u32>().unwrap();
    let first = draw();
    let other = std::thread::spawn(move || {
        let unseeded = draw();
        random::seed(1);
        (unseeded, draw())
    });
    let (unseeded, seeded) = other.join().unwrap();
    assert_eq!(seeded, first);
    assert_ne!(unseeded, first);
    assert_ne!(draw(), first);
}

#[test]
fn samples_have_the_moments_of_their_distribution() {
    let key = random::key(11).unwrap();
    let n = 200_000;
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::F64] {
        let x = random::normal(&[n], dtype, Some(&key)).unwrap().astype(Dtype::F64).unwrap();
        let mean = x.mean((), false).unwrap().item::<f64>().unwrap();
        let var = ops::var(&x, (), false, 0).unwrap().item::<f64>().unwrap();
        // Five standard errors; bfloat16's rounding is far below them.
        assert!(mean.abs() < 5.0 / (n as f64).sqrt(), "{dtype}: mean {mean}");
        assert!((var - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(), "{dtype}: variance {var}");
        let finite = ops::all(&x.isfinite().unwrap(), (), false).unwrap();
        assert!(finite.item::<bool>().unwrap(), "{dtype}");
    }
}

#[test]
fn errors_are_those_of_mlx() {
    let key = random::key(0).unwrap();
    let ints = Array::from_slice(&[1i32, 2], &[2]).unwrap();
    let three = Array::from_slice(&[1u32, 2, 3], &[3]).unwrap();
    let wide = Array::from_slice(&[0.0f32, 1.0], &[2, 1]).unwrap();
    let uniform = |dtype, key| random::uniform(0.0, 1.0, &[3], dtype, key);
    let cases = [
        (
            uniform(Dtype::I32, None),
            "[uniform] Can only generate uniform numbers with real \
                                     floating point type.",
        ),
        (uniform(Dtype::F32, Some(&ints)), "[bits] Expected key type uint32 but received int32."),
        (uniform(Dtype::F32, Some(&three)), "[bits] Expected key shape (2) but received (3)."),
        (
            random::uniform(&wide, 1.0, &[3], Dtype::F32, None),
            "[uniform] Cannot generate random \
            values of shape (3) from broadcasted shape (2,3).",
        ),
        (random::bits(&[2], 3, Some(&key)), "[bits] Bit width must be in {1, 2, 4} but got 3."),
        (
            random::bits(&[1 << 40, 1 << 40], 4, None),
            "[bits] The array would be larger than the \
            address space.",
        ),
        (
            random::randint(0i64, 9i64, &[2], Dtype::F32, None),
            "[randint] randint only accepts \
            integer dtypes and bool.",
        ),
        (
            random::normal(&[2], Dtype::I8, None),
            "[normal] Only floating point and complex64 \
            types are supported.",
        ),
    ];
    for (result, text) in cases {
        let error = result.unwrap_err();
        assert_eq!(error.to_string(), text);
        assert_eq!(error.category(), Category::Value);
    }
    let error = uniform(Dtype::F64, None).unwrap_err();
    assert_eq!(
        (error.category(), error.to_string()),
        (Category::Runtime, "[uniform] Unsupported type.".to_string())
    );
}
