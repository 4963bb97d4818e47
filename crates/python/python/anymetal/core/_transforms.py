"""Transformations of functions of trees of arrays, over those of flat lists in the native module.

The functions of `anymetal.core` check their arguments and call these.
"""

import functools

from anymetal._core import _transforms as flat_functions
from anymetal._core import array
from anymetal._core import vjp as core_vjp

from . import _trees as trees


def flat(fun):
    """`fun` with its arguments and results in lists."""

    def call(args):
        result = fun(*args)
        return list(result) if isinstance(result, (list, tuple)) else [result]

    return call


def named_like(fun):
    """As `functools.wraps`, for any callable."""
    return functools.wraps(fun, updated=())


def grad(fun, argnums, argnames):
    both = differentiated("[grad]", True, fun, argnums, argnames)

    @named_like(fun)
    def gradient(*args, **kwargs):
        return both(args, kwargs)[1]

    return gradient


def value_and_grad(fun, argnums, argnames):
    both = differentiated("[value_and_grad]", False, fun, argnums, argnames)

    @named_like(fun)
    def value_and_gradient(*args, **kwargs):
        return both(args, kwargs)

    return value_and_gradient


def differentiated(name, scalar_only, fun, argnums, argnames):
    """A function of positional and keyword arguments that returns the value and the gradient."""
    if argnums is None:
        argnums = [] if argnames else [0]
    if not argnums and not argnames:
        raise ValueError("[grad] Gradient wrt no argument requested")
    for i in argnums:
        if i < 0:
            raise ValueError(f"[grad] Can't compute the gradient of negative argument index {i}")
    for values, what in ((argnums, "index"), (argnames, "name")):
        for i, value in enumerate(values):
            if value in values[:i]:
                raise ValueError(f"[grad] Duplicate argument {what} {value} is not allowed.")

    # As in MLX, gradients come in the order of the arguments.
    argnums = sorted(argnums)

    def both(args, kwargs):
        for i in argnums:
            if i >= len(args):
                raise ValueError(
                    f"[grad] Can't compute the gradient of argument index {i} because the "
                    f"function is called with only {len(args)} positional arguments."
                )
        for key in argnames:
            if key not in kwargs:
                given = "".join(f"{k}," for k in kwargs)
                raise ValueError(
                    f"[grad] Can't compute the gradient of keyword argument '{key}' because the "
                    f"function is called with the following keyword arguments {{{given}}}"
                )
        wanted = [args[i] for i in argnums], {key: kwargs[key] for key in argnames}
        value = None

        def loss(leaves):
            nonlocal value
            positional, keyword = trees.replaced(wanted, leaves)
            all_args, all_kwargs = list(args), {**kwargs, **keyword}
            for i, tree in zip(argnums, positional):
                all_args[i] = tree
            value = fun(*all_args, **all_kwargs)
            return [loss_of(value, name, scalar_only)]

        grads = flat_functions.gradients(loss, trees.arrays(wanted))
        positional, keyword = trees.replaced(wanted, grads)
        positional = positional[0] if len(positional) == 1 else tuple(positional)
        if not argnums:
            positional = None
        return value, (positional, keyword) if argnames else positional

    return both


def loss_of(value, name, scalar_only):
    """What is differentiated of a function's result."""
    if isinstance(value, array):
        return value
    returned = "The return value of the function whose gradient we want to compute should be"
    kind = type(value).__name__
    if scalar_only:
        raise ValueError(f"{name} {returned} a scalar array; but {kind} was returned.")
    if isinstance(value, tuple) and not value:
        raise ValueError(
            f"{name} {returned} either a scalar array or a non-empty tuple. The first value "
            "should be a scalar array and the rest can be anything. Instead, we got an empty tuple."
        )
    either = (
        f"{name} {returned} either a scalar array or a tuple with the first value being a scalar "
        "array (Union[array, tuple[array, Any, ...]]); but"
    )
    if not isinstance(value, tuple):
        raise ValueError(f"{either} {kind} was returned.")
    if not isinstance(value[0], array):
        first = type(value[0]).__name__
        raise ValueError(f"{either} it was a tuple with the first value being of type {first} .")
    return value[0]


def axis_list(prefix, tree):
    axes = trees.spread(prefix, tree)
    for axis in axes:
        if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int)):
            raise ValueError("[vmap] axis must be int or None.")
    return axes


def shape_text(a):
    return "(" + ",".join(map(str, a.shape)) + ")"


def vmap(fun, in_axes, out_axes):
    @named_like(fun)
    def mapped(*args, **kwargs):
        if kwargs:
            raise TypeError("[vmap] Keyword arguments are not supported.")
        # Axes for a single argument need no tuple around them.
        tree = args[0] if len(args) == 1 else args
        leaves = trees.arrays(tree)
        axes = axis_list(in_axes, tree)
        check_in_axes(leaves, axes)
        result = None

        def call(leaves):
            nonlocal result
            inputs = trees.replaced(tree, leaves)
            result = fun(inputs) if len(args) == 1 else fun(*inputs)
            return trees.arrays(result), axis_list(out_axes, result)

        outputs = flat_functions.map(call, leaves, axes)
        return trees.replaced(result, outputs)

    return mapped


def check_in_axes(leaves, axes):
    if all(axis is None for axis in axes):
        raise ValueError("At least one of in_axes must be non-None.")
    size = None
    for leaf, axis in zip(leaves, axes):
        if axis is None:
            continue
        if not -leaf.ndim <= axis < leaf.ndim:
            raise IndexError(
                f"[vmap] Invalid vectorization axis {axis} for array with shape {shape_text(leaf)}"
            )
        n = leaf.shape[axis]
        if size is not None and n != size:
            raise ValueError(f"[vmap] Inconsistent axis sizes: {size} and {n}.")
        size = n


def compile(fun):
    @named_like(fun)
    def compiled(*args, **kwargs):
        return fun(*args, **kwargs)

    return compiled


class FlatCall:
    """A call of a function of a tree as one of a list of arrays.

    It keeps the structure of the arguments and, once called, of the result, but no arrays.
    """

    def __init__(self, fun, tree):
        self.fun = fun
        self.arguments, self.argument_tree = trees.take_out(tree)
        self.result_tree = None

    def __call__(self, arguments):
        result = self.fun(self.inputs(arguments))
        outputs = trees.arrays(result)
        _, self.result_tree = trees.take_out(result)
        return outputs

    def inputs(self, arrays):
        return trees.put_in(self.argument_tree, arrays)

    def outputs(self, arrays):
        return trees.put_in(self.result_tree, arrays)

    def run(self, vjp=None, jvp=None, vmap=None):
        """The result, with these rules for transformations of it, over lists too."""
        arguments, self.arguments = self.arguments, None
        return self.outputs(flat_functions.custom(self, vjp, jvp, vmap, arguments))


def checkpoint(fun):
    @named_like(fun)
    def checkpointed(*args, **kwargs):
        call = FlatCall(lambda tree: fun(*tree[0], **tree[1]), (args, kwargs))

        def vjp(primals, cotangents, _):
            return core_vjp(lambda *arguments: call(list(arguments)), primals, cotangents)[1]

        return call.run(vjp)

    return checkpointed


class custom_function:
    """A function with transformations of its own, used as a decorator.

    An instance is called like the function. Transformations that are not set with `vjp`, `jvp`
    or `vmap` go through the function itself. It is pure: arrays it captures are constants to
    transformations that are set.
    """

    def __init__(self, f):
        if not callable(f):
            raise TypeError(
                "__init__(): incompatible function arguments. The following argument types are "
                "supported:\n    1. __init__(self, f: Callable)\n\nInvoked with types: "
                f"anymetal.core.custom_function, {type(f).__qualname__}"
            )
        self._function = f
        self._vjp = self._jvp = self._vmap = None

    def vjp(self, f):
        """Sets the reverse derivative, `f(primals, cotangents, outputs)`.

        It returns gradients in the structure of `primals`: the argument, if there is one, or the
        tuple of arguments. Cotangents and outputs have the structure of the function's result.
        """
        self._vjp = f
        return self

    def jvp(self, f):
        """Sets the forward derivative, `f(primals, tangents)`.

        Tangents have the structure of `primals`, with None for arguments without one. It returns
        tangents in the structure of the function's result.
        """
        self._jvp = f
        return self

    def vmap(self, f):
        """Sets the mapping, `f(inputs, axes)`.

        `axes` has the structure of `inputs`, with None for arguments that are not mapped. It
        returns the outputs, and their axes in the same structure.
        """
        self._vmap = f
        return self

    def __call__(self, *args, **kwargs):
        if self._vjp is None and self._jvp is None and self._vmap is None:
            return self._function(*args, **kwargs)
        single = len(args) == 1

        def fun(tree):
            return self._function(*((tree,) if single else tree), **kwargs)

        call = FlatCall(fun, args[0] if single else args)

        def vjp(primals, cotangents, results):
            grads = self._vjp(
                call.inputs(primals), call.outputs(cotangents), call.outputs(results), **kwargs
            )
            return gradients_of(grads, call.argument_tree, primals)

        def jvp(primals, tangents):
            return trees.arrays(self._jvp(call.inputs(primals), call.inputs(tangents), **kwargs))

        def vmap(inputs, axes):
            answer = self._vmap(call.inputs(inputs), call.inputs(axes), **kwargs)
            if not isinstance(answer, tuple) or len(answer) != 2:
                raise ValueError("[custom vmap] Vmap function should return a tuple with 2 items.")
            results, out_axes = answer
            return trees.arrays(results), axis_list(out_axes, results)

        return call.run(
            vjp if self._vjp is not None else None,
            jvp if self._jvp is not None else None,
            vmap if self._vmap is not None else None,
        )


def gradients_of(grads, tree, primals):
    """The gradients of the arrays among a custom function's arguments; None is zero."""
    found = trees.leaves(grads)
    places = [leaf is trees.HOLE for leaf in trees.leaves(tree)]
    if len(found) == len(places):
        found = [g for g, is_primal in zip(found, places) if is_primal]
    else:
        found = [g for g in found if trees.is_array(g)][: len(primals)]
    if len(found) != len(primals):
        raise ValueError(
            f"[custom_function] The vjp returned {len(found)} gradients for {len(primals)} arrays; "
            "it must return the structure of the primals."
        )
    for g in found:
        if g is not None and not trees.is_array(g):
            raise ValueError(
                f"[custom_function] The vjp must return arrays, not {type(g).__name__}."
            )
    return [p * 0 if g is None else g for g, p in zip(found, primals)]
