"""The bounds that refuse a graph are bounds: random graphs are run, and nothing is larger than what was reckoned."""

from __future__ import annotations

import random

import numpy as np
import onnxruntime
import pytest

from vae_edge.runtime.bundle.guard.rules import RULES, Tensor, UpTo
from vae_edge.runtime.bundle.guard.size import check


class Maker:
    """Builds random graphs that mostly run: each node reads what came before."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.nodes: list = []
        self.weights: dict[str, np.ndarray] = {}
        self.ranks = {"x": 4, "z": 2}
        self.sizes: list[str] = []

    def weight(self, array: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights[name] = array
        return name

    def integers(self, *values: int) -> str:
        return self.weight(np.array(values, np.int64))

    def add(self, operator: str, inputs: list[str], rank: int, outputs: int = 1, **attributes: object) -> str:
        from onnx import helper

        names = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        for name in names:
            self.ranks[name] = rank
        return names[0]

    def step(self) -> None:
        dice = self.dice
        x = dice.choice(list(self.ranks))
        rank = self.ranks[x]
        axis = dice.randrange(-rank, rank)
        pick = dice.randrange(16)
        if pick == 0:
            self.add("Concat", [x] * dice.choice([1, 2]), rank, axis=axis)
        elif pick == 1:
            cut = [dice.choice([-300, -5, -3, -1, 0, 1, 2, 3, 7, 2**63 - 1]) for _ in range(2)]
            step = dice.choice([1, 1, 2, -1])
            self.add("Slice", [x, *(self.integers(v) for v in (*cut, axis, step))], rank)
        elif pick == 2:
            self.add("Pad", [x, self.integers(*(dice.choice([0, 0, 1, -1]) for _ in range(2 * rank)))], rank)
        elif pick == 3 and rank == 4:
            sizes = [dice.choice([-1, 0, 1, 2, 3, 4, 6, 8, 12]) for _ in range(dice.choice([2, 3, 4]))]
            self.add("Reshape", [x, self.integers(*sizes)], len(sizes))
        elif pick == 4:
            shape = self.add("Shape", [x], 1)
            self.ranks.pop(shape)
            part = self.add("Slice", [shape, self.integers(0), self.integers(dice.choice([1, 2, -1]))], 1)
            self.ranks.pop(part)
            self.sizes.append(part)
        elif pick == 5 and self.sizes:
            target = self.add(
                "Concat", [dice.choice(self.sizes), self.integers(dice.choice([-1, 1, 2, 4, 0]))], 1, axis=0
            )
            self.ranks.pop(target)
            self.add(dice.choice(["Reshape", "Expand", "ConstantOfShape"]), [x, target], 2)
            if self.nodes[-1].op_type == "ConstantOfShape":
                del self.nodes[-1].input[0]
        elif pick == 6:
            self.add("Transpose", [x], rank, perm=dice.sample(range(rank), rank))
        elif pick == 7 and rank == 4:
            kernel, stride = dice.choice([1, 2, 3]), dice.choice([1, 2, 3])
            more = dice.choice([{"pads": [dice.choice([0, 1, 2]) for _ in range(4)]}, {"auto_pad": "SAME_UPPER"}])
            more |= {"kernel_shape": [kernel] * 2, "strides": [stride] * 2}
            self.add("MaxPool", [x], 4, ceil_mode=dice.choice([0, 1]), **more)
        elif pick == 8 and rank == 4:
            kernel, stride, channels = dice.choice([1, 2, 3]), dice.choice([1, 2, 3]), dice.choice([1, 2, 4, 8])
            more = dice.choice([{"pads": [dice.choice([0, 1]) for _ in range(4)]}, {"auto_pad": "SAME_LOWER"},
                                {"auto_pad": "VALID"}, {"auto_pad": "NOTSET"}])  # fmt: skip
            more |= {"kernel_shape": [kernel] * 2, "strides": [stride] * 2}
            back = dice.random() < 0.5
            shape = (channels, dice.choice([1, 2, 3]), kernel, kernel) if back else (5, channels, kernel, kernel)
            w = self.weight(np.zeros(shape, np.float32))
            self.add("ConvTranspose" if back else "Conv", [x, w], 4, **more)
        elif pick == 9:
            self.add("Add", [x, (y := dice.choice(list(self.ranks)))], max(rank, self.ranks[y]))
        elif pick == 10:
            keep = dice.choice([0, 1])
            if rank > 1 or keep:
                self.add("ReduceMax", [x], rank - (1 - keep), axes=[axis], keepdims=keep)
        elif pick == 11:
            self.add("Split", [x], rank, outputs=2, axis=axis)
        elif pick == 12 and rank == 4:
            self.add(dice.choice(["DepthToSpace", "SpaceToDepth"]), [x], 4, blocksize=2)
        elif pick == 13:
            self.add("Gather", [x, self.integers(0, 0, 0)], rank, axis=axis)
        elif pick == 14:
            self.add("Flatten", [x], 2, axis=axis)
        elif pick == 15:
            self.add("Unsqueeze", [x, self.integers(axis)], rank + 1) if rank < 5 else None

    def model(self) -> bytes:
        from onnx import TensorProto, helper, numpy_helper

        inputs = [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4, 6, 8]),
            helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 12]),
        ]
        outputs = [helper.ValueInfoProto(name=name) for node in self.nodes for name in node.output]
        tensors = [numpy_helper.from_array(array, name) for name, array in self.weights.items()]
        graph = helper.make_graph(self.nodes, "random", inputs, outputs, tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()


def bounds(data: bytes) -> dict[str, Tensor]:
    """What graphsize takes each tensor of a model to be."""
    from vae_edge.runtime.bundle.guard import reader as graphcheck

    found: dict[str, Tensor] = {}

    def spy(nodes, known):
        for step in nodes:
            inputs = [known[name] for name in step.inputs]
            results = RULES[step.operator](step, *inputs)
            known |= zip(step.outputs, [results] if isinstance(results, Tensor) else results, strict=True)
        found.update(known)
        return check(nodes, dict(zip("xz", (known["x"], known["z"]), strict=True)) | {
            name: tensor for name, tensor in known.items() if name.startswith("w")})  # fmt: skip

    kept, graphcheck.graphsize.check = graphcheck.graphsize.check, spy
    try:
        graphcheck.check(data, "random")
    finally:
        graphcheck.graphsize.check = kept
    return found


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


def test_nothing_that_onnx_runtime_makes_is_larger_than_its_bound(soak):
    pytest.importorskip("onnx", reason="the train extra is not installed")
    held = 0
    for seed in range(soak(300, 20_000)):
        maker = Maker(seed)
        for _ in range(maker.dice.choice([1, 2, 3, 4, 6])):
            maker.step()
        if not maker.nodes:
            continue
        data = maker.model()
        try:
            known = bounds(data)
        except Exception:  # refused: nothing is promised
            continue
        for batch in (1, 2, 4, 8, 255, 256):
            for name, array in (run(data, batch) or {}).items():
                held += 1
                bound, text = known[name], f"seed {seed}, batch {batch}, {name}: {array.shape} in {known[name]}"
                assert len(bound.shape) == array.ndim, text
                assert all(size <= most for size, most in zip(array.shape, bound.shape, strict=True)), text
                if bound.numbers is not None and array.dtype == np.int64:
                    for number, most in zip(array.ravel().tolist(), bound.numbers, strict=True):
                        assert number <= most if isinstance(most, UpTo) else number == most, text
    assert held > 500
