"""What the guard says of a graph's tensors is so: random graphs are run, and each size is as it was inferred."""

from __future__ import annotations

import runpy
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from vae_edge.runtime.bundle.guard import reader, size
from vae_edge.runtime.bundle.guard.buffers import Order
from vae_edge.runtime.bundle.guard.terms import Batched, Known, RefusedError, Tensor

BATCHES = (1, 2, 3, 8, 255, 256)
LIMIT = 1 << 26


def inferred(data: bytes) -> dict[str, Tensor]:
    """What the guard takes each tensor of a model to be, for 256 events."""
    graph = reader.read(data)
    order = Order(((node.inputs, node.outputs) for node in graph.nodes), graph.outputs)
    return size.infer(graph, order, size.MAX_BATCH, LIMIT).tensors


def run(data: bytes, batch: int) -> dict[str, np.ndarray] | None:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    feeds = {"x": np.zeros((batch, 4, 6, 8), np.float32), "z": np.zeros((batch, 12), np.float32)}
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, feeds), strict=True))
    except Exception:
        return None


def holds(found: int, bound: int, batch: int) -> bool:
    """Whether a number is what was known of it."""
    if isinstance(bound, Batched):
        return found * size.MAX_BATCH == bound * batch
    return found == bound if isinstance(bound, Known) else 0 <= found <= bound


def described(tensor: Tensor) -> str:
    return str(
        [[f"{type(number).__name__} {number}" for number in part or ()] for part in (tensor.shape, tensor.numbers)]
    )


def test_every_tensor_that_onnx_runtime_makes_is_as_it_was_inferred(soak):
    pytest.importorskip("onnx", reason="the train extra is not installed")
    maker_of = runpy.run_path(str(Path(__file__).parent / "random_graphs.py"))["Maker"]
    held, operators = 0, Counter()
    for seed in range(soak(300, 20_000)):
        maker = maker_of(seed)
        for _ in range(maker.dice.choice([1, 2, 3, 4, 6])):
            maker.step()
        if not maker.nodes:
            continue
        data = maker.model()
        try:
            known = inferred(data)
        except RefusedError:  # nothing is promised
            continue
        for batch in BATCHES:
            for name, array in (run(data, batch) or {}).items():
                held += 1
                bound, text = (
                    known[name],
                    f"seed {seed}, batch {batch}, {name}: {array.shape}, {described(known[name])}",
                )
                assert len(bound.shape) == array.ndim, text
                assert all(holds(*sizes, batch) for sizes in zip(array.shape, bound.shape, strict=True)), text
                if bound.numbers is not None and array.dtype in (np.int32, np.int64):
                    numbers = array.ravel().tolist()
                    text += f" {numbers}"
                    assert all(holds(*pair, batch) for pair in zip(numbers, bound.numbers, strict=True)), text
                operators[next(node.op_type for node in maker.nodes if name in node.output)] += 1
    assert held > 500
    assert min(operators.values()) > 0
    assert len(operators) >= 50, sorted(operators)
