"""Writes the type stubs of `anymetal.core` from the module itself: `cargo xtask stubs`.

A function's row carries its signature, so its stub cannot disagree with how it binds arguments.
What the module does not know, the types of properties and of operators, is in the tables here.
"""

import inspect
import pathlib
import sys
import textwrap
import types
from enum import Enum

import anymetal.core

FOLDER = pathlib.Path(__file__).parent / "python" / "anymetal" / "core"
HEADER = '''\
"""{doc}"""

# Written by `cargo xtask stubs`.

{imports}
'''
IMPORTS = """\
import collections.abc
import pathlib
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, BinaryIO, Literal, ParamSpec, TypeAlias, TypeVar, overload
"""
ALIASES = """
scalar: TypeAlias = bool | int | float | complex
StreamOrDevice: TypeAlias = Stream | Device | DeviceType | None
file: TypeAlias = BinaryIO
DLPackCompatible: TypeAlias = Any
P = ParamSpec("P")
R = TypeVar("R")
"""

# Properties, by class and name.
PROPERTIES = {
    "array": {
        "shape": "tuple[int, ...]",
        "ndim": "int",
        "size": "int",
        "itemsize": "int",
        "nbytes": "int",
        "dtype": "Dtype",
        "T": "array",
        "mT": "array",
        "real": "array",
        "imag": "array",
        "at": "ArrayAt",
    },
    "Dtype": {"size": "int"},
    "Device": {"type": "DeviceType"},
    "Stream": {"device": "Device", "index": "int"},
    "PrintOptions": {"precision": "int"},
    "finfo": {
        "min": "float",
        "max": "float",
        "eps": "float",
        "bits": "int",
        "smallest_normal": "float",
        "dtype": "Dtype",
    },
    "iinfo": {"min": "int", "max": "int", "dtype": "Dtype"},
}
# Methods that are not rows: parameters after `self` and result. "*" for any class.
METHODS = {
    "array": {
        "__init__": "(val: Any, dtype: Dtype | None = None) -> None",
        "item": "() -> bool | int | float | complex",
        "tolist": "() -> Any",
        "__len__": "() -> int",
        "__bool__": "() -> bool",
        "__int__": "() -> int",
        "__float__": "() -> float",
        "__complex__": "() -> complex",
        "__index__": "() -> int",
        "__iter__": "() -> Iterator[array]",
        "__getitem__": "(index: Any) -> array",
        "__setitem__": "(index: Any, value: scalar | array) -> None",
        "__dlpack__": "(**kwargs: Any) -> Any",
        "__dlpack_device__": "() -> tuple[int, int]",
    },
    "ArrayAt": {
        name: "(value: scalar | array) -> array"
        for name in ["add", "subtract", "multiply", "divide", "maximum", "minimum"]
    },
    "Device": {"__init__": "(type: DeviceType, index: int = 0) -> None"},
    "finfo": {"__init__": "(dtype: Dtype) -> None"},
    "iinfo": {"__init__": "(dtype: Dtype) -> None"},
}
OPERATORS = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()
for operator in OPERATORS:
    for prefix in ["", "r", "i"]:
        METHODS["array"][f"__{prefix}{operator}__"] = "(other: scalar | array) -> array"
for operator in ["lt", "le", "gt", "ge"]:
    METHODS["array"][f"__{operator}__"] = "(other: scalar | array) -> array"
for operator in ["eq", "ne"]:
    # A bool for strings; object's own signature could not say array.
    METHODS["array"][f"__{operator}__"] = "(other: object) -> Any"
for operator in ["neg", "abs", "invert", "pos"]:
    METHODS["array"][f"__{operator}__"] = "() -> array"
# Of any class.
DEFAULTS = {
    "__eq__": "(other: object) -> bool",
    "__ne__": "(other: object) -> bool",
    "__int__": "() -> int",
    "__enter__": "() -> Any",
    "__exit__": "(*args: Any) -> None",
    "__call__": "(*args: Any, **kwargs: Any) -> Any",
}


def wrapped(line, indent):
    """A definition in at most 100 columns: else a line for the parameters, else one for each."""
    if len(indent) + len(line) <= 96:
        return line
    start, end = line.index("(") + 1, line.rindex(")")
    if " -> " in line:
        end = line.rindex(")", 0, line.rindex(" -> "))
    parameters = split(line[start:end])
    inner = indent + "    "
    if len(inner) + len(", ".join(parameters)) <= 99:
        body = inner + ", ".join(parameters)
    else:
        body = "\n".join(f"{inner}{parameter}," for parameter in parameters)
    return f"{line[:start]}\n{body}\n{indent}{line[end:]}"


def split(parameters):
    """At the commas outside brackets."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(parameters):
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            parts.append(parameters[start:i].strip())
            start = i + 1
    return [*parts, parameters[start:].strip()]


def is_row(member):
    return hasattr(member, "signature") and isinstance(member.signature, str)


def documented(line, doc, indent=""):
    """A definition with its documentation as body."""
    line = wrapped(line, indent)
    doc = (doc or "").strip()
    if not doc:
        return f"{indent}{line} ..."
    inner = indent + "    "
    doc = textwrap.indent(inspect.cleandoc(doc).replace("\\", "\\\\"), inner).strip()
    closing = f"\n{inner}" if "\n" in doc else ""
    return f'{indent}{line}\n{inner}"""{doc}{closing}"""'


def function(member, name, indent="", owner=None):
    if is_row(member):
        doc = member.__doc__.removeprefix(member.signature)
        # One line for each way to call it.
        ways = [f"def {' '.join(way.split())}:" for way in member.signature.splitlines()]
        if len(ways) == 1:
            return documented(ways[0], doc, indent)
        overloads = [f"{indent}@overload\n{documented(way, '', indent)}" for way in ways[1:]]
        return "\n".join([f"{indent}@overload\n{documented(ways[0], doc, indent)}", *overloads])
    parameters = METHODS.get(owner, {}).get(name) or (DEFAULTS.get(name) if owner else None)
    if parameters:
        parameters = "(self" + (", " if parameters[1] != ")" else "") + parameters[1:]
        doc = None if name.startswith("__") else member.__doc__
        return documented(f"def {name}{parameters}:", doc, indent)
    try:
        signature = inspect.signature(member)
    except (TypeError, ValueError):
        signature = "(*args: Any, **kwargs: Any)"
    doc = None if name.startswith("__") else member.__doc__
    arrow = "" if "->" in str(signature) else " -> Any"
    return documented(f"def {name}{signature}{arrow}:", doc, indent)


def class_(cls, name):
    lines = []
    known = {**DEFAULTS, **METHODS.get(name, {})}
    owned = {n: m for n, m in vars(cls).items() if not n.startswith("_") or n in known or is_row(m)}
    if issubclass(cls, Enum):
        owned = {member.name: member for member in cls}
    if "__init__" in METHODS.get(name, {}):
        owned["__init__"] = cls
    for member_name, member in sorted(owned.items(), key=lambda item: order(item[0])):
        if isinstance(member, (types.GetSetDescriptorType, types.MemberDescriptorType, property)):
            kind = PROPERTIES.get(name, {}).get(member_name, "Any")
            lines.append("    @property")
            lines.append(documented(f"def {member_name}(self) -> {kind}:", member.__doc__, "    "))
        elif callable(member):
            lines.append(function(member, member_name, "    ", name))
        else:
            enum = issubclass(cls, Enum)
            kind = f"= {member.value!r}" if enum else f": {type(member).__name__}"
            lines.append(f"    {member_name}{' ' if enum else ''}{kind}")
    bases = [b.__name__ for b in cls.__bases__ if b is not object]
    head = f"class {name}({', '.join(bases)}):" if bases else f"class {name}:"
    doc = inspect.cleandoc(cls.__doc__ or "")
    if doc:
        lines.insert(0, textwrap.indent(f'"""{doc}"""', "    "))
    return "\n".join([head, *(lines or ["    ..."])])


def order(name):
    """The constructor, then names, then operators."""
    return (name != "__init__", name.startswith("__"), name)


def constant(name, value):
    if value is None:
        return f"{name}: None"
    if isinstance(value, type(anymetal.core.float32)):
        return f"{name}: Dtype"
    return f"{name}: {type(value).__name__}"


def public(module):
    """The names of a module, and the classes that they return, without that of its functions."""
    members = {}
    for name, member in vars(module).items():
        hidden = isinstance(member, type) and getattr(member, "__module__", "") == "anymetal.core"
        if not name.startswith("_") or (hidden and not name.startswith("__")):
            members[name] = member
    return {n: m for n, m in members.items() if m is not type(anymetal.core.abs)}


def generate():
    """The text of each stub, by path relative to anymetal/core."""
    core = anymetal.core
    submodules = {n: m for n, m in public(core).items() if is_ours(m, n)}
    stubs = {"__init__.pyi": stub(core, set(submodules))}
    for name, module in submodules.items():
        # A module that is written in Python is its own stub.
        if any(is_row(member) for member in public(module).values()):
            stubs[f"{name}.pyi"] = stub(module, set())
    return stubs


def is_ours(member, name):
    return isinstance(member, types.ModuleType) and member.__name__ == f"anymetal.core.{name}"


def stub(module, submodules):
    top = module is anymetal.core
    members = public(module)
    classes = {n: m for n, m in members.items() if isinstance(m, type)}
    values, functions = {}, {}
    for name, member in members.items():
        if isinstance(member, (type, types.ModuleType)):
            continue
        (functions if callable(member) else values)[name] = member
    parts = ["\n".join(f"from . import {name} as {name}" for name in sorted(submodules))]
    if top:
        parts.append(ALIASES.strip("\n"))
    parts.append("\n".join(constant(name, values[name]) for name in sorted(values)))
    parts += [class_(cls, name) for name, cls in sorted(classes.items())]
    aliases = {n: f.__name__ for n, f in functions.items() if is_row(f) and f.__name__ != n}
    own = sorted(functions.keys() - aliases.keys())
    parts += [function(functions[name], name) for name in own]
    parts.append("\n".join(f"{name} = {aliases[name]}" for name in sorted(aliases)))
    imports = IMPORTS
    if not top:
        body = "\n".join(parts)
        names = ["Device", "DeviceType", "Dtype", "Stream", "StreamOrDevice", "array", "scalar"]
        names += [n for n, m in public(anymetal.core).items() if isinstance(m, type(core_dtype()))]
        used = [n for n in sorted(set(names)) if n in words(body) and n not in members]
        imports += f"\nfrom anymetal.core import {', '.join(used)}\n" if used else ""
    body = "\n".join(parts)
    imports = trimmed(imports, body)
    doc = (
        module.__doc__ or f"The names of ``mlx.core.{module.__name__.rpartition('.')[2]}``."
    ).strip()
    return HEADER.format(doc=doc, imports=imports) + "\n\n".join(filter(None, parts)) + "\n"


def trimmed(imports, body):
    """The imports of which the body uses a name."""
    used, lines = words(body), []
    for line in imports.splitlines():
        head, _, names = line.partition(" import ")
        if head.startswith("from "):
            names = [name for name in names.split(", ") if name in used]
            if names:
                lines.append(f"{head} import {', '.join(names)}")
        elif not line or f"{line.removeprefix('import ')}." in body:
            lines.append(line)
    return "\n".join(lines).strip("\n") + "\n"


def core_dtype():
    return anymetal.core.float32


def words(text):
    return set("".join(c if c.isalnum() or c == "_" else " " for c in text).split())


def main(check):
    """Writes the stubs, or says which are not up to date."""
    stale = []
    stubs = generate()
    for path in FOLDER.glob("*.pyi"):
        if path.name not in stubs:
            stale.append(path.name)
            if not check:
                path.unlink()
    for name, text in stubs.items():
        path = FOLDER / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if not check:
                path.write_text(text)
    return sorted(stale)


if __name__ == "__main__":
    stale = main(check="--check" in sys.argv)
    print("\n".join(stale) if stale else "the stubs are up to date")
    sys.exit(bool(stale) and "--check" in sys.argv)
