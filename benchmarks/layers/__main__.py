"""Tries every case, one by one, and writes the table: `python -m benchmarks.layers [--out docs/layers.md]`.

Takes about five minutes on two cores. A case converts where the graph passes the runtime's guard and computes what
TensorFlow computes, at 1e-4 * max(1, |value|).
"""

from __future__ import annotations

import argparse
import collections
import importlib.metadata
import itertools
import logging
import os
import re
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import onnxruntime
import tensorflow as tf

from benchmarks.layers import keras_layers, tfp_objects
from benchmarks.layers.cases import Case
from vae_edge.export.convert import convert
from vae_edge.runtime.bundle import guard
from vae_edge.runtime.errors import InputError, UnsafeBundle

TOLERANCE = 1e-4
BATCH = 3
PACKAGES = ("tensorflow", "keras", "tf_keras", "tensorflow-probability", "tf2onnx", "onnx", "onnxruntime")


@dataclass(frozen=True)
class Row:
    """What came of a case: the difference and the operators where it converts, else a reason."""

    case: Case
    difference: float | None = None
    operators: str = ""
    reason: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layers", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/layers.md"))
    parser.add_argument("--only", default="", help="cases whose name has this in it; prints, and writes nothing")
    options = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    rows, start = [], time.monotonic()
    for case in itertools.chain(keras_layers.cases(), tfp_objects.cases()):
        if options.only in case.name:
            rows.append(try_case(case))
            row = rows[-1]
            print(
                f"{case.group}: {case.name}: {row.reason or f'{row.difference:.1e} {row.operators}'}", file=sys.stderr
            )
    print(f"{len(rows)} cases in {time.monotonic() - start:.0f} s", file=sys.stderr)
    if not options.only:
        options.out.write_text(render(rows), encoding="utf-8")
    return 0


def try_case(case: Case) -> Row:
    """Makes, converts, checks and compares one; whatever is raised is its reason."""
    tf.random.set_seed(0)
    given = [_values(spec.shape, spec.dtype) for spec in case.inputs]
    try:
        function = case.make()
        results = function(*map(tf.constant, given))
        expected = [np.asarray(each) for each in (results if isinstance(results, (list, tuple)) else [results])]
    except Exception as error:  # a table of what fails cannot stop at it
        return Row(case, reason=f"fails in TensorFlow itself: {_reason(error)}")
    try:
        names = [f"y{index}" for index in range(len(expected))]
        model = convert(function, case.inputs, names)
        data = model.SerializeToString()
        guard.check(data, "the graph")
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        found = session.run(names, dict(zip((spec.name for spec in case.inputs), given, strict=True)))
    except Exception as error:
        return Row(case, reason=_reason(error))
    operators = collections.Counter(node.op_type for node in model.graph.node)
    said = ", ".join(f"{name} {count}" if count > 1 else name for name, count in sorted(operators.items()))
    worst = max(map(_difference, found, expected))
    if not worst <= TOLERANCE:
        return Row(case, reason=f"differs from TensorFlow by {worst:.2g}")
    return Row(case, worst, said)


def _values(shape: tuple[int, ...], dtype: str) -> Any:
    draws = np.random.default_rng(0)
    if dtype.startswith("int"):
        return draws.integers(0, 5, (BATCH, *shape)).astype(dtype)
    return draws.normal(size=(BATCH, *shape)).astype(dtype)


def _difference(ours: Any, theirs: Any) -> float:
    """max |difference| / max(1, |value|)."""
    theirs = np.broadcast_to(theirs, ours.shape)
    if not np.array_equal(np.isfinite(ours), np.isfinite(theirs)):
        return float("inf")
    with np.errstate(invalid="ignore"):
        apart = np.where(ours == theirs, 0, np.abs(ours - theirs)) / np.maximum(1, np.abs(theirs))
    return float(np.nanmax(apart, initial=0))


def _reason(error: Exception) -> str:
    text = re.sub(r"\x1b\[[0-9]*m", "", " ".join(str(error).split()))
    if isinstance(error, UnsafeBundle):
        return "the guard: " + text.removeprefix("the graph ").split(";")[0]
    for start, end in (("it also uses ", ": replace the layer"), ("but layer ", ": name the outputs")):
        if isinstance(error, InputError) and start in text:
            return ("ONNX has no " if "also" in start else "layer ") + text.split(start)[1].split(end)[0]
    return f"{'' if isinstance(error, InputError) else type(error).__name__ + ': '}{text[:160]}"


def render(rows: Iterable[Row]) -> str:
    """The page."""
    rows = list(rows)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    converts = sum(row.difference is not None for row in rows)
    text = [
        "# Layers and distributions that convert",
        "",
        f"{converts} of {len(rows)} cases convert. Made by `python -m benchmarks.layers` with {versions}.",
        "",
        "Each case is one layer with random weights, exported alone. It converts where the graph passes the runtime's "
        f"guard and the difference from TensorFlow is at most {TOLERANCE:g} * max(1, |value|). The operators are "
        "ONNX's, with their number where there is more than one.",
        "",
        "A distribution is exported by its parameters (`loc`, `scale`, `logits`), which always convert; the statistics "
        "are here to say what may stand inside a graph. Random layers are refused where a wanted output depends on "
        "them. Recurrent layers are loops, which the guard refuses: with `unroll=True` they convert.",
    ]
    for group, members in itertools.groupby(rows, lambda row: row.case.group):
        text += ["", f"## {group}", "", "| | converts | difference | operators, or the reason |", "|---|---|---|---|"]
        for row in members:
            name, note = (part.replace("|", "\\|") for part in (row.case.name, row.operators or row.reason))
            state = "yes" if row.difference is not None else "no"
            figure = "" if row.difference is None else f"{row.difference:.0e}" if row.difference else "0"
            text.append(f"| {name} | {state} | {figure} | {note} |")
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
