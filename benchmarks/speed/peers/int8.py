"""An int8 bundle beside its float32 one: bytes, and images a second in turn; prints one JSON document."""

from __future__ import annotations

import json
import sys

from vae_edge.cli.reports.measure import in_turn, percentile
from vae_edge.runtime import VAE

SIZES = (64, 512, 10_000)


def main(float32: str, int8: str, threads: int, seconds: float) -> None:
    sides = {"float32": VAE.load(float32, threads=threads), "int8": VAE.load(int8, threads=threads)}
    document = {
        "bytes": {name: sum(file.bytes for file in vae.manifest.files) for name, vae in sides.items()},
        "nats_lost": sides["int8"].manifest.metrics.get("nats_lost"),
        "seconds": {},
    }
    for n in SIZES:
        taken = in_turn({name: lambda vae=vae, n=n: [*vae.stream(n)] for name, vae in sides.items()}, seconds)
        document["seconds"][str(n)] = {name: percentile(values, 50) for name, values in taken.items()}
    print(json.dumps(document))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
