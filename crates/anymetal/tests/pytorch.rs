//! The fused operations and their gradients against PyTorch, from the committed fixtures of
//! `tests/fixtures`.

use anymetal::fast::{
    AttentionOptions, Mask, RopeOptions, layer_norm, rms_norm, rope, scaled_dot_product_attention,
};
use anymetal::io::{SafeTensors, load_safetensors};
use anymetal::ops::Operand;
use anymetal::{Array, Dtype, Result, Scalar, vjp};
use std::collections::HashMap;
use std::path::Path;

/// A line of the fixture's list of cases: a name, and options.
struct Case<'a> {
    name: &'a str,
    options: HashMap<&'a str, &'a str>,
    file: &'a SafeTensors,
}

impl Case<'_> {
    fn number(&self, key: &str) -> f64 {
        self.options[key].parse().expect("a number")
    }

    fn get(&self, part: &str) -> Option<&Array> {
        self.file.arrays.get(&format!("{}.{part}", self.name))
    }

    fn array(&self, part: &str) -> Array {
        self.get(part).expect("the fixture has every part").clone()
    }

    fn run(&self, x: &[Array]) -> Result<Array> {
        let op = self.name.split('.').next().unwrap_or_default();
        match op {
            "rms_norm" => rms_norm(&x[0], Some(&x[1]), self.number("eps") as f32),
            "layer_norm" => layer_norm(&x[0], Some(&x[1]), Some(&x[2]), self.number("eps") as f32),
            "rope" => {
                let options = RopeOptions {
                    traditional: self.options["traditional"] == "1",
                    base: Some(self.number("base") as f32),
                    offset: Operand::Scalar(Scalar::Int(self.number("offset") as i64)),
                    ..Default::default()
                };
                rope(&x[0], self.number("dims") as i32, &options)
            }
            _ => {
                let mask = match self.options["mask"] {
                    "causal" => Mask::Causal,
                    "bool" => Mask::Array(self.get("mask").expect("a mask")),
                    _ => Mask::None,
                };
                let options = AttentionOptions { mask, ..Default::default() };
                scaled_dot_product_attention(&x[0], &x[1], &x[2], self.number("scale"), &options)
            }
        }
    }

    /// The names of the differentiated inputs, in order.
    fn inputs(&self) -> Vec<&'static str> {
        let all = ["x", "w", "b", "q", "k", "v"];
        all.into_iter().filter(|part| self.get(part).is_some()).collect()
    }
}

/// Units of the dtype's epsilon, of the largest expected value. Sums differ in order; half results
/// are rounded at other places (PyTorch's norms multiply by the weight in float32, its attention
/// rounds scores and weights), and half gradients are sums of such values.
fn allowed(dtype: Dtype, gradient: bool) -> f64 {
    let epsilon = match dtype {
        Dtype::F16 => 2f64.powi(-10),
        Dtype::Bf16 => 2f64.powi(-7),
        _ => 2f64.powi(-23),
    };
    epsilon * if gradient { 32.0 } else { 8.0 }
}

/// `slack` is an error relative to the largest value on top of that of the dtype.
fn compare(what: &str, found: &Array, expected: &Array, gradient: bool, slack: f64) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    assert_eq!(found.dtype(), expected.dtype(), "{what}");
    let values = |a: &Array| {
        let wide = a.astype(Dtype::F64).and_then(|a| a.to_vec::<f64>());
        wide.expect("values can be read")
    };
    let (found, wanted) = (values(found), values(expected));
    let largest = wanted.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let allowed = (allowed(expected.dtype(), gradient) + slack) * largest;
    for (i, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        assert!(
            (found - wanted).abs() <= allowed,
            "{what} at {i}: {found} instead of {wanted}, allowing {allowed:e}"
        );
    }
}

#[test]
fn fused_operations_and_gradients_agree_with_pytorch() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    let file = load_safetensors(fixtures.join("operations.safetensors")).expect("the fixture");
    let lines: Vec<&str> = file.metadata["cases"].lines().collect();
    assert!(lines.len() > 50, "{} cases", lines.len());
    for line in lines {
        let mut words = line.split(' ');
        let name = words.next().unwrap_or_default();
        let case =
            Case { name, options: words.filter_map(|w| w.split_once('=')).collect(), file: &file };
        let parts = case.inputs();
        let inputs: Vec<Array> = parts.iter().map(|part| case.array(part)).collect();
        let run = |x: &[Array]| Ok(vec![case.run(x)?]);
        let (outs, grads) = vjp(run, &inputs, &[case.array("g")]).expect(name);
        // Angles are float32 here and float64 there: off by the position's rounding, twice over.
        let offset = case.options.contains_key("offset").then(|| case.number("offset"));
        let slack = offset.map_or(0.0, |offset| (offset + 10.0) * 2f64.powi(-22));
        compare(name, &outs[0], &case.array("out"), false, slack);
        for (part, grad) in parts.iter().zip(&grads) {
            let key = format!("d{part}");
            compare(&format!("{name} {key}"), grad, &case.array(&key), true, slack);
        }
    }
}
