"""The table of what converts says of each case what came of it, and goes on."""

from functools import partial

import tensorflow as tf

from benchmarks.layers import keras_layers, tfp_objects
from benchmarks.layers.__main__ import render, try_case
from benchmarks.layers.cases import Case, spec


def case(name: str, function: object) -> Case:
    return Case("Group", name, lambda: function, (spec(4),))


def _fails() -> None:
    raise RuntimeError("broken | layer")


ROWS = [
    try_case(case("good", tf.nn.relu)),
    try_case(case("random", lambda x: x + tf.random.normal(tf.shape(x)))),
    try_case(case("unknown", lambda x: tf.math.igamma(tf.abs(x), tf.abs(x)))),
    try_case(case("unsafe", lambda x: tf.while_loop(lambda x: x[0, 0] < 9, lambda x: (x + 1,), (x,))[0])),
    try_case(Case("Group", "broken", _fails, (spec(4),))),
]  # fmt: skip


def test_each_case_has_a_figure_or_a_reason() -> None:
    assert [row.difference for row in ROWS] == [0, None, None, None, None]
    reasons = [row.reason for row in ROWS[1:]]
    starts = ["layer 'random_normal' draws random", "ONNX has no Igamma in layer", "the guard: has the operator Loop",
              "fails in TensorFlow itself: RuntimeError: broken"]  # fmt: skip
    assert [reason.startswith(start) for reason, start in zip(reasons, starts, strict=True)] == [True] * 4, reasons


def test_the_page_counts_them_and_has_a_row_for_each() -> None:
    page = render(ROWS)
    assert page.startswith("# Layers and distributions that convert\n\n1 of 5 cases convert.")
    assert "| good | yes | 0 | Relu |\n" in page
    assert r"broken \| layer |" in page


def test_the_cases_are_many_and_have_names_of_their_own() -> None:
    cases = [*keras_layers.cases(), *tfp_objects.cases()]
    assert len({(case.group, case.name) for case in cases}) == len(cases) > 200
    assert all(isinstance(case.make, partial) for case in cases)
