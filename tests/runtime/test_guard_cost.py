"""What a graph costs: how many events fit in a run, what it holds at once, and its multiply-adds."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from vae_edge.runtime import UnsafeBundle
from vae_edge.runtime.bundle import guard
from vae_edge.runtime.bundle.guard import size
from vae_edge.runtime.bundle.guard.buffers import Buffers, Order
from vae_edge.runtime.bundle.guard.kinds import kinds_of
from vae_edge.runtime.bundle.guard.size import Cost, Graph, cost
from vae_edge.runtime.bundle.guard.terms import Batched, Known, Node, RefusedError, Tensor, known

IMAGE = {"x": (None, 4, 8, 8)}  # 256 elements an event


def chain(*operators: str) -> list[Node]:
    """Each operator reads what the one before makes."""
    return [Node(operator, (f"t{i}" if i else "x",), (f"t{i + 1}",)) for i, operator in enumerate(operators)]


def measure(nodes: list[Node], weights: dict[str, Tensor] | None = None, limit: int = 1 << 40, **more) -> Cost:
    graph = Graph(17, nodes, more.get("inputs", IMAGE), weights or {}, more.get("outputs", {nodes[-1].outputs[0]}))
    return cost(graph, limit)


def test_the_cost_of_the_smallest_graph():
    assert measure(chain("Relu")) == Cost(opset=17, multiply_adds=0, batch=256, elements=2 * 256 * 256)


def test_a_row_of_tensors_takes_two_buffers_beside_its_ends():
    """Input and output stay; of what is between, one is read while the next is made."""
    assert measure(chain(*["Relu"] * 50)).elements == 4 * 256 * 256


def test_weights_are_counted_twice_and_for_no_event():
    nodes = [Node("Add", ("x", "w"), ("y",))]
    assert measure(nodes, {"w": Tensor(known((4, 8, 8)))}).elements == 2 * 256 * 256 + 2 * 256


@pytest.mark.parametrize(("operator", "tensors"), [("Relu", 0), ("ReduceLogSumExp", 1), ("Softmax", 2), ("Mish", 3)])
def test_an_operator_that_makes_tensors_inside_is_counted_with_them(operator, tensors):
    made = 1 if operator == "ReduceLogSumExp" else 256 * 256
    assert measure(chain(operator)).elements == 256 * 256 + made + tensors * 256 * 256


def test_a_convolution_is_counted_with_its_unfolded_patches_and_channels_in_groups():
    """Channels fill up to 16: of the output, and of both once more; patches of one image; the weights twice."""
    nodes = [Node("Conv", ("x", "w"), ("y",))]
    found = measure(nodes, {"w": Tensor(known((4, 4, 3, 3)))})
    grid, image = 6 * 6, 8 * 8
    inside = 4 * 3 * 3 * grid + 256 * 16 * image + 256 * 16 * grid
    assert found.elements == 256 * 4 * image + 2 * 4 * 4 * 9 + 256 * 16 * grid + inside


def test_each_size_has_buffers_of_its_own():
    nodes = [
        Node("Tile", ("x", "two"), ("a",)),
        Node("GlobalMaxPool", ("a",), ("b",)),
        Node("Expand", ("b", "shape"), ("c",)),
    ]
    weights = {"two": Tensor(known((4,)), known((1, 1, 2, 1))), "shape": Tensor(known((4,)), known((1, 4, 8, 16)))}
    held = 256 * (256 + 512 + 16 + 512) + 2 * 8  # a pool's channels are filled up to 16
    assert measure(nodes, weights).elements == held


def test_what_depends_on_no_input_is_kept():
    """ONNX Runtime makes it when the session is built: all of it at once, however it is read later."""
    shape = Tensor(known((4,)), known((1, 4, 8, 8)))
    nodes = [Node("ConstantOfShape", ("shape",), ("a0",))]
    nodes += [Node("Neg", (f"a{index}",), (f"a{index + 1}",)) for index in range(9)]
    nodes += [Node("Add", ("x", "a9"), ("y",))]
    assert measure(nodes, {"shape": shape}).elements == 256 * 256 * 2 + 10 * 256 + 2 * 4


def test_the_order_of_the_file_saves_nothing():
    """Sums of what is made anew: a good order needs two buffers, but ONNX Runtime may make all before the first sum."""
    nodes, total = [], "x"
    for index in range(10):
        nodes += [Node("Neg", ("x",), (f"a{index}",)), Node("Add", (total, f"a{index}"), (f"b{index}",))]
        total = f"b{index}"
    assert measure(nodes).elements >= 256 * 256 * (2 + 10)


def test_a_buffer_is_free_once_all_its_readers_have_run():
    order = Order([(("x",), ("a",)), (("a",), ("b",)), (("b",), ("c",)), (("a", "c"), ("d",)), (("d",), ("e",))], ["e"])
    buffers, held = Buffers(order), []
    for index, name in enumerate("abcde"):
        buffers.make(index, name, 1)
        held.append(buffers.elements)
    # a is read until d is made; c takes no buffer but its own, d takes that of b; e is the output
    assert held == [1, 2, 3, 3, 4]


def test_a_buffer_is_free_for_what_comes_much_later():
    order = Order([(("x",), ("a",)), (("a",), ("b",)), (("b",), ("c",)), (("c",), ("d",))], ["y"])
    buffers = Buffers(order)
    for index, (name, elements) in enumerate([("a", 5), ("b", 1), ("c", 2), ("d", 5)]):
        buffers.make(index, name, elements)
    assert buffers.elements == 5 + 1 + 2


def test_what_nobody_reads_is_held_for_its_own_node():
    order = Order([(("x",), (f"a{index}",)) for index in range(3)] + [(("a1",), ("y",))], ["y"])
    buffers = Buffers(order)
    for index in range(3):
        buffers.make(index, f"a{index}", 1)
    assert buffers.elements == 3  # none has to run before another
    order = Order([(("x",), ("a", "b")), (("a",), ("c",)), (("c",), ("y",))], ["y"])
    buffers = Buffers(order)
    for index, name in ((0, "a"), (0, "b"), (1, "c")):
        buffers.make(index, name, 1)
    assert buffers.elements == 2  # c has the buffer of b, which nobody reads


@pytest.mark.parametrize("exponent", range(9))
def test_the_batch_is_the_largest_power_of_two_that_fits(exponent):
    batch = 1 << exponent
    exact = batch * 2 * 256
    assert measure(chain("Relu"), limit=exact) == Cost(17, 0, batch, exact)
    if batch < 256:
        assert measure(chain("Relu"), limit=2 * exact - 1).batch == batch


def test_one_event_that_does_not_fit_is_refused_with_the_remedy():
    with pytest.raises(
        RefusedError,
        match=r"asks Relu for \[1, 4, 8, 8\], with which 512 elements are held at once, where 511 are allowed, for one "
        r"event; VAE\.load\(\.\.\., max_elements=\.\.\.\) raises the limit",
    ):
        measure(chain("Relu"), limit=511)


def test_an_ordinary_decoder_of_128_by_128_passes_with_a_smaller_batch():
    nodes, shape, weights, last = [], (256, 4), {}, "x"
    for index, channels in enumerate((256, 128, 128, 64, 64)):
        weights[f"w{index}"] = Tensor(known((shape[0], channels, 4, 4)))
        ints = {"kernel_shape": known((4, 4)), "strides": known((2, 2)), "pads": known((1, 1, 1, 1))}
        nodes += [
            Node("ConvTranspose", (last, f"w{index}"), (f"a{index}",), ints),
            Node("BatchNormalization", (f"a{index}", *"bbbb"), (f"b{index}",)),
            Node("Relu", (f"b{index}",), (last := f"c{index}",)),
        ]
        shape = (channels, shape[1] * 2)
    weights |= {"w": Tensor(known((3, 64, 3, 3))), "b": Tensor(known((64,)))}
    nodes.append(Node("Conv", (last, "w"), ("y",), {"pads": known((1, 1, 1, 1))}))
    found = measure(nodes, weights, size.MAX_ELEMENTS_ALIVE, inputs={"x": (None, 256, 4, 4)})
    assert found.batch >= 32
    assert measure(nodes, weights, 8 * size.MAX_ELEMENTS_ALIVE, inputs={"x": (None, 256, 4, 4)}).batch == 256


def test_what_grows_with_the_square_of_the_batch_runs_in_smaller_ones():
    """Attention between the events of a batch, or sizes by arithmetic: bounded, so let through."""
    nodes = [
        Node("Flatten", ("x",), ("f",)),
        Node("Transpose", ("f",), ("g",)),
        Node("MatMul", ("f", "g"), ("y",)),
    ]
    assert measure(nodes).batch == 256
    assert measure(nodes, limit=256 * 256 * 4).batch == 256
    assert measure(nodes, limit=256 * 256 * 3).batch == 128


def test_a_batch_that_is_written_is_a_bound():
    """The runtime feeds as many events as it likes to: what the file says of the first axis is not believed."""
    assert measure(chain("Relu"), inputs={"x": (1, 4, 8, 8)}) == measure(chain("Relu"))
    assert measure(chain("Relu"), inputs={"x": (1000, 4, 8, 8)}).elements == 2 * 1000 * 256


def test_the_limit_is_the_callers(tiny):
    data = (tiny / "decoder.onnx").read_bytes()
    found = guard.check(data, "decoder.onnx")
    assert found.batch == guard.MAX_BATCH == 256
    fewer = guard.check(data, "decoder.onnx", max_elements=found.elements - 1)
    assert fewer.batch == 128
    assert fewer.multiply_adds == found.multiply_adds
    with pytest.raises(UnsafeBundle, match=r"^decoder\.onnx asks .* max_elements=\.\.\."):
        guard.check(data, "decoder.onnx", max_elements=10)


def by_shape_inference(data: bytes) -> int:
    """Multiply-adds of one event, of the shapes that ONNX's own inference finds."""
    onnx = pytest.importorskip("onnx", reason="the train extra is not installed")
    model = onnx.load_from_string(data)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output, *graph.value_info)
    }
    shapes |= {weight.name: list(weight.dims) for weight in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type in {"Conv", "ConvTranspose"}:
            element = node.output[0] if node.op_type == "Conv" else node.input[0]
            total += math.prod(shapes[element]) * math.prod(shapes[node.input[1]][1:])
        elif node.op_type in {"MatMul", "Gemm"}:
            transposed = any(entry.name == "transA" and entry.i for entry in node.attribute)
            total += math.prod(shapes[node.output[0]]) * shapes[node.input[0]][0 if transposed else -1]
    return total


def shipped() -> list[Path]:
    """The graphs of the bundles that ship, and the classifier's."""
    import vae_edge.artifacts

    return sorted(path for folder in vae_edge.artifacts.__path__ for path in Path(folder).glob("*/*.onnx"))


@pytest.mark.parametrize("path", shipped(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_multiply_adds_of_what_ships_are_those_that_onnx_infers(path):
    data = path.read_bytes()
    assert guard.check(data, path.name).multiply_adds == by_shape_inference(data) > 0


def test_integers_of_eight_bytes_count_twice():
    assert measure([Node("Cast", ("x",), ("y",), {"to": known((7,))})]).elements == 3 * 256 * 256
    assert measure([Node("Cast", ("x",), ("y",), {"to": known((6,))})]).elements == 2 * 256 * 256
    nodes = [Node("Gather", ("w", "x"), ("y",), {"axis": known((0,))})]
    graph = Graph(17, nodes, {"x": (None,)}, {"w": Tensor(known((9, 4)), kind=11)}, {"y"}, {"x": 7})
    assert cost(graph).elements == 2 * 256 + 2 * 2 * 36 + 2 * 256 * 4


@pytest.mark.parametrize(
    ("operator", "kinds", "made"),
    [
        ("Greater", [1, 1], (9,)),
        ("Where", [9, 7, 7], (7,)),
        ("OneHot", [7, 7, 1], (1,)),
        ("QuantizeLinear", [1, 1, 3], (3,)),
        ("DequantizeLinear", [3, 1, 3], (1,)),
        ("MatMulInteger", [2, 3], (6,)),
        ("MaxPool", [1], (1, 7)),
        ("ArgMax", [1], (7,)),
        ("Relu", [10], (10,)),
        ("Relu", [], (0,)),
    ],
)
def test_what_a_node_makes_is_of_a_known_type(operator, kinds, made):
    assert kinds_of(Node(operator, ("x",), ("y",)), kinds) == made


def test_sizes_know_what_they_are():
    assert type(Known(3) + Known(4)) is int  # arithmetic that nobody thought about gives a bound
    assert type(Batched(256) * 2) is int
