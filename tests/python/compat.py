"""Compares the names of this package with those of real MLX.

Writes the list of MLX's names that the package consults to say "not yet"
(``crates/python/python/anymetal/core/_mlx_names.py``) and the table ``docs/compat.md``. With
``--check`` nothing is written and a difference is an error. Needs ``mlx`` and ``anymetal``.
"""

import importlib
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = ROOT / "crates/python/python/anymetal/core/_mlx_names.py"
TABLE = ROOT / "docs/compat.md"

# The module of MLX, and what it is called in the headings.
MODULES = ["core", "core.random", "core.fast", "core.linalg", "core.fft", "core.metal", "core.cuda"]
# Names of the array class that every Python object has, or that Python 3 never calls.
OBJECT = {*dir(object), "__doc__", "__module__", "__div__", "__rdiv__"}


def public(names):
    return sorted(n for n in names if not n.startswith("_"))


def mlx_names():
    names = {m: public(dir(importlib.import_module("mlx." + m))) for m in MODULES if "." not in m}
    core = importlib.import_module("mlx.core")
    for module in MODULES[1:]:
        names[module] = public(dir(getattr(core, module.removeprefix("core."))))
    names["core.array"] = sorted(set(dir(core.array)) - OBJECT)
    return names


def names_file(names):
    lines = ['"""The public names of MLX\'s modules. Written by tests/python/compat.py."""', ""]
    lines.append("NAMES = {")
    for module, entries in names.items():
        lines.append(f'    "{module}": frozenset(')
        lines.append('        """')
        line = ""
        for name in entries:
            if len(line) + len(name) > 80:
                lines.append(f"        {line.strip()}")
                line = ""
            line += name + " "
        lines += [f"        {line.strip()}", '        """.split()', "    ),"]
    lines.append("}")
    return "\n".join(lines) + "\n"


def ours(module):
    """The object whose names are compared, or nothing."""
    core = importlib.import_module("anymetal.core")
    if module == "core":
        return core
    try:
        return getattr(core, module.removeprefix("core."))
    except AttributeError:
        return object()


def table(names):
    import mlx.core

    text = [
        "# Names of `mlx.core`",
        "",
        "What of MLX's Python interface `anymetal.core` has. Written by `tests/python/compat.py` "
        f"from MLX {mlx.core.__version__}. A name that MLX has and this package does not raises an "
        "`AttributeError` that says so. [Programs written for MLX](compat-programs.md) are the other "
        "measure.",
        "",
        "| module | names | present |",
        "|---|---|---|",
    ]
    sections = []
    total = [0, 0]
    for module, entries in names.items():
        there = {*dir(ours(module))}
        present = [n for n in entries if n in there]
        absent = [n for n in entries if n not in there]
        total = [total[0] + len(entries), total[1] + len(present)]
        text.append(f"| `mlx.{module}` | {len(entries)} | {len(present)} |")
        sections += ["", f"## `mlx.{module}`", ""]
        for title, part in [("Present", present), ("Absent", absent)]:
            if part:
                sections.append(f"{title}: " + ", ".join(f"`{n}`" for n in part) + ".")
                sections.append("")
        sections.pop()
    text.append(f"| all | {total[0]} | {total[1]} |")
    return "\n".join(text + sections) + "\n"


def main():
    names = mlx_names()
    checking = "--check" in sys.argv[1:]
    stale = []
    # The names first: the package reads them when it is imported.
    for path, make in [(NAMES, names_file), (TABLE, table)]:
        content = make(names)
        if checking:
            if not path.exists() or path.read_text() != content:
                stale.append(str(path.relative_to(ROOT)))
        else:
            path.write_text(content)
    if stale:
        sys.exit(f"stale: {', '.join(stale)}; run python tests/python/compat.py")


if __name__ == "__main__":
    main()
