"""What export's passes bring to the ten kinds of models: PYTHONPATH=. python benchmarks/speed/passes.py [--rounds 9].

Each model of `benchmarks/models` is exported twice, as it is and without the passes, which leaves the graph that
tf2onnx writes (of ONNX files: the user's own). Both decoders and encoders run in bare ONNX Runtime sessions of one
thread, in turn; the runtime plays no part. Prints markdown.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import onnx
from calls import seconds_of

from benchmarks.models import zoo
from benchmarks.models.__main__ import VARIANTS
from vae_edge.export import export, passes
from vae_edge.runtime.bundle import read
from vae_edge.runtime.session import onnxruntime

SLOWEST = 0.97
SIZES = (1, 64)


def plainly(model: onnx.ModelProto) -> onnx.ModelProto:
    """In place of `passes.optimise`: the same names, and no pass."""
    passes.refuse_random(model)
    return passes.rename(model, [value.name for value in model.graph.input], [out.name for out in model.graph.output])


def sessions(folder: Path) -> dict[str, Any]:
    """A session of each graph of a bundle, by its name."""
    bundle, ort, found = read(folder), onnxruntime(), {}
    for name in ("encoder", "decoder"):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        data = bundle[bundle.manifest.graphs[name].file]
        found[name] = (
            ort.InferenceSession(data, options, providers=["CPUExecutionProvider"]),
            len(onnx.load_from_string(data).graph.node),
        )
    return found


def feeds(session: Any, n: int) -> dict[str, Any]:
    """Some input of n events."""
    draws, given = np.random.default_rng(0), {}
    for each in session.get_inputs():
        shape = (n, *each.shape[1:])
        is_float = each.type == "tensor(float)"
        given[each.name] = draws.random(shape, np.float32) if is_float else np.zeros(shape, np.int64)
    return given


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    optimise = passes.optimise
    header = [f"{name}, n = {n}" for name in ("decoder", "encoder") for n in SIZES]
    print("| plain graph / ours | " + " | ".join(header) + " | nodes, plain and ours |\n|---", end="")
    print("|---" * (len(header) + 1) + "|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for kind, arguments in VARIANTS:
            key = " ".join(str(part or "SavedModel") for part in (kind, *arguments))
            model = zoo.MODELS[kind](Path(folder, key, "source"), *arguments)
            both = []
            for name, with_passes in (("plain", False), ("ours", True)):
                passes.optimise = optimise if with_passes else plainly
                export(Path(folder, key, name), **model)
                both.append(sessions(Path(folder, key, name)))
            cells, nodes = [], []
            for graph in ("decoder", "encoder"):
                (plain, most), (ours, least) = (each[graph] for each in both)
                nodes.append(f"{most} and {least}")
                for n in SIZES:
                    given = feeds(ours, n)
                    ratios = [
                        seconds_of(lambda s=plain, given=given: s.run(None, given))  # type: ignore[misc]
                        / seconds_of(lambda s=ours, given=given: s.run(None, given))  # type: ignore[misc]
                        for _ in range(options.rounds)
                    ]
                    ratio = statistics.median(ratios)
                    cells.append(f"{ratio:.2f}" if ratio >= SLOWEST else f"**{ratio:.2f}**")
            print(f"| {key} | " + " | ".join(cells) + f" | {'; '.join(nodes)} |", flush=True)


if __name__ == "__main__":
    main()
