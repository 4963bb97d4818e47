"""anymetal against real MLX.

MLX computes fresh random cases here; the Rust program named by ANYMETAL_PARITY (the example
`parity` of the crate `anymetal`) computes the same and reports. One test per group of cases.
ANYMETAL_TEST_SEED repeats a run; ANYMETAL_TEST_FULL makes it seven times as long.
"""

import os
import pathlib
import subprocess
import tempfile
import time

import mlx.core as mx
import pytest

import cases_attention
import cases_complex
import cases_errors
import cases_kernels
import cases_norms
import cases_promotion
import cases_random
import cases_rope
from recorder import Recorder

mx.set_default_device(mx.cpu)
ROOT = pathlib.Path(__file__).parents[2]
MODULES = [
    cases_norms,
    cases_rope,
    cases_attention,
    cases_complex,
    cases_promotion,
    cases_random,
    cases_errors,
    cases_kernels,
]


def generate(folder, seed, rounds):
    recorder = Recorder(seed)
    for module in MODULES:
        module.record(recorder, rounds)
    recorder.write(folder)
    return recorder.counts


def seed_and_rounds():
    seed = int(os.environ.get("ANYMETAL_TEST_SEED", time.time_ns() % 2**32))
    return seed, 1000 if os.environ.get("ANYMETAL_TEST_FULL") else 150


def program():
    named = os.environ.get("ANYMETAL_PARITY")
    if named:
        return [named]
    return ["cargo", "run", "-q", "-p", "anymetal", "--example", "parity", "--"]


FOLDER = pathlib.Path(os.environ.get("ANYMETAL_PARITY_FOLDER") or tempfile.mkdtemp())
SEED, ROUNDS = seed_and_rounds()
COUNTS = generate(FOLDER, SEED, ROUNDS)


@pytest.fixture(scope="session")
def replay():
    """The lines of the report by group: `pass COUNT`, and `FAIL ...` for each mismatch."""
    command = [*program(), str(FOLDER)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode in (0, 1), done.stderr[-4000:]
    report = {}
    for line in done.stdout.splitlines():
        kind, group, rest = line.split("\t", 2)
        report.setdefault(group, []).append((kind, rest))
    return report


@pytest.mark.parametrize("group", COUNTS)
def test_group(replay, group):
    lines = replay.get(group, [])
    failures = [rest for kind, rest in lines if kind == "FAIL"]
    passed = sum(int(rest) for kind, rest in lines if kind == "pass")
    shown = "\n".join(failures[:20])
    assert not failures, f"seed {SEED}, {len(failures)} of {COUNTS[group]}:\n{shown}"
    assert passed == COUNTS[group], f"seed {SEED}: {passed} of {COUNTS[group]} cases ran"
