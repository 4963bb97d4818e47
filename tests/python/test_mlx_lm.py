"""Kernels that mlx-lm ships, on the bridge, against mlx-lm's own plain operations.

mlx-lm is installed without its dependencies: the modules with kernels need only MLX. Importing the
package itself would import transformers, so its submodules are imported past it.
"""

import importlib
import importlib.util
import sys
import types

import numpy as np
import pytest

mx = pytest.importorskip("mlx.core")
LM = importlib.util.find_spec("mlx_lm")
if LM is None:
    pytest.skip("mlx-lm is not installed", allow_module_level=True)

import anymetal.mlx


@pytest.fixture(scope="module", autouse=True)
def seed():
    seed = np.random.SeedSequence().entropy % 2**32
    print(f"seed {seed}")
    mx.random.seed(seed)


@pytest.fixture(scope="module")
def lm():
    """Imports modules of mlx-lm, which create their kernels if they believe in Metal."""
    package = types.ModuleType("mlx_lm")
    package.__path__ = list(LM.submodule_search_locations)
    sys.modules["mlx_lm"] = package
    with anymetal.mlx.enable(claim_metal=True):
        yield lambda name: importlib.import_module(f"mlx_lm.{name}")
    for name in [n for n in sys.modules if n.split(".")[0] == "mlx_lm"]:
        del sys.modules[name]


def close(ours, theirs, dtype, factor=1):
    """Within a share of the largest value: sums in another order, one rounding at the end.

    The composed operations round to the dtype at every step, so a half result may be several of
    its units away; float32 sums of some hundred products lose a few bits.
    """
    share = {mx.float32: 2e-5, mx.float16: 4e-3, mx.bfloat16: 3e-2}[dtype] * factor
    ours, theirs = (np.array(a.astype(mx.float32)) for a in (ours, theirs))
    assert np.isfinite(theirs).all()
    assert np.abs(ours - theirs).max() <= share * np.abs(theirs).max()


def normal(*shape, dtype=mx.float32):
    return mx.random.normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16], ids=str)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize("Dk, Dv, Hk, Hv", [(64, 16, 2, 4), (128, 24, 1, 2)])
def test_gated_delta(lm, dtype, masked, vector, Dk, Dv, Hk, Hv):
    gated_delta = lm("models.gated_delta")
    B, T = 2, 5
    q, k = (normal(B, T, Hk, Dk, dtype=dtype) / Dk**0.5 for _ in "qk")
    v = normal(B, T, Hv, Dv, dtype=dtype)
    g = mx.sigmoid(normal(B, T, Hv, *([Dk] if vector else [])) + 2)
    beta = mx.sigmoid(normal(B, T, Hv, dtype=dtype))
    state = normal(B, Hv, Dv, Dk)
    mask = mx.array([[True] * T, [True] * 3 + [False] * 2]) if masked else None
    ours = gated_delta.gated_delta_kernel(q, k, v, g, beta, state, mask)
    # The definition in float32: the kernel's own sums are.
    wide = (a.astype(mx.float32) for a in (q, k, v, g, beta, state))
    theirs = gated_delta.gated_delta_ops(*wide, mask)
    y, expected = ours[0], theirs[0]
    if masked:
        expected = mx.where(mask[..., None, None], expected, 0)
    close(y, expected, dtype)
    close(ours[1], theirs[1], mx.float32)


def test_gated_delta_variants_agree_bit_for_bit(lm):
    gated_delta = lm("models.gated_delta")
    B, T, Hk, Hv, Dk, Dv = 1, 4, 1, 2, 128, 16
    q, k = (normal(B, T, Hk, Dk, dtype=mx.bfloat16) / Dk**0.5 for _ in "qk")
    v = normal(B, T, Hv, Dv, dtype=mx.bfloat16)
    g = mx.sigmoid(normal(B, T, Hv) + 2)
    beta = mx.sigmoid(normal(B, T, Hv, dtype=mx.bfloat16))
    state = normal(B, Hv, Dv, Dk)
    packed = gated_delta.gated_delta_kernel(q, k, v, g, beta, state)
    # mlx-lm promises that both reduce in the same order.
    tree = gated_delta.gated_delta_kernel_xtree(q, k, v, g, beta, state)
    for a, b in zip(packed, tree):
        assert mx.array_equal(a, b)


@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16], ids=str)
@pytest.mark.parametrize("groups", [1, 2])
def test_ssm(lm, dtype, groups):
    ssm = lm("models.ssm")
    n, h, d, ds = 2, 4, 16, 64
    x, dt = normal(n, 1, h, d, dtype=dtype), normal(n, 1, h, dtype=dtype)
    B, C = (normal(n, 1, groups, ds, dtype=dtype) for _ in "BC")
    A_log, D, dt_bias = (normal(h, dtype=dtype) for _ in range(3))
    state = normal(n, h, d, ds, dtype=dtype)
    limit = (0.001, 100.0)
    ours = ssm.ssm_update_kernel(x, A_log, B, C, D, dt, dt_bias, state, limit)
    wide = (a.astype(mx.float32) for a in (x, A_log, B, C, D, dt, dt_bias, state))
    theirs = ssm.ssm_attn(*wide, limit)
    close(ours[0], theirs[0], dtype)
    close(ours[1], theirs[1], dtype)


@pytest.mark.parametrize("dtype", [mx.float32, mx.float16], ids=str)
def test_rms_norm_with_a_gate(lm, dtype):
    kernels = lm("kernels.rms_norm_sigmoid_gate")
    B, H, L, D = 2, 3, 5, 48
    # Strided: the kernel asks for the arrays as they are.
    x = normal(B, L, H, D, dtype=dtype).transpose(0, 2, 1, 3)
    gate = normal(B, L, 2 * H * D, dtype=dtype)[..., ::2]
    ours = kernels.rms_norm_sigmoid_gate(x, gate, eps=1e-5)
    y = mx.fast.rms_norm(x.astype(mx.float32), None, 1e-5).transpose(0, 2, 1, 3)
    theirs = y.reshape(B, L, H * D) * mx.sigmoid(gate.astype(mx.float32))
    close(ours, theirs, dtype)


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16], ids=str)
@pytest.mark.parametrize("offset", [3, [0, 7]])
def test_norms_of_queries_and_keys_with_rope(lm, dtype, offset):
    kernels = lm("kernels.qk_norm_rope")
    B, L, HQ, HK, D = 2, 5, 4, 2, 64
    qkvg = normal(B, L, 2 * (HQ + HK) * D, dtype=dtype)
    offset = mx.array(offset) if isinstance(offset, list) else offset
    options = dict(n_heads=HQ, n_kv_heads=HK, head_dim=D, eps=1e-5, query_scale=0.5)
    ours = kernels.qk_norm_rope(qkvg, **options, rope_base=10000.0, offset=offset)
    heads = qkvg.astype(mx.float32)[..., : (HQ + HK) * D].reshape(B, L, HQ + HK, D)
    y = mx.fast.rms_norm(heads, None, 1e-5) * mx.array([0.5] * HQ + [1.0] * HK)[:, None]
    rotated = mx.fast.rope(
        y.swapaxes(1, 2), D, traditional=True, base=10000.0, scale=1.0, offset=offset
    ).swapaxes(1, 2)
    close(ours[0], rotated[:, :, :HQ], dtype)
    close(ours[1], rotated[:, :, HQ:], dtype)
