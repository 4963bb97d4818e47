//! The scanner: bytes to lexemes, without names, without memory.
//!
//! [`scan`] looks at one lexeme and always advances, whatever the text holds. Line continuations
//! (a backslash at the end of a line) are honoured everywhere, CR LF counts as one line end, and
//! comments count as a blank.

use super::punct::Punct;

/// What a stretch of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lexeme {
    /// A name or keyword.
    Identifier,
    /// Anything that starts like a number; see C++'s "preprocessing number".
    Number,
    /// A string literal with its quotes.
    Str,
    /// A character literal with its quotes.
    Char,
    Punct(Punct),
    /// The end of a line.
    Newline,
    /// A character that begins no token.
    Stray,
    /// The end of the text.
    End,
}

/// What is wrong with a lexeme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// A block comment before the lexeme has no end; `start` of the scan is the comment's.
    UnterminatedComment,
    /// A quote without its partner on the line.
    UnterminatedQuote,
}

/// One lexeme.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan {
    pub(crate) lexeme: Lexeme,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Whether blanks or comments stand before it.
    pub(crate) space: bool,
    /// Whether a line continuation lies inside it, so that its text is not its spelling.
    pub(crate) spliced: bool,
    pub(crate) problem: Option<Problem>,
}

/// The lexeme at or after byte `at`.
pub(crate) fn scan(text: &str, at: u32) -> Scan {
    let bytes = text.as_bytes();
    let (start, problem) = skip_blanks(text, at as usize);
    let mut scan = Scan {
        lexeme: Lexeme::End,
        start: start as u32,
        end: start as u32,
        space: start > at as usize,
        spliced: false,
        problem,
    };
    if let Some(Problem::UnterminatedComment) = problem {
        scan.end = bytes.len() as u32;
        return scan;
    }
    let Some(&first) = bytes.get(start) else { return scan };
    let mut end = start + 1;
    scan.lexeme = match first {
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
            end = name_end(text, end, &mut scan.spliced);
            Lexeme::Identifier
        }
        b'0'..=b'9' => {
            end = number_end(text, end, &mut scan.spliced);
            Lexeme::Number
        }
        b'.' if bytes.get(end).is_some_and(u8::is_ascii_digit) => {
            end = number_end(text, end, &mut scan.spliced);
            Lexeme::Number
        }
        b'\n' => Lexeme::Newline,
        b'"' | b'\'' => {
            let closed;
            (end, closed) = quote_end(bytes, end, first, &mut scan.spliced);
            if !closed {
                scan.problem = Some(Problem::UnterminatedQuote);
            }
            if first == b'"' { Lexeme::Str } else { Lexeme::Char }
        }
        _ => match punct_at(bytes, start, &mut scan.spliced) {
            Some((punct, punct_end)) => {
                end = punct_end;
                Lexeme::Punct(punct)
            }
            None => {
                let stray = text[start..].chars().next().unwrap_or('\0');
                end = start + stray.len_utf8();
                if stray.is_alphabetic() {
                    end = name_end(text, end, &mut scan.spliced);
                    Lexeme::Identifier
                } else {
                    Lexeme::Stray
                }
            }
        },
    };
    scan.end = end as u32;
    scan
}

/// The spelling of a lexeme with its line continuations removed.
pub(crate) fn unspliced(text: &str) -> String {
    let mut spelling = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(backslash) = text[at..].find('\\') {
        spelling.push_str(&text[at..at + backslash]);
        at += backslash;
        let after = after_splice(text.as_bytes(), at);
        if after == at {
            spelling.push('\\');
            at += 1;
        } else {
            at = after;
        }
    }
    spelling.push_str(&text[at..]);
    spelling
}

/// Past the line continuations that start at `at`, if any do.
fn after_splice(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at) == Some(&b'\\') {
        // Compilers accept blanks between the backslash and the line's end, and editors leave them.
        let mut next = at + 1;
        while matches!(bytes.get(next), Some(b' ' | b'\t' | b'\r')) {
            next += 1;
        }
        if bytes.get(next) != Some(&b'\n') {
            break;
        }
        at = next + 1;
    }
    at
}

/// Past blanks, comments and line continuations.
fn skip_blanks(text: &str, mut at: usize) -> (usize, Option<Problem>) {
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b' ' | b'\t' | b'\r' | 0x0b | 0x0c | 0 => at += 1,
            b'\\' => {
                let after = after_splice(bytes, at);
                if after == at {
                    break;
                }
                at = after;
            }
            b'/' => match bytes.get(at + 1) {
                Some(b'/') => at = line_comment_end(bytes, at + 2),
                Some(b'*') => match text[at + 2..].find("*/") {
                    Some(length) => at += length + 4,
                    None => return (at, Some(Problem::UnterminatedComment)),
                },
                _ => break,
            },
            0x80.. => match text[at..].chars().next() {
                Some(blank) if blank.is_whitespace() || blank == '\u{feff}' => {
                    at += blank.len_utf8();
                }
                _ => break,
            },
            _ => break,
        }
    }
    (at, None)
}

/// The newline that ends a line comment.
fn line_comment_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\n' => break,
            b'\\' => at = after_splice(bytes, at).max(at + 1),
            _ => at += 1,
        }
    }
    at
}

fn name_end(text: &str, mut at: usize, spliced: &mut bool) -> usize {
    let bytes = text.as_bytes();
    loop {
        match bytes.get(at) {
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_') => at += 1,
            Some(b'\\') => {
                let after = after_splice(bytes, at);
                if after == at || !bytes.get(after).is_some_and(|&byte| is_name(byte)) {
                    return at;
                }
                *spliced = true;
                at = after;
            }
            Some(0x80..) => match text[at..].chars().next() {
                Some(letter) if letter.is_alphanumeric() => at += letter.len_utf8(),
                _ => return at,
            },
            _ => return at,
        }
    }
}

fn number_end(text: &str, mut at: usize, spliced: &mut bool) -> usize {
    let bytes = text.as_bytes();
    loop {
        let byte = match bytes.get(at) {
            Some(&byte) => byte,
            None => return at,
        };
        match byte {
            b'.' => at += 1,
            b'+' | b'-' if matches!(bytes[at - 1], b'e' | b'E' | b'p' | b'P') => at += 1,
            b'\'' if bytes.get(at + 1).is_some_and(|&next| is_name(next)) => at += 2,
            b'\\' => {
                let after = after_splice(bytes, at);
                if after == at || !bytes.get(after).is_some_and(|&byte| is_name(byte)) {
                    return at;
                }
                *spliced = true;
                at = after;
            }
            _ if is_name(byte) => at += 1,
            _ => return at,
        }
    }
}

/// Past the closing quote, and whether there is one.
fn quote_end(bytes: &[u8], mut at: usize, quote: u8, spliced: &mut bool) -> (usize, bool) {
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\n' => break,
            b'\\' => {
                let after = after_splice(bytes, at);
                if after == at {
                    // An escape: its second character is no quote. A line end is left alone.
                    at += if matches!(bytes.get(at + 1), Some(b'\n') | None) { 1 } else { 2 };
                } else {
                    *spliced = true;
                    at = after;
                }
            }
            _ if byte == quote => return (at + 1, true),
            _ => at += 1,
        }
    }
    // An escape may have stepped into the middle of a character.
    while at < bytes.len() && bytes[at] & 0xc0 == 0x80 {
        at += 1;
    }
    (at.min(bytes.len()), false)
}

fn punct_at(bytes: &[u8], start: usize, spliced: &mut bool) -> Option<(Punct, usize)> {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let plain = [byte(start), byte(start + 1), byte(start + 2)];
    if plain[1] != b'\\' && plain[2] != b'\\' {
        return Punct::scan(plain).map(|(punct, length)| (punct, start + length));
    }
    let second = after_splice(bytes, start + 1);
    let third = after_splice(bytes, second + 1);
    let (punct, length) = Punct::scan([byte(start), byte(second), byte(third)])?;
    let end = [start, second, third][length - 1] + 1;
    *spliced = end - start != length;
    Some((punct, end))
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let mut found = Vec::new();
        let mut at = 0;
        loop {
            let scan = scan(text, at);
            if scan.lexeme == Lexeme::End {
                break;
            }
            assert!(scan.end > at, "no progress at {at} in {text:?}");
            at = scan.end;
            if scan.lexeme != Lexeme::Newline {
                found.push(unspliced(&text[scan.start as usize..scan.end as usize]));
            }
        }
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn lexemes() {
        check("a+=b>>=c", &["a", "+=", "b", ">>=", "c"]);
        check(
            "1.5e+3f .5h 0x1p-2 1'000u a.b",
            &["1.5e+3f", ".5h", "0x1p-2", "1'000u", "a", ".", "b"],
        );
        check("x // é 中\r\n/* ü */ y", &["x", "y"]);
        check("ab\\\ncd 1\\\r\n2 +\\\n= \"a\\\nb\"", &["abcd", "12", "+=", "\"ab\""]);
        check("// one \\\n still\nz", &["z"]);
        check("\"a\\\"b\" 'c' '\\''", &["\"a\\\"b\"", "'c'", "'\\''"]);
        check("größe \u{a0}\u{feff}x €", &["größe", "x", "€"]);
        check("\\ x", &["\\", "x"]);
    }

    #[test]
    fn unfinished_lexemes_end_the_line_or_the_text() {
        check("\"abc\nx", &["\"abc", "x"]);
        check("'é\\", &["'é\\"]);
        check("\"\\é", &["\"\\é"]);
        assert_eq!(scan("a /* b", 1).problem, Some(Problem::UnterminatedComment));
    }
}
