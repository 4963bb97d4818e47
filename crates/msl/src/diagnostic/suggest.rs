//! Suggestions for misspelt names.

/// The candidate that `name` most likely was meant to be, if one is close enough: at most one
/// edit for every three characters. Among equals the first wins.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    let mut best = None;
    let mut least = length / 3 + 1;
    for candidate in candidates {
        if candidate.len() > name.len() + least || candidate == name {
            continue;
        }
        let edits = distance(name, candidate, least);
        if edits < least {
            least = edits;
            best = Some(candidate);
        }
    }
    best
}

/// How many characters must be inserted, removed, replaced or swapped with their neighbour to make
/// `a` into `b`; at least `limit` if it is not less.
fn distance(a: &str, b: &str, limit: usize) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let replaced = row[j] + usize::from(!x.eq_ignore_ascii_case(&y));
            let mut edits = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if j > 0 && last == Some(y) && b[j - 1] == x {
                edits = edits.min(before[j - 1] + 1);
            }
            next.push(edits);
        }
        if next.iter().all(|&edits| edits >= limit) {
            return limit;
        }
        before = std::mem::replace(&mut row, next);
        last = Some(x);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_only() {
        let names = ["define", "undef", "include", "if", "endif", "simd_sum"];
        assert_eq!(closest("inculde", names), Some("include"));
        assert_eq!(closest("simd_smu", names), Some("simd_sum"));
        assert_eq!(closest("Simd_sum", names), Some("simd_sum"));
        assert_eq!(closest("whatever", names), None);
        assert_eq!(closest("x", names), None);
    }
}
