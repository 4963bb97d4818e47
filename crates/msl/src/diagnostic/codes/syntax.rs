//! Codes of the preprocessor and the lexer.

super::codes! {
    101 UNTERMINATED_COMMENT "unterminated-comment"
        "A `/*` comment has no `*/`. Everything after it was read as a comment.";
    102 UNTERMINATED_LITERAL "unterminated-literal"
        "A string or character literal has no closing quote on its line. An apostrophe in text \
         that is skipped by `#if` is no error.";
    103 STRAY_CHARACTER "stray-character"
        "A character that begins no token, often a typographic quote or dash that came with \
         copied text. Comments may hold any character.";
    104 INVALID_NUMBER "invalid-number"
        "A number that cannot be read. Integers take the suffixes `u`, `l`, `ul`, `ll` and `ull`; \
         numbers with a point or an exponent take `f`, `h` and `bf`. `1f` is not a number in \
         Metal: write `1.0f` or `1.f`.";
    105 INVALID_ESCAPE "invalid-escape"
        "A backslash in a literal is followed by a character that it gives no meaning to.";
    110 UNKNOWN_DIRECTIVE "unknown-directive"
        "A line begins with `#` and a word that is no preprocessor directive.";
    111 INVALID_DIRECTIVE "invalid-directive"
        "A directive lacks something, such as the name after `#define`.";
    112 UNBALANCED_CONDITIONAL "unbalanced-conditional"
        "`#if`, `#ifdef` and `#ifndef` need an `#endif` in the same text; `#elif`, `#else` and \
         `#endif` need one of them before.";
    113 INVALID_CONDITION "invalid-condition"
        "The condition of `#if` or `#elif` is an integer expression of numbers, `defined(NAME)` \
         and operators. Names that are no macros count as 0. The compiler's own constants, such \
         as template parameters, are not known to the preprocessor.";
    114 USER_ERROR "error-directive"
        "The program asked for this error with `#error`.";
    115 USER_WARNING "warning-directive"
        "The program asked for this warning with `#warning`.";
    116 HEADER_NOT_FOUND "header-not-found"
        "`#include` names a header that is neither a Metal header nor registered with the \
         compilation. The compiler does not read files itself: register the header's text, or \
         name its folder with `-I` on the command line.";
    117 EXTRA_TOKENS "extra-tokens"
        "Something follows a directive that takes no more.";
    120 INVALID_MACRO "invalid-macro"
        "A macro's definition is malformed: parameters are names separated by commas, `...` comes \
         last, `#` stands before a parameter, and `##` between two tokens.";
    121 MACRO_REDEFINED "macro-redefined"
        "A macro is defined again with another body. The later definition holds from there on. \
         Write `#undef` first if that is intended.";
    122 MACRO_ARGUMENTS "macro-arguments"
        "A macro is used with more or fewer arguments than it has parameters. Commas inside \
         parentheses do not separate arguments; commas inside `<>`, `[]` and `{}` do.";
    123 UNTERMINATED_MACRO_CALL "unterminated-macro-call"
        "The arguments of a macro have no closing parenthesis.";
    124 INVALID_PASTE "invalid-paste"
        "`##` joined two tokens to something that is not one token. Both were kept.";
    125 INVALID_PRAGMA "invalid-pragma"
        "A pragma that Metal knows is written in a way it does not know, and was ignored.";
    601 PREPROCESSOR_LIMIT "preprocessor-limit"
        "Preprocessing was stopped: macros expand to too many tokens, macro arguments are nested \
         too deeply, or headers include each other without an end. The limits are options of the \
         compilation.";
}
