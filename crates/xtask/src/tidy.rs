//! `cargo xtask tidy`: the rules of the house, which also run as a test.

use crate::python::read;
use crate::source::{code_only, crates, has_word, rust_files, tracked};
use std::path::Path;

/// Who may import whom among the workspace's own crates. A crate that is not here is a finding.
const IMPORTS: [(&str, &[&str]); 10] = [
    ("anymetal-msl", &[]),
    ("anymetal-simt", &["anymetal-msl"]),
    ("anymetal-kernels", &[]),
    ("anymetal", &["anymetal-msl", "anymetal-simt", "anymetal-kernels"]),
    ("anymetal-cli", &["anymetal", "anymetal-msl", "anymetal-simt"]),
    ("anymetal-py", &["anymetal"]),
    ("anymetal-bench", &["anymetal"]),
    ("anymetal-fuzz", &["anymetal", "anymetal-msl", "anymetal-simt", "anymetal-kernels"]),
    ("embed", &["anymetal"]),
    ("xtask", &[]),
];

/// The modules that may hold `unsafe` code: crate folder, and paths in it. (The kernels' speed
/// example measures the machine's limits with intrinsics.)
const UNSAFE: [(&str, &[&str]); 5] = [
    ("crates/kernels", &["src/simd", "src/par", "examples/attention_speed"]),
    ("crates/simt", &["src/memory", "src/cpu/code", "src/cpu/launch", "src/cpu/fibers"]),
    ("crates/anymetal", &["src/device", "src/io/map"]),
    ("crates/python", &["src/exchange"]),
    ("crates/bench", &["src/limits"]),
];

const VAGUE_NAMES: [&str; 10] =
    ["util", "utils", "helper", "helpers", "common", "misc", "base", "shared", "stuff", "extra"];

/// A file longer than this is listed, not refused: tables may be long.
const LONG: usize = 900;

/// How far above an `unsafe` its reason may begin.
const REASON_WITHIN: usize = 8;

/// Prints what is found; an error if any rule is broken.
pub(crate) fn report(root: &Path) -> Result<(), String> {
    for note in long_files(root)? {
        println!("note: {note}");
    }
    let findings = check(root)?;
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        count => Err(format!("{count} findings")),
    }
}

/// Every broken rule, one line each.
fn check(root: &Path) -> Result<Vec<String>, String> {
    let mut findings = Vec::new();
    let crates = crates(root)?;
    for (folder, manifest) in &crates {
        findings.extend(imports(manifest).into_iter().map(|f| format!("{folder}: {f}")));
        let entries = ["src/lib.rs", "src/main.rs"].map(|e| root.join(folder).join(e));
        let allowed = UNSAFE.iter().find(|(f, _)| f == folder).map_or(&[][..], |(_, m)| m);
        for entry in entries.iter().filter(|e| e.exists()) {
            if allowed.is_empty() && !read(entry)?.contains("#![forbid(unsafe_code)]") {
                findings.push(format!("{folder}: no #![forbid(unsafe_code)]"));
            }
        }
        for file in rust_files(&root.join(folder)) {
            let text = read(&file)?;
            let name = file.strip_prefix(root).unwrap_or(&file).display();
            let module = file.strip_prefix(root.join(folder)).ok();
            let module = module.map(|m| m.to_string_lossy().into_owned());
            let may = module.is_some_and(|m| allowed.iter().any(|a| is_module(&m, a)));
            findings.extend(source(&text, may).into_iter().map(|f| format!("{name}{f}")));
        }
    }
    for file in tracked(root)? {
        findings.extend(name_of(&file));
        // Binary files hold no paths worth reading.
        let Ok(text) = std::fs::read_to_string(root.join(&file)) else { continue };
        for (number, line) in text.lines().enumerate() {
            if machine_path(line) {
                findings.push(format!("{file}:{}: a path of one machine", number + 1));
            }
        }
    }
    findings.extend(code_map(root, &crates)?);
    Ok(findings)
}

/// Whether the file `path` (relative to its crate) is the module `module` or lies in it.
fn is_module(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Workspace crates that a manifest names without being allowed to.
fn imports(manifest: &str) -> Vec<String> {
    let mut section = String::new();
    let (mut package, mut named) = (String::new(), Vec::new());
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']').to_string();
            if let Some((_, name)) = section.split_once("dependencies.") {
                named.push(name.to_string());
            }
        } else if section == "package" && line.starts_with("name") {
            package = line.split('"').nth(1).unwrap_or_default().to_string();
        } else if section.ends_with("dependencies") && !line.starts_with('#') {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            named.push(name.to_string());
        }
    }
    let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == package) else {
        return vec![format!("the table of imports does not know {package}")];
    };
    let ours = |name: &&String| {
        IMPORTS.iter().any(|(known, _)| known == name) && !allowed.contains(&name.as_str())
    };
    // A crate may name itself, for its examples and tests.
    let wrong = named.iter().filter(ours).filter(|n| **n != package);
    wrong.map(|name| format!("{package} may not import {name}")).collect()
}

/// What is wrong with one Rust file, each finding from `:LINE` on.
fn source(text: &str, may_be_unsafe: bool) -> Vec<String> {
    let mut findings = Vec::new();
    let documented = text.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with("#!"));
    if !documented.is_some_and(|l| l.starts_with("//!")) {
        findings.push(":1: no module documentation".to_string());
    }
    let lines: Vec<&str> = text.lines().collect();
    for (number, code) in code_only(text).lines().enumerate() {
        let mut found = |what: &str| findings.push(format!(":{}: {what}", number + 1));
        for stub in ["todo!", "unimplemented!", "#[ignore"] {
            if code.contains(stub) {
                found(&format!("{stub}: nothing is left for later"));
            }
        }
        if !has_word(code, "unsafe") {
            continue;
        }
        if !may_be_unsafe {
            found("unsafe code outside the modules named for it");
        } else if !code.contains("unsafe fn") && !code.contains("unsafe extern") {
            let reason = lines[number.saturating_sub(REASON_WITHIN)..=number].iter();
            if !reason.into_iter().any(|l| l.contains("SAFETY:")) {
                found("unsafe without a SAFETY comment");
            }
        }
    }
    findings
}

/// A file whose name says nothing about what is in it.
fn name_of(file: &str) -> Option<String> {
    let vague = Path::new(file).iter().any(|part| {
        let part = part.to_string_lossy();
        let stem = part.split('.').next().unwrap_or_default();
        VAGUE_NAMES.contains(&stem)
    });
    vague.then(|| format!("{file}: a name that says nothing"))
}

/// Whether a line holds a path that exists on one machine only.
fn machine_path(line: &str) -> bool {
    ["home", "root", "Users", "work", "tmp"].iter().any(|top| {
        let start = format!("/{top}/");
        line.match_indices(&start).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|c| c.is_whitespace() || "\"'=(`:".contains(c))
        })
    })
}

/// Crates and top-level modules that ARCHITECTURE.md does not name.
fn code_map(root: &Path, crates: &[(String, String)]) -> Result<Vec<String>, String> {
    let Ok(map) = read(&root.join("ARCHITECTURE.md")) else {
        return Ok(vec!["ARCHITECTURE.md: there is none".into()]);
    };
    let mut findings = Vec::new();
    for (folder, _) in crates {
        if !map.contains(folder.as_str()) {
            findings.push(format!("ARCHITECTURE.md: does not name {folder}"));
            continue;
        }
        for entry in std::fs::read_dir(root.join(folder).join("src")).into_iter().flatten() {
            let path = entry.map_err(|e| e.to_string())?.path();
            let module = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if !matches!(module.as_str(), "lib" | "main") && !has_word(&map, &module) {
                findings.push(format!("ARCHITECTURE.md: does not name {module} of {folder}"));
            }
        }
    }
    findings.sort();
    Ok(findings)
}

fn long_files(root: &Path) -> Result<Vec<String>, String> {
    let mut notes = Vec::new();
    for file in tracked(root)?.iter().filter(|f| f.ends_with(".rs") || f.ends_with(".py")) {
        let lines = read(&root.join(file))?.lines().count();
        if lines > LONG {
            notes.push(format!("{file}: {lines} lines"));
        }
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let findings = check(&crate::root()).expect("the tree can be read");
        assert!(findings.is_empty(), "\n{}", findings.join("\n"));
    }

    #[test]
    fn imports_follow_the_table() {
        let manifest = "[package]\nname = \"anymetal-kernels\"\n[dependencies]\n\
                        half.workspace = true\nanymetal-msl.workspace = true\n\
                        [dev-dependencies.anymetal]\npath = \"x\"";
        let found = imports(manifest);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("anymetal-msl") && found[1].ends_with("import anymetal"));
        assert_eq!(imports("[package]\nname = \"new\"").len(), 1);
    }

    #[test]
    fn sources_are_checked() {
        let lacking = |text: &str, may: bool| source(text, may).join("|");
        assert_eq!(lacking("//! Docs.\nfn f() {}\n", false), "");
        assert!(lacking("fn f() {}\n", false).contains("documentation"));
        let block = "//! Docs.\nfn f() { unsafe { g() } }\n";
        assert!(lacking(block, false).contains("outside"));
        assert!(lacking(block, true).contains("SAFETY"));
        let reason = "//! Docs.\n// SAFETY: g needs nothing.\nfn f() { unsafe { g() } }\n";
        assert_eq!(lacking(reason, true), "");
        let stub = format!("//! Docs.\nfn f() {{ {}!() }}\n", "todo");
        assert!(lacking(&stub, false).contains("later"));
    }

    #[test]
    fn names_and_paths() {
        assert!(name_of("crates/x/src/utils.rs").is_some());
        assert!(name_of("crates/x/common/a.rs").is_some());
        assert!(name_of("crates/x/src/baseline.rs").is_none());
        let path = |top: &str| format!("see \"/{top}/someone/x\"");
        assert!(machine_path(&path("home")) && machine_path(&path("root")));
        assert!(!machine_path("see docs/work/x and a/home/b"));
        assert!(is_module("simd/avx.rs", "simd") && is_module("par.rs", "par"));
        assert!(!is_module("parse.rs", "par"));
    }
}
