//! The table of accuracies in `docs/metal-support.md` is what the library's table says.

use anymetal_msl::builtin::{self, Accuracy};

#[test]
fn accuracies_are_documented_as_they_are() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metal-support.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let mut bounds: Vec<(f32, Vec<&str>)> = Vec::new();
    for row in builtin::rows() {
        let Accuracy::Ulp(bound) = row.accuracy else { continue };
        match bounds.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, names)) if names.contains(&row.name) => {}
            Some((_, names)) => names.push(row.name),
            None => bounds.push((bound, vec![row.name])),
        }
    }
    bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let lines: Vec<String> = bounds
        .iter()
        .map(|(bound, names)| {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("| {bound} | {} |", names.join(", "))
        })
        .collect();
    let table = lines.join("\n");
    assert!(page.contains(&table), "the page should have:\n{table}");
}
