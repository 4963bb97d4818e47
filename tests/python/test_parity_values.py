"""Making arrays from values, printing, reading, copying and pickling them, against real MLX."""

import copy
import pickle

import numpy as np
from peers import DTYPES, FLOATS, Twin, check, generator, ours, theirs, twin, values


def nested(rng, depth, kinds):
    if depth == 0:
        return rng.choice(kinds)(rng)
    n = nested.sizes[-depth]
    rows = [nested(rng, depth - 1, kinds) for _ in range(n)]
    return tuple(rows) if depth == len(nested.sizes) and nested.tuples else rows


KINDS = {
    "bool": lambda rng: rng.random() < 0.5,
    "int": lambda rng: rng.randint(-100, 100),
    "large": lambda rng: rng.randint(-(2**62), 2**62),
    "float": lambda rng: rng.uniform(-10, 10),
    "complex": lambda rng: complex(rng.randint(-3, 3), rng.randint(-3, 3)),
}


def test_construction_from_lists():
    rng = generator("lists")
    for _ in range(400):
        nested.sizes = [rng.randint(0, 3) for _ in range(rng.randint(1, 3))]
        nested.tuples = rng.random() < 0.2
        kinds = rng.sample(sorted(KINDS), rng.randint(1, 3))
        content = nested(rng, len(nested.sizes), [KINDS[k] for k in kinds])
        if rng.random() < 0.1 and isinstance(content, list) and content:
            content[rng.randrange(len(content))] = rng.choice([1, [1], [[1]], []])
        check(lambda m: m.array(content), label=f"array({content})")
        dtype = rng.choice(FLOATS)
        if "large" not in kinds and "complex" not in kinds:
            check(lambda m: m.array(content, getattr(m, dtype)), label=f"array({content}, {dtype})")


def test_construction_from_numbers_and_arrays():
    rng = generator("numbers")
    for dtype in [None, *DTYPES]:
        pick = lambda m: None if dtype is None else getattr(m, dtype)  # noqa: E731
        numbers = [0, 1, 7, True, 2.5, 0.1, 100.0]
        if dtype is None or dtype[0] != "u" and dtype != "bool_":
            numbers += [
                -1,
                -2.5,
                2**31 if dtype is None else 5,
                float("nan") if dtype in (None, *FLOATS) else 1,
            ]
        for number in numbers:
            check(lambda m: m.array(number, pick(m)), label=f"array({number}, {dtype})")
        a = twin(rng, low=0.0)
        check(lambda m, a: m.array(a, pick(m)), a, label=f"array(a, {dtype})")
    for _ in range(60):
        shape = rng.choice([(), (2,), (2, 1)])
        parts = [twin(rng, shape, rng.choice(DTYPES)) for _ in range(rng.randint(1, 3))]
        check(lambda m, *parts: m.array(list(parts)), *parts)
        scalars = [twin(rng, (), rng.choice(DTYPES)), twin(rng, (), "float32")]
        number = rng.choice([1, 2.5, True])
        check(lambda m, a, b: m.array([a, number, b]), *scalars, label=f"array([a, {number}, b])")
        check(lambda m, a, b: m.array([[a, number], [number, b]]), *scalars)


def test_text():
    rng = generator("text")
    special = [
        0.0,
        -0.0,
        1e-5,
        1e5,
        1e6,
        123456.7,
        1e7,
        1.5e-7,
        0.1,
        float("nan"),
        float("inf"),
        -float("inf"),
        1e-40,
        3.4e38,
        65504.0,
        999999.5,
        0.00012345678,
    ]
    for dtype in DTYPES:
        for _ in range(40):
            shape = tuple(rng.choice([0, 1, 2, 3, 7, 8, 9]) for _ in range(rng.randint(0, 3)))
            content = values(rng, shape, dtype)
            if dtype in FLOATS and shape and 0 not in shape:
                flat = [
                    rng.choice([*special, rng.uniform(-1, 1) * 10 ** rng.randint(-8, 8)])
                    for _ in range(int(np.prod(shape)))
                ]
                content = np.array(flat).reshape(shape).tolist()
            a = Twin(shape, dtype, content)
            check(lambda m, a: repr(a), a, text=True)
            check(lambda m, a: str(a), a, text=True)
            check(lambda m, a: f"{a}", a, text=True)
            check(lambda m, a: str(a.T), a, text=True)
    parts = [*special, -1.5, 2.0]
    for re in parts:
        for im in parts:
            check(lambda m: str(m.array([complex(re, im)])), label=f"{complex(re, im)}")
    for dtype in DTYPES:
        check(lambda m: repr(getattr(m, dtype)), label=dtype)
        assert str(getattr(ours, dtype)) == str(getattr(theirs, dtype))


def test_text_with_another_precision():
    rng = generator("precision")
    for precision in (-1, 0, 1, 3, 10, -5):
        for dtype in [*FLOATS, "complex64", "int32"]:
            a = twin(rng, (3,), dtype)

            def text(m, a):
                with m.printoptions(precision=precision):
                    assert m.get_printoptions().precision == precision
                    return str(a)

            check(text, a, label=f"precision {precision}")
    assert ours.get_printoptions().precision == -1


def test_numbers_format():
    for spec in ("", ".2f", ">8", "e"):
        check(lambda m: format(m.array(2.5), spec), label=spec)
        check(lambda m: f"{m.array(3):{spec}}", label=spec)


def test_reading_values():
    rng = generator("reading values")
    for dtype in DTYPES:
        for shape in [(), (1,), (2,), (1, 1), (0,)]:
            a = twin(rng, shape, dtype)
            for read in (
                lambda m, a: a.tolist(),
                lambda m, a: a.item(),
                lambda m, a: bool(a),
                lambda m, a: [
                    type(x).__name__ for x in np.ravel(np.array(a.tolist(), dtype=object))
                ],
                lambda m, a: (
                    a.ndim,
                    a.size,
                    a.itemsize,
                    a.nbytes,
                    a.shape,
                    type(a.shape) is tuple,
                ),
                lambda m, a: len(a),
                lambda m, a: bytes(a),
                lambda m, a: (a.real, a.imag, a.T),
            ):
                check(read, a)
            if dtype != "complex64":
                check(lambda m, a: float(a), a)
                if dtype not in FLOATS:
                    check(lambda m, a: int(a), a)
            check(lambda m, a: complex(a), a)
    check(lambda m: [10, 20][m.array(1)])


def test_copies_and_pickles():
    rng = generator("pickle")
    for dtype in DTYPES:
        a = twin(rng, (2, 3), dtype).on(ours)
        for made in (
            copy.copy(a),
            copy.deepcopy(a),
            *(pickle.loads(pickle.dumps(a, p)) for p in range(6)),
        ):
            assert made is not a
            assert (made.shape, made.dtype, made.tolist()) == (a.shape, a.dtype, a.tolist())
    b = ours.arange(3)
    c = copy.copy(b)
    c[0] = 5
    assert b.tolist() == [0, 1, 2]
    view = ours.arange(12).reshape(3, 4).T[1:]
    assert pickle.loads(pickle.dumps(view)).tolist() == view.tolist()
    assert pickle.loads(pickle.dumps(ours.float16)) is not None
    assert pickle.loads(pickle.dumps(ours.zeros((0, 2)))).shape == (0, 2)


def test_hash_is_identity():
    a, b = ours.array(1), ours.array(1)
    assert hash(a) == hash(a)
    assert len({a, b, a}) == 2


def test_names_of_mlx_that_are_absent_say_so():
    import anymetal.core
    from anymetal.core._mlx_names import NAMES

    for module, names in NAMES.items():
        owner = anymetal.core
        if module != "core":
            owner = getattr(anymetal.core, module.removeprefix("core."), None)
        if owner is None or module == "core.array":
            continue
        for name in names:
            try:
                getattr(owner, name)
            except AttributeError as error:
                assert "does not have it yet" in str(error), name
    for name in NAMES["core.array"]:
        try:
            getattr(ours.zeros((2, 2)), name)
        except AttributeError as error:
            assert "do not have it yet" in str(error), name


def test_array_namespace():
    assert ours.array(1).__array_namespace__() is ours
