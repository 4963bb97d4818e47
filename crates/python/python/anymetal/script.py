"""Running a program as ``python SCRIPT`` would, after something was prepared for it."""

import builtins
import os
import runpy
import sys
import types
from importlib.machinery import SourceFileLoader


# The main modules replaced by the program's: they must outlive it, being on the stack.
_replaced = []


def run(arguments):
    """Runs ``SCRIPT [args]`` or ``-m MODULE [args]`` as the main program of this process.

    The program sees the ``sys.argv``, ``sys.path``, ``__main__`` and ``__file__`` it would see
    under plain ``python``; the traceback of an error it does not handle begins with its own line,
    and its exit status is the process's.
    """
    if arguments[0] == "-m":
        _run_module(arguments[1], arguments[2:])
    else:
        _run_file(arguments[0], arguments[1:])


def main(command, description, prepare, options=None):
    """The command line of ``python -m COMMAND``: prepares and runs, or says how it is used.

    `options` are flags before the program, with what they do; each is a keyword of `prepare`.
    """
    options = options or {}
    arguments = sys.argv[1:]
    flags = "".join(f"[{flag}] " for flag in options)
    usage = (
        f"usage: python -m {command} {flags}SCRIPT.py [arguments]\n"
        f"       python -m {command} {flags}-m MODULE [arguments]"
    )
    given = {}
    while arguments and arguments[0] in options:
        given[arguments.pop(0).lstrip("-").replace("-", "_")] = True
    if arguments[:1] in (["-h"], ["--help"]):
        print(f"{usage}\n\n{description}")
        for flag, meaning in options.items():
            print(f"  {flag}  {meaning}")
        return
    module = arguments[:1] == ["-m"]
    if len(arguments) < 1 + module or (arguments[0].startswith("-") and not module):
        print(usage, file=sys.stderr)
        sys.exit(2)
    try:
        prepare(**given)
    except (ImportError, RuntimeError) as error:
        sys.exit(f"python -m {command}: {error}")
    run(arguments)


def _run_file(path, arguments):
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        reason = f"[Errno {error.errno}] {error.strerror}"
        name = f"{sys.orig_argv[0]}: can't open file {os.path.join(os.getcwd(), path)!r}"
        print(f"{name}: {reason}", file=sys.stderr)
        sys.exit(2)
    sys.argv[:] = [path, *arguments]
    path = os.path.join(os.getcwd(), path)
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    main_module = types.ModuleType("__main__")
    main_module.__dict__.update(
        __file__=path,
        __builtins__=builtins,
        __loader__=SourceFileLoader("__main__", path),
        __cached__=None,
        __package__=None,
        __spec__=None,
    )
    _begin_tracebacks_at(lambda frame: frame.f_code.co_filename == path)
    _replaced.append(sys.modules["__main__"])
    sys.modules["__main__"] = main_module
    exec(compile(source, path, "exec", dont_inherit=True), main_module.__dict__)


def _run_module(name, arguments):
    sys.argv[:] = [name, *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = os.getcwd()
    own = sys.modules["__main__"].__dict__
    _replaced.append(sys.modules["__main__"])
    _begin_tracebacks_at(
        lambda frame: frame.f_globals is not own and frame.f_globals.get("__name__") == "__main__"
    )
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _begin_tracebacks_at(is_program):
    """Leaves the frames of this package out of the traceback of an error nobody handles."""
    show = sys.excepthook

    def hook(kind, error, traceback):
        first = traceback
        while first is not None and not is_program(first.tb_frame):
            first = first.tb_next
        error.__traceback__ = first
        show(kind, error, first)

    sys.excepthook = hook
