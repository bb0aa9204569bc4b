"""Writes graphs.jsonl.gz: graphs that Python's guard lets through or refuses, with what it says of each.

    python -m tests.vectors.make_graphs

What the tests of the runtime hold, what fuzzing found, random graphs of all operators, and these damaged. The guard in
TypeScript has to give the same verdict and the same cost (web/test/graphs/corpus.test.ts).
"""

from __future__ import annotations

import base64
import gzip
import json
import random
import runpy
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from onnx import helper, numpy_helper

from tests.graphs import X
from vae_edge.runtime import UnsafeBundle
from vae_edge.runtime.bundle import guard

TESTS = Path(__file__).parents[1]
LARGEST = 1 << 21  # elements of a weight that is written here
DTYPES = {1: np.float32, 7: np.int64}


def written() -> Iterator[tuple[str, bytes]]:
    """The graphs that tests write byte by byte."""
    cases = runpy.run_path(str(TESTS / "runtime" / "test_graphcheck.py"))
    yield from cases["GOOD"].items()
    for name, (data, _) in cases["BAD"].items():
        yield name, data


def growing() -> Iterator[tuple[str, bytes]]:
    """Graphs that ask for more than their bytes: those that the tests have as nodes, as models."""
    cases = runpy.run_path(str(TESTS / "runtime" / "test_graphsize.py"))
    for name, (nodes, weights) in cases["BOMBS"].items():
        if any(int(np.prod(tensor.shape)) > LARGEST for tensor in weights.values()):
            continue
        tensors = []
        for title, tensor in weights.items():
            values = tensor.floats if tensor.floats is not None else tensor.numbers
            shape = tuple(map(int, tensor.shape))
            array = np.zeros(shape) if values is None else np.array(values).reshape(shape)
            tensors.append(numpy_helper.from_array(array.astype(DTYPES[tensor.kind]), title))
        made = [
            helper.make_node(
                node.operator,
                node.inputs,
                node.outputs,
                **{title: list(map(int, numbers)) for title, numbers in node.ints.items() if numbers},
                **node.texts,
            )
            for node in nodes
        ]
        inputs = [
            helper.make_tensor_value_info(title, 7 if title == "k" else 1, ["batch", *dims[1:]])
            for title, dims in X.items()
        ]
        outputs = [helper.ValueInfoProto(name=nodes[-1].outputs[0])]
        graph = helper.make_graph(made, "g", inputs, outputs, tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        yield name, model.SerializeToString(deterministic=True)


def fuzzed() -> Iterator[tuple[str, bytes]]:
    """What fuzzing found to be worth keeping."""
    with zipfile.ZipFile(TESTS / "fuzz" / "corpus" / "graph.zip") as archive:
        for name in archive.namelist():
            yield f"found {name}", archive.read(name)


def made() -> Iterator[tuple[str, bytes]]:
    """Random graphs, and each of them damaged."""
    maker = runpy.run_path(str(TESTS / "soak" / "random_graphs.py"))["Maker"]
    sys.path.insert(0, str(TESTS / "fuzz"))
    import models
    import mutators

    for seed in range(240):
        graph = maker(seed)
        for _ in range(8):
            graph.step()
        data = graph.model()
        yield f"random {seed}", data
        dice = random.Random(seed)
        yield f"damaged {seed}", models.graph(data, dice, lambda part, dice=dice: mutators.damage(part, dice))


def verdict(data: bytes) -> list[int] | None:
    """[batch, elements], or None where the graph is refused."""
    try:
        cost = guard.check(data, "graph.onnx")
    except UnsafeBundle:
        return None
    return [cost.batch, cost.elements]


def main() -> None:
    """Writes the corpus."""
    entries = [
        {"name": name, "bytes": base64.b64encode(data).decode(), "cost": verdict(data)}
        for cases in (written(), growing(), fuzzed(), made())
        for name, data in cases
    ]
    text = "\n".join(json.dumps(entry) for entry in entries)
    Path(__file__).with_name("graphs.jsonl.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
