"""Random index expressions, read and written, against real MLX and NumPy."""

import numpy as np
import pytest
from peers import DTYPES, Twin, check, generator, ours, run, theirs, twin

SHAPES = [(5,), (1,), (3, 4), (2, 3, 4), (1, 3, 1), (2, 1, 3, 2), (4, 2)]


class Positions:
    """An integer array or list in an index expression."""

    def __init__(self, content, shape, dtype, as_list):
        self.content, self.shape, self.dtype, self.as_list = content, shape, dtype, as_list

    def on(self, module):
        if self.as_list:
            return self.content
        return module.array(self.content, getattr(module, self.dtype))

    def __repr__(self):
        return f"{self.content}" if self.as_list else f"array({self.content}, {self.dtype})"


def expression(rng, shape, arrays=True):
    """Entries for some axes of a shape, an ellipsis and new axes among them."""
    ndim = len(shape)
    count = rng.randint(0, ndim)
    ellipsis = rng.random() < 0.35
    split = rng.randint(0, count) if ellipsis else count
    axes = [*range(split), *range(ndim - (count - split), ndim)]
    together = rng.choice([(), (2,), (3,), (2, 2)])
    entries = []
    for at, axis in enumerate(axes):
        if ellipsis and at == split:
            entries.append(...)
        if rng.random() < 0.12:
            entries.append(None)
        entries.append(entry(rng, shape[axis], together if arrays else None))
    if ellipsis and split == count:
        entries.append(...)
    if rng.random() < 0.12:
        entries.append(None)
    return tuple(entries)


def entry(rng, n, together):
    kind = rng.random()
    if kind < 0.3:
        return rng.randint(-n, n - 1)
    if kind < 0.7 or together is None:
        limit = lambda: rng.choice([None, rng.randint(-n - 2, n + 2)])  # noqa: E731
        return slice(limit(), limit(), rng.choice([None, 1, 2, 3, -1, -2]))
    shape = tuple(m if rng.random() < 0.8 else 1 for m in together)
    dtype = rng.choice(["int32", "int64", "uint32", "int8"])
    content = (
        np.random.RandomState(rng.randrange(2**32)).randint(0 if dtype[0] == "u" else -n, n, shape)
    ).tolist()
    return Positions(content, shape, dtype, bool(shape) and rng.random() < 0.2)


def on(module, entries):
    # MLX takes the array protocol's positions only as its own arrays.
    return tuple(e.on(module) if isinstance(e, Positions) else e for e in entries)


def numpy_index(entries):
    return tuple(np.array(e.content) if isinstance(e, Positions) else e for e in entries)


def test_reading():
    rng = generator("reading")
    for _ in range(1500):
        a = twin(rng, rng.choice(SHAPES), rng.choice(DTYPES))
        entries = expression(rng, a.shape)
        check(lambda m, a: a[on(m, entries)], a, label=f"a[{entries}]")
        if len(entries) == 1:
            check(lambda m, a: a[on(m, entries)[0]], a, label=f"a[{entries[0]}]")


def test_reading_without_arrays_is_numpy_s():
    rng = generator("reading numpy")
    for _ in range(500):
        shape = rng.choice(SHAPES)
        a = np.arange(int(np.prod(shape))).reshape(shape)
        entries = expression(rng, shape, arrays=False)
        found = ours.array(a.tolist())[entries]
        expected = a[entries]
        assert found.shape == expected.shape, entries
        assert found.tolist() == expected.tolist(), entries


def test_arrays_side_by_side_are_numpy_s():
    rng = generator("arrays numpy")
    for _ in range(300):
        shape = rng.choice(SHAPES)
        a = np.arange(int(np.prod(shape))).reshape(shape)
        entries = expression(rng, shape)
        # Whether an ellipsis for no axis separates arrays is where MLX and NumPy differ.
        if None in entries or ... in entries:
            continue
        found = ours.array(a.tolist())[on(ours, entries)]
        expected = a[numpy_index(entries)]
        assert found.shape == expected.shape, entries
        assert found.tolist() == expected.tolist(), entries


def distinct(shape, entries):
    """Whether no element is named twice."""
    places = np.arange(int(np.prod(shape))).reshape(shape)[numpy_index(entries)]
    return len(np.unique(places)) == places.size


def new_axes_among_arrays(entries):
    """MLX refuses values written so, or puts them elsewhere than it reads."""
    return None in entries and any(isinstance(e, Positions) for e in entries)


def separated(entries):
    """Whether index arrays, and numbers beside them, stand apart or beside an ellipsis.

    MLX often refuses values then.
    """
    advanced = [isinstance(e, (Positions, int)) for e in entries]
    if not any(isinstance(e, Positions) for e in entries):
        return False
    if ... in entries:
        return True
    first, last = advanced.index(True), len(advanced) - advanced[::-1].index(True)
    return not all(advanced[first:last])


def test_what_is_written_is_read_again():
    rng = generator("writing and reading")
    for _ in range(800):
        shape = rng.choice(SHAPES)
        entries = expression(rng, shape)
        if not distinct(shape, entries):
            continue
        size = int(np.prod(shape))
        a = ours.arange(size).reshape(shape)
        index = on(ours, entries)
        part = a[index]
        value = ours.arange(part.size).reshape(part.shape) - 1000
        before = set(np.ravel(part.tolist()).tolist())
        a[index] = value
        assert a[index].tolist() == value.tolist(), entries
        rest = [x for x in np.ravel(a.tolist()).tolist() if x >= 0]
        assert rest == [x for x in range(size) if x not in before], entries


def test_writing():
    rng = generator("writing")
    for _ in range(1500):
        a = twin(rng, rng.choice(SHAPES), rng.choice(DTYPES))
        entries = expression(rng, a.shape)
        if not distinct(a.shape, entries) or new_axes_among_arrays(entries) or separated(entries):
            continue
        # MLX and NumPy disagree on where separated arrays put their axes: ask MLX.
        target = theirs.zeros(a.shape)[on(theirs, entries)].shape
        if 0 in target:
            continue
        value = [n if rng.random() < 0.8 else 1 for n in target][rng.randint(0, len(target)) :]
        value = rng.choice(
            [
                twin(rng, value, rng.choice([a.dtype, a.dtype, "float32", "int32"]), low=0.0),
                rng.choice([1, 2.5, True]),
            ]
        )

        def write(m, a, v):
            before = a
            a[on(m, entries)] = v
            assert a is before
            return a

        check(write, a, value, label=f"a[{entries}] = {value}")


def test_writing_with_masks():
    rng = generator("masks")
    for _ in range(400):
        a = twin(rng, rng.choice(SHAPES), rng.choice(DTYPES))
        lead = rng.randint(0, len(a.shape))
        mask = twin(rng, a.shape[:lead], "bool_")
        if rng.random() < 0.1:
            mask = twin(rng, (7,), "bool_")
        rest = a.shape[lead:]
        count = int(np.sum(mask.content)) + rng.randint(0, 1)
        shape = rng.choice([(), rest, rest[1:], (count, *rest)])
        value = rng.choice([twin(rng, shape, a.dtype), rng.choice([3, 1.5])])
        if isinstance(value, Twin) and 0 in value.shape:
            continue

        def write(m, a, mask, v):
            a[mask] = v
            return a

        check(write, a, mask, value, label="mask")


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum", "minimum"])
def test_updates_where_positions_repeat(name):
    rng = generator(f"at {name}")
    for dtype in ["float32", "int32", "float16", "uint8", "float64"]:
        for _ in range(25):
            a = twin(rng, rng.choice(SHAPES), dtype, low=0.0)
            entries = expression(rng, a.shape)
            target = theirs.zeros(a.shape)[on(theirs, entries)].shape
            if 0 in target or new_axes_among_arrays(entries) or separated(entries):
                continue
            shape = [n if rng.random() < 0.8 else 1 for n in target][rng.randint(0, len(target)) :]
            value = rng.choice([twin(rng, shape, dtype, low=1.0), 2])
            run_at = lambda m, a, v: getattr(a.at[on(m, entries)], name)(v)  # noqa: E731
            # Products of many numbers round once for each.
            check(run_at, a, value, relative=16, scale=4.0, label=f"at[{entries}].{name}")


WRONG = [
    "a[0, 0, 0, 0]",
    "a['x']",
    "a[1.0]",
    "a[True]",
    "a[False]",
    "a[m.array([True, False])]",
    "a[m.array(True)]",
    "a[1.5:2]",
    "a[:, 'x']",
    "a[:, 1.0]",
    "a[:, True]",
    "a[(0, 1), 1]",
    "a[range(2)]",
    "a[{}]",
    "a[m.array([0, 1]) : 2]",
    "a[[True, False]]",
    "z[0]",
    "z[:]",
    "len(z)",
    "iter(z)",
    "b.mT",
    "b.item()",
    "bool(b)",
    "int(b)",
    "float(b)",
    "[1, 2][b]",
    "[1, 2][z + 0.0]",
    "format(b, '.2f')",
    "b.shape.foo",
    "m.array()",
    "m.array(None)",
    "m.array('x')",
    "m.array(['x'])",
    "m.array([[1, 2], [3]])",
    "m.array([[1, 2], 3])",
    "m.array([1, [2]])",
    "m.array([2**63])",
    "m.array(2**64)",
    "m.array({})",
    "m.array([1, None])",
    "m.array([m.array([1, 2]), 3])",
    "m.array([m.array([1, 2]), m.array([3])])",
    "m.array((1, (2, 3)))",
    "m.array([1], 'float32')",
    "a.at['x'].add(1)",
    "b.at[0, 0].add(1)",
    "z.at[0].add(1)",
    "b.at[1].set(1)",
    "m.no_such_name",
    "b.no_such_name",
    "m.concatenate([])",
    "m.stack([])",
    "m.full((2,), [1, 2])",
    "m.where(b, None, 1)",
    "m.clip(b, None, None)",
    "m.arange('x')",
    "m.arange(True)",
    "m.arange(5, dtype=m.bool_)",
    "m.sum(3)",
    "m.sum(b, 0.5)",
    "m.softmax(z, 0)",
    "m.max(m.array([]))",
    "m.argmax(m.array([]))",
    "m.finfo(m.int32)",
    "m.iinfo(m.bool_)",
    "m.result_type()",
    "m.result_type(1)",
    "m.issubdtype(1, m.number)",
    "m.isdtype(m.int8, m.floating)",
    "m.load('/no/such/file.npy')",
    "m.load('/no/such/file.xyz')",
    "m.load('/no/such/file')",
    "m.load(5)",
    "m.save('/no/such/folder/a.npy', b)",
    "m.save(5, b)",
    "m.random.key(-1)",
    "m.random.seed(1.5)",
    "m.random.uniform(shape=(2,), dtype=m.int32)",
    "m.random.normal((2,), m.int32)",
    "m.random.randint(0, 2, (2,), m.float32)",
    "m.random.uniform(shape=(2,), key=m.array([1, 2]))",
    "m.random.uniform(shape=(2,), key=5)",
    "m.random.no_such_name",
    "m.repeat(b, -1)",
    "m.tile(b, -1)",
    "m.pad(b, -1)",
    "m.pad(b, 1, 'x')",
    "m.take(b, [0])",
    "m.reshape(b, 5)",
    "m.transpose(a, 0, 1, 2)",
    "m.linspace(0, 1, -1)",
    "m.eye(-1)",
    "m.full(-1, 2)",
    "m.allclose(b, 1)",
    "b @ 3",
]


@pytest.mark.parametrize("text", WRONG)
def test_errors_have_mlx_s_class(text):
    code = compile(text, "expression", "eval")

    def evaluate(m, a, b, z):
        return eval(code, {"m": m, "a": a, "b": b, "z": z})

    inputs = [
        Twin((2, 3, 4), "int32", np.arange(24).reshape(2, 3, 4).tolist()),
        Twin((5,), "int32", [0, 1, 2, 3, 4]),
        Twin((), "int32", 3),
    ]
    result, error = run(theirs, evaluate, inputs)
    assert error is not None, f"MLX gives {result}"
    check(evaluate, *inputs, label=text)


def test_positions_out_of_range_are_errors():
    a = ours.arange(4)
    for index in (4, -5, ours.array([0, 4]), (0, 0)):
        with pytest.raises((IndexError, ValueError)):
            a[index].tolist()
    with pytest.raises(IndexError):
        a[7] = 1


def test_iteration():
    a = ours.array([[1, 2], [3, 4]])
    assert [row.tolist() for row in a] == [[1, 2], [3, 4]]
    assert len(a) == 2
    assert list(ours.zeros((0, 2))) == []
    assert 3 in ours.array([1, 3]) and 9 not in ours.array([1, 3])
