//! Reading what the Python side wrote: cases, their arrays seen through views, and whether a
//! result is close enough.

use anymetal::{Array, Dtype, Result, ops};
use std::collections::HashMap;

/// One line of the manifest, with the arrays of its group.
pub(crate) struct Case<'a> {
    fields: HashMap<&'a str, &'a str>,
    tensors: &'a HashMap<String, Array>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(line: &'a str, tensors: &'a HashMap<String, Array>) -> Self {
        Self { fields: fields(line), tensors }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    /// The text of a field that every case of its operation has.
    pub(crate) fn text(&self, key: &str) -> &'a str {
        self.fields.get(key).copied().unwrap_or_else(|| panic!("the manifest lacks {key}"))
    }

    pub(crate) fn number(&self, key: &str) -> f64 {
        self.text(key).parse().unwrap_or_else(|e| panic!("{key}: {e}"))
    }

    pub(crate) fn integer(&self, key: &str) -> i64 {
        self.text(key).parse().unwrap_or_else(|e| panic!("{key}: {e}"))
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.fields.get(key) == Some(&"1")
    }

    pub(crate) fn shape(&self, key: &str) -> Vec<usize> {
        integers(self.text(key)).into_iter().map(|n| n as usize).collect()
    }

    pub(crate) fn dtype(&self, key: &str) -> Dtype {
        dtype(self.text(key))
    }

    /// The array argument `key`.
    pub(crate) fn array(&self, key: &str) -> Result<Array> {
        let text = self.text(key);
        if let Some(described) = text.strip_prefix("zeros:") {
            let (name, shape) = described.split_once(':').unwrap_or((described, ""));
            let shape: Vec<usize> = integers(shape).into_iter().map(|n| n as usize).collect();
            return ops::zeros(&shape, dtype(name));
        }
        let mut views = text.split('|');
        let name = views.next().unwrap_or_default();
        let base = self.tensors.get(name).unwrap_or_else(|| panic!("no tensor {name}"));
        views.try_fold(base.clone(), |array, view| seen_through(&array, view))
    }

    /// The array argument `key`, if the case has it.
    pub(crate) fn optional(&self, key: &str) -> Result<Option<Array>> {
        self.has(key).then(|| self.array(key)).transpose()
    }

    /// Compares the results with `out`, `out2`, ...; the difference as text if there is one.
    pub(crate) fn compare(&self, results: &[Array]) -> Result<Option<String>> {
        for (index, result) in results.iter().enumerate() {
            let key = if index == 0 { "out".into() } else { format!("out{}", index + 1) };
            let expected = self.array(&key)?;
            let difference =
                difference(result, &expected, self.number("ulp"), self.number("size"))?;
            if let Some(difference) = difference {
                return Ok(Some(format!("{key}: {difference}")));
            }
        }
        Ok(None)
    }
}

/// The `key=value` fields of a line.
pub(crate) fn fields(line: &str) -> HashMap<&str, &str> {
    line.split('\t').filter_map(|field| field.split_once('=')).collect()
}

fn integers(text: &str) -> Vec<i64> {
    let number = |n: &str| n.parse().unwrap_or_else(|e| panic!("{n}: {e}"));
    text.split(',').filter(|n| !n.is_empty()).map(number).collect()
}

/// An element type by MLX's name.
pub(crate) fn dtype(name: &str) -> Dtype {
    let found = Dtype::ALL.iter().find(|known| known.name() == name);
    *found.unwrap_or_else(|| panic!("no element type {name}"))
}

fn seen_through(array: &Array, view: &str) -> Result<Array> {
    let (kind, rest) = view.split_once(':').unwrap_or((view, ""));
    match kind {
        "transpose" => {
            let axes: Vec<isize> = integers(rest).into_iter().map(|n| n as isize).collect();
            array.transpose(&axes)
        }
        "broadcast" => {
            let shape: Vec<usize> = integers(rest).into_iter().map(|n| n as usize).collect();
            array.broadcast_to(&shape)
        }
        "slice" => {
            let (mut starts, mut stops, mut steps) = (Vec::new(), Vec::new(), Vec::new());
            for (part, &size) in rest.split(',').zip(array.shape()) {
                let parts: Vec<&str> = part.split('/').collect();
                let number = |i: usize| parts[i].parse::<isize>().ok();
                steps.push(number(2).unwrap_or(1));
                starts.push(number(0).unwrap_or(0));
                // Left out only by negative steps that reach the first element; a stop below
                // minus the size says that.
                stops.push(number(1).unwrap_or(-(size as isize) - 1));
            }
            ops::slice(array, &starts, &stops, &steps)
        }
        other => panic!("no view {other}"),
    }
}

/// Spacing of an element type at 1, and next to 0.
fn spacings(dtype: Dtype) -> (f64, f64) {
    match dtype {
        Dtype::F16 => (2f64.powi(-10), 2f64.powi(-24)),
        Dtype::Bf16 => (2f64.powi(-7), 2f64.powi(-133)),
        Dtype::F32 | Dtype::Complex64 => (2f64.powi(-23), 2f64.powi(-149)),
        Dtype::F64 => (2f64.powi(-52), 0.0),
        _ => (0.0, 0.0),
    }
}

/// The elements, of complex numbers the parts.
fn numbers(array: &Array) -> Result<Vec<f64>> {
    let parts = match array.dtype() {
        Dtype::Complex64 => array.reshape(&[-1])?.view(Dtype::F32)?,
        _ => array.clone(),
    };
    parts.astype(Dtype::F64)?.to_vec()
}

fn difference(result: &Array, expected: &Array, ulp: f64, size: f64) -> Result<Option<String>> {
    let kind = |a: &Array| format!("{:?} of {}", a.shape(), a.dtype());
    if (result.shape(), result.dtype()) != (expected.shape(), expected.dtype()) {
        return Ok(Some(format!("{} instead of {}", kind(result), kind(expected))));
    }
    if ulp == 0.0 {
        let same = ops::array_equal(result, expected, true)?.item::<bool>()?;
        return Ok((!same).then(|| "not equal bit for bit".to_string()));
    }
    let (epsilon, tiny) = spacings(result.dtype());
    let (found, wanted) = (numbers(result)?, numbers(expected)?);
    let far = |(found, wanted): (f64, f64)| {
        let allowed = ulp * (epsilon * wanted.abs().max(size)).max(tiny);
        let close = (found - wanted).abs() <= allowed || found == wanted;
        !(close || found.is_nan() && wanted.is_nan())
    };
    let pairs = || found.iter().copied().zip(wanted.iter().copied());
    let Some(first) = pairs().position(far) else { return Ok(None) };
    let count = pairs().filter(|&pair| far(pair)).count();
    Ok(Some(format!(
        "{count} of {} differ; at {first} {} instead of {}, {kind} allowing {ulp} ulp of {size}",
        found.len(),
        found[first],
        wanted[first],
        kind = kind(result),
    )))
}
