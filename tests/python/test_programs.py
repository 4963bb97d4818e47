"""Programs written for ``mlx.core``, run under MLX and, unchanged, under anymetal.

`docs/compat-programs.md` reports the numbers; ANYMETAL_WRITE_REPORT=1 rewrites it.
"""

import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree

import pytest

PROGRAMS = pathlib.Path(__file__).parent / "programs"
REPORT = pathlib.Path(__file__).parents[2] / "docs" / "compat-programs.md"
NAMES = sorted(path.stem for path in PROGRAMS.glob("*.py"))
COUNTS = {}
# What anymetal does not do yet: tests that fail, each for want of a name.
ABSENT = {
    "arrays": {
        "test_order": "sort",
        "test_running_sums": "cumsum",
        "test_sums_over_named_axes": "einsum",
    }
}


def outcome(name, folder, *command):
    """What each test of a program came to, run by a command that takes pytest's arguments."""
    path = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    report = folder / "report.xml"
    program = str(PROGRAMS / f"{name}.py")
    options = ["-q", "-p", "no:cacheprovider", f"--rootdir={folder}", f"--junitxml={report}"]
    done = subprocess.run(
        [sys.executable, *command, *options, program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    cases = {}
    if report.exists():
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            bad = [e for e in case if e.tag in ("failure", "error")]
            cases[case.get("name")] = bad[0].get("message") if bad else None
    assert cases, done.stdout + done.stderr
    return cases


@pytest.mark.parametrize("name", NAMES)
def test_a_program_runs_unchanged(name, tmp_path):
    text = (PROGRAMS / f"{name}.py").read_text()
    assert "import mlx.core as mx" in text and "import anymetal" not in text
    ours = outcome(name, tmp_path, "-m", "anymetal", "-m", "pytest")
    COUNTS[name] = [len(ours), sum(error is None for error in ours.values()), None]
    failed = {case: error for case, error in ours.items() if error}
    absent = ABSENT.get(name, {})
    assert failed.keys() == absent.keys(), failed
    for case, missing in absent.items():
        # Said in so many words.
        assert f"mlx.core has {missing}, and anymetal.core does not have it yet" in failed[case]


@pytest.mark.parametrize("name", NAMES)
def test_a_program_is_right_about_mlx(name, tmp_path):
    pytest.importorskip("mlx.core")
    theirs = outcome(name, tmp_path, "-m", "pytest", "-p", "anymetal.mlx")
    COUNTS[name][2] = sum(error is None for error in theirs.values())
    assert {case: error for case, error in theirs.items() if error} == {}


def test_the_report_has_these_numbers():
    if set(COUNTS) != set(NAMES) or any(None in row for row in COUNTS.values()):
        pytest.skip("not every program was run")
    text = REPORT.read_text()
    for case, missing in [pair for cases in ABSENT.values() for pair in cases.items()]:
        assert f"`{case}`: `{missing}`" in text
    rows = ["| program | tests | pass under anymetal | pass under MLX 0.32 |", "|---|---|---|---|"]
    total = [sum(column) for column in zip(*COUNTS.values())]
    for name, counts in [*sorted(COUNTS.items()), ("all", total)]:
        shown = f"[{name}](../tests/python/programs/{name}.py)" if name != "all" else "**all**"
        rows.append(f"| {shown} | " + " | ".join(map(str, counts)) + " |")
    table = "\n".join(rows)
    start, end = text.index("| program |"), text.index("\n\n", text.index("| program |"))
    if os.environ.get("ANYMETAL_WRITE_REPORT"):
        REPORT.write_text(text[:start] + table + text[end:])
    else:
        assert text[start:end] == table
