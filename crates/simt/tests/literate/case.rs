//! Cases of a literate test file.

use crate::formula::Formula;

/// What a fenced block of source is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Language {
    Metal,
    Ir,
}

/// An array bound to a buffer.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    pub(crate) name: String,
    pub(crate) ty: String,
    pub(crate) writable: bool,
    pub(crate) length: usize,
    pub(crate) values: Values,
}

/// The elements of an array.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    Zero,
    List(Vec<String>),
    Formula(Formula),
}

/// How close an output must be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Tolerance {
    Exact,
    /// Units in the last place of the expected value.
    Ulp(f64),
    /// Relative to the largest expected magnitude.
    Relative(f64),
}

/// One thing that must hold after a launch.
#[derive(Clone, Debug)]
pub(crate) enum Expect {
    Output(String, Tolerance, Values),
    Warning(String),
    Error(String),
}

/// A case: one heading.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) heading: String,
    pub(crate) language: Language,
    pub(crate) source: String,
    pub(crate) launch: Option<Launch>,
    pub(crate) expects: Vec<Expect>,
}

/// The launch block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Launch {
    pub(crate) kernel: Option<String>,
    pub(crate) grid: [u32; 3],
    pub(crate) threadgroup: [u32; 3],
    pub(crate) threadgroup_memory: Vec<u64>,
    pub(crate) template: Vec<(String, String)>,
    pub(crate) defines: Vec<(String, String)>,
    pub(crate) schedules: Option<Vec<String>>,
    pub(crate) bounds: Option<String>,
    pub(crate) steps: Option<u64>,
    pub(crate) arrays: Vec<Array>,
}

/// Splits a file into its cases.
pub(crate) fn parse_file(text: &str) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = Vec::new();
    let mut heading = String::new();
    let mut fence: Option<(String, String, usize)> = None;
    for (number, line) in text.lines().enumerate() {
        if let Some((kind, body, _)) = &mut fence {
            if line.trim_end() == "```" {
                let (kind, body) = (kind.clone(), body.clone());
                fence = None;
                block(&mut cases, &heading, &kind, &body)
                    .map_err(|error| format!("before line {}: {error}", number + 1))?;
            } else {
                body.push_str(line);
                body.push('\n');
            }
        } else if let Some(kind) = line.strip_prefix("```") {
            fence = Some((kind.trim().to_string(), String::new(), number + 1));
        } else if let Some(title) = line.strip_prefix("## ") {
            heading = title.trim().to_string();
        }
    }
    match fence {
        Some((_, _, line)) => Err(format!("the block at line {line} is not closed")),
        None => Ok(cases),
    }
}

fn block(cases: &mut Vec<Case>, heading: &str, kind: &str, body: &str) -> Result<(), String> {
    let language = match kind {
        "metal" => Language::Metal,
        "ir" => Language::Ir,
        "launch" | "expect" => {
            let case = cases
                .last_mut()
                .filter(|case| case.heading == heading)
                .ok_or_else(|| format!("a {kind} block without source"))?;
            if kind == "launch" {
                case.launch = Some(launch(body)?);
            } else {
                case.expects = lines(body).map(expect).collect::<Result<_, _>>()?;
            }
            return Ok(());
        }
        other => return Err(format!("unknown block `{other}`")),
    };
    if cases.iter().any(|case| case.heading == heading) {
        return Err(format!("two sources under `{heading}`"));
    }
    let (heading, source) = (heading.to_string(), body.to_string());
    cases.push(Case { heading, language, source, launch: None, expects: Vec::new() });
    Ok(())
}

fn lines(body: &str) -> impl Iterator<Item = &str> {
    body.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn launch(body: &str) -> Result<Launch, String> {
    let mut launch = Launch { grid: [1; 3], threadgroup: [1; 3], ..Launch::default() };
    for line in lines(body) {
        let (key, value) = line.split_once(':').ok_or_else(|| format!("no `:` in `{line}`"))?;
        let (key, value) = (key.trim(), value.trim());
        match key {
            "kernel" => launch.kernel = Some(value.to_string()),
            "grid" => launch.grid = triple(value)?,
            "threadgroup" => launch.threadgroup = triple(value)?,
            "threadgroup_memory" => {
                let sizes = value.split(',').map(|part| part.trim().parse());
                launch.threadgroup_memory =
                    sizes.collect::<Result<_, _>>().map_err(|_| format!("bad sizes `{value}`"))?;
            }
            "template" => launch.template = pairs(value)?,
            "define" => launch.defines = pairs(value)?,
            "schedules" => {
                launch.schedules = Some(value.split_whitespace().map(str::to_string).collect());
            }
            "bounds" => launch.bounds = Some(value.to_string()),
            "steps" => launch.steps = value.parse().ok(),
            _ => launch.arrays.push(array(key, value)?),
        }
    }
    Ok(launch)
}

fn triple(text: &str) -> Result<[u32; 3], String> {
    let mut axes = [1; 3];
    for (i, part) in text.split_whitespace().enumerate() {
        let axis = axes.get_mut(i).ok_or_else(|| format!("too many axes in `{text}`"))?;
        *axis = part.parse().map_err(|_| format!("bad size `{part}`"))?;
    }
    Ok(axes)
}

fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    text.split(',')
        .map(|pair| {
            let (name, value) =
                pair.split_once('=').ok_or_else(|| format!("no `=` in `{pair}`"))?;
            Ok((name.trim().to_string(), value.trim().to_string()))
        })
        .collect()
}

/// `float[64] = formula`, `float = 1, 2, 3`, `float[64]`; `inout` before the name makes an
/// initialised array writable.
fn array(key: &str, value: &str) -> Result<Array, String> {
    let inout = key.strip_prefix("inout ");
    let name = inout.unwrap_or(key).trim().to_string();
    let (head, given) = match value.split_once('=') {
        Some((head, given)) => (head.trim(), Some(given.trim())),
        None => (value, None),
    };
    let (ty, length) = match head.split_once('[') {
        Some((ty, length)) => {
            let length = length.trim_end_matches(']').trim();
            (ty.trim(), Some(length.parse().map_err(|_| format!("bad length `{length}`"))?))
        }
        None => (head, None),
    };
    let (length, values) = match (length, given) {
        (Some(length), None) => (length, Values::Zero),
        (Some(length), Some(formula)) => (length, Values::Formula(Formula::parse(formula)?)),
        (None, Some(list)) => {
            let list: Vec<String> = list.split(',').map(|item| item.trim().to_string()).collect();
            (list.len(), Values::List(list))
        }
        (None, None) => return Err(format!("`{name}` has neither length nor values")),
    };
    let writable = inout.is_some() || matches!(values, Values::Zero);
    Ok(Array { name, ty: ty.to_string(), writable, length, values })
}

fn expect(line: &str) -> Result<Expect, String> {
    if let Some(text) = line.strip_prefix("warning:") {
        return Ok(Expect::Warning(text.trim().to_string()));
    }
    if let Some(text) = line.strip_prefix("error:") {
        return Ok(Expect::Error(text.trim().to_string()));
    }
    let (head, value) = line.split_once('=').ok_or_else(|| format!("no `=` in `{line}`"))?;
    let (name, tolerance) = match head.split_once('~') {
        Some((name, tolerance)) => {
            let number: f64 =
                tolerance.trim().parse().map_err(|_| format!("bad tolerance `{tolerance}`"))?;
            let ulp = number >= 0.5;
            (name, if ulp { Tolerance::Ulp(number) } else { Tolerance::Relative(number) })
        }
        None => (head, Tolerance::Exact),
    };
    let (name, values) = match name.trim().strip_suffix("[i]") {
        Some(name) => (name, Values::Formula(Formula::parse(value)?)),
        None => {
            let list = value.split(',').map(|item| item.trim().to_string()).collect();
            (name.trim(), Values::List(list))
        }
    };
    Ok(Expect::Output(name.to_string(), tolerance, values))
}
