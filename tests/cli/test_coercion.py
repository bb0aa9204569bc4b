"""Values are converted without pydantic, and as Typer would convert them."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from vae_edge.cli.coercion import Plain


@pytest.mark.parametrize(
    ("plain", "value", "converted"),
    [
        (Plain(int, False, 1, None), "64", 64),
        (Plain(int, False, None, None), "1_000", 1000),
        (Plain(float, False, 0, None), "1e-4", 1e-4),
        (Plain(str, False, None, None), "mnist", "mnist"),
        (Plain(Path, False, None, None), "a/b", Path("a/b")),
        (Plain(bool, False, None, None), False, False),
        (Plain(int, False, None, None), None, None),
        (Plain(str, True, None, None), ("a", "b"), ["a", "b"]),
        (Plain(str, True, None, None), None, []),
    ],
)
def test_a_value_becomes_its_type(plain, value, converted):
    assert plain.coerce(value, None, None) == converted


@pytest.mark.parametrize(
    ("plain", "value", "expected"),
    [
        (Plain(int, False, 1, 8), "9", "a whole number from 1 to 8, got '9'"),
        (Plain(int, False, 1, None), "0", "a whole number, 1 or more, got '0'"),
        (Plain(int, False, None, 3), "4", "a whole number, 3 or less, got '4'"),
        (Plain(int, False, None, None), "", "a whole number, got ''"),
        (Plain(float, False, 0, None), "nan", "a number, 0 or more, got 'nan'"),
        (Plain(float, False, None, None), "x", "a number, got 'x'"),
    ],
)
def test_what_is_none_is_told_with_what_was_expected(plain, value, expected):
    with pytest.raises(typer.BadParameter, match="expected " + expected):
        plain.coerce(value, None, None)
