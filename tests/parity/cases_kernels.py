"""The program that MLX generates around the body of a custom kernel.

A call inside `mx.export_function` is recorded without a GPU, and `verbose` prints what it would
compile. Texts are stored as bytes: `source`, `header` and the outcome.
"""

import ctypes
import os
import tempfile

import mlx.core as mx
import numpy as np

from recorder import DTYPES, numbers

ATTRIBUTES = """dispatch_quadgroups_per_threadgroup dispatch_simdgroups_per_threadgroup
    dispatch_threads_per_threadgroup grid_origin grid_size quadgroup_index_in_threadgroup
    quadgroups_per_threadgroup simdgroup_index_in_threadgroup simdgroups_per_threadgroup
    thread_execution_width thread_index_in_quadgroup thread_index_in_simdgroup
    thread_index_in_threadgroup thread_position_in_grid thread_position_in_threadgroup
    threadgroup_position_in_grid threadgroups_per_grid threads_per_grid threads_per_simdgroup
    threads_per_threadgroup thread_position_in_quadgroup""".split()
TYPES = [name for name in DTYPES if name != "float64"]
SHAPES = [(), (1,), (7,), (8,), (0,), (7, 1), (2, 4), (3, 0), (2, 3, 5)]


def record(recorder, rounds):
    recorder.begin("kernel-source")
    for _ in range(rounds):
        random_case(recorder, recorder.rng)


def random_case(recorder, rng):
    pick = lambda values: values[int(rng.integers(len(values)))]
    ins = ["a", "b_1", "xy"][: int(rng.integers(0, 4))]
    outs = ["out", "o2"][: int(rng.integers(1, 3))]
    arrays = [mx.zeros(pick(SHAPES), dtype=DTYPES[pick(TYPES)]) for _ in ins]
    dtypes = [pick(TYPES) for _ in outs]
    template = []
    for name in ["T", "N", "FLAG"][: int(rng.integers(0, 4))]:
        kind = int(rng.integers(3))
        template.append((name, [pick(TYPES), int(rng.integers(-9, 99)), bool(rng.integers(2))][kind]))
    attributes = [name for name in ATTRIBUTES if rng.random() < 0.2]
    tables = [f"{n}_{what}" for n in ins for what in ["shape", "strides", "ndim"] if rng.random() < 0.4]
    # With several outputs and no attribute MLX closes the list of parameters early; not copied.
    attributes = attributes or ["grid_size"]
    # Substrings and comments count.
    source = f"// {' '.join(tables)} z{' z'.join(attributes)}\nout[0] = 1;{pick(['', chr(10)])}"
    header = pick(["", "// no newline", "#define K 1\n"])
    atomic = bool(rng.integers(2))
    kernel = mx.fast.metal_kernel(
        name="kernel_1",
        input_names=ins,
        output_names=outs,
        source=source,
        header=header,
        atomic_outputs=atomic,
    )
    values = [(name, DTYPES.get(value, value)) for name, value in template]
    call = lambda *given: kernel(
        inputs=list(given),
        output_shapes=[(2,)] * len(outs),
        output_dtypes=[DTYPES[name] for name in dtypes],
        grid=(1, 1, 1),
        threadgroup=(1, 1, 1),
        template=values,
        verbose=True,
    )
    lead = "Generated source code for `kernel_1`:\n```\n"
    printed = recorded(call, arrays)
    assert printed.startswith(lead) and printed.endswith("\n```\n"), printed
    keep = lambda name, text: recorder.keep(name, mx.array(np.frombuffer(text.encode(), np.uint8)))
    of = lambda array: next(name for name in DTYPES if DTYPES[name] == array.dtype)
    recorder.case(
        "kernel_source",
        source=keep("source", source),
        header=keep("header", header) if header else None,
        inputs=";".join(f"{n}:{of(a)}:{numbers(a.shape)}" for n, a in zip(ins, arrays)),
        outputs=";".join(f"{name}:{dtype}" for name, dtype in zip(outs, dtypes)),
        template=";".join(f"{name}:{plain(value)}" for name, value in template),
        atomic=atomic,
        out=keep("out", printed.removeprefix(lead).removesuffix("\n```\n")),
        ulp=0,
        size=0,
    )


def plain(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def recorded(call, arrays):
    """What MLX prints while it records a call."""
    libc = ctypes.CDLL(None)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as printed:
        libc.fflush(None)
        before = os.dup(1)
        os.dup2(printed.fileno(), 1)
        try:
            mx.export_function(os.path.join(folder, "call.mlxfn"), call, *arrays)
        finally:
            libc.fflush(None)
            os.dup2(before, 1)
            os.close(before)
        printed.seek(0)
        return printed.read().decode()
