//! Tokens of the text form. `;` starts a comment to the end of the line.

use super::parse::ParseError;

/// A token.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token {
    /// Letters, digits, `_` and `.`, starting with a letter or `_`.
    Word(String),
    /// A number with an optional sign, fraction, exponent, or `0x`.
    Number(String),
    /// A quoted string, unescaped.
    Text(String),
    /// `%`, `^`, `$` or `!` and a number.
    Sigil(char, u64),
    /// `->`.
    Arrow,
    /// Any other character.
    Punct(char),
    /// The end of the text.
    End,
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Token::Word(text) | Token::Number(text) => write!(f, "`{text}`"),
            Token::Text(text) => write!(f, "{text:?}"),
            Token::Sigil(sigil, number) => write!(f, "`{sigil}{number}`"),
            Token::Arrow => write!(f, "`->`"),
            Token::Punct(c) => write!(f, "`{c}`"),
            Token::End => write!(f, "the end"),
        }
    }
}

/// Splits a text into tokens with their lines; the last one is [`Token::End`].
pub(super) fn tokenize(text: &str) -> Result<Vec<(Token, u32)>, ParseError> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut i, mut line) = (0, 1);
    let run = |from: usize, keep: &dyn Fn(char) -> bool| {
        let end = chars[from..].iter().position(|&c| !keep(c)).map_or(chars.len(), |n| from + n);
        (chars[from..end].iter().collect::<String>(), end)
    };
    while i < chars.len() {
        let c = chars[i];
        let next = chars.get(i + 1).copied().unwrap_or('\0');
        let token = match c {
            '\n' => {
                line += 1;
                i += 1;
                continue;
            }
            c if c.is_whitespace() => {
                i += 1;
                continue;
            }
            ';' => {
                i = run(i, &|c| c != '\n').1;
                continue;
            }
            '-' if next == '>' => {
                i += 2;
                Token::Arrow
            }
            '%' | '^' | '$' | '!' if next.is_ascii_digit() => {
                let (digits, end) = run(i + 1, &|c| c.is_ascii_digit());
                i = end;
                let Ok(number) = digits.parse() else {
                    return Err(ParseError { line, message: format!("{c}{digits} is too large") });
                };
                Token::Sigil(c, number)
            }
            '"' => {
                let (text, end) = string(&chars, i)
                    .ok_or_else(|| ParseError { line, message: "unterminated string".into() })?;
                i = end;
                Token::Text(text)
            }
            c if c.is_ascii_digit() || (c == '-' && next.is_ascii_digit()) => {
                let mut end = i + 1;
                while end < chars.len() {
                    let exponent = matches!(chars[end - 1], 'e' | 'E')
                        && !chars[i..end].contains(&'x')
                        && matches!(chars[end], '+' | '-');
                    if !(chars[end].is_ascii_alphanumeric() || chars[end] == '.' || exponent) {
                        break;
                    }
                    end += 1;
                }
                let number = chars[i..end].iter().collect();
                i = end;
                Token::Number(number)
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let (word, end) = run(i, &|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
                i = end;
                Token::Word(word)
            }
            c => {
                i += 1;
                Token::Punct(c)
            }
        };
        tokens.push((token, line));
    }
    tokens.push((Token::End, line));
    Ok(tokens)
}

/// The string that starts at the quote `from`, by Rust's escapes, and where it ends.
fn string(chars: &[char], from: usize) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut i = from + 1;
    loop {
        match *chars.get(i)? {
            '"' => return Some((text, i + 1)),
            '\\' => {
                match *chars.get(i + 1)? {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    '0' => text.push('\0'),
                    'u' => {
                        let close = chars[i..].iter().position(|&c| c == '}')? + i;
                        let digits: String = chars.get(i + 3..close)?.iter().collect();
                        text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                        i = close - 1;
                    }
                    c => text.push(c),
                }
                i += 2;
            }
            c => {
                text.push(c);
                i += 1;
            }
        }
    }
}
