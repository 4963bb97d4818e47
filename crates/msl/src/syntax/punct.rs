//! Punctuation.

/// An operator or other mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant is the mark that `text` gives")]
#[repr(u8)]
pub enum Punct {
    LParen,
    RParen,
    LBracket,
    RBracket,
    LBrace,
    RBrace,
    Semi,
    Comma,
    Dot,
    Ellipsis,
    DotStar,
    Arrow,
    ArrowStar,
    Colon,
    ColonColon,
    Question,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Amp,
    Pipe,
    Caret,
    Tilde,
    Bang,
    AmpAmp,
    PipePipe,
    Shl,
    Shr,
    PlusPlus,
    MinusMinus,
    Eq,
    EqEq,
    BangEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
    PlusEq,
    MinusEq,
    StarEq,
    SlashEq,
    PercentEq,
    AmpEq,
    PipeEq,
    CaretEq,
    ShlEq,
    ShrEq,
    Hash,
    HashHash,
    At,
    Dollar,
    Backslash,
    Backquote,
}

const TEXTS: [&str; Punct::ALL.len()] = [
    "(", ")", "[", "]", "{", "}", ";", ",", ".", "...", ".*", "->", "->*", ":", "::", "?", "+",
    "-", "*", "/", "%", "&", "|", "^", "~", "!", "&&", "||", "<<", ">>", "++", "--", "=", "==",
    "!=", "<", "<=", ">", ">=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "#",
    "##", "@", "$", "\\", "`",
];

impl Punct {
    /// Every mark, in order.
    pub const ALL: &'static [Punct] = &[
        Punct::LParen,
        Punct::RParen,
        Punct::LBracket,
        Punct::RBracket,
        Punct::LBrace,
        Punct::RBrace,
        Punct::Semi,
        Punct::Comma,
        Punct::Dot,
        Punct::Ellipsis,
        Punct::DotStar,
        Punct::Arrow,
        Punct::ArrowStar,
        Punct::Colon,
        Punct::ColonColon,
        Punct::Question,
        Punct::Plus,
        Punct::Minus,
        Punct::Star,
        Punct::Slash,
        Punct::Percent,
        Punct::Amp,
        Punct::Pipe,
        Punct::Caret,
        Punct::Tilde,
        Punct::Bang,
        Punct::AmpAmp,
        Punct::PipePipe,
        Punct::Shl,
        Punct::Shr,
        Punct::PlusPlus,
        Punct::MinusMinus,
        Punct::Eq,
        Punct::EqEq,
        Punct::BangEq,
        Punct::Lt,
        Punct::LtEq,
        Punct::Gt,
        Punct::GtEq,
        Punct::PlusEq,
        Punct::MinusEq,
        Punct::StarEq,
        Punct::SlashEq,
        Punct::PercentEq,
        Punct::AmpEq,
        Punct::PipeEq,
        Punct::CaretEq,
        Punct::ShlEq,
        Punct::ShrEq,
        Punct::Hash,
        Punct::HashHash,
        Punct::At,
        Punct::Dollar,
        Punct::Backslash,
        Punct::Backquote,
    ];

    /// Its spelling.
    pub fn text(self) -> &'static str {
        TEXTS[self as usize]
    }

    /// The longest mark that the bytes begin with, and its length.
    pub(crate) fn scan(bytes: [u8; 3]) -> Option<(Punct, usize)> {
        let [first, second, third] = bytes;
        let found = match (first, second, third) {
            (b'.', b'.', b'.') => (Punct::Ellipsis, 3),
            (b'-', b'>', b'*') => (Punct::ArrowStar, 3),
            (b'<', b'<', b'=') => (Punct::ShlEq, 3),
            (b'>', b'>', b'=') => (Punct::ShrEq, 3),
            (b'.', b'*', _) => (Punct::DotStar, 2),
            (b'-', b'>', _) => (Punct::Arrow, 2),
            (b':', b':', _) => (Punct::ColonColon, 2),
            (b'&', b'&', _) => (Punct::AmpAmp, 2),
            (b'|', b'|', _) => (Punct::PipePipe, 2),
            (b'<', b'<', _) => (Punct::Shl, 2),
            (b'>', b'>', _) => (Punct::Shr, 2),
            (b'+', b'+', _) => (Punct::PlusPlus, 2),
            (b'-', b'-', _) => (Punct::MinusMinus, 2),
            (b'=', b'=', _) => (Punct::EqEq, 2),
            (b'!', b'=', _) => (Punct::BangEq, 2),
            (b'<', b'=', _) => (Punct::LtEq, 2),
            (b'>', b'=', _) => (Punct::GtEq, 2),
            (b'+', b'=', _) => (Punct::PlusEq, 2),
            (b'-', b'=', _) => (Punct::MinusEq, 2),
            (b'*', b'=', _) => (Punct::StarEq, 2),
            (b'/', b'=', _) => (Punct::SlashEq, 2),
            (b'%', b'=', _) => (Punct::PercentEq, 2),
            (b'&', b'=', _) => (Punct::AmpEq, 2),
            (b'|', b'=', _) => (Punct::PipeEq, 2),
            (b'^', b'=', _) => (Punct::CaretEq, 2),
            (b'#', b'#', _) => (Punct::HashHash, 2),
            (b'(', ..) => (Punct::LParen, 1),
            (b')', ..) => (Punct::RParen, 1),
            (b'[', ..) => (Punct::LBracket, 1),
            (b']', ..) => (Punct::RBracket, 1),
            (b'{', ..) => (Punct::LBrace, 1),
            (b'}', ..) => (Punct::RBrace, 1),
            (b';', ..) => (Punct::Semi, 1),
            (b',', ..) => (Punct::Comma, 1),
            (b'.', ..) => (Punct::Dot, 1),
            (b':', ..) => (Punct::Colon, 1),
            (b'?', ..) => (Punct::Question, 1),
            (b'+', ..) => (Punct::Plus, 1),
            (b'-', ..) => (Punct::Minus, 1),
            (b'*', ..) => (Punct::Star, 1),
            (b'/', ..) => (Punct::Slash, 1),
            (b'%', ..) => (Punct::Percent, 1),
            (b'&', ..) => (Punct::Amp, 1),
            (b'|', ..) => (Punct::Pipe, 1),
            (b'^', ..) => (Punct::Caret, 1),
            (b'~', ..) => (Punct::Tilde, 1),
            (b'!', ..) => (Punct::Bang, 1),
            (b'=', ..) => (Punct::Eq, 1),
            (b'<', ..) => (Punct::Lt, 1),
            (b'>', ..) => (Punct::Gt, 1),
            (b'#', ..) => (Punct::Hash, 1),
            (b'@', ..) => (Punct::At, 1),
            (b'$', ..) => (Punct::Dollar, 1),
            (b'\\', ..) => (Punct::Backslash, 1),
            (b'`', ..) => (Punct::Backquote, 1),
            _ => return None,
        };
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_scans_to_itself() {
        for (number, mark) in Punct::ALL.iter().enumerate() {
            assert_eq!(*mark as usize, number);
            let mut bytes = [b' '; 3];
            bytes[..mark.text().len()].copy_from_slice(mark.text().as_bytes());
            assert_eq!(Punct::scan(bytes), Some((*mark, mark.text().len())));
        }
    }
}
