"""LiteRT on flatbuffers that TensorFlow's converter wrote, one for each batch size, with heads in NumPy."""

from __future__ import annotations

from pathlib import Path

import protocol


class Interpreters:
    batches_itself = False
    packages = ("ai-edge-litert", "numpy")

    def __init__(self, exchange: Path, threads: int) -> None:
        self.exchange, self.threads = exchange, threads
        self.graphs: dict[Path, protocol.Function] = {}

    def _graph(self, model: str, name: str, n: int) -> protocol.Function:
        from ai_edge_litert.interpreter import Interpreter

        path = self.exchange / model / "litert" / f"{name}-{n}.tflite"
        if path not in self.graphs:
            interpreter = Interpreter(str(path), num_threads=self.threads)
            interpreter.allocate_tensors()
            source = interpreter.get_input_details()[0]["index"]
            target = interpreter.get_output_details()[0]["index"]

            def run(x: protocol.Array) -> protocol.Array:
                interpreter.set_tensor(source, x)
                interpreter.invoke()
                return interpreter.get_tensor(target)

            self.graphs[path] = run
        return self.graphs[path]

    def function(self, model: str, work: str, head: str, n: int) -> protocol.Function:
        paint, decoder = protocol.numpy_head(head), self._graph(model, "decoder", n)
        if work != "reconstruct":
            return lambda z: paint(decoder(z))
        encoder = self._graph(model, "encoder", n)
        return lambda images: paint(decoder(encoder(images)))


if __name__ == "__main__":
    protocol.serve(Interpreters)
