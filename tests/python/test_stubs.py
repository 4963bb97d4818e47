"""The committed type stubs say what the module does."""

import ast
import builtins
import importlib.util
import inspect
import pathlib

import pytest

import anymetal.core as mx

ROOT = pathlib.Path(__file__).parents[2]
PACKAGE = pathlib.Path(mx.__file__).parent
STUBS = sorted(path.name for path in (ROOT / "crates/python/python/anymetal/core").glob("*.pyi"))


def generator():
    spec = importlib.util.spec_from_file_location("stubs", ROOT / "crates/python/stubs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def module_of(stub):
    name = stub.removesuffix(".pyi")
    return mx if name == "__init__" else getattr(mx, name)


def test_they_are_up_to_date():
    assert generator().main(check=True) == [], "run `cargo xtask stubs`"


def test_they_are_installed_and_marked():
    assert (PACKAGE.parent / "py.typed").exists()
    assert [name for name in STUBS if not (PACKAGE / name).exists()] == []


@pytest.mark.parametrize("stub", STUBS)
def test_every_name_they_use_is_defined(stub):
    tree = ast.parse((PACKAGE / stub).read_text())
    defined = set(vars(builtins))
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            defined.add(node.target.id)
        elif isinstance(node, ast.Assign):
            defined.update(target.id for target in node.targets)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            defined.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert used - defined == set()


@pytest.mark.parametrize("stub", STUBS)
def test_names_are_the_module_s(stub):
    tree = ast.parse((PACKAGE / stub).read_text())
    module = module_of(stub)
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            assert hasattr(module, node.name), node.name
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef):
                    assert hasattr(getattr(module, node.name), member.name), member.name


@pytest.mark.parametrize("stub", STUBS)
def test_functions_have_the_parameters_of_the_stubs(stub):
    tree = ast.parse((PACKAGE / stub).read_text())
    module = module_of(stub)
    ways = {}
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        function = getattr(module, node.name)
        arguments = node.args
        if isinstance(getattr(function, "signature", None), str):
            # An overload has several signatures and as many definitions.
            way = ways[node.name] = ways.get(node.name, -1) + 1
            signature = function.signature.splitlines()[way]
            wanted = ast.parse(f"def {signature}: ...").body[0].args
            assert ast.dump(wanted) == ast.dump(arguments)
        else:
            names = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            parameters = inspect.signature(function).parameters.values()
            kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
            assert [a.arg for a in names] == [p.name for p in parameters if p.kind not in kinds]
    assert len(ways) > 100 or stub != "__init__.pyi"
    for name, last in ways.items():
        assert len(getattr(module, name).signature.splitlines()) == last + 1
