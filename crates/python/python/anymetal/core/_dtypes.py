"""Categories of dtypes."""

import enum

from anymetal import _core


class DtypeCategory(enum.Enum):
    """Kinds of dtypes, each within another, all within ``generic``."""

    complexfloating = "complexfloating"
    floating = "floating"
    inexact = "inexact"
    signedinteger = "signedinteger"
    unsignedinteger = "unsignedinteger"
    integer = "integer"
    number = "number"
    generic = "generic"

    def __repr__(self):
        return f"DtypeCategory.{self.name}"

    __str__ = __repr__


_PARENT = {
    DtypeCategory.complexfloating: DtypeCategory.inexact,
    DtypeCategory.floating: DtypeCategory.inexact,
    DtypeCategory.inexact: DtypeCategory.number,
    DtypeCategory.signedinteger: DtypeCategory.integer,
    DtypeCategory.unsignedinteger: DtypeCategory.integer,
    DtypeCategory.integer: DtypeCategory.number,
    DtypeCategory.number: DtypeCategory.generic,
}

_CATEGORY = {
    _core.bool_: DtypeCategory.generic,
    _core.uint8: DtypeCategory.unsignedinteger,
    _core.uint16: DtypeCategory.unsignedinteger,
    _core.uint32: DtypeCategory.unsignedinteger,
    _core.uint64: DtypeCategory.unsignedinteger,
    _core.int8: DtypeCategory.signedinteger,
    _core.int16: DtypeCategory.signedinteger,
    _core.int32: DtypeCategory.signedinteger,
    _core.int64: DtypeCategory.signedinteger,
    _core.float16: DtypeCategory.floating,
    _core.bfloat16: DtypeCategory.floating,
    _core.float32: DtypeCategory.floating,
    _core.float64: DtypeCategory.floating,
    _core.complex64: DtypeCategory.complexfloating,
}


def issubdtype(arg1, arg2):
    """Whether a dtype or category is another, or within it."""
    for value, which in ((arg1, "first"), (arg2, "second")):
        if not isinstance(value, (_core.Dtype, DtypeCategory)):
            raise ValueError(f"[issubdtype] Received invalid type for {which} input.")
    if arg1 == arg2:
        return True
    if isinstance(arg2, _core.Dtype):
        return False
    category = _CATEGORY[arg1] if isinstance(arg1, _core.Dtype) else arg1
    while category is not None and category is not arg2:
        category = _PARENT.get(category)
    return category is arg2


_KINDS = {
    "bool": lambda dtype: dtype == _core.bool_,
    "signed integer": lambda dtype: issubdtype(dtype, DtypeCategory.signedinteger),
    "unsigned integer": lambda dtype: issubdtype(dtype, DtypeCategory.unsignedinteger),
    "integral": lambda dtype: issubdtype(dtype, DtypeCategory.integer),
    "real floating": lambda dtype: issubdtype(dtype, DtypeCategory.floating),
    "complex floating": lambda dtype: issubdtype(dtype, DtypeCategory.complexfloating),
    "numeric": lambda dtype: issubdtype(dtype, DtypeCategory.number),
}


def isdtype(dtype, kind):
    """Whether a dtype is of a kind: a dtype, one of the array standard's names, or any of several."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if isinstance(kind, _core.Dtype):
        return dtype == kind
    if not isinstance(kind, str):
        raise ValueError(
            "[isdtype] `kind` must be a dtype, a string, or a tuple of dtypes and strings."
        )
    if kind not in _KINDS:
        raise ValueError(f"[isdtype] Unknown data type kind: '{kind}'.")
    return _KINDS[kind](dtype)
