//! BERT's uncased WordPiece tokenizer.
//!
//! Text is cleaned, ideographs are set apart, accents stripped, case folded; then it is split at
//! white space and around punctuation, and every word is cut greedily into the longest pieces that
//! the vocabulary knows.

use anyhow::{Context, Result};
use std::collections::HashMap;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// A longer word is unknown, unlooked at.
const LONGEST_WORD: usize = 100;

/// The vocabulary, and the tokens it must have.
pub(crate) struct Tokenizer {
    pieces: HashMap<String, u32>,
    unknown: u32,
    first: u32,
    last: u32,
}

impl Tokenizer {
    /// From the text of a `vocab.txt`: one piece a line, its number being its identifier.
    pub(crate) fn new(vocabulary: &str) -> Result<Self> {
        let pieces: HashMap<_, _> = vocabulary.lines().map(str::to_string).zip(0..).collect();
        let special = |name: &str| {
            pieces.get(name).copied().with_context(|| format!("the vocabulary lacks {name}"))
        };
        let (unknown, first, last) = (special("[UNK]")?, special("[CLS]")?, special("[SEP]")?);
        Ok(Self { pieces, unknown, first, last })
    }

    /// The identifiers of a text between the opening and the closing token, at most `limit` in all.
    pub(crate) fn encode(&self, text: &str, limit: usize) -> Vec<u32> {
        let mut ids = vec![self.first];
        for word in words(text) {
            self.push_word(&word, &mut ids);
        }
        ids.truncate(limit.saturating_sub(1));
        ids.push(self.last);
        ids
    }

    fn push_word(&self, word: &str, ids: &mut Vec<u32>) {
        let start = ids.len();
        let mut rest = word;
        if word.chars().count() > LONGEST_WORD {
            ids.push(self.unknown);
            return;
        }
        while !rest.is_empty() {
            let prefix = if rest.len() == word.len() { "" } else { "##" };
            let ends = rest.char_indices().map(|(i, c)| i + c.len_utf8()).rev();
            let found = ends.into_iter().find_map(|end| {
                Some((*self.pieces.get(&format!("{prefix}{}", &rest[..end]))?, end))
            });
            let Some((id, end)) = found else {
                // One unknown piece makes the whole word unknown.
                ids.truncate(start);
                ids.push(self.unknown);
                return;
            };
            ids.push(id);
            rest = &rest[end..];
        }
    }
}

/// The words and punctuation marks of a text, normalised.
fn words(text: &str) -> Vec<String> {
    let kept = text.chars().filter(|&c| c != '\u{fffd}' && (is_space(c) || !is_control(c)));
    let spaced = kept.flat_map(|c| if is_ideograph(c) { [' ', c, ' '] } else { ['\0', c, '\0'] });
    let plain = spaced
        .filter(|&c| c != '\0')
        .nfd()
        .filter(|c| c.general_category() != GeneralCategory::NonspacingMark)
        .flat_map(char::to_lowercase);
    let mut words = vec![String::new()];
    for c in plain {
        let mark = is_punctuation(c);
        if (is_space(c) || mark) && words.last().is_some_and(|w| !w.is_empty()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut()
            && !is_space(c)
        {
            word.push(c);
        }
        if mark {
            words.push(String::new());
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

fn is_space(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r') || c.is_whitespace()
}

fn is_control(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Other
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() || c.general_category_group() == GeneralCategoryGroup::Punctuation
}

/// Han characters, which are words of their own.
fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c),
        0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x2a6df
        | 0x2a700..=0x2b73f | 0x2b740..=0x2b81f | 0x2b920..=0x2ceaf | 0x2f800..=0x2fa1f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_normalised_and_split() {
        assert_eq!(
            words("Crème brûlée, n'est-ce"),
            ["creme", "brulee", ",", "n", "'", "est", "-", "ce"]
        );
        assert_eq!(words(" a\u{200b}b\t\u{0}c\u{a0}日本 "), ["ab", "c", "日", "本"]);
        assert!(words("").is_empty());
    }

    #[test]
    fn words_are_cut_into_the_longest_pieces() {
        let vocabulary = "[UNK]\n[CLS]\n[SEP]\nun\nunder\n##s\n##tood\n##stood\n!";
        let tokenizer = Tokenizer::new(vocabulary).expect("all special tokens are there");
        assert_eq!(tokenizer.encode("Understood!", 9), [1, 4, 7, 8, 2]);
        assert_eq!(tokenizer.encode("unders underx", 9), [1, 4, 5, 0, 2]);
        assert_eq!(tokenizer.encode("un un un un", 3), [1, 3, 2]);
        assert_eq!(tokenizer.encode(&"u".repeat(101), 9), [1, 0, 2]);
        assert!(Tokenizer::new("[UNK]").is_err());
    }
}
