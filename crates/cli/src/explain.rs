//! `anymetal explain`: the page of a diagnostic code.

use anyhow::{Context, Result};
use anymetal_msl::diagnostic::{closest, codes};
use serde_json::json;

use crate::output::{Format, json_value, line};

/// What to explain.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A code like M0101 or its name; without one, all are listed
    code: Option<String>,
}

/// Prints a page, or the list of all codes.
pub(crate) fn explain(arguments: Arguments, format: Format) -> Result<bool> {
    let found: Vec<_> = match &arguments.code {
        None => codes::all().collect(),
        Some(text) => {
            let unknown = || match closest(text, codes::all().map(|code| code.name)) {
                Some(near) => format!("no diagnostic is called `{text}`; did you mean `{near}`?"),
                None => format!("no diagnostic is called `{text}`"),
            };
            vec![codes::find(text).with_context(unknown)?]
        }
    };
    if format == Format::Json {
        let pages = found
            .iter()
            .map(|code| json!({ "code": code.to_string(), "name": code.name, "page": code.page }));
        json_value(&pages.collect());
    } else if arguments.code.is_some() {
        found.iter().for_each(|code| line(format_args!("{code} {}\n\n{}", code.name, code.page)));
    } else {
        found.iter().for_each(|code| line(format_args!("{code} {}", code.name)));
    }
    Ok(true)
}
