"""A graph or a prior in fewer bits, by ONNX Runtime's own converters; `variant` measures what that costs.

In int8 (static QDQ) weights are rounded per channel and activations per tensor, their ranges taken from calibration
inputs. Standard operators alone are written; ONNX Runtime fuses them to integer convolutions when it makes a session.
Layers at the edges stay in float, since rounding hurts there. NLL lost on MNIST where they do not, in nats (on networks
of these presets whose priors had been learned by gradients):

| | `mnist` | `mnist-tiny` |
|---|---|---|
| z, and the decoder's first layer's arithmetic | 0.06 | 0.02 |
| the decoder's last convolution | 0.13 | 1.27 |
| loc, scale | 0.05 | |

A graph with separable blocks keeps its arithmetic in float32, and stores weights in int8 alone: ONNX Runtime's integer
convolutions of one channel take three times as long as the float ones, and those of 1x1 no less (the decoder of `mnist`
1.5 x the time).
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from vae_edge.export import passes

__all__ = ["float16", "int8", "prior"]

# The range of an activation holds this percentage of its values. The full range costs more: a convolution's part of a
# residual sum goes far below what the ReLU cuts off. benchmarks/quality/search.md has the figures.
PERCENTILE = {"encoder": 99.99, "decoder": 99.98}
BATCH = 64
LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")

Array = npt.NDArray[np.float32]


def float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with weights and arithmetic in float16; its inputs and outputs stay float32."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells of each weight below 6e-8, which becomes that
        small = convert_float_to_float16(_copy(model), keep_io_types=True, disable_shape_infer=True)
    _sort(small.graph)  # it puts each Cast behind all other nodes
    return _tidy(small, model)


def int8(model: onnx.ModelProto, inputs: Array, name: str) -> onnx.ModelProto:
    """The model, `name` 'encoder' or 'decoder', in int8, its ranges those that `inputs` (n, ...) give."""
    from onnxruntime import quantization

    if any(_keeps_channels_apart(node) for node in model.graph.node):
        return _weights_alone(model)
    model = passes.fuse_gemm(model)
    tail, last = _behind_layers(model)
    source = model.graph.input[0].name
    first = [node for node in model.graph.node if name == "decoder" and _is_layer(node) and node.input[0] == source]
    # Dense layers give floats from integers; a convolution cannot, and the decoder's last has a few hundred weights.
    floats = [*tail, *first, *(node for node in last if node.op_type.startswith("Conv"))]
    with tempfile.TemporaryDirectory(prefix="vae-edge-") as folder, _silence():
        path = Path(folder, "int8.onnx")
        quantization.quantize_static(
            _copy(model),  # it empties what it is given
            path,
            _reader(source, inputs),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            # What ONNX Runtime has integer convolutions for on x86; the session sees to it that nothing overflows.
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.Percentile,
            nodes_to_exclude=[node.name for node in floats],
            extra_options={
                "CalibPercentile": PERCENTILE[name],
                "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"],
            },
        )
        small = onnx.load_model_from_string(path.read_bytes())
    for node in first:
        if node.op_type in ("Gemm", "MatMul"):
            _shrink(small.graph, node.input[1], 1)
    return _tidy(small, model)


def _weights_alone(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its layers' weights stored in int8, and computed with in float32."""
    small, outputs = _copy(model), {"Conv": 0}  # the axis of a layer's outputs, where it is not the second
    stored = {weight.name for weight in model.graph.initializer}
    for node in filter(_is_layer, model.graph.node):
        if node.input[1] in stored:
            _shrink(small.graph, node.input[1], outputs.get(node.op_type, 1))
    return _tidy(small, model)


def _keeps_channels_apart(node: onnx.NodeProto) -> bool:
    return node.op_type == "Conv" and any(entry.name == "group" and entry.i > 1 for entry in node.attribute)


def prior(arrays: dict[str, Array], precision: str) -> dict[str, npt.NDArray[Any]]:
    """A mixture's weights (K,), loc (K, L) and lower (K, L (L + 1) / 2) as a bundle of this precision stores them."""
    if precision == "fp16":
        return {"weights": arrays["weights"]} | {key: arrays[key].astype(np.float16) for key in ("loc", "lower")}
    small: dict[str, npt.NDArray[Any]] = {"weights": arrays["weights"]}
    for key in ("loc", "lower"):
        small[key], step = _round(arrays[key], 1)
        small[f"{key}_step"] = step[0]
    ends = np.cumsum(np.arange(arrays["loc"].shape[1]) + 1) - 1  # of the triangle's rows: its diagonal
    small["lower"][:, ends] = np.maximum(small["lower"][:, ends], 1)  # > 0
    return small


def _round(values: Array, axis: int) -> tuple[npt.NDArray[np.int8], Array]:
    """int8 and, of each index of `axis`, the step: values = int8 * step, up to half a step."""
    others = tuple(other for other in range(values.ndim) if other != axis)
    step = np.abs(values).max(axis=others, keepdims=True) / np.float32(127)
    step[step == 0] = 1
    return np.rint(values / step).astype(np.int8), step


def _shrink(graph: onnx.GraphProto, name: str, axis: int) -> None:
    """Stores the weights `name` of a layer that computes in float as int8, with a step for each output on `axis`.

    They are read by Cast and Mul, which ONNX Runtime computes once, when it makes the session. It would compute a
    DequantizeLinear that feeds no integer operator again in each run.
    """
    weight = next(weight for weight in graph.initializer if weight.name == name)
    small, step = _round(numpy_helper.to_array(weight), axis)
    graph.initializer.remove(weight)
    graph.initializer.extend(
        [numpy_helper.from_array(small, f"{name}_int8"), numpy_helper.from_array(step, f"{name}_step")]
    )
    cast = onnx.helper.make_node("Cast", [f"{name}_int8"], [f"{name}_float"], to=onnx.TensorProto.FLOAT)
    graph.node.insert(0, onnx.helper.make_node("Mul", [f"{name}_float", f"{name}_step"], [name]))
    graph.node.insert(0, cast)


def _sort(graph: onnx.GraphProto) -> None:
    """Sorts the nodes so that each comes after those whose outputs it reads, as ONNX requires."""
    waiting, known = list(graph.node), {"", *(value.name for value in (*graph.input, *graph.initializer))}
    del graph.node[:]
    while waiting:
        node = next(node for node in waiting if known.issuperset(node.input))
        waiting.remove(node)
        known.update(node.output)
        graph.node.append(node)


def _behind_layers(model: onnx.ModelProto) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    """The nodes behind the last layers (those with weights), and these layers."""
    producers = {name: node for node in model.graph.node for name in node.output}
    found: dict[str, onnx.NodeProto] = {}
    names = [value.name for value in model.graph.output]
    while names:
        node = producers.get(names.pop())
        if node is not None and node.name not in found:
            found[node.name] = node
            names += [] if _is_layer(node) else node.input
    return [n for n in found.values() if not _is_layer(n)], [n for n in found.values() if _is_layer(n)]


def _is_layer(node: onnx.NodeProto) -> bool:
    return node.op_type in LAYERS


def _reader(name: str, inputs: Array) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            # Percentiles are taken over an array of batches of one size: a shorter last one fails.
            size = min(BATCH, len(inputs))
            self._batches = ({name: inputs[at : at + size]} for at in range(0, len(inputs) - size + 1, size))

        def get_next(self) -> dict[str, Array] | None:
            return next(self._batches, None)

    return Reader()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The quantiser prints what it collects, and logs advice."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _tidy(small: onnx.ModelProto, model: onnx.ModelProto) -> onnx.ModelProto:
    """`small` with the names and the opset of `model`."""
    del small.opset_import[:]
    small.opset_import.extend(model.opset_import)
    names = [[value.name for value in values] for values in (model.graph.input, model.graph.output)]
    return passes.rename(small, *names)
