"""Batch work over a Ray cluster, for where one machine is too small: the runtime in an actor pool of Ray Data.

    from vae_edge import cluster
    cluster.generate("mnist", n=10_000_000, head="sample", seed=0, out="s3://bucket/digits")
    cluster.encode("mnist", "s3://bucket/digits", out="s3://bucket/codes")

Row i depends on its input, the seed and i alone, and is the one that a single process makes. Scheduling, retries,
checkpoints and autoscaling are Ray's.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vae_edge.cluster.actor import Worker
    from vae_edge.cluster.jobs import encode, generate, reconstruct, score
    from vae_edge.cluster.running import Outcome

__all__ = ["Outcome", "Worker", "encode", "generate", "reconstruct", "score"]

_VERBS = ("encode", "generate", "reconstruct", "score")
_HOMES = {"Outcome": "running", "Worker": "actor"} | dict.fromkeys(_VERBS, "jobs")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
