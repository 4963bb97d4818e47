//! Runs one case under one schedule and compares.

use anymetal_simt::interp::{Launch, Program};
use anymetal_simt::launch::{Bounds, Data, LaunchError, Schedule};

use crate::bytes::{decode, fill, size, ulp};
use crate::case::{Case, Expect, Tolerance, Values};
use crate::formula::Arrays;
use crate::frontend::{self, Compiled};

/// The schedules by name.
pub(crate) const SCHEDULES: [(&str, Schedule); 4] = [
    ("lockstep", Schedule::Lockstep),
    ("lanes", Schedule::LaneByLane),
    ("reverse", Schedule::Reverse),
    ("random", Schedule::Random),
];

/// Runs a case; the error is what differs.
pub(crate) fn run(case: &Case, schedule: Schedule) -> Result<(), String> {
    let Some(module) = frontend::compile(case)? else { return Ok(()) };
    let Some(spec) = &case.launch else { return Ok(()) };
    let Compiled { module, kernel } = module;
    let program = Program::new(&module, &kernel).map_err(|error| error.to_string())?;
    let info = module.kernel(&kernel).ok_or("no such kernel")?;
    let mut numbers = Arrays::new();
    let mut data: Vec<Vec<u8>> = Vec::new();
    for array in &spec.arrays {
        let bytes = fill(&array.ty, array.length, &array.values, &numbers)?;
        numbers.insert(array.name.clone(), decode(&array.ty, &bytes));
        data.push(bytes);
    }
    // Buffers are bound by name, in the order of the kernel's parameters.
    let mut order: Vec<usize> = Vec::new();
    for param in &info.params {
        if matches!(param.binding, anymetal_msl::ir::Binding::Buffer(_)) {
            let found = spec.arrays.iter().position(|array| array.name == param.name);
            order.push(found.ok_or_else(|| format!("no array is named {}", param.name))?);
        }
    }
    let mut bound: Vec<Option<Data<'_>>> = data
        .iter_mut()
        .zip(&spec.arrays)
        .map(|(bytes, array)| {
            let bytes = bytes.as_mut_slice();
            Some(if array.writable { Data::Write(bytes) } else { Data::Read(bytes) })
        })
        .collect();
    let buffers = order.iter().map(|&i| bound[i].take().ok_or("an array is bound twice"));
    let buffers = buffers.collect::<Result<Vec<_>, _>>()?;
    let mut launch = Launch::new(&program, buffers, spec.grid, spec.threadgroup);
    launch.threadgroup_memory = spec.threadgroup_memory.clone();
    launch.schedule = schedule;
    launch.seed = 12345;
    launch.limits.steps = spec.steps.unwrap_or(20_000_000);
    launch.bounds = match spec.bounds.as_deref() {
        None | Some("warn") => Bounds::Warn,
        Some("error") => Bounds::Error,
        Some("unchecked") => Bounds::Unchecked,
        Some(other) => return Err(format!("unknown bounds `{other}`")),
    };
    let result = launch.run();
    reports(case, &result)?;
    for expect in &case.expects {
        let Expect::Output(name, tolerance, values) = expect else { continue };
        let at = spec.arrays.iter().position(|array| array.name == *name);
        let at = at.ok_or_else(|| format!("no array is named {name}"))?;
        compare(&spec.arrays[at].ty, name, &data[at], *tolerance, values, &numbers)?;
    }
    Ok(())
}

/// Compares warnings and errors.
fn reports(
    case: &Case,
    result: &Result<anymetal_simt::launch::Report, LaunchError>,
) -> Result<(), String> {
    let wanted = |kind: fn(&Expect) -> Option<&String>| -> Vec<&String> {
        case.expects.iter().filter_map(kind).collect()
    };
    let warnings = wanted(|expect| match expect {
        Expect::Warning(text) => Some(text),
        _ => None,
    });
    let errors = wanted(|expect| match expect {
        Expect::Error(text) => Some(text),
        _ => None,
    });
    match result {
        Ok(report) => {
            if !errors.is_empty() {
                return Err(format!("the launch succeeded, expected error: {}", errors[0]));
            }
            let texts: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
            match warnings.iter().find(|want| !texts.iter().any(|text| text.contains(**want))) {
                Some(missing) => Err(format!("no warning has `{missing}`: {texts:?}")),
                None if texts.len() > warnings.len() => Err(format!("more warnings: {texts:?}")),
                None => Ok(()),
            }
        }
        Err(error) => {
            let text = error.to_string();
            match errors.iter().find(|want| !text.contains(**want)) {
                _ if errors.is_empty() => Err(format!("unexpected error: {text}")),
                Some(missing) => Err(format!("the error has no `{missing}`: {text}")),
                None => Ok(()),
            }
        }
    }
}

fn compare(
    ty: &str,
    name: &str,
    bytes: &[u8],
    tolerance: Tolerance,
    values: &Values,
    arrays: &Arrays,
) -> Result<(), String> {
    let got = decode(ty, bytes);
    if let (Values::List(list), Tolerance::Exact) = (values, tolerance) {
        let expected = fill(ty, list.len(), values, arrays)?;
        let width = size(ty).unwrap_or(1);
        let wrong = bytes.chunks(width).zip(expected.chunks(width)).position(|(a, b)| {
            let nan = |bytes: &[u8]| decode(ty, bytes)[0].is_nan();
            a != b && !(nan(a) && nan(b))
        });
        let place = wrong.or((bytes.len() != expected.len()).then_some(list.len().min(got.len())));
        return match place {
            Some(at) => Err(format!("{name}[{at}]: expected {}, got {got:?}", list.join(", "))),
            None => Ok(()),
        };
    }
    let expected: Vec<f64> = match values {
        Values::Formula(formula) => (0..got.len()).map(|i| formula.at(i, arrays)).collect(),
        _ => decode(ty, &fill(ty, 0, values, arrays)?),
    };
    if got.len() != expected.len() {
        return Err(format!("{name} has {} elements, expected {}", got.len(), expected.len()));
    }
    let largest = expected.iter().filter(|x| x.is_finite()).fold(0.0f64, |m, x| m.max(x.abs()));
    for (i, (&got, &want)) in got.iter().zip(&expected).enumerate() {
        let fits = match tolerance {
            Tolerance::Exact => {
                // What the type can hold of the exact value.
                let rounded = decode(ty, &crate::bytes::encode(ty, want))[0];
                got == rounded || (got.is_nan() && rounded.is_nan())
            }
            Tolerance::Ulp(ulps) => {
                got == want
                    || (got.is_nan() && want.is_nan())
                    || (got - want).abs() <= ulps * ulp(ty, want)
            }
            Tolerance::Relative(tolerance) => {
                got == want || (got - want).abs() <= tolerance * largest
            }
        };
        if !fits {
            return Err(format!("{name}[{i}] is {got}, expected {want}"));
        }
    }
    Ok(())
}
