"""Comparing a kernel with a composed definition on many small cases."""

import inspect
import random

from anymetal import core

# Sizes of one, below and above a simdgroup (32) and a threadgroup (256), odd ones among them.
SHAPES = [(1,), (2,), (7,), (33,), (259,), (1, 1), (3, 5), (2, 32), (5, 1, 17), (2, 3, 4)]

# Units in the last place of the result's dtype that a sum of a few dozen terms may lose.
_UNITS = 32


class Validation:
    """What :func:`validate` found: true if the kernel agreed in every case.

    ``cases`` counts the cases that passed; ``largest`` is the largest error among them as a share
    of what is allowed. Where one failed, ``case`` describes it, ``output`` says which of the
    kernel's results differs, ``index`` where first, and ``kernel`` and ``composed`` are the two
    values there; if already a shape or dtype differs, these are the shapes or dtypes and ``index``
    is None.
    """

    def __init__(self):
        self.cases = 0
        self.largest = 0.0
        self.case = None
        self.output = None
        self.index = None
        self.kernel = None
        self.composed = None
        self._count = ""

    def __bool__(self):
        return self.case is None

    def __repr__(self):
        if self:
            return f"agrees in {self.cases} cases; largest error {self.largest:.2g} of the allowed"
        where = f"output {self.output}" + (f" at {self.index}" if self.index is not None else "")
        return (
            f"differs in {where}: kernel {self.kernel}, composed {self.composed}{self._count}\n"
            f"  case: {self.case}\n  {self.cases} cases passed before"
        )


def validate(
    kernel,
    composed,
    shapes=None,
    dtypes=None,
    *,
    tolerance=None,
    sample=None,
    seed=None,
    module=core,
    quiet=False,
):
    """Tries a kernel on small shapes, odd sizes, dtypes and strides against its definition.

    ``kernel`` and ``composed`` are functions of the same arrays; each returns an array or a
    sequence of arrays. ``composed`` says the same in plain operations. It is given the kernel's
    inputs as ``float32`` where they are ``float16`` or ``bfloat16``, so that it is the more
    accurate one; the dtypes of its results are compared as it gives them for the inputs themselves.

    ``shapes`` is a list of cases. A case is a shape, for every input alike, or a list of shapes,
    one for each input. The default has a size of one, and sizes around those of a simdgroup and a
    threadgroup. Every case is tried in each of ``dtypes`` (float32, float16 and bfloat16 unless
    given) and, where the shape allows it, with inputs that are contiguous, transposed, every
    second element, reversed, and broadcast.

    A floating element may differ by ``tolerance`` times the sum of its magnitude and the root mean
    square of its array; the default is 32 units in the last place of its dtype. Integers and
    booleans have to be equal; not-a-number equals itself. ``sample(shape, dtype, key)`` makes the
    values, normally distributed (integers from -9 to 9) unless given; ``seed`` repeats a run.

    Prints the outcome unless ``quiet``: the number of cases, or the first difference with its
    index and the case. Returns a :class:`Validation`, true if all agreed, for use in ``assert``.
    An exception of either function is raised as it is, with a note that names the case.

    With ``module=mlx.core`` the arrays are real MLX's, for kernels on the bridge.
    """
    mx = module
    seed = random.randrange(2**32) if seed is None else seed
    dtypes = [mx.float32, mx.float16, mx.bfloat16] if dtypes is None else dtypes
    count = _parameters(composed)
    found = Validation()
    key = mx.random.key(seed)
    for case in SHAPES if shapes is None else shapes:
        case = [case] * count if all(isinstance(n, int) for n in case) else list(case)
        for dtype in dtypes:
            for layout in _LAYOUTS:
                key, use = mx.random.split(key)
                arrays = _inputs(mx, case, dtype, layout, use, sample or _sample(mx))
                if arrays is None:
                    continue
                shown = ", ".join(str(tuple(shape)) for shape in case)
                case_text = f"{str(dtype).rpartition('.')[2]} {shown}, {layout}; seed {seed}"
                try:
                    _compare(mx, kernel, composed, arrays, tolerance, found)
                except Exception as error:
                    error.add_note(f"anymetal.validate: in the case {case_text}")
                    raise
                if found.output is not None:
                    found.case = case_text
                    break
                found.cases += 1
            if not found:
                break
        if not found:
            break
    if not quiet:
        print(f"{getattr(kernel, '__name__', 'the kernel')} {found!r}")
    return found


def _parameters(function):
    """How many arrays a function takes: its parameters without defaults."""
    parameters = inspect.signature(function).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in positional and p.default is inspect.Parameter.empty for p in parameters)


# Layouts: from (make, shape), where make(shape) gives values, an array of that shape whose memory
# is laid out in a certain way; None where the shape does not allow it.

_LAYOUTS = {
    "contiguous": lambda mx, make, shape: make(shape),
    "transposed": lambda mx, make, shape: (
        mx.swapaxes(make((*shape[:-2], shape[-1], shape[-2])), -1, -2) if len(shape) > 1 else None
    ),
    "every second element": lambda mx, make, shape: (
        make((*shape[:-1], 2 * shape[-1]))[..., ::2] if shape else None
    ),
    "reversed": lambda mx, make, shape: make(shape)[..., ::-1] if shape else None,
    "broadcast": lambda mx, make, shape: (
        mx.broadcast_to(make((1, *shape[1:])), shape) if len(shape) > 1 else None
    ),
}


def _inputs(mx, case, dtype, layout, key, sample):
    """The arrays of a case; None if its layout changes none of them."""
    arrays = []
    changed = layout == "contiguous"
    for shape in case:
        key, use = mx.random.split(key)

        def make(shape):
            return sample(shape, dtype, use)

        array = _LAYOUTS[layout](mx, make, tuple(shape))
        changed = changed or array is not None
        arrays.append(make(tuple(shape)) if array is None else array)
    return arrays if changed else None


def _sample(mx):
    def sample(shape, dtype, key):
        if dtype == mx.bool_:
            return mx.random.uniform(0.0, 1.0, shape, key=key) < 0.5
        if mx.issubdtype(dtype, mx.integer):
            low = 0 if mx.issubdtype(dtype, mx.unsignedinteger) else -9
            return mx.random.randint(low, 10, shape, key=key).astype(dtype)
        return mx.random.normal(shape, key=key).astype(dtype)

    return sample


def _compare(mx, kernel, composed, arrays, tolerance, found):
    """Runs both and notes the first difference."""
    ours = _listed(kernel(*arrays))
    halves = (mx.float16, mx.bfloat16)
    wide = [a.astype(mx.float32) if a.dtype in halves else a for a in arrays]
    # Not evaluated: only its shapes and dtypes are looked at.
    plain, theirs = _listed(composed(*arrays)), _listed(composed(*wide))
    if len(ours) != len(theirs):
        found.output, found.kernel, found.composed = "count", len(ours), len(theirs)
        return
    for i, (a, plain, b) in enumerate(zip(ours, plain, theirs)):
        for x, y in [(a.shape, plain.shape), (a.dtype, plain.dtype)]:
            if x != y:
                found.output, found.kernel, found.composed = i, x, y
                return
        if a.size:
            _compare_values(mx, i, a, b, tolerance, found)
        if found.output is not None:
            return


def _compare_values(mx, i, ours, theirs, tolerance, found):
    if mx.issubdtype(ours.dtype, mx.floating):
        allowed = _UNITS * mx.finfo(ours.dtype).eps if tolerance is None else tolerance
        a, b = ours.astype(mx.float32), theirs.astype(mx.float32)
        finite = mx.where(mx.isfinite(b), b, 0.0)
        bound = allowed * (mx.abs(finite) + mx.sqrt(mx.mean(finite * finite)))
        equal = (a == b) | (mx.isnan(a) & mx.isnan(b))
        error = mx.where(equal, 0.0, mx.abs(a - b))
        good = equal | (error <= bound)
        share = mx.where(equal, 0.0, error / mx.where(bound == 0.0, 1.0, bound))
    else:
        a, b = ours, theirs
        good = a == b
        share = mx.zeros((1,))
    flat = mx.reshape(good, (-1,))
    if mx.all(flat).item():
        found.largest = max(found.largest, mx.max(share).item())
        return
    first = mx.argmin(flat.astype(mx.int32)).item()
    found.output = i
    found.index = _index(first, ours.shape)
    found.kernel, found.composed = (mx.reshape(x, (-1,))[first].item() for x in (a, b))
    wrong = flat.size - flat.astype(mx.int32).sum().item()
    found._count = f"; {wrong} of {flat.size} elements differ"


def _listed(result):
    return list(result) if isinstance(result, (list, tuple)) else [result]


def _index(flat, shape):
    index = []
    for n in reversed(shape):
        flat, i = divmod(flat, n)
        index.append(i)
    return tuple(reversed(index))
