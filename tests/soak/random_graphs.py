"""Random ONNX graphs that mostly run: each node reads what came before, of every operator that changes a shape."""

from __future__ import annotations

import random

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OPSETS = (11, 12, 13, 15, 17, 18, 19, 20, 21, 22, 23)
ENDS = (-300, -5, -3, -1, 0, 1, 2, 3, 7, 1_000_000_000, 2**31 - 1, 2**63 - 1, -(2**63))


class Maker:
    """Builds one graph: `step` adds an operator or a few, `model` gives its bytes."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.opset = self.dice.choice(OPSETS)
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

    def add(
        self, operator: str, inputs: list[str], rank: int | None, outputs: int = 1, domain: str = "", **attributes
    ) -> str:
        """A node; its outputs are read by later ones where `rank` says how many axes they have."""
        names = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, domain=domain, **attributes))
        if rank is not None:
            self.ranks |= dict.fromkeys(names, rank)
        return names[0]

    def step(self) -> None:
        x = self.dice.choice(list(self.ranks))
        rank = self.ranks[x]
        steps = [self.join, self.cut, self.view, self.number, self.number, self.target, self.element, self.reduce]
        if rank >= 2:
            steps += [self.multiply, self.look_up]
        if rank in (3, 4, 5):
            steps += [self.convolve, self.convolve, self.pool, self.resize, self.resize]
        self.dice.choice(steps)(x, rank)

    def axes(self, operator: str, x: str, rank: int | None, axes: list[int], since: int, **more) -> str:
        """An operator whose axes are an attribute in opsets before `since`."""
        if self.opset < since:
            return self.add(operator, [x], rank, axes=axes, **more)
        return self.add(operator, [x, self.integers(*axes)], rank, **more)

    def join(self, x: str, rank: int) -> None:
        dice, axis = self.dice, self.dice.randrange(-rank, rank)
        pick = dice.randrange(4)
        if pick == 0:
            self.add("Concat", [x] * dice.choice([1, 2]), rank, axis=axis)
        elif pick == 1:
            self.add("Tile", [x, self.integers(*(dice.choice([1, 1, 2, 3, 0]) for _ in range(rank)))], rank)
        elif pick == 2:
            mode = dice.choice(["constant", "reflect", "edge"])
            pads = self.integers(*(dice.choice([0, 0, 1, -1, 2]) for _ in range(2 * rank)))
            self.add("Pad", [x, pads], rank, mode=mode)
        else:
            y = dice.choice(list(self.ranks))
            self.add(dice.choice(["Add", "Sub", "Max", "Mul"]), [x, y], max(rank, self.ranks[y]))

    def cut(self, x: str, rank: int) -> None:
        dice, axis = self.dice, self.dice.randrange(-rank, rank)
        pick = dice.randrange(3)
        if pick == 0:
            ends, step = [dice.choice(ENDS) for _ in range(2)], dice.choice([1, 1, 2, -1, -1, -2])
            self.add("Slice", [x, *(self.integers(value) for value in (*ends, axis, step))], rank)
        elif pick == 1:
            more = {"num_outputs": 2} if self.opset >= 18 else {}
            self.add("Split", [x], rank, outputs=2, axis=axis, **more)
        else:
            parts = dice.choice([[1, 3], [2, 2], [4], [2, 4], [3, 5], [5, 7], [1, 1]])
            if self.opset < 13:
                self.add("Split", [x], rank, outputs=len(parts), axis=axis, split=parts)
            else:
                self.add("Split", [x, self.integers(*parts)], rank, outputs=len(parts), axis=axis)

    def view(self, x: str, rank: int) -> None:
        dice, axis = self.dice, self.dice.randrange(-rank, rank)
        pick = dice.randrange(6)
        if pick == 0:
            sizes = [dice.choice([-1, 0, 1, 2, 3, 4, 6, 8, 12]) for _ in range(dice.choice([2, 3, 4]))]
            self.add("Reshape", [x, self.integers(*sizes)], len(sizes))
        elif pick == 1:
            self.add("Transpose", [x], rank, perm=dice.sample(range(rank), rank))
        elif pick == 2:
            self.add("Flatten", [x], 2, axis=axis)
        elif pick == 3 and rank < 5:
            self.axes("Unsqueeze", x, rank + 1, [axis], 13)
        elif pick == 4 and rank < 5:
            one = self.axes("Unsqueeze", x, rank + 1, [axis], 13)
            self.axes("Squeeze", one, rank, [axis], 13)
        elif rank == 4:
            self.add(dice.choice(["DepthToSpace", "SpaceToDepth"]), [x], 4, blocksize=2)

    def number(self, x: str, rank: int) -> None:
        """A vector of sizes, as converters compute them."""
        dice = self.dice
        if not self.sizes or dice.random() < 0.5:
            shape = self.add("Shape", [x], None)
            first = dice.randrange(-1, rank)
            cut = self.integers(first), self.integers(first + 1 if first >= 0 else 2**31 - 1)
            size = self.add("Slice", [shape, *cut], None)
            if dice.random() < 0.3:
                size = self.add("Gather", [shape, self.integers(*(dice.randrange(rank) for _ in range(2)))], None)
                if self.opset < 18:
                    size = self.add("ReduceProd", [size], None, axes=[0], keepdims=1)
                else:
                    size = self.add("ReduceProd", [size, self.integers(0)], None, keepdims=1)
            if dice.random() < 0.2:
                zero, one = (self.weight(np.array(value, np.int64)) for value in (dice.choice([0, 0, 2]), 1))
                count = self.add("Size", [x], None) if dice.random() < 0.5 else self.weight(np.array(7, np.int64))
                self.add("Range", [zero, count, one], None)
            self.sizes.append(size)
            return
        operator = dice.choice(["Add", "Sub", "Mul", "Div", "Max", "Min", "Neg", "Cast"])
        a, b = dice.choice(self.sizes), dice.choice([*self.sizes, self.integers(dice.choice([1, 2, 3, 4, 0, -1]))])
        if operator == "Neg":
            self.sizes.append(self.add("Neg", [a], None))
        elif operator == "Cast":
            self.sizes.append(self.add("Cast", [self.add("Cast", [a], None, to=6)], None, to=7))
        elif not (operator in ("Max", "Min") and self.opset < 12):
            self.sizes.append(self.add(operator, [a, b], None))

    def target(self, x: str, rank: int) -> None:
        """An operator that reads computed sizes."""
        dice = self.dice
        if not self.sizes:
            return
        size = dice.choice(self.sizes)
        other = self.integers(dice.choice([-1, 1, 2, 4, 0]))
        both = dice.choice([[size, other], [other, size], [size, dice.choice(self.sizes)], [size]])
        sizes = self.add("Concat", both, None, axis=0)
        pick = dice.randrange(6)
        if pick == 0:
            self.add("ConstantOfShape", [sizes], len(both))
        elif pick == 1:
            self.add("Expand", [x, sizes], max(rank, len(both)))
        elif pick == 2 and len(both) == rank:
            self.add("Tile", [x, sizes], rank)
        elif pick == 3 and 2 * rank == len(both):
            self.add("Pad", [x, sizes], rank)
        elif pick == 4:
            start = self.integers(dice.choice([0, 0, 1]))
            self.add("Slice", [x, start, size, self.integers(dice.randrange(rank))], rank)
        else:
            self.add("Reshape", [x, sizes], len(both))

    def element(self, x: str, rank: int) -> None:
        dice = self.dice
        pick = dice.randrange(6)
        if pick == 0:
            self.add(dice.choice(["Relu", "Erf", "Neg", "Sigmoid", "Softplus"]), [x], rank)
        elif pick == 1:
            self.add("Softmax", [x], rank, axis=dice.randrange(-rank, rank))
        elif pick == 2:
            self.add("CumSum", [x, self.weight(np.array(dice.randrange(rank), np.int64))], rank)
        elif pick == 3 and self.opset >= 17:
            axis = dice.randrange(-rank, 0)
            outputs = dice.choice([1, 1, 3])
            self.add("LayerNormalization", [x, self.weight(np.ones(1, np.float32))], rank, outputs=outputs, axis=axis)
        elif pick == 4 and self.opset >= 20:
            self.add("Gelu", [x], rank, approximate=dice.choice(["none", "tanh"]))
        elif pick == 5 and self.opset >= 14 and rank >= 2:
            self.add("Trilu", [x], rank, upper=dice.choice([0, 1]))

    def reduce(self, x: str, rank: int) -> None:
        dice, keep = self.dice, self.dice.choice([0, 1])
        axes = dice.sample(range(rank), dice.randrange(1, rank + 1))
        operator = dice.choice(["ReduceMean", "ReduceMax", "ReduceSum", "ReduceL2", "ReduceLogSumExp", "ReduceProd"])
        if dice.random() < 0.2:
            self.add(dice.choice(["ArgMax", "ArgMin"]), [x], None, axis=axes[0], keepdims=keep)
        elif dice.random() < 0.2:
            noop = {"noop_with_empty_axes": 1} if dice.random() < 0.5 and self.opset >= 18 else {}
            self.add(operator, [x], rank if keep or noop else None, keepdims=keep, **noop)
        elif keep or len(axes) < rank:
            since = 13 if operator == "ReduceSum" else 18
            self.axes(operator, x, rank if keep else rank - len(axes), axes, since, keepdims=keep)

    def multiply(self, x: str, rank: int) -> None:
        dice = self.dice
        pick = dice.randrange(3)
        turned = self.add("Transpose", [x], rank, perm=[*range(rank - 2), rank - 1, rank - 2])
        if pick == 0:
            self.add("MatMul", [x, turned], rank)
        elif pick == 1 and rank == 2:
            transposed = dice.choice([0, 1])
            self.add("Gemm", [x, x], 2, transA=transposed, transB=1 - transposed)
        elif self.opset >= 12:
            letters = "abcde"[:rank]
            left, right = letters, letters[:-2] + "yx"[:1] + letters[-1]
            self.add("Einsum", [x, x], rank, equation=f"{left},{right}->{letters[:-1]}y")

    def look_up(self, x: str, rank: int) -> None:
        dice, axis = self.dice, self.dice.randrange(-rank, rank)
        pick = dice.randrange(5)
        if pick == 0:
            self.add("Gather", [x, self.integers(0, 0, 0)], rank, axis=axis)
        elif pick == 1 and rank < 5:
            self.add("Gather", [x, self.weight(np.zeros((2, 3), np.int64))], rank + 1, axis=axis)
        elif pick == 2:
            shape, batch = dice.choice([((3, 1), 0), ((2, 2), 0), ((1, 2, 2), 0)]), 0
            self.add("GatherND", [x, self.weight(np.zeros(shape[0], np.int64))], None, batch_dims=batch)
        elif pick == 3:
            whole = self.add("Cast", [x], None, to=dice.choice([6, 7]))
            depth = self.weight(np.array(dice.choice([5, [7]]), np.int64))
            values = self.weight(np.array([0, 1], np.float32))
            self.add("OneHot", [whole, depth, values], min(rank + 1, 6), axis=dice.randrange(-rank - 1, rank + 1))
        else:
            self.add("GatherElements", [x, self.weight(np.zeros((1,) * rank, np.int64))], rank, axis=axis)

    def windows(self, axes: int) -> dict:
        dice = self.dice
        kernel, stride = dice.choice([1, 2, 3]), dice.choice([1, 2, 3])
        more = dice.choice([{"pads": [dice.choice([0, 1]) for _ in range(2 * axes)]}, {"auto_pad": "SAME_LOWER"},
                            {"auto_pad": "SAME_UPPER"}, {"auto_pad": "VALID"}, {"auto_pad": "NOTSET"}])  # fmt: skip
        if dice.random() < 0.3:
            more = more | {"dilations": [dice.choice([1, 2])] * axes}
        return more | {"kernel_shape": [kernel] * axes, "strides": [stride] * axes}

    def convolve(self, x: str, rank: int) -> None:
        dice, axes = self.dice, rank - 2
        more, channels = self.windows(axes), dice.choice([1, 2, 4, 4, 8])
        kernel = more["kernel_shape"]
        back = dice.random() < 0.5
        shape = (channels, dice.choice([1, 2, 3]), *kernel) if back else (5, channels, *kernel)
        if dice.random() < 0.3:
            del more["kernel_shape"]
        if back and dice.random() < 0.2:
            more["output_shape"] = [dice.choice([5, 9]) for _ in range(axes)]
        elif back and dice.random() < 0.3 and more["strides"][0] > 1:
            more["output_padding"] = [1] * axes
        self.add("ConvTranspose" if back else "Conv", [x, self.weight(np.zeros(shape, np.float32))], rank, **more)

    def pool(self, x: str, rank: int) -> None:
        dice = self.dice
        if dice.random() < 0.3:
            self.add(dice.choice(["GlobalAveragePool", "GlobalMaxPool"]), [x], rank)
            return
        more = self.windows(rank - 2)
        more.pop("dilations", None)
        more["ceil_mode"] = dice.choice([0, 0, 1])
        if dice.random() < 0.5:
            self.add("MaxPool", [x], rank, outputs=dice.choice([1, 1, 2]), **more)
        else:
            self.add("AveragePool", [x], rank, **more)

    def resize(self, x: str, rank: int) -> None:
        dice = self.dice
        mode = dice.choice(["nearest", "linear"])
        coordinates = dice.choice(["half_pixel", "asymmetric", "align_corners"])
        inner = [dice.choice([1.0, 2.0, 3.0, 0.5, 1.5, 0.3, 1.1]) for _ in range(rank - 2)]
        empty = self.weight(np.zeros(0, np.float32)) if self.opset < 13 else ""
        more = {"mode": mode, "coordinate_transformation_mode": coordinates}
        if self.opset >= 18 and dice.random() < 0.4:
            more["axes"] = list(range(2, rank))
            ahead: list[float] = []
        else:
            ahead = [1.0, 1.0]
        if dice.random() < 0.6:
            scales = self.weight(np.array([*ahead, *inner], np.float32))
            self.add("Resize", [x, empty, scales], rank, **more)
        elif "axes" in more:
            self.add("Resize", [x, "", "", self.integers(*(dice.choice([3, 9]) for _ in inner))], rank, **more)
        else:
            shape = self.add("Shape", [x], None)
            two = self.add("Slice", [shape, self.integers(0), self.integers(2)], None)
            sizes = self.add("Concat", [two, self.integers(*(dice.choice([3, 9]) for _ in inner))], None, axis=0)
            self.add("Resize", [x, empty, empty, sizes], rank, **more)

    def model(self) -> bytes:
        inputs = [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4, 6, 8]),
            helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 12]),
        ]
        outputs = [helper.ValueInfoProto(name=name) for node in self.nodes for name in node.output]
        tensors = [numpy_helper.from_array(array, name) for name, array in self.weights.items()]
        graph = helper.make_graph(self.nodes, "random", inputs, outputs, tensors)
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
