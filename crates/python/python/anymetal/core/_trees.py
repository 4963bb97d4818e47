"""Trees of arrays: lists, tuples and dictionaries, taken apart and put together again."""

from anymetal._core import array


def is_node(value):
    return isinstance(value, (list, tuple, dict))


def leaves(tree):
    """The leaves of a tree, in order."""
    found = []
    rest = [tree]
    while rest:
        value = rest.pop()
        if isinstance(value, (list, tuple)):
            rest.extend(reversed(value))
        elif isinstance(value, dict):
            rest.extend(reversed(list(value.values())))
        else:
            found.append(value)
    return found


def arrays(tree):
    """The leaves of a tree, which must be arrays."""
    found = leaves(tree)
    if not all(isinstance(leaf, array) for leaf in found):
        raise ValueError("[tree_flatten] The argument should contain only arrays")
    return found


def is_array(value):
    return isinstance(value, array)


class Hole:
    """What stands where an array was taken out of a tree."""


HOLE = Hole()


def take_out(tree):
    """The arrays of a tree, and the tree with holes in their places."""
    found = [leaf for leaf in leaves(tree) if is_array(leaf)]
    return found, replaced(tree, [HOLE] * len(found), is_array)


def put_in(tree, new):
    """A tree with its holes filled, in order."""
    return replaced(tree, new, lambda leaf: leaf is HOLE)


def replaced(tree, new, where=lambda leaf: True):
    """A tree of the same structure with the leaves that `where` accepts taken from `new`."""
    new = iter(new)

    def build(value):
        if isinstance(value, list):
            return [build(v) for v in value]
        if isinstance(value, tuple):
            return rebuilt(value, [build(v) for v in value])
        if isinstance(value, dict):
            return {k: build(v) for k, v in value.items()}
        return next(new) if where(value) else value

    return build(tree)


def rebuilt(old, items):
    """A tuple like `old`, which may be a named one, of other items."""
    make = getattr(type(old), "_make", None)
    return make(items) if make is not None else tuple(items)


def spread(prefix, tree):
    """For every leaf of `tree` the leaf of `prefix` above it.

    `prefix` begins like `tree` and may end earlier: a leaf of it stands for everything below.
    """
    found = []

    def visit(prefix, tree):
        if not is_node(prefix) or not is_node(tree):
            found.extend([prefix] * len(leaves(tree)))
        elif isinstance(prefix, dict):
            if not isinstance(tree, dict):
                raise ValueError(MISMATCH)
            for key, value in tree.items():
                if key not in prefix:
                    raise ValueError(MISMATCH)
                visit(prefix[key], value)
        else:
            kind = list if isinstance(prefix, list) else tuple
            if not isinstance(tree, kind) or len(prefix) != len(tree):
                raise ValueError(MISMATCH)
            for p, t in zip(prefix, tree):
                visit(p, t)

    visit(prefix, tree)
    return found


MISMATCH = "[tree_map] Additional input tree is not a valid prefix of the first tree."
