"""Files: what either module saves, the other loads."""

import io
import pathlib

import numpy as np
import pytest
from peers import DTYPES, check, generator, ours, plain, same, theirs, twin


def equal(a, b):
    """Whether arrays of the two modules are the same."""
    assert same(plain(theirs, a), plain(ours, b), None) is None


def arrays(rng, module):
    twins = {f"{d}.{i}": twin(rng, dtype=d) for i, d in enumerate(DTYPES)}
    return twins, {k: t.on(module) for k, t in twins.items()}


@pytest.mark.parametrize("dtype", DTYPES)
def test_npy(tmp_path, dtype):
    rng = generator(f"npy {dtype}")
    for i in range(6):
        a = twin(rng, dtype=dtype)
        path = tmp_path / f"a{i}.npy"
        ours.save(path, a.on(ours))
        equal(theirs.load(str(path)), ours.load(str(path)))
        theirs.save(str(path), a.on(theirs).T)
        equal(theirs.load(str(path)), ours.load(path))
        if dtype != "bfloat16":
            assert np.load(path).tolist() == ours.load(path).tolist()


def test_extensions_are_added(tmp_path):
    ours.save(str(tmp_path / "a"), ours.arange(3))
    ours.save(str(tmp_path / "a.txt"), ours.arange(4))
    ours.save_safetensors(str(tmp_path / "b"), {"x": ours.arange(3)})
    ours.savez(str(tmp_path / "c"), ours.arange(3))
    found = sorted(p.name for p in tmp_path.iterdir())
    assert found == ["a.npy", "a.txt.npy", "b.safetensors", "c.npz"]


def test_safetensors(tmp_path):
    rng = generator("safetensors")
    # MLX does not read float64 here, which we do.
    dtypes = [d for d in DTYPES if d != "float64"]
    twins = {f"{d} {i}": twin(rng, dtype=d) for d in dtypes for i in range(2)}
    path = tmp_path / "a.safetensors"
    ours.save_safetensors(
        path, {k: t.on(ours) for k, t in twins.items()}, {"origin": "here", "n": "1"}
    )
    expected, metadata = theirs.load(str(path), return_metadata=True)
    found = ours.load(str(path))
    assert metadata.items() >= {"origin": "here", "n": "1"}.items()
    assert found.keys() == expected.keys() == twins.keys()
    for k in twins:
        equal(expected[k], found[k])
    theirs.save_safetensors(str(path), {k: t.on(theirs) for k, t in twins.items()}, {"k": "v"})
    found, metadata = ours.load(path, return_metadata=True)
    assert metadata["k"] == "v"
    for k in twins:
        equal(twins[k].on(theirs), found[k])


def test_several_arrays(tmp_path):
    rng = generator("npz")
    for save in ("savez", "savez_compressed"):
        a, b = twin(rng), twin(rng)
        path = str(tmp_path / f"{save}.npz")
        getattr(ours, save)(path, a.on(ours), named=b.on(ours))
        expected, found = theirs.load(path), ours.load(path)
        assert found.keys() == expected.keys() == {"arr_0", "named"}
        equal(expected["arr_0"], found["arr_0"])
        equal(expected["named"], found["named"])
        getattr(theirs, save)(path, a.on(theirs), named=b.on(theirs))
        found = ours.load(pathlib.Path(path))
        equal(a.on(theirs), found["arr_0"])
        equal(b.on(theirs), found["named"])
    with pytest.raises(ValueError, match="arr_0"):
        ours.savez(path, ours.arange(2), arr_0=ours.arange(2))


def test_file_objects(tmp_path):
    a = ours.arange(6).reshape(2, 3)
    memory = io.BytesIO()
    ours.save(memory, a)
    memory.seek(0)
    assert ours.load(memory, format="npy").tolist() == a.tolist()
    memory = io.BytesIO()
    ours.save_safetensors(memory, {"a": a}, {"k": "v"})
    memory.seek(0)
    found, metadata = ours.load(memory, "safetensors", return_metadata=True)
    assert found["a"].tolist() == a.tolist() and metadata["k"] == "v"
    with open(tmp_path / "a.npy", "wb") as file:
        ours.save(file, a)
    with open(tmp_path / "a.npy", "rb") as file:
        assert ours.load(file).tolist() == a.tolist()


def test_wrong_files(tmp_path):
    (tmp_path / "broken.npy").write_bytes(b"nothing")
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    for name in ("broken.npy", "broken.safetensors", "absent.npy", "absent.safetensors"):
        with pytest.raises(RuntimeError):
            ours.load(tmp_path / name)
    ours.save(tmp_path / "a.npy", ours.arange(2))
    for text in (
        "m.load(path, return_metadata=True)",
        "m.load(path, 'foo')",
        "m.save_safetensors(path, {'a': m.arange(2)}, {'k': 1})",
        "m.save_safetensors(path, [m.arange(2)])",
        "m.save(path, 5)",
    ):
        check(lambda m: eval(text, {"m": m, "path": str(tmp_path / "a.npy")}), label=text)
