"""Numbers are written as people write them."""

from __future__ import annotations

import pytest

from vae_edge.cli.nouns import number


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e4, "10,000"), (32, "32"), (-65.6123, "-65.61"), (0.0087841, "0.008784"), (123456.7, "123,457"), (0.0, "0"),
     (float("nan"), "nan"), (2.5e-9, "2.5e-09")],
)  # fmt: skip
def test_a_figure_has_no_exponent_where_it_needs_none(value, text):
    assert number(value) == text


def test_info_counts_generated_samples_in_digits(vae_edge):
    assert "10,000" in vae_edge("info", "mnist").stdout
    assert "1e+04" not in vae_edge("info", "mnist").stdout
