"""The shape of the source: one name, one address, each with a docstring, examples that run."""

import ast
import doctest
import importlib
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"
MODULES = sorted((SOURCE / "agv2").rglob("*.py"))
PLAIN = [path for path in MODULES if path.name != "__init__.py"]
PACKAGES = [path for path in MODULES if path.name == "__init__.py"]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def exported(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return list(ast.literal_eval(node.value))
    return []


def defined(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            names.add(ast.unparse(node.target))
        elif isinstance(node, ast.Assign):
            names.update(each.id for target in node.targets for each in ast.walk(target) if isinstance(each, ast.Name))
    return names


def test_there_are_modules_to_look_at() -> None:
    assert len(PLAIN) > 20
    assert len(PACKAGES) >= 15


@pytest.mark.parametrize("path", PACKAGES, ids=name_of)
def test_a_package_file_holds_its_docstring_and_nothing_else(path: Path) -> None:
    tree = parsed(path)
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


@pytest.mark.parametrize("path", PLAIN, ids=name_of)
def test_a_module_exports_what_it_defines(path: Path) -> None:
    tree = parsed(path)
    names = exported(tree)
    assert names, "`__all__` says what the module is for"
    assert set(names) <= defined(tree), "a name is imported from the module that defines it"
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("path", [path for path in PLAIN if ">>>" in path.read_text(encoding="utf-8")], ids=name_of)
def test_docstring_examples_run(path: Path) -> None:
    result = doctest.testmod(importlib.import_module(name_of(path)))
    assert result.attempted
    assert not result.failed
