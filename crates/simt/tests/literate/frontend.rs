//! From the source of a case to a module.

use std::collections::BTreeSet;

use anymetal_msl::diagnostic::{Origin, Report, render};
use anymetal_msl::ir::{Module, parse, verify_canonical};
use anymetal_msl::{Options, Piece, Source, compile as compile_metal};

use crate::case::{Case, Language};

/// A compiled case.
pub(crate) struct Compiled {
    pub(crate) module: Module,
    pub(crate) kernel: String,
}

/// Compiles a case; nothing if its expected diagnostics were all there is to check.
pub(crate) fn compile(case: &Case) -> Result<Option<Compiled>, String> {
    let module = match case.language {
        Language::Ir => parse(&case.source).map_err(|error| error.to_string())?,
        Language::Metal => match metal(case)? {
            Some(module) => module,
            None => return Ok(None),
        },
    };
    verify_canonical(&module).map_err(|error| error.to_string())?;
    let wanted = case.launch.as_ref().and_then(|launch| launch.kernel.clone());
    let kernel = match wanted {
        Some(name) => name,
        None => module.kernels.first().ok_or("the source has no kernel")?.name.clone(),
    };
    Ok(Some(Compiled { module, kernel }))
}

/// Compiles Metal source and compares its diagnostics with the comments that expect them.
fn metal(case: &Case) -> Result<Option<Module>, String> {
    let name = "case.metal".to_string();
    let text: String = case.source.clone();
    let piece = Piece { name, origin: Origin::Source, text: text.into() };
    let mut options = Options::default();
    for (name, body) in case.launch.iter().flat_map(|launch| &launch.defines) {
        options.preprocessing.defines.push((name.clone(), Some(body.clone())));
    }
    let compilation = compile_metal(&Source { pieces: vec![piece] }, &options);
    let mut wanted: BTreeSet<(u32, String)> = BTreeSet::new();
    let mut texts: Vec<(u32, String, &str)> = Vec::new();
    for (number, line) in (1..).zip(case.source.lines()) {
        for part in line.split("// error: [").skip(1) {
            let (code, says) = part.split_once(']').unwrap_or((part, ""));
            wanted.insert((number, code.to_string()));
            let says = says.split(" | ").map(str::trim).filter(|text| !text.is_empty());
            texts.extend(says.map(|text| (number, code.to_string(), text)));
        }
    }
    let mut given = BTreeSet::new();
    let mut shown: Vec<(u32, String, String)> = Vec::new();
    for diagnostic in &compilation.diagnostics {
        let session = &compilation.session;
        let report = Report::new(diagnostic, &session.map, &session.names);
        let line = report.places.first().map_or(0, |place| place.start.line);
        given.insert((line, report.name.to_string()));
        let text = render::render(&report, &session.map, render::Style::default());
        shown.push((line, report.name.to_string(), text));
    }
    if wanted != given {
        let report = compilation.report();
        return Err(format!("expected diagnostics {wanted:?}, got {given:?}\n{report}"));
    }
    for (line, code, says) in &texts {
        // The expectation itself stands in the source that a rendering quotes.
        let quote = format!("// error: [{code}]");
        let without_source = |text: &str| -> String {
            let lines = text.lines().filter(|line| !line.contains(&quote));
            lines.collect::<Vec<_>>().join("\n")
        };
        let found = shown.iter().any(|(at, own, text)| {
            (at, own) == (line, code) && without_source(text).contains(says)
        });
        if !found {
            let report = compilation.report();
            return Err(format!("no [{code}] in line {line} says `{says}`\n{report}"));
        }
    }
    match compilation.module {
        Some(module) => Ok(Some(module)),
        None if wanted.is_empty() => Err("no module and no diagnostic".to_string()),
        None => Ok(None),
    }
}
