"""`python -m anymetal SCRIPT.py` and `install_as_mlx` behave as plain Python does."""

import os
import pathlib
import subprocess
import sys
import textwrap

import pytest


def run(*arguments, cwd):
    path = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def write(folder, text, name="program.py"):
    (folder / name).write_text(textwrap.dedent(text))
    return name


ABOUT_ITSELF = """
    import inspect, pickle, sys

    class Thing:
        pass

    print(sys.argv, sys.path[0], __name__, __file__, __package__, __spec__, __doc__)
    print(sys.modules["__main__"].__dict__ is globals(), inspect.getsource(Thing))
    print(type(pickle.loads(pickle.dumps(Thing()))))
    print(type(__builtins__), type(__loader__))
    """
FAILS = """
    def inner():
        return [][0]

    try:
        inner()
    except IndexError as error:
        raise ValueError("no") from error
    """
INTERRUPTED = "raise KeyboardInterrupt"


@pytest.mark.parametrize(
    "text",
    [
        ABOUT_ITSELF,
        FAILS,
        INTERRUPTED,
        "x = = 1",
        "import sys; sys.exit(7)",
        "import sys; sys.exit('a reason')",
        "import atexit; atexit.register(print, 'at the end')",
        "import beside; print(beside.value)",
        "#!/usr/bin/env python\n# -*- coding: latin-1 -*-\nprint('\\xe9')",
    ],
)
def test_a_program_sees_what_it_sees_under_plain_python(tmp_path, text):
    write(tmp_path, "value = 5", "beside.py")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    write(tmp_path, text)
    plain = run("../program.py", "-x", "a b", cwd=folder)
    ours = run("-m", "anymetal", "../program.py", "-x", "a b", cwd=folder)
    assert ours.returncode == plain.returncode
    assert ours.stdout == plain.stdout
    assert ours.stderr == plain.stderr


def test_a_module_runs_as_with_dash_m(tmp_path):
    write(tmp_path, "import sys, mlx.core as mx; print(sys.argv, mx.__name__, __name__)", "m.py")
    ours = run("-m", "anymetal", "-m", "m", "x", cwd=tmp_path)
    assert ours.stdout.split() == [f"['{tmp_path}/m.py',", "'x']", "anymetal.core", "__main__"]


def test_a_missing_program_and_no_program(tmp_path):
    plain = run("none.py", cwd=tmp_path)
    ours = run("-m", "anymetal", "none.py", cwd=tmp_path)
    assert (ours.returncode, ours.stderr) == (plain.returncode, plain.stderr)
    for arguments in [[], ["-m"], ["--unknown"]]:
        ours = run("-m", "anymetal", *arguments, cwd=tmp_path)
        assert ours.returncode == 2 and ours.stderr.startswith("usage: python -m anymetal")
    assert "usage" in run("-m", "anymetal", "--help", cwd=tmp_path).stdout


def test_mlx_is_anymetal_for_the_process(tmp_path):
    text = """
        import anymetal, anymetal.core, sys

        anymetal.install_as_mlx()
        anymetal.install_as_mlx()
        import mlx
        import mlx.core
        import mlx.core as mx
        from mlx import core
        from mlx.core import array, float32
        import mlx.core.fast as fast
        from mlx.core.random import normal

        assert mx is core is mlx.core is anymetal.core
        assert fast is mx.fast and array is anymetal.core.array
        try:
            import mlx.nothing
        except ModuleNotFoundError as error:
            print(error)
        """
    done = run(write(tmp_path, text), cwd=tmp_path)
    assert done.stderr == "" and done.stdout == "No module named 'mlx.nothing'\n"


def test_the_name_is_not_taken_from_mlx_itself(tmp_path):
    pytest.importorskip("mlx.core")
    text = """
        import mlx.core, anymetal
        try:
            anymetal.install_as_mlx()
        except RuntimeError as error:
            print(error)
        import mlx.core as mx
        print(mx.__name__)
        """
    done = run(write(tmp_path, text), cwd=tmp_path)
    assert done.stdout.startswith("mlx.core is already imported, from ")
    assert done.stdout.endswith("\nmlx.core\n")


EXAMPLES = pathlib.Path(__file__).parents[2] / "examples" / "python"


def assert_runs_both_ways(path, folder):
    """Unchanged under `python -m anymetal`, and with only the import changed."""
    text = path.read_text()
    changed = text.replace("import mlx.core as mx", "import anymetal.core as mx")
    assert changed != text and "mlx.core" not in changed
    for arguments in [["-m", "anymetal", str(path)], [write(folder, changed)]]:
        done = run(*arguments, cwd=folder)
        assert done.returncode == 0, done.stderr
        yield done.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda p: p.stem)
def test_examples_run_unchanged_and_with_the_import_changed(path, tmp_path):
    for output in assert_runs_both_ways(path, tmp_path):
        assert "Error" not in output
