//! Finding the repository's crates and files, and seeing Rust text without comments and strings.

use crate::python::read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every crate of the workspace: its folder relative to the root, and its manifest's text.
pub(crate) fn crates(root: &Path) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    for folder in tracked(root)?.iter().filter_map(|f| f.strip_suffix("/Cargo.toml")) {
        let manifest = read(&root.join(folder).join("Cargo.toml"))?;
        // A package with a workspace of its own is no part of ours.
        if manifest.contains("[package]") && !manifest.contains("\n[workspace]") {
            found.push((folder.to_string(), manifest));
        }
    }
    Ok(found)
}

/// Every file git tracks or would track, relative to the root, sorted.
pub(crate) fn tracked(root: &Path) -> Result<Vec<String>, String> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let output = git.output().map_err(|e| format!("git: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut files: Vec<String> = text.lines().map(str::to_string).collect();
    // A file deleted but not yet committed is still listed.
    files.retain(|f| root.join(f).is_file());
    files.sort();
    files.dedup();
    Ok(files)
}

/// The Rust files under `folder`, but not those of packages nested in it.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                let nested = path.join("Cargo.toml").exists();
                if !nested && !path.ends_with("target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The text with comments and the contents of strings and characters blanked; line breaks stay.
pub(crate) fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = token(rest);
        let (taken, after) = rest.split_at(length.unwrap_or(first.len_utf8()));
        match length {
            Some(_) => code.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' })),
            None => code.push_str(taken),
        }
        rest = after;
    }
    code
}

/// The length of the comment, string or character that `text` begins with.
fn token(text: &str) -> Option<usize> {
    let until = |open: usize, close: &str| {
        text[open..].find(close).map_or(text.len(), |i| open + i + close.len())
    };
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(until(2, "*/"));
    }
    if let Some(quoted) = text.strip_prefix('"') {
        let mut escaped = false;
        let end = quoted.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        return Some(end.map_or(text.len(), |i| i + 2));
    }
    if text.starts_with("r\"") || text.starts_with("r#\"") || text.starts_with("r##\"") {
        let hashes = text[1..].bytes().take_while(|&b| b == b'#').count();
        return Some(until(2 + hashes, &format!("\"{}", "#".repeat(hashes))));
    }
    // A character, unlike a lifetime, is closed by the second quote.
    let inside = text.strip_prefix('\'')?;
    if inside.starts_with('\\') {
        return Some(until(3, "'"));
    }
    let width = inside.chars().next()?.len_utf8();
    inside[width..].starts_with('\'').then_some(width + 2)
}

/// Whether `text` has `word` with no identifier character beside it.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(i, _)| !text[..i].ends_with(part) && !text[i + word.len()..].starts_with(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_blanked() {
        let text = "let a = \"unsafe \\\" x\"; // unsafe\nlet b = 'u'; f::<'a>(r#\"unsafe\"#)";
        let code = code_only(text);
        assert!(!has_word(&code, "unsafe"), "{code}");
        assert!(has_word(&code, "b") && code.contains("<'a>"), "{code}");
        assert_eq!(code.lines().count(), 2);
        assert!(has_word(&code_only("/* no */ unsafe {}"), "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe"));
    }
}
