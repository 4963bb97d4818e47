"""Writes what real MLX computes into files that the Rust replay reads.

A folder holds `manifest.tsv` and one `GROUP.safetensors` for each group of cases. A line of the
manifest is one case: tab-separated `key=value` fields, always `group`, `id` and `op`; the rest
belongs to the operation. An array argument is one of

- `NAME`, a tensor of the group's file;
- `NAME|VIEW|VIEW...`, that tensor seen through views, so that strides come out as in MLX:
  `transpose:AXES`, `slice:START/STOP/STEP,...` (an empty part is that axis' default),
  `broadcast:SHAPE`;
- `zeros:DTYPE:SHAPE`, where values do not matter.

The outcome is `out=NAME` (with `out2`, ... for more) and a tolerance, or `dtype_out=` where only the
type matters, or `error=CLASS` with `text=`.
Tolerance: `ulp=N` and `size=S` allow an error of N units of the output type's epsilon times
max(|expected|, S); N is 0 where results must be equal. NaN and infinities must match.
"""

import json

import mlx.core as mx
import numpy as np

DTYPES = {
    "bool": mx.bool_,
    "uint8": mx.uint8,
    "uint16": mx.uint16,
    "uint32": mx.uint32,
    "uint64": mx.uint64,
    "int8": mx.int8,
    "int16": mx.int16,
    "int32": mx.int32,
    "int64": mx.int64,
    "float16": mx.float16,
    "bfloat16": mx.bfloat16,
    "float32": mx.float32,
    "float64": mx.float64,
    "complex64": mx.complex64,
}


def dtype_name(dtype):
    return next(name for name, known in DTYPES.items() if known == dtype)


def numbers(values):
    return ",".join(str(v) for v in values)


class Recorder:
    """Collects the cases of all groups."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.lines = []
        self.tensors = {}
        self.counts = {}
        self.group = ""

    def begin(self, group):
        self.group = group
        self.tensors[group] = {}
        self.counts[group] = 0

    def case(self, op, **fields):
        """Adds a case; the fields with value None are left out."""
        self.counts[self.group] += 1
        identity = {"group": self.group, "id": self.identity(), "op": op}
        fields = {k: v for k, v in (identity | fields).items() if v is not None}
        line = "\t".join(f"{k}={text(v)}" for k, v in fields.items())
        assert "\n" not in line, line
        self.lines.append(line)

    def identity(self):
        return f"{self.group}/{self.counts[self.group]}"

    def keep(self, name, array):
        """Stores an array for the next case; returns its name."""
        name = f"{self.counts[self.group] + 1}.{name}"
        self.tensors[self.group][name] = array
        return name

    def normal(self, shape, dtype, spread=1.0):
        """Fresh normal values of an MLX dtype, in MLX's order."""
        values = self.rng.standard_normal(shape) * spread
        if dtype == mx.float64:
            return mx.array(values, dtype=mx.float64)
        return mx.array(values.astype(np.float32)).astype(dtype)

    def view(self, name, shape, dtype, spread=1.0):
        """An argument of `shape`, often strided: returns the array and its text in the manifest."""
        kind = self.rng.integers(5) if shape else 0
        if kind == 0 and len(shape) > 1:
            # Axis `axes[i]` of the base becomes axis i.
            axes = [int(a) for a in self.rng.permutation(len(shape))]
            base = self.normal([shape[axes.index(i)] for i in range(len(shape))], dtype, spread)
            return base.transpose(axes), f"{self.keep(name, base)}|transpose:{numbers(axes)}"
        if kind == 1 and all(shape):
            return self.sliced(name, shape, dtype, spread)
        if kind == 2 and len(shape) > 1 and all(shape):
            base = self.normal([1] + list(shape[1:]), dtype, spread)
            wide = mx.broadcast_to(base, shape)
            return wide, f"{self.keep(name, base)}|broadcast:{numbers(shape)}"
        base = self.normal(shape, dtype, spread)
        return base, self.keep(name, base)

    def sliced(self, name, shape, dtype, spread):
        """A slice with an offset on every axis, and steps of -2 to 3."""
        sizes, parts, index = [], [], []
        for size in shape:
            step = int(self.rng.choice([1, 1, 2, 3, -1, -2]))
            before, after = (int(n) for n in self.rng.integers(0, 3, 2))
            span = (size - 1) * abs(step) + 1
            sizes.append(before + span + after)
            first, last = (before, before + span) if step > 0 else (before + span - 1, before - 1)
            stop = None if last < 0 else last
            parts.append(f"{first}/{'' if stop is None else stop}/{step}")
            index.append(slice(first, stop, step))
        base = self.normal(sizes, dtype, spread)
        view = base[tuple(index)]
        assert list(view.shape) == list(shape), (view.shape, shape)
        return view, f"{self.keep(name, base)}|slice:{','.join(parts)}"

    def write(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        for group, tensors in self.tensors.items():
            if tensors:
                save(folder / f"{group}.safetensors", tensors)
        (folder / "manifest.tsv").write_text("".join(line + "\n" for line in self.lines))


SAFETENSORS = {
    "bool": "BOOL",
    "float16": "F16",
    "bfloat16": "BF16",
    "float32": "F32",
    "float64": "F64",
    "complex64": "C64",
}


def save(path, tensors):
    """A safetensors file; MLX's own writer refuses float64."""
    header, blobs, start = {}, [], 0
    for name, array in tensors.items():
        kind = dtype_name(array.dtype)
        # numpy has no bfloat16.
        plain = array.reshape(-1).view(mx.uint16) if kind == "bfloat16" else array
        blobs.append(np.ascontiguousarray(np.array(plain)).tobytes())
        code = SAFETENSORS.get(kind) or kind.replace("uint", "U").replace("int", "I")
        offsets = [start, start + len(blobs[-1])]
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": offsets}
        start = offsets[1]
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(len(head).to_bytes(8, "little") + head + b"".join(blobs))


def text(value):
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, (list, tuple)):
        return numbers(value)
    return str(value)


def largest(array):
    """The largest finite magnitude, as a Python number; 0 of nothing."""
    values = np.abs(np.array(array.astype(mx.float64, stream=mx.cpu)))
    values = values[np.isfinite(values)]
    return float(values.max()) if values.size else 0.0


def outcome(call):
    """The result of a call and no error, or None and the fields of an error case."""
    try:
        result = call()
        mx.eval(result)
        return result, {}
    except Exception as error:
        return None, {"error": type(error).__name__, "text": str(error)}
