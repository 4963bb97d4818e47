"""Arrays, functions and transformations under the names of ``mlx.core``."""

from anymetal._core import *  # noqa: F403
from anymetal._core import _PrintOptionsContext as _PrintOptionsContext

from . import _reprlib as _reprlib
from . import cuda as cuda
from . import distributed as distributed
from . import fast as fast
from . import linalg as linalg
from . import metal as metal
from . import random as random
from ._absent import absent as _absent
from ._dtypes import DtypeCategory as DtypeCategory
from ._dtypes import isdtype as isdtype
from ._dtypes import issubdtype as issubdtype
from ._npz import savez as savez
from ._npz import savez_compressed as savez_compressed
from ._transforms import custom_function as custom_function

complexfloating = DtypeCategory.complexfloating
floating = DtypeCategory.floating
inexact = DtypeCategory.inexact
signedinteger = DtypeCategory.signedinteger
unsignedinteger = DtypeCategory.unsignedinteger
integer = DtypeCategory.integer
number = DtypeCategory.number
generic = DtypeCategory.generic

__getattr__ = _absent("core")
