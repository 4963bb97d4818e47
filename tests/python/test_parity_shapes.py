"""Functions that rearrange, join, cut, repeat and pad, against real MLX."""

from peers import DTYPES, SHAPES, check, generator, twin


def axis_of(rng, ndim, wrong=0.1):
    if rng.random() < wrong:
        return rng.choice([ndim, -ndim - 1])
    return rng.randrange(-ndim, ndim) if ndim else 0


def factors(rng, n):
    """A shape of a size, one entry of which may be left to be computed, or a wrong one."""
    shape = []
    while n > 1 and rng.random() < 0.7:
        divisors = [d for d in range(1, n + 1) if n % d == 0]
        shape.append(rng.choice(divisors))
        n //= shape[-1]
    shape.append(n)
    if rng.random() < 0.3:
        shape[rng.randrange(len(shape))] = -1
    if rng.random() < 0.1:
        shape[rng.randrange(len(shape))] = rng.choice([7, -2])
    return shape


def rounds(name, n=150):
    rng = generator(name)
    for _ in range(n):
        yield rng, twin(rng, rng.choice(SHAPES), rng.choice(DTYPES))


def test_reshape():
    for rng, a in rounds("reshape"):
        size = 1
        for n in a.shape:
            size *= n
        shape = factors(rng, size)
        if size == 0 and -1 in shape:
            continue
        as_given = rng.choice([tuple, list])(shape)
        # MLX's text has what it computed for -1, ours what was asked for.
        text = -1 not in shape
        check(lambda m, a: m.reshape(a, as_given), a, text=text, label=f"reshape {shape}")
        check(lambda m, a: a.reshape(*as_given), a, text=text, label=f"reshape {shape}")
        check(lambda m, a: a.reshape(as_given), a, text=text, label=f"reshape {shape}")


def test_flatten_and_unflatten():
    for rng, a in rounds("flatten"):
        ndim = len(a.shape)
        start, end = axis_of(rng, ndim, 0), axis_of(rng, ndim, 0)
        check(lambda m, a: m.flatten(a, start, end), a, label=f"flatten {start} {end}")
        check(lambda m, a: a.flatten(start_axis=start), a, label=f"flatten {start}")
        axis = axis_of(rng, ndim)
        if ndim:
            n = a.shape[axis] if -ndim <= axis < ndim else 4
            if n:
                shape = factors(rng, n)
                check(
                    lambda m, a: m.unflatten(a, axis, shape), a, label=f"unflatten {axis} {shape}"
                )


def test_axes():
    for rng, a in rounds("axes"):
        ndim = len(a.shape)
        first, second = axis_of(rng, ndim), axis_of(rng, ndim)
        check(lambda m, a: m.expand_dims(a, first), a, label=f"expand_dims {first}")
        check(lambda m, a: m.expand_dims(a, (0, -1)), a, label="expand_dims (0, -1)")
        check(lambda m, a: m.squeeze(a, first), a, label=f"squeeze {first}")
        check(lambda m, a: a.squeeze(), a)
        if ndim:
            check(
                lambda m, a: m.swapaxes(a, first, second),
                a,
                text=True,
                label=f"swapaxes {first} {second}",
            )
            check(
                lambda m, a: a.moveaxis(first, second),
                a,
                text=True,
                label=f"moveaxis {first} {second}",
            )
        order = rng.sample(range(ndim), ndim)
        order = [i - ndim if rng.random() < 0.3 else i for i in order]
        if ndim and rng.random() < 0.1:
            order[0] = rng.choice([ndim, order[-1]])
        check(lambda m, a: m.transpose(a, order), a, label=f"transpose {order}")
        check(lambda m, a: m.permute_dims(a, axes=tuple(order)), a, label=f"permute_dims {order}")
        if order:
            check(lambda m, a: a.transpose(*order), a, label=f"transpose {order}")
        check(lambda m, a: (a.T, a.transpose()), a)
        check(lambda m, a: a.mT, a, text=True)
        check(lambda m, a: m.flip(a, first), a, label=f"flip {first}")


def test_broadcasting():
    for rng, a in rounds("broadcast"):
        lead = tuple(rng.randint(1, 3) for _ in range(rng.randint(0, 2)))
        shape = lead + tuple(rng.randint(1, 3) if n == 1 else n for n in a.shape)
        if rng.random() < 0.1:
            shape = (5, *shape[1:])
        check(lambda m, a: m.broadcast_to(a, shape), a, label=f"broadcast_to {shape}")
        b = twin(rng)
        check(lambda m, a, b: m.broadcast_arrays(a, b), a, b)
        check(lambda m: m.broadcast_shapes(a.shape, b.shape), label=f"broadcast_shapes {a} {b}")
        if 0 not in a.shape + b.shape:
            order = rng.choice(["xy", "ij"])
            grid = lambda m, a, b: m.meshgrid(a.reshape(-1), b.reshape(-1), indexing=order)  # noqa: E731
            check(grid, a, b, label=f"meshgrid {order}")


def test_joining_and_cutting():
    for rng, a in rounds("join", 200):
        ndim = len(a.shape)
        axis = axis_of(rng, ndim)
        b_shape = list(a.shape)
        if ndim and -ndim <= axis < ndim:
            b_shape[axis] = rng.randint(0, 3)
        if rng.random() < 0.1:
            b_shape = rng.choice(SHAPES)
        b = twin(rng, b_shape, rng.choice([a.dtype, rng.choice(DTYPES)]))
        if ndim:
            check(lambda m, a, b: m.concatenate([a, b], axis), a, b, label=f"concatenate {axis}")
        check(lambda m, a, b: m.concatenate([a, b], None), a, b)
        check(lambda m, a, b: m.concatenate((a, b, a), axis=0), a, b) if ndim else None
        c = twin(rng, a.shape, rng.choice(DTYPES))
        place = axis_of(rng, ndim + 1)
        check(lambda m, a, c: m.stack([a, c], place), a, c, label=f"stack {place}")
        parts = rng.randint(0, 3)
        check(lambda m, a: m.split(a, parts, axis), a, label=f"split {parts} {axis}")
        cuts = [rng.randint(-3, 6) for _ in range(rng.randint(0, 3))]
        check(lambda m, a: m.split(a, cuts, axis), a, label=f"split {cuts} {axis}")
        check(lambda m, a: a.split(tuple(cuts), axis=axis), a, label=f"split {cuts} {axis}")


def test_repeating_and_padding():
    for rng, a in rounds("pad", 200):
        ndim = len(a.shape)
        reps = rng.choice(
            [rng.randint(0, 3), [rng.randint(0, 2) for _ in range(rng.randint(0, 3))]]
        )
        check(lambda m, a: m.tile(a, reps), a, label=f"tile {reps}")
        axis = rng.choice([None, axis_of(rng, ndim)]) if ndim else None
        times = rng.randint(-1, 3)
        check(lambda m, a: m.repeat(a, times, axis), a, label=f"repeat {times} {axis}")
        shift = rng.randint(-5, 5)
        check(lambda m, a: m.roll(a, shift, axis), a, label=f"roll {shift} {axis}")
        widths = rng.choice(
            [
                rng.randint(0, 2),
                (rng.randint(0, 2),),
                (rng.randint(0, 2), rng.randint(-1, 2)),
                [(rng.randint(0, 2), rng.randint(0, 2)) for _ in range(max(ndim, 1))],
            ]
        )
        if ndim == 0:
            continue
        number = rng.choice([0, 1, 2.5, True])
        check(
            lambda m, a: m.pad(a, widths, constant_values=number), a, label=f"pad {widths} {number}"
        )
        check(
            lambda m, a: m.pad(a, widths, mode="edge"), a, label=f"pad edge {widths}"
        ) if 0 not in a.shape else None


def test_padding_that_mirrors():
    rng = generator("mirror")
    for mode in ("reflect", "symmetric"):
        for _ in range(40):
            shape = tuple(rng.randint(3, 5) for _ in range(rng.randint(1, 3)))
            widths = [(rng.randint(0, 2), rng.randint(0, 2)) for _ in shape]
            check(
                lambda m, a: m.pad(a, widths, mode),
                twin(rng, shape, rng.choice(DTYPES)),
                label=f"pad {mode} {widths}",
            )


def test_diagonals():
    for rng, a in rounds("diagonal", 100):
        k = rng.randint(-3, 3)
        if 0 in a.shape:
            continue
        ndim = len(a.shape)
        check(lambda m, a: m.diag(a, k), a, label=f"diag {k}")
        check(lambda m, a: m.tril(a, k), a, label=f"tril {k}")
        check(lambda m, a: m.triu(a, k=k), a, label=f"triu {k}")
        if ndim >= 2:
            axes = rng.sample(range(ndim), 2)
            offset = rng.choice([0, 0, 1, -1])
            if offset < a.shape[axes[1]] and -offset < a.shape[axes[0]]:
                check(
                    lambda m, a: m.diagonal(a, offset, *axes), a, label=f"diagonal {offset} {axes}"
                )
                check(
                    lambda m, a: m.trace(a, offset, *axes),
                    a,
                    scale=16.0,
                    relative=4,
                    label=f"trace {offset} {axes}",
                )


def test_taking():
    for rng, a in rounds("take", 200):
        ndim = len(a.shape)
        if 0 in a.shape or ndim == 0:
            continue
        axis = rng.choice([None, rng.randrange(-ndim, ndim)])
        n = a.shape[axis] if axis is not None else _size(a.shape)
        where = twin(
            rng, rng.choice([(), (3,), (2, 2)]), rng.choice(["int32", "int64", "uint32"]), -n, n - 1
        )
        check(lambda m, a, i: m.take(a, i, axis), a, where, label=f"take {axis}")
        # MLX refuses negative numbers here, though not negative arrays.
        number = rng.randint(0, n - 1)
        check(lambda m, a: m.take(a, number, axis), a, label=f"take {number} {axis}")
        lines = list(a.shape)
        along = rng.randrange(-ndim, ndim)
        lines[along] = rng.randint(1, 4)
        lines = [1 if rng.random() < 0.2 and i != along % ndim else n for i, n in enumerate(lines)]
        n = a.shape[along]
        which = twin(rng, lines, rng.choice(["int32", "uint32"]), -n, n - 1)
        check(
            lambda m, a, i: m.take_along_axis(a, i, along),
            a,
            which,
            label=f"take_along_axis {along}",
        )
        # Distinct positions: which of several writes to one stays is not MLX's promise.
        lines = list(a.shape)
        lines[along] = 1
        which = twin(rng, lines, "int32", -n, n - 1)
        value = twin(rng, lines, a.dtype)
        check(
            lambda m, a, i, v: m.put_along_axis(a, i, v, along),
            a,
            which,
            value,
            label=f"put_along_axis {along}",
        )


def _size(shape):
    size = 1
    for n in shape:
        size *= n
    return size


def test_parts_at_computed_positions():
    for rng, a in rounds("slice", 150):
        ndim = len(a.shape)
        if 0 in a.shape or ndim == 0:
            continue
        axes = rng.sample(range(ndim), rng.randint(1, ndim))
        size = [rng.randint(1, n) if i in axes else n for i, n in enumerate(a.shape)]
        start = [rng.randint(0, a.shape[i] - size[i]) for i in axes]
        check(
            lambda m, a: m.slice(a, m.array(start), axes, size),
            a,
            label=f"slice {start} {axes} {size}",
        )
        update = twin(rng, size, rng.choice(DTYPES), low=0.0)
        check(
            lambda m, a, u: m.slice_update(a, u, m.array(start), axes),
            a,
            update,
            label=f"slice_update {start} {axes}",
        )
