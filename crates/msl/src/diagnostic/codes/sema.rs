//! Codes of semantic analysis and lowering.

super::codes! {
    301 UNDECLARED "undeclared"
        "A name is used that no declaration in sight introduces: misspelt, declared further down, \
         or declared in a namespace that is neither named nor used.";
    302 NOT_A_TYPE "not-a-type"
        "A name stands where a type is expected, and it names something else.";
    303 NO_DOUBLE "no-double"
        "Metal has no type `double`. Literals without a suffix are `float` already.";
    304 BAD_TYPE "bad-type"
        "The type cannot be formed or cannot be used in this place.";
    305 INCOMPLETE "incomplete"
        "The size or the members of a type are needed, and its definition is not known here.";
    306 CONVERSION "conversion"
        "A value does not convert to the type that is needed. Pointers never change their address \
         space; vectors convert to vectors of other components only explicitly.";
    307 NO_OVERLOAD "no-overload"
        "None of the functions of that name can be called with these arguments. The notes say why \
         each one does not fit.";
    308 AMBIGUOUS "ambiguous"
        "Several declarations fit equally well, so that the language does not choose.";
    309 NOT_CALLABLE "not-callable"
        "Something is called that is neither a function nor an object with `operator()`.";
    310 BAD_OPERAND "bad-operand"
        "The operator does not apply to operands of these types.";
    311 NOT_ASSIGNABLE "not-assignable"
        "The left side of an assignment is no object, or one that is const.";
    312 BAD_INIT "bad-initialiser"
        "The initialiser does not fit the type of what it initialises, in form or in number.";
    313 NOT_AN_EXPRESSION "not-an-expression"
        "Something stands where a value is expected, and has none.";
    314 MISPLACED "misplaced"
        "A `break`, `continue`, `case` or `default` stands outside what it belongs to, or twice.";
    315 BAD_RETURN "bad-return"
        "A `return` does not fit the function's result type.";
    316 STATIC_ASSERT "static-assert"
        "The condition of a `static_assert` is false.";
    317 NOT_CONSTANT "not-constant"
        "A value must be known when the program is compiled, and is not.";
    318 NO_DEFINITION "no-definition"
        "A function is called that is only declared, or deleted.";
    401 TEMPLATE_ARGS "template-arguments"
        "Template arguments are missing, too many, or of the wrong kind.";
    402 PACK "pack"
        "A parameter pack is used without `...`, or something that is no pack with it.";
    501 KERNEL "kernel"
        "The declaration of a kernel is not valid: its parameters are pointers or references into \
         `device`, `constant` or `threadgroup` memory, or values with an attribute.";
    502 FUNCTION_CONSTANT "function-constant"
        "A kernel depends on a function constant that the caller gave no value.";
    606 INSTANTIATION_DEPTH "instantiation-depth"
        "Templates are instantiated within each other too deeply, or too many of them: usually a \
         recursion without an end.";
    602 CONSTANT_LIMIT "constant-limit"
        "The evaluation of constants took too long.";
    603 RECURSION "recursion"
        "Functions of Metal cannot call themselves, directly or through others.";
    604 TOO_LARGE "too-large"
        "The program needs more memory than a thread or threadgroup has.";
    605 INTERNAL "internal"
        "The compiler's own check of what it made failed. Please report the program.";
    702 UNSUPPORTED "unsupported-meaning"
        "The construct is valid, and this compiler does not support it.";
}
