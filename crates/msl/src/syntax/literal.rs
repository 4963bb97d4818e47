//! Values of literals.

use super::token::{FloatSuffix, IntSuffix, TokenKind};

/// The value of a number's spelling, or what is wrong with it. What is wrong but can be read
/// comes with its value.
pub(super) fn number(text: &str) -> (TokenKind, Option<String>) {
    let digits: String;
    let text = if text.contains('\'') {
        digits = text.replace('\'', "");
        &digits
    } else {
        text
    };
    let (radix, body) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &text[2..]),
        [b'0', b'b' | b'B', ..] => (2, &text[2..]),
        [b'0', b'0'..=b'9', ..] => (8, &text[1..]),
        _ => (10, text),
    };
    let is_float = match radix {
        16 => body.contains(['.', 'p', 'P']),
        2 => false,
        _ => body.contains(['.', 'e', 'E']),
    };
    if is_float {
        // A leading zero says nothing in a floating-point literal: `010.5` is ten and a half.
        float(if radix == 16 { body } else { text }, radix == 16)
    } else {
        integer(body, radix)
    }
}

fn integer(body: &str, radix: u32) -> (TokenKind, Option<String>) {
    let end = body.find(|c: char| !c.is_digit(radix)).unwrap_or(body.len());
    let (digits, suffix_text) = body.split_at(end);
    let mut problem = None;
    let suffix = match suffix_text.to_ascii_lowercase().as_str() {
        "" => IntSuffix::None,
        "u" => IntSuffix::U,
        "l" => IntSuffix::L,
        "ul" | "lu" => IntSuffix::Ul,
        "ll" => IntSuffix::Ll,
        "ull" | "llu" => IntSuffix::Ull,
        other => {
            problem = Some(match other.as_bytes() {
                [b'8' | b'9', ..] if radix == 8 => {
                    format!("invalid digit `{}` in an octal number", &other[..1])
                }
                _ => format!("invalid suffix `{suffix_text}` on an integer"),
            });
            IntSuffix::None
        }
    };
    if digits.is_empty() && matches!(radix, 2 | 16) {
        problem = Some("a number without digits".to_owned());
    }
    let mut value = 0u64;
    let mut overflow = false;
    for digit in digits.chars().filter_map(|digit| digit.to_digit(radix)) {
        let (scaled, lost) = value.overflowing_mul(u64::from(radix));
        let (sum, carried) = scaled.overflowing_add(u64::from(digit));
        overflow |= lost || carried;
        value = sum;
    }
    if overflow && problem.is_none() {
        problem = Some("an integer that does not fit in 64 bits".to_owned());
    }
    (TokenKind::Int { value, suffix, decimal: radix == 10 }, problem)
}

fn float(text: &str, hexadecimal: bool) -> (TokenKind, Option<String>) {
    let end = mantissa_end(text, hexadecimal);
    let (digits, suffix_text) = text.split_at(end);
    let mut problem = None;
    let suffix = match suffix_text.to_ascii_lowercase().as_str() {
        "" => FloatSuffix::None,
        "f" => FloatSuffix::F,
        "h" => FloatSuffix::H,
        "bf" => FloatSuffix::Bf,
        _ => {
            problem = Some(format!("invalid suffix `{suffix_text}` on a floating-point number"));
            FloatSuffix::None
        }
    };
    let exact = if hexadecimal { hexadecimal_value(digits) } else { digits.parse::<f64>().ok() };
    let value = exact.unwrap_or_else(|| {
        problem = Some("a floating-point number without digits".to_owned());
        0.0
    });
    let rounded = match suffix {
        FloatSuffix::None | FloatSuffix::F if hexadecimal => f64::from(value as f32),
        // Parsed again as float, so that it is rounded once.
        FloatSuffix::None | FloatSuffix::F => digits.parse::<f32>().map_or(value, f64::from),
        FloatSuffix::H => round_to(value, 11, -24, 65504.0),
        FloatSuffix::Bf => round_to(value, 8, -133, 3.389_531_389_251_535_5e38),
    };
    (TokenKind::Float { value: rounded, suffix }, problem)
}

/// Where digits, point and exponent end and the suffix begins.
fn mantissa_end(text: &str, hexadecimal: bool) -> usize {
    let bytes = text.as_bytes();
    let is_digit = |byte: &u8| {
        if hexadecimal { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() }
    };
    let mut at = bytes.iter().position(|byte| !is_digit(byte) && *byte != b'.');
    let marks: &[u8] = if hexadecimal { b"pP" } else { b"eE" };
    if let Some(mark) = at
        && marks.contains(&bytes[mark])
    {
        let sign = usize::from(matches!(bytes.get(mark + 1), Some(b'+' | b'-')));
        let first = mark + 1 + sign;
        let digits = bytes[first..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        // Without digits the mark belongs to the suffix, which is then reported.
        if digits > 0 {
            at = Some(first + digits);
        }
    }
    at.unwrap_or(bytes.len())
}

fn hexadecimal_value(digits: &str) -> Option<f64> {
    let (mantissa, exponent) = digits.split_once(['p', 'P']).unwrap_or((digits, "0"));
    let mut scale = exponent.parse::<i64>().ok()?.clamp(-100_000, 100_000) as i32;
    let mut value = 0u64;
    let mut seen = false;
    let mut after_point = false;
    for c in mantissa.chars() {
        let Some(digit) = c.to_digit(16) else {
            after_point = true;
            continue;
        };
        seen = true;
        if value >> 58 == 0 {
            value = value << 4 | u64::from(digit);
            scale = scale.saturating_sub(if after_point { 4 } else { 0 });
        } else {
            // Far below the last bit kept: only whether anything is there matters to rounding.
            value |= u64::from(digit != 0);
            scale = scale.saturating_add(if after_point { 0 } else { 4 });
        }
    }
    seen.then(|| scaled(value as f64, scale))
}

/// `value * 2^exponent`, in steps that do not overflow before the last.
fn scaled(mut value: f64, mut exponent: i32) -> f64 {
    while exponent > 0 && value.is_finite() && value != 0.0 {
        let step = exponent.min(1000);
        value *= 2f64.powi(step);
        exponent -= step;
    }
    while exponent < 0 && value != 0.0 {
        let step = exponent.max(-1000);
        value *= 2f64.powi(step);
        exponent -= step;
    }
    value
}

/// `value` rounded to `bits` significant bits, ties to even, where the smallest step is
/// `2^lowest`; infinite above `largest`.
fn round_to(value: f64, bits: i32, lowest: i32, largest: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let exponent = ((value.abs().to_bits() >> 52) as i32 - 1023).max(-1022);
    let step = 2f64.powi((exponent + 1 - bits).max(lowest));
    let rounded = (value / step).round_ties_even() * step;
    if rounded.abs() > largest { f64::INFINITY.copysign(value) } else { rounded }
}

/// The text of a string or character literal, quotes and escapes resolved, and the first escape
/// that means nothing.
pub(super) fn unquoted(text: &str) -> (String, Option<char>) {
    let quote = text.chars().next().unwrap_or('"');
    let inner = &text[quote.len_utf8().min(text.len())..];
    let inner = inner.strip_suffix(quote).unwrap_or(inner);
    let mut value = String::with_capacity(inner.len());
    let mut unknown = None;
    let mut rest = inner.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            value.push(c);
            continue;
        }
        let Some(escape) = rest.next() else { break };
        value.push(match escape {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'v' => '\x0b',
            '\\' | '\'' | '"' | '?' => escape,
            'x' => coded(&mut rest, 16, usize::MAX),
            '0'..='7' => {
                let first = escape.to_digit(8).unwrap_or(0);
                let mut code = first;
                for _ in 0..2 {
                    let Some(digit) = rest.peek().and_then(|c| c.to_digit(8)) else { break };
                    code = code * 8 + digit;
                    rest.next();
                }
                char::from_u32(code & 0xff).unwrap_or('\0')
            }
            'u' => coded(&mut rest, 16, 4),
            'U' => coded(&mut rest, 16, 8),
            other => {
                unknown.get_or_insert(other);
                other
            }
        });
    }
    (value, unknown)
}

/// The character that the next digits number.
fn coded(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, radix: u32, most: usize) -> char {
    let mut code = 0u32;
    let mut read = 0;
    while read < most
        && let Some(digit) = rest.peek().and_then(|c| c.to_digit(radix))
    {
        code = code.wrapping_mul(radix).wrapping_add(digit);
        rest.next();
        read += 1;
    }
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_float(text: &str, expected: f64, suffix: FloatSuffix) {
        assert_eq!(number(text), (TokenKind::Float { value: expected, suffix }, None), "{text}");
    }

    fn check_int(text: &str, value: u64, suffix: IntSuffix, decimal: bool) {
        assert_eq!(number(text), (TokenKind::Int { value, suffix, decimal }, None), "{text}");
    }

    #[test]
    fn integers() {
        check_int("0", 0, IntSuffix::None, true);
        check_int("42u", 42, IntSuffix::U, true);
        check_int("0xFFul", 255, IntSuffix::Ul, false);
        check_int("0b1011", 11, IntSuffix::None, false);
        check_int("017", 15, IntSuffix::None, false);
        check_int("1'000'000ll", 1_000_000, IntSuffix::Ll, true);
        check_int("0xffffffffffffffffULL", u64::MAX, IntSuffix::Ull, false);
    }

    #[test]
    fn floats() {
        check_float("1.0f", 1.0, FloatSuffix::F);
        check_float(".5h", 0.5, FloatSuffix::H);
        check_float("1e-3", f64::from(1e-3f32), FloatSuffix::None);
        check_float("1.f", 1.0, FloatSuffix::F);
        check_float("010.5", 10.5, FloatSuffix::None);
        check_float("0x1.8p1f", 3.0, FloatSuffix::F);
        check_float("0x1p-149f", f64::from(f32::from_bits(1)), FloatSuffix::F);
        check_float("0x.0000000000000000000001p88", 1.0, FloatSuffix::None);
        check_float("65504.0h", 65504.0, FloatSuffix::H);
        check_float("65520.0h", f64::INFINITY, FloatSuffix::H);
        check_float("1e-8h", 0.0, FloatSuffix::H);
        check_float("6e-8h", 2f64.powi(-24), FloatSuffix::H);
        check_float("1.0039bf", 1.0, FloatSuffix::Bf);
        check_float("1.0118bf", 1.0 + 2.0 / 128.0, FloatSuffix::Bf);
        check_float("1e39f", f64::INFINITY, FloatSuffix::F);
    }

    #[test]
    fn wrong_numbers_say_why() {
        for text in
            ["1.0q", "1f", "12abc", "0x", "099", "1e", "1e+", "0x.p1", "99999999999999999999"]
        {
            assert!(number(text).1.is_some(), "{text}");
        }
    }

    #[test]
    fn quotes() {
        assert_eq!(unquoted(r#""a\n\x41\101\"""#), ("a\nAA\"".to_owned(), None));
        assert_eq!(unquoted(r"'\q'"), ("q".to_owned(), Some('q')));
        assert_eq!(unquoted("\"open"), ("open".to_owned(), None));
    }
}
