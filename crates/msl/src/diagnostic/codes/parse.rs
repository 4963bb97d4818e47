//! Codes of the parser.

super::codes! {
    201 SYNTAX "syntax"
        "The text does not follow the grammar at this point. The message says what was expected.";
    202 TOO_DEEP "nested-too-deep"
        "Parentheses, blocks, types or templates are nested more deeply than the compiler follows.";
    203 NESTED_FUNCTION "nested-function"
        "C++ has no functions inside functions. The text of a kernel's `source` is the inside of \
         a function already, so helper functions belong in its `header`. A lambda is allowed.";
    701 UNSUPPORTED "unsupported"
        "The construct is part of the language, or of C++, and this compiler does not support it.";
}
