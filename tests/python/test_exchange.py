"""Arrays shared with other libraries: copies, DLPack, the buffer protocol, who owns what."""

import array as python_array
import gc
import random
import subprocess
import sys
import weakref

import numpy as np
import pytest

import anymetal.core as mx

SEED = random.randrange(2**32)
rng = np.random.default_rng(SEED)
print("seed", SEED)

DTYPES = [
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16",
    "float32", "float64", "complex64",
]  # fmt: skip


def fresh(dtype, shape=(3, 4, 5)):
    values = rng.integers(0, 100, shape)
    if dtype == "bool":
        values = values % 2
    return values.astype(dtype)


def same(ours, theirs):
    assert ours.shape == theirs.shape
    np.testing.assert_array_equal(np.array(ours.tolist()).reshape(theirs.shape), theirs)


@pytest.mark.parametrize("dtype", DTYPES)
def test_array_copies_numpy_arrays_of_any_strides(dtype):
    whole = fresh(dtype, (4, 6, 10))
    views = [
        whole,
        whole.T,
        whole[::-1, ::2, ::-3],
        whole[1:2],
        whole[:, :0],
        np.asfortranarray(whole),
        np.broadcast_to(whole[0], (3, 6, 10)),
        whole[0, 0, 0],
        whole[0, 0, 0:1],
    ]
    for view in views:
        ours = mx.array(view)
        expected = "float32" if dtype == "float64" else dtype
        assert str(ours.dtype).removeprefix("mlx.core.") in (expected, expected + "_")
        same(ours, np.asarray(view))
    before = whole.copy()
    ours = mx.array(whole)
    whole[:] = 0
    same(ours, before)


@pytest.mark.parametrize("dtype", ["int16", "uint32", "int64", "float16", "float32", "float64"])
def test_array_copies_numbers_of_the_other_byte_order_and_misaligned_ones(dtype):
    values = fresh(dtype)
    same(mx.array(values.astype(np.dtype(dtype).newbyteorder(">"))), values)
    same(mx.array(values.astype(np.dtype(dtype).newbyteorder("<"))), values)
    raw = np.zeros(values.nbytes + 1, np.uint8)
    odd = raw[1:].view(dtype).reshape(values.shape)
    odd[:] = values
    same(mx.array(odd), values)
    fields = np.zeros(7, np.dtype([("a", "u1"), ("b", dtype)]))
    fields["b"] = fresh(dtype, (7,))
    same(mx.array(fields["b"]), fields["b"])


def test_array_copies_other_buffers_and_scalars():
    assert mx.array(b"abc").tolist() == [97, 98, 99]
    assert mx.array(bytearray(b"ab")).dtype == mx.uint8
    assert mx.array(memoryview(b"ab")).tolist() == [97, 98]
    doubles = mx.array(python_array.array("d", [1.5, 2.5]))
    assert doubles.dtype == mx.float32 and doubles.tolist() == [1.5, 2.5]
    assert mx.array(np.float64(0.5)).dtype == mx.float32
    assert mx.array(np.int64(3)).dtype == mx.int64
    assert mx.array(np.bool_(True)).dtype == mx.bool_
    assert mx.array(np.uint64(2**63)).item() == 2**63
    big = mx.array(np.array([1 + 2j, 3 - 4j], np.complex128)[::-1])
    assert big.dtype == mx.complex64 and big.tolist() == [3 - 4j, 1 + 2j]


def test_float64_keeps_its_digits_when_asked_to():
    values = np.array([0.1, 1 / 3])
    assert mx.array(values, mx.float64).tolist() == values.tolist()
    assert mx.asarray(values, dtype=mx.float64).tolist() == values.tolist()


@pytest.mark.parametrize(
    "value",
    [
        np.array(["a"]),
        np.array([object()]),
        np.array([np.datetime64("2020")]),
        np.zeros(2, np.dtype([("a", "i4"), ("b", "f4")])),
    ],
)
def test_elements_that_are_no_numbers_are_refused(value):
    with pytest.raises((ValueError, TypeError)):
        mx.array(value)


def test_bfloat16_of_ml_dtypes():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    values = np.array([[1.5, -2.0], [3.0, 1e30]], ml_dtypes.bfloat16)
    ours = mx.array(values)
    assert ours.dtype == mx.bfloat16
    assert ours.tolist() == values.astype(np.float32).tolist()
    assert mx.array(values.T).tolist() == values.T.astype(np.float32).tolist()
    assert mx.array(ml_dtypes.bfloat16(2.5)).item() == 2.5
    shared = mx.asarray(values, copy=False)
    back = np.asarray(shared)
    assert back.dtype == ml_dtypes.bfloat16
    assert np.shares_memory(back, values)
    assert np.array(ours).astype(np.float32).tolist() == ours.tolist()
    with pytest.raises(BufferError, match="ml_dtypes"):
        memoryview(ours)


@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_is_shared_in_both_directions(dtype):
    values = fresh(dtype)
    for view in [values, values.T, values[::-1, ::2], values[1:, :, 3:], values[:, :0]]:
        for ours in [mx.asarray(view, copy=False), mx.from_dlpack(view, copy=False)]:
            same(ours, view)
            back = np.asarray(ours)
            assert back.dtype == view.dtype
            if view.size:
                assert np.shares_memory(back, view)
                assert not back.flags.writeable
            dl = np.from_dlpack(ours)
            np.testing.assert_array_equal(dl, view)
    ours = mx.asarray(values, copy=False)
    values[0, 0, 0] = values[0, 0, 0] == 0
    same(ours, values)
    assert mx.from_dlpack(values, copy=True).tolist() == values.tolist()


def test_sharing_says_why_it_cannot():
    swapped = np.arange(3).astype(">i4")
    with pytest.raises(ValueError, match="order"):
        mx.asarray(swapped, copy=False)
    odd = np.zeros(9, np.uint8)[1:].view(np.float32)
    with pytest.raises(ValueError, match="aligned"):
        mx.from_dlpack(odd, copy=False)
    assert mx.from_dlpack(odd).shape == (2,)
    with pytest.raises(ValueError, match="complex128"):
        mx.asarray(np.zeros(2, complex), copy=False)
    with pytest.raises(ValueError, match="requested dtype"):
        mx.asarray(np.zeros(2, np.float32), dtype=mx.int32, copy=False)
    with pytest.raises(ValueError, match="without a copy"):
        mx.asarray([1, 2], copy=False)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        mx.from_dlpack([1, 2])


def test_read_only_exporters():
    values = np.arange(4.0, dtype=np.float32)
    values.flags.writeable = False
    ours = mx.asarray(values, copy=False)
    assert not np.asarray(ours).flags.writeable
    with pytest.raises(BufferError, match="read-only"):
        ours.__dlpack__(copy=False)
    same(mx.from_dlpack(values), values)
    capsule = ours.__dlpack__(max_version=(1, 0))
    assert "dltensor_versioned" in repr(capsule)
    # Without a version the consumer would take it for writable, so it gets a copy.
    copied = mx.from_dlpack(ours.__dlpack__())
    assert copied.tolist() == values.tolist()


def test_our_memory_is_lent_for_writing():
    x = mx.array([1.0, 2.0, 3.0])
    view = np.array(x, copy=False)
    assert view.flags.writeable
    view[0] = 7
    assert x.tolist() == [7, 2, 3]
    assert np.shares_memory(view, np.asarray(x))
    assert memoryview(x).format == "f"
    assert memoryview(mx.array([[1, 2], [3, 4]])).shape == (2, 2)


def test_exported_memory_stays_as_it_is():
    x = mx.array(np.arange(1000, dtype=np.float32))
    view = np.asarray(x)
    # Without the export the sum could be computed in x's memory.
    y = x + 1
    del x
    gc.collect()
    mx.eval(y)
    np.testing.assert_array_equal(view, np.arange(1000, dtype=np.float32))
    tensor = (y * 2).__dlpack__()
    del y
    back = mx.from_dlpack(tensor)
    z = back * 0
    mx.eval(z)
    np.testing.assert_array_equal(np.asarray(back), 2 * (view + 1))


def test_capsules_are_consumed_once():
    capsule = mx.array([1, 2]).__dlpack__()
    assert mx.from_dlpack(capsule).tolist() == [1, 2]
    with pytest.raises(BufferError, match="consumed"):
        mx.from_dlpack(capsule)
    # One that nobody consumes is given back by its own destructor.
    del capsule
    mx.array([1, 2]).__dlpack__(max_version=(1, 1))
    gc.collect()


def test_devices_other_than_the_cpu_are_refused():
    class OnCuda:
        def __dlpack_device__(self):
            return (2, 1)

        def __dlpack__(self, **_):
            raise AssertionError("not asked for")

    with pytest.raises(ValueError, match="CUDA"):
        mx.from_dlpack(OnCuda())
    with pytest.raises(BufferError, match="CPU"):
        mx.array(1).__dlpack__(dl_device=(2, 0))
    assert mx.array(1).__dlpack_device__() == (1, 0)


def test_producers_from_before_version_1():
    class Old:
        def __init__(self, values):
            self.values = values

        def __dlpack_device__(self):
            return (1, 0)

        def __dlpack__(self, stream=None):
            return self.values.__dlpack__()

    values = np.arange(6, dtype=np.int32).reshape(2, 3)[:, 1:]
    ours = mx.from_dlpack(Old(values))
    same(ours, values)
    assert np.shares_memory(np.asarray(ours), values)


def test_exceptions_of_producers_come_through():
    class Broken:
        def __dlpack_device__(self):
            return (1, 0)

        def __dlpack__(self, **_):
            raise KeyError("no tensor today")

    with pytest.raises(KeyError, match="no tensor today"):
        mx.from_dlpack(Broken())


def test_owners_are_kept_and_given_back():
    class Owner(np.ndarray):
        pass

    values = np.arange(5, dtype=np.float32).view(Owner)
    alive = weakref.ref(values)
    ours = mx.asarray(values, copy=False)
    part = ours + 0
    del values
    gc.collect()
    assert alive() is not None
    del ours
    assert part.tolist() == [0, 1, 2, 3, 4]
    del part
    gc.collect()
    assert alive() is None
    # A view that is exported on keeps the first owner alive.
    values = np.arange(5, dtype=np.float32).view(Owner)
    alive = weakref.ref(values)
    out = np.asarray(mx.asarray(values, copy=False))
    del values
    gc.collect()
    assert alive() is not None and out[4] == 4
    del out
    gc.collect()
    mx.array(0)
    assert alive() is None


def test_owners_dropped_by_the_worker_are_given_back():
    class Owner(np.ndarray):
        pass

    alive = []
    for i in range(20):
        values = np.full(1000, i, np.float32).view(Owner)
        alive.append(weakref.ref(values))
        total = mx.asarray(values, copy=False) * 2
        mx.async_eval(total)
        del values
        assert total.tolist()[0] == 2 * i
        del total
    gc.collect()
    mx.eval(mx.array(1) + 1)
    assert all(a() is None for a in alive)


def test_results_of_arrays_of_this_module():
    x = mx.array([1, 2])
    assert mx.asarray(x) is not None
    assert np.shares_memory(np.asarray(mx.from_dlpack(x)), np.asarray(x))
    assert not np.shares_memory(np.asarray(mx.from_dlpack(x, copy=True)), np.asarray(x))
    assert not np.shares_memory(np.asarray(mx.asarray(x, copy=True)), np.asarray(x))
    assert mx.asarray(2.5).dtype == mx.float32
    assert mx.asarray([1, 2]).dtype == mx.int32


def test_numpy_conversions():
    x = mx.array([[1.0, 2.0], [3.0, 4.0]])
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert np.array(x).flags.owndata
    assert (np.array([1.0, 2.0], np.float32) + x).tolist() == [[2, 4], [4, 6]]
    # Mapping over nothing that moves the axis: a view with exchanged strides.
    transposed = mx.vmap(lambda row: row, out_axes=1)(x)
    strided = np.asarray(transposed)
    assert strided.strides == (4, 8) and strided.tolist() == [[1, 3], [2, 4]]
    with pytest.raises(ValueError):
        x.__array__(dtype=np.float64, copy=False)


def test_mlx_arrays():
    mlx = pytest.importorskip("mlx.core")
    for dtype in ["bool_", "int32", "uint8", "float16", "float32", "bfloat16", "complex64"]:
        theirs = mlx.array([[1, 0, 3], [4, 5, 6]]).astype(getattr(mlx, dtype))
        mlx.eval(theirs)
        for ours in [mx.array(theirs), mx.from_dlpack(theirs), mx.asarray(theirs, copy=False)]:
            assert ours.dtype == getattr(mx, dtype)
            assert ours.tolist() == theirs.tolist()
        if dtype == "bfloat16":
            continue
        back = mlx.array(ours)
        assert back.dtype == theirs.dtype and back.tolist() == theirs.tolist()
    bits = mx.from_dlpack(mlx.array([1.5], mlx.bfloat16))
    assert mlx.from_dlpack(bits).tolist() == [1.5]


def test_eight_threads_evaluate_export_and_drop(on_threads):
    shared = mx.array(np.arange(64, dtype=np.float32))

    def work(i):
        for k in range(100):
            values = np.full(64, i * 1000 + k, np.float32)
            mine = mx.asarray(values, copy=False)
            both = mine + shared
            if k % 3 == 0:
                mx.async_eval(both)
            view = np.asarray(both)
            tensor = mx.from_dlpack(both.__dlpack__(max_version=(1, 0)))
            del both, mine
            np.testing.assert_array_equal(view, values + np.arange(64, dtype=np.float32))
            assert tensor.tolist() == view.tolist()

    on_threads(work)


def test_exit_with_work_pending():
    script = """
import numpy as np
import anymetal.core as mx
kept = []
for i in range(50):
    values = np.random.default_rng(i).random(200_000, dtype=np.float32)
    x = mx.asarray(values, copy=False)
    for _ in range(20):
        x = mx.exp(x * 1.0001 + 0.5) if i % 2 else x * 1.0001 + 0.5
    mx.async_eval(x)
    kept.append((x, np.asarray(mx.asarray(values, copy=False))))
print("end")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "end\n" and done.stderr == ""
