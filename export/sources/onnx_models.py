"""ONNX files as sources: ONNX Runtime runs the file as it is, without optimisation, to get the reference outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from vae_edge.export import passes, transforms
from vae_edge.export.sources.members import Members
from vae_edge.export.sources.onnx_files import load_onnx
from vae_edge.export.tracing import TensorSpec
from vae_edge.export.transforms.edit import shape_of
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.session import onnxruntime

__all__ = ["OnnxSource"]

Array = npt.NDArray[Any]


class OnnxSource:
    """One graph in a file; weights may lie in files beside it."""

    def __init__(self, path: Path, role: str) -> None:
        self.label = f"{role} {path.name}"
        self._path = path
        self._model = load_onnx(path)
        specs = tuple(TensorSpec(value.name, _dtype(value), shape_of(value)) for value in self._model.graph.input)
        self.inputs: tuple[TensorSpec, ...] | None = specs
        self.arity: int | None = len(specs)
        self._session: Any = None

    def call(self, arrays: Sequence[Array]) -> Members:
        """What the file gives, run as it is."""
        if self._session is None:
            ort = onnxruntime()
            options = ort.SessionOptions()
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.log_severity_level = 4
            self._session = ort.InferenceSession(str(self._path), options, providers=["CPUExecutionProvider"])
        inputs, n = self._session.get_inputs(), len(arrays[0])
        fixed = inputs[0].shape[0]
        size = fixed if isinstance(fixed, int) else n
        parts = []
        for at in range(0, n, size):
            rows = np.minimum(np.arange(at, at + size), n - 1)  # a fixed batch is filled up with its last row
            feeds: dict[str, Array] = {
                given.name: array[rows].astype(_TYPES.get(given.type, np.float32))
                for given, array in zip(inputs, arrays, strict=True)
            }
            try:
                parts.append(self._session.run(None, feeds))
            except Exception as error:
                raise InputError(
                    f"the {self.label} fails on {n} events: {' '.join(str(error).split())[:300]}"
                ) from error
        names = [output.name for output in self._session.get_outputs()]
        outputs = (np.concatenate(each)[:n] for each in zip(*parts, strict=True))
        found = Members({str(index): output for index, output in enumerate(outputs)})
        return found.with_names({name: str(index) for index, name in enumerate(names)}).numpy()

    def convert(self, inputs: Sequence[TensorSpec], picked: Mapping[str, str], opset: int) -> onnx.ModelProto:
        """The file's graph; it keeps its opset."""
        model = transforms.pick(self._model, {name: int(key) for name, key in picked.items()})
        names = [spec.name for spec in inputs]
        return passes.optimise(passes.rename(model, names, list(picked)))


_TYPES = {
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}


def _dtype(value: onnx.ValueInfoProto) -> str:
    return str(np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)))
