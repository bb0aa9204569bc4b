"""OpenVINO on the graph that tf2onnx writes, compiled for each batch size, with heads in NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import protocol


class Compiled:
    batches_itself = False
    packages = ("openvino", "numpy")

    def __init__(self, exchange: Path, threads: int) -> None:
        import openvino

        self.exchange, self.core = exchange, openvino.Core()
        # On CPUs that have bfloat16 the default is off by 0.1 in the logits.
        self.options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
        }
        self.graphs: dict[tuple[Path, int], protocol.Function] = {}

    def _graph(self, model: str, name: str, n: int) -> protocol.Function:
        path = self.exchange / model / "plain" / f"{name}.onnx"
        if (path, n) not in self.graphs:
            read = self.core.read_model(path)
            read.reshape([n, *(dim.get_length() for dim in list(read.inputs[0].partial_shape)[1:])])
            compiled = self.core.compile_model(read, "CPU", self.options)
            output = compiled.output({"encoder": "loc", "decoder": "logits"}[name])
            request = compiled.create_infer_request()
            self.graphs[path, n] = lambda x: request.infer([x], share_inputs=True)[output]
        return self.graphs[path, n]

    def function(self, model: str, work: str, head: str, n: int) -> protocol.Function:
        paint, decoder = protocol.numpy_head(head), self._graph(model, "decoder", n)
        if work != "reconstruct":
            return lambda z: paint(decoder(z))
        encoder = self._graph(model, "encoder", n)
        return lambda images: paint(decoder(encoder(images)))


if __name__ == "__main__":
    protocol.serve(Compiled)
