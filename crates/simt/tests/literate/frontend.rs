//! From the source of a case to a module.

use anymetal_msl::ir::{Module, parse, verify_canonical};

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
        Language::Metal => return Err("no compiler yet".to_string()),
    };
    verify_canonical(&module).map_err(|error| error.to_string())?;
    let wanted = case.launch.as_ref().and_then(|launch| launch.kernel.clone());
    let kernel = match wanted {
        Some(name) => name,
        None => module.kernels.first().ok_or("the source has no kernel")?.name.clone(),
    };
    Ok(Some(Compiled { module, kernel }))
}
