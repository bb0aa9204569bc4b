"""Bare ONNX Runtime on the graph that tf2onnx writes by its defaults, with heads in NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import protocol


class Bare:
    batches_itself = False
    packages = ("onnxruntime", "numpy")

    def __init__(self, exchange: Path, threads: int) -> None:
        self.exchange, self.threads = exchange, threads
        self.sessions: dict[Path, Any] = {}

    def _session(self, model: str, graph: str) -> Any:
        import onnxruntime

        path = self.exchange / model / "plain" / f"{graph}.onnx"
        if path not in self.sessions:
            options = onnxruntime.SessionOptions()  # all else as it comes
            options.intra_op_num_threads = self.threads
            self.sessions[path] = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return self.sessions[path]

    def function(self, model: str, work: str, head: str, n: int) -> protocol.Function:
        paint, decoder = protocol.numpy_head(head), self._session(model, "decoder")
        z_name = decoder.get_inputs()[0].name
        if work != "reconstruct":
            return lambda z: paint(decoder.run(None, {z_name: z})[0])
        encoder = self._session(model, "encoder")
        image_name = encoder.get_inputs()[0].name

        def reconstruct(images: protocol.Array) -> protocol.Array:
            (loc,) = encoder.run(["loc"], {image_name: images})
            return paint(decoder.run(None, {z_name: loc})[0])

        return reconstruct


if __name__ == "__main__":
    protocol.serve(Bare)
