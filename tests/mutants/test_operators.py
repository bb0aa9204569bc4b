"""The mutants are what they say: one change each, of everything that a test should notice, and of nothing else."""

from __future__ import annotations

import ast

import pytest

from tests.mutants import operators, page
from tests.mutants.__main__ import ROOM, sampled
from tests.mutants.running import Contexts


def changes(text: str) -> list[str]:
    source = f"{text}\n".encode()
    return [operators.apply(source, mutant).decode().rstrip() for mutant in operators.find(source)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a < b", ["a <= b"]),
        ("a is not b", ["a is b"]),
        ("a not in b", ["a in b"]),
        ("0 < a <= b", ["1 < a <= b", "0 <= a <= b", "0 < a < b"]),
        ("a and b or c", ["a or b or c", "a and b and c"]),
        ("not a", ["a"]),
        ("-a * b", ["a * b", "-a / b"]),
        ("(a) + (b)", ["(a) - (b)"]),
        ("é + 1", ["é - 1", "é + 2"]),
        ("a += 2.5", ["a -= 2.5", "a += 3.5"]),
        ("x = True", ["x = False"]),
        ("raise E(1 + 1) from None", ["pass"]),
    ],
)
def test_each_operator_changes_what_its_name_says(text, expected):
    assert changes(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "def f(a: int | None) -> int | None: return a",
        "x: int | None = y",
        'f"{a + 1:.2g}"',
        '__all__ = ["a" + b]',
        "assert a < 3",
        '"a %s" % b',
        "Shape = tuple[int | str, ...]",
        "if TYPE_CHECKING:\n    a = 1 + 1",
    ],
)
def test_what_no_test_should_notice_is_left_alone(text):
    assert changes(text) == []


def test_every_mutant_of_the_runtime_is_python_and_differs():
    for path in ROOM.rglob("*.py"):
        source = path.read_bytes()
        tree = ast.dump(ast.parse(source))
        for mutant in operators.find(source)[::7]:
            assert ast.dump(ast.parse(operators.apply(source, mutant))) != tree


def test_a_seed_gives_the_same_sample():
    assert sampled(1, 20) == sampled(1, 20) != sampled(2, 20)


def test_a_mutant_meets_the_tests_of_its_line_quickest_first():
    contexts = {
        "seconds": {"a[1]": 3.0, "a[2]": 1.0, "a[3]": 0.5, "b": 2.0, "c": 0.1},
        "lines": {"x.py": {"4": ["a[1]", "a[2]", "a[3]", "b"], "9": ["c"]}},
    }
    of = Contexts(contexts).of
    assert of("x.py", operators.Mutant("raise", 3, 4, 0, 1, "")) == ["a[3]", "b", "a[2]", "a[1]"]
    assert of("x.py", operators.Mutant("raise", 9, 9, 0, 1, "")) == ["c"]
    # no test executes it: a constant that an import reads, or a child process's
    assert of("x.py", operators.Mutant("raise", 1, 1, 0, 1, "")) == ["c", "a[3]", "b", "a[2]", "a[1]"]


def test_the_page_counts_equivalent_mutants_apart():
    rows = [
        {"file": "a.py", "before": str(at), "after": "x", "kind": "raise", "fate": fate}
        for at, fate in enumerate(["killed", "timeout", "killed", "survived", "survived"])
    ]
    text = page.render(rows, 7, {("a.py", "3", "x"): "the same"})
    assert "**75.0 % of 4 died**" in text
    assert "| raise | 5 | 3 | 1 | 1 | 1 |" in text
