"""`anymetal.validate`, on anymetal's arrays and on real MLX's."""

import pytest

import anymetal
import anymetal.core


@pytest.fixture(params=["anymetal.core", "mlx.core"])
def mx(request):
    return pytest.importorskip(request.param)


def test_what_agrees_is_true_and_counted(mx, capsys):
    found = anymetal.validate(
        lambda a, b: mx.fast.rms_norm(a, b, 1e-5),
        lambda a, b: (a * mx.rsqrt(mx.mean(a * a, -1, keepdims=True) + 1e-5)) * b,
        shapes=[((3, 5), (5,)), ((33,), (33,)), ((2, 3, 17), (17,))],
        dtypes=[mx.float32, mx.float16],
        module=mx,
    )
    assert found and 0 < found.largest <= 1
    # (3, 5) has five layouts, (33,) three, (2, 3, 17) five; two dtypes each.
    assert found.cases == 26
    assert capsys.readouterr().out.startswith("<lambda> agrees in 26 cases; largest error 0.")


def test_the_first_difference_has_its_index(mx, capsys):
    def wrong(x):
        # Forgets what comes after a simdgroup's width.
        keep = mx.arange(x.shape[-1]) < 32
        return mx.where(keep, x * 2, x)

    def right(x):
        return x + x

    found = anymetal.validate(wrong, right, [(2, 4), (3, 35)], [mx.float32], module=mx, seed=1)
    assert not found
    assert (found.output, found.index, found.cases) == (0, (0, 32), 5)
    assert found.composed == pytest.approx(2 * found.kernel)
    text = capsys.readouterr().out
    assert "wrong differs in output 0 at (0, 32)" in text and "9 of 105 elements differ" in text
    assert "float32 (3, 35), contiguous; seed 1" in text
    # The same seed, the same values.
    again = anymetal.validate(
        wrong, right, [(2, 4), (3, 35)], [mx.float32], module=mx, seed=1, quiet=True
    )
    assert again.kernel == found.kernel and capsys.readouterr().out == ""


def test_a_kernel_that_ignores_strides_is_caught(mx):
    def ignores(x):
        # What a kernel sees that reads the memory of a reversed array in order.
        return x[..., ::-1] * 1 if x.ndim == 1 and reversed_([x]) else x * 1

    def reversed_(arrays):
        return arrays[0].tolist() == seen.pop()

    seen = []

    def sample(shape, dtype, key):
        x = mx.random.normal(shape, key=key).astype(dtype)
        seen.append(x.tolist()[::-1])
        return x

    found = anymetal.validate(ignores, lambda x: x, [(7,)], [mx.float32], sample=sample, module=mx)
    assert not found and "reversed" in found.case and found.index == (0,)


def test_shapes_dtypes_and_counts_are_compared(mx):
    options = dict(shapes=[(3,)], dtypes=[mx.float16], module=mx, quiet=True)
    found = anymetal.validate(lambda x: x[None], lambda x: x, **options)
    assert (found.kernel, found.composed, found.index) == ((1, 3), (3,), None)
    found = anymetal.validate(lambda x: x.astype(mx.float32), lambda x: x, **options)
    assert (found.kernel, found.composed) == (mx.float32, mx.float16)
    found = anymetal.validate(lambda x: [x, x], lambda x: [x], **options)
    assert not found and (found.kernel, found.composed) == (2, 1)
    found = anymetal.validate(lambda x: (x, x + 1), lambda x: [x, x], **options)
    assert not found and found.output == 1


def test_integers_booleans_and_special_values(mx):
    dtypes = [mx.int32, mx.uint8, mx.bool_, mx.float32]
    assert anymetal.validate(
        lambda x, y: x | y if x.dtype != mx.float32 else x * y,
        lambda x, y: x | y if x.dtype != mx.float32 else x * y,
        dtypes=dtypes,
        module=mx,
        quiet=True,
    )
    found = anymetal.validate(
        lambda x: x + (x > 8), lambda x: x + 0, [(400,)], [mx.int64], module=mx, quiet=True
    )
    assert not found and found.kernel == 10 and found.composed == 9

    def special(shape, dtype, key):
        return mx.array([float("nan"), float("inf"), float("-inf"), 0.0])[: shape[-1]].astype(dtype)

    same = dict(shapes=[(4,)], dtypes=[mx.float32], sample=special, module=mx, quiet=True)
    assert anymetal.validate(lambda x: x * 1, lambda x: x, **same)
    assert anymetal.validate(lambda x: -x, lambda x: x, **same).index == (1,)


def test_an_exception_names_the_case(mx):
    def fails(x):
        raise ValueError("no")

    with pytest.raises(ValueError) as error:
        anymetal.validate(fails, lambda x: x, [(3,)], [mx.float32], module=mx, seed=5)
    (note,) = error.value.__notes__
    assert "float32 (3,), contiguous; seed 5" in note


def test_tolerance(mx):
    near = dict(shapes=[(9,)], dtypes=[mx.float32], module=mx, quiet=True)
    assert not anymetal.validate(lambda x: x * 1.001, lambda x: x, **near)
    assert anymetal.validate(lambda x: x * 1.001, lambda x: x, **near, tolerance=1e-3)
