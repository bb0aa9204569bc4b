"""Numbers are converted as Typer would convert them, with messages that say what was expected and what came."""

from __future__ import annotations

import pytest
import typer

from vae_edge.cli.numbers import Number


@pytest.mark.parametrize(
    ("number", "value", "converted"),
    [
        (Number(int, 1), "64", 64),
        (Number(int), "1_000", 1000),
        (Number(float, 0), "1e-4", 1e-4),
        (Number(int, 1, 8), 8, 8),  # a default
    ],
)
def test_a_value_becomes_a_number(number, value, converted):
    assert number(value) == converted


@pytest.mark.parametrize(
    ("number", "value", "expected"),
    [
        (Number(int, 1, 8), "9", "a whole number from 1 to 8, got '9'"),
        (Number(int, 1), "0", "a whole number, 1 or more, got '0'"),
        (Number(int, None, 3), "4", "a whole number, 3 or less, got '4'"),
        (Number(int), "", "a whole number, got ''"),
        (Number(float, 0), "nan", "a number, 0 or more, got 'nan'"),
        (Number(float), "x", "a number, got 'x'"),
    ],
)
def test_what_is_none_is_told_with_what_was_expected(number, value, expected):
    with pytest.raises(typer.BadParameter, match="expected " + expected):
        number(value)
