"""The fused operations and custom kernels of ``mlx.core.fast``."""

# Written by `cargo xtask stubs`.

import collections.abc
from collections.abc import Sequence

from anymetal.core import Dtype, StreamOrDevice, array, float32, scalar

def cuda_kernel(
    name: str,
    input_names: collections.abc.Sequence[str],
    output_names: collections.abc.Sequence[str],
    source: str,
    header: str = '',
    ensure_row_contiguous: bool = True,
    shared_memory: int = 0,
) -> object:
    """A kernel in CUDA C++. There is no CUDA back end: an error that says so."""

def layer_norm(
    x: array,
    weight: array | None,
    bias: array | None,
    eps: float,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Layer normalization over the last axis, (x - mean) / sqrt(variance + eps), in float32; then times `weight` plus `bias`, where given."""

def metal_kernel(
    name: str,
    input_names: collections.abc.Sequence[str],
    output_names: collections.abc.Sequence[str],
    source: str,
    header: str = '',
    ensure_row_contiguous: bool = True,
    atomic_outputs: bool = False,
    compile_options: object | None = None,
) -> object:
    """A kernel with the body `source` in Metal Shading Language.

    Inputs and outputs are pointers of their names (a number or 0-d array is a reference); Metal's attributes, such as `thread_position_in_grid`, and `<input>_shape`, `<input>_strides`, `<input>_ndim` can be used by name. `header` is put before the kernel. Nothing is compiled before a call is evaluated. `compile_options` may have `math_mode`: 'safe', 'relaxed' or 'fast'.
    """

def precompiled_cuda_kernel(
    *,
    name: str,
    compiled_source: bytes,
    inputs: collections.abc.Sequence[scalar | array],
    output_shapes: collections.abc.Sequence[collections.abc.Sequence[int]],
    output_dtypes: collections.abc.Sequence[Dtype],
    scalars: collections.abc.Sequence[object],
    grid: tuple[int, int, int],
    threadgroup: tuple[int, int, int],
    shared_memory: int = 0,
    init_value: float | None = None,
    ensure_row_contiguous: bool = False,
    stream: StreamOrDevice = None,
) -> list[array]:
    """Runs a compiled CUDA kernel. There is no CUDA back end: an error that says so."""

def rms_norm(
    x: array, weight: array | None, eps: float, *, stream: StreamOrDevice = None
) -> array:
    """Root mean square normalization over the last axis, x / sqrt(mean(x^2) + eps), in float32; then times `weight`, if there is one."""

def rope(
    a: array,
    dims: int,
    *,
    traditional: bool,
    base: float | None,
    scale: float,
    offset: int | array,
    freqs: array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Rotary position embedding of the first `dims` features of a (B, .., T, D). Pairs are neighbours (`traditional`) or halves; angles are position / freqs, or position * base^(-2i/dims), with position (t + offset) * scale."""

def scaled_dot_product_attention(
    q: array,
    k: array,
    v: array,
    *,
    scale: float,
    mask: None | str | array = None,
    sinks: array | None = None,
    force_fused: bool = False,
    stream: StreamOrDevice = None,
) -> array:
    """softmax(scale * q k^T + mask) v per head, for q (B, Hq, Tq, D), k (B, Hkv, Tk, D) and v (B, Hkv, Tk, Dv); all three may also have rank 3, one head. `mask` is 'causal', a boolean array (True: visible) or one that is added to the scores; `sinks` has one extra logit per query head; `scale` is a number or a 0-d array."""
