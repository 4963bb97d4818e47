"""Several arrays in one ``.npz`` archive."""

import io
import os
import zipfile

from anymetal import _core


def load(file):
    """The arrays of an archive by name."""
    with zipfile.ZipFile(file) as archive:
        return {
            name.removesuffix(".npy"): _core.load(io.BytesIO(archive.read(name)), "npy")
            for name in archive.namelist()
        }


def _save(file, args, kwargs, compression):
    arrays = dict(kwargs)
    for i, array in enumerate(args):
        name = f"arr_{i}"
        if name in arrays:
            raise ValueError(f"[savez] Cannot use un-named variables and keyword {name}")
        arrays[name] = array
    if isinstance(file, (str, os.PathLike)):
        file = os.fspath(file)
        if not file.endswith(".npz"):
            file += ".npz"
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                _core.save(entry, array)


def savez(file, *args, **kwargs):
    """Saves arrays, named ``arr_0``, .. or by keyword, in an archive."""
    _save(file, args, kwargs, zipfile.ZIP_STORED)


def savez_compressed(file, *args, **kwargs):
    """As ``savez``, compressed."""
    _save(file, args, kwargs, zipfile.ZIP_DEFLATED)
