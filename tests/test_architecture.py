"""The rooms keep to their order, the runtime to NumPy and ONNX Runtime, and private names to their modules."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("cli", "export", "train", "cluster", "batch", "pictures", "runtime")  # each imports from those behind it alone
RUNTIME = {"numpy", "onnxruntime", "vae_edge", *sys.stdlib_module_names}
BENCHMARKS = "benchmarks"

# Private names that others make us use: they have no public one.
BORROWED = {
    ("cli/coercion.py", "_runtime_param"),  # Typer's
    ("export/sources/callables.py", "_keras_history"),  # Keras's
}


def sources(room: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / room).rglob("*.py")):
        if any(part.startswith(".") for part in path.relative_to(ROOT).parts):
            continue  # environments of benchmarks/speed
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, module) of each import, also of those within functions; `from vae_edge import x` counts as vae_edge.x."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or "."  # a relative import is of no room
            names = [f"vae_edge.{alias.name}" for alias in node.names] if module == "vae_edge" else [module]
            yield from ((node.lineno, name) for name in names)


def private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def foreign_privates(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, name) of each private name that a module takes from another one.

    A private attribute is the module's own where the module defines that name: a function, a class, a field or an
    attribute of `self`. Of `self`, `cls` and `super()` it may be inherited.
    """
    own = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            own.add(node.attr)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, alias.name) for alias in node.names if private(alias.name))
            continue
        if not isinstance(node, ast.Attribute) or not private(node.attr) or node.attr in own:
            continue
        if ast.unparse(node.value) not in ("self", "cls", "super()"):
            yield node.lineno, node.attr


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_from_those_below_it_alone(room):
    above = set(ROOMS[: ROOMS.index(room)])
    found = [
        f"{path}:{line} imports {name}"
        for path, tree in sources(room)
        for line, name in imported(tree)
        if name.startswith("vae_edge.") and name.split(".")[1] in above
    ]
    assert found == []


def test_the_runtime_imports_numpy_onnx_runtime_and_the_standard_library_alone():
    found = [
        f"{path}:{line} imports {name}"
        for path, tree in sources("runtime")
        for line, name in imported(tree)
        if name.split(".")[0] not in RUNTIME
    ]
    assert found == []


@pytest.mark.parametrize("room", [*ROOMS, BENCHMARKS])
def test_no_private_name_crosses_a_module(room):
    found = [
        f"{path}:{line} uses {name}"
        for path, tree in sources(room)
        for line, name in foreign_privates(tree)
        if (path, name) not in BORROWED and name != "_asdict"  # a named tuple's, which is public
    ]
    assert found == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("from vae_edge.runtime.session import _line", ["_line"]),
        ("import vae_edge.runtime.session as s\ns._line(1)", ["_line"]),
        ("def f(vae):\n    return vae.model._affine", ["_affine"]),
        ("class A:\n    def f(self, other):\n        return self._x + other._y", ["_y"]),
        (
            "class A:\n    def __init__(self):\n        self._x = 1\n    def f(self, other):\n        return other._x",
            [],
        ),
        ("class B(A):\n    def f(self):\n        return super()._f() + self._g() + self.__dict__", []),
    ],
)
def test_the_test_above_sees_what_it_should(code, expected):
    assert [name for _, name in foreign_privates(ast.parse(code))] == expected


def test_the_order_of_rooms_is_that_of_the_page():
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    assert f"a room imports only from rooms below it: {', '.join(ROOMS)}" in page


def test_every_package_is_installed_and_every_extra_that_is_named_exists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    there = {
        "vae_edge." + ".".join(path.parent.relative_to(ROOT).parts)
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
    }
    packages = set(project["tool"]["setuptools"]["packages"])
    assert packages == there | {"vae_edge", "vae_edge.artifacts"}
    extras = project["project"]["optional-dependencies"]
    files = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *(p for r in ROOMS for p in (ROOT / r).rglob("*.py"))]
    named = {
        extra
        for path in files
        for found in re.findall(r"(?:vae-edge|'\.)\[([a-z,]+)\]", path.read_text("utf-8"))
        for extra in found.split(",")
    }
    assert {"cpu", "ray"} <= named <= extras.keys(), named - extras.keys()
