"""Compiles and runs kernels of MLX's own headers with the `anymetal` command."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import ml_dtypes
import mlx
import numpy as np

import families

COMMAND = os.environ.get("ANYMETAL_COMMAND", "target/debug/anymetal")
HEADERS = Path(next(iter(mlx.__path__))) / "include"
DTYPES = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16, "bool": np.bool_,
          "i8": np.int8, "u8": np.uint8, "i16": np.int16, "u16": np.uint16, "i32": np.int32,
          "u32": np.uint32, "i64": np.int64, "u64": np.uint64, "c64": np.complex64}
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
METAL = {"float": "f32", "half": "f16", "bfloat16_t": "bf16", "complex64_t": "c64", "bool": "bool",
         **{f"{'u' * (s == 'u')}int{b}_t": f"{s}{b}" for s in "iu" for b in [8, 16, 32, 64]}}


def metal(name):
    """The numpy type of a Metal type's name."""
    return np.dtype(DTYPES[METAL[name]])


def family(name):
    return next(family for family in families.FAMILIES if family.name == name)


class Failure(Exception):
    """What the command reported."""


def call(folder, program, action, *arguments, constants):
    """Runs the command on a program and returns what it printed as JSON."""
    file = Path(folder) / "program.metal"
    file.write_text(program)
    words = [COMMAND, "--format", "json", action, file, "-I", HEADERS]
    words += [f"--function-constant={index}={value}" for index, value in constants.items()]
    done = subprocess.run([*words, *arguments], capture_output=True, text=True)
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError:
        answer = {}
    if done.returncode != 0:
        errors = [d for d in answer.get("diagnostics", []) if d["severity"] == "error"]
        texts = [f"{place(d)}: {d['message']}" for d in errors]
        texts += [finding["message"] for finding in answer.get("findings", [])]
        texts += [str(answer[key]) for key in ["error"] if answer.get(key)]
        raise Failure("\n".join(texts or [done.stderr or done.stdout or f"exit {done.returncode}"]))
    return answer


def place(diagnostic):
    first = next(iter(diagnostic["places"]), None)
    return f"{first['file']}:{first['line']}" if first else "?"


def check(family, names=None):
    """Compiles the instantiations of a family and returns the names of its kernels."""
    with tempfile.TemporaryDirectory() as folder:
        program = families.source(family, names)
        answer = call(folder, program, "check", constants=family.constants)
        return {kernel["name"] for kernel in answer["kernels"]}


def run(family_name, template, arguments, inputs, outputs, groups, threads, constants=None, bounds="error"):
    """Runs one instantiation and returns its outputs.

    `inputs` are arrays, or numbers of numpy types, by parameter; `outputs` give dtype and shape.
    `groups` counts threadgroups and `threads` the threads of each, per axis.
    """
    own = family(family_name)
    single = families.Family(own.name, own.headers, [(template, tuple(arguments))],
                             own.constants | (constants or {}))
    (kernel,) = single.instantiations()
    grid = [g * t for g, t in zip(groups, threads)]
    with tempfile.TemporaryDirectory() as folder:
        words = ["--kernel", kernel, "--grid", ",".join(map(str, grid)),
                 "--threadgroup", ",".join(map(str, threads)), "--bounds", bounds]
        for name, value in inputs.items():
            array = np.ascontiguousarray(value)
            np.save(f"{folder}/{name}.npy", array)
            words += ["--input", f"{name}={folder}/{name}.npy"]
        for name, (dtype, shape) in outputs.items():
            shape = ",".join(map(str, shape))
            words += ["--output", f"{name}:{NAMES[np.dtype(dtype)]}:{shape}", "-o", f"{folder}/{name}.out.npy"]
        call(folder, families.source(single), "run", *words, constants=single.constants)
        return [np.load(f"{folder}/{name}.out.npy").view(dtype) for name, (dtype, _) in outputs.items()]
