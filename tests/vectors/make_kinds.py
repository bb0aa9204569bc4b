"""Writes kinds.jsonl.gz: the graphs of ten kinds of VAE (benchmarks/models/zoo.py), and of some in fp16 and int8.

    python -m tests.vectors.make_kinds

web/test/graphs/kinds.test.ts runs each on the kernels and on onnxruntime-web.
"""

from __future__ import annotations

import base64
import gzip
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx

from benchmarks.models import zoo
from vae_edge.export import export, quantize
from vae_edge.runtime import VAE

SHIPPED = Path(__file__).parents[2] / "artifacts" / "mnist-tiny"
SMALL = ("convolutional", "colour", "subclassed", "onnx")  # which of them in fp16 and int8 too


def exported(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """(kind, graph, bytes) of each kind."""
    for kind, arguments in zoo.MODELS.items():
        bundle = folder / kind.replace(" ", "-")
        export(bundle, **arguments(folder / f"sources-{bundle.name}"))
        manifest = VAE.load(bundle).manifest
        for name, graph in manifest.graphs.items():
            yield kind, name, (bundle / graph.file.name).read_bytes()


def smaller(kind: str, name: str, data: bytes) -> Iterator[tuple[str, str, bytes]]:
    """The same graph in fp16 and int8."""
    model = onnx.load_model_from_string(data)
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[1:]]
    inputs = np.random.default_rng(0).normal(size=(128, *shape)).astype(np.float32)
    for precision, made in (("fp16", quantize.float16(model)), ("int8", quantize.int8(model, inputs, name))):
        yield kind, f"{name} {precision}", made.SerializeToString(deterministic=True)


def main() -> None:
    """Writes them."""
    with tempfile.TemporaryDirectory() as folder:
        graphs = list(exported(Path(folder)))
    graphs += [small for graph in graphs if graph[0] in SMALL for small in smaller(*graph)]
    for name in ("encoder", "decoder"):  # ours, of which the decoder is separable
        graphs += smaller("mnist-tiny", name, (SHIPPED / f"{name}.onnx").read_bytes())
    lines = (
        json.dumps({"name": f"{kind}, {name}", "bytes": base64.b64encode(data).decode()}) for kind, name, data in graphs
    )
    Path(__file__).with_name("kinds.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
