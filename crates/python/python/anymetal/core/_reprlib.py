"""``reprlib``, which pytest uses, goes by names: an ``array`` is one of the module ``array``'s.

Without this an assertion about arrays that fails would show an error instead of the arrays.
"""

import reprlib

from anymetal._core import array

_of_array_module = reprlib.Repr.repr_array


def _repr_array(self, x, level):
    if isinstance(x, array):
        return self.repr_instance(x, level)
    return _of_array_module(self, x, level)


reprlib.Repr.repr_array = _repr_array
