"""The guard: what an ONNX graph of a bundle may contain, and how large it may get when it runs."""

from vae_edge.runtime.bundle.guard.reader import check
from vae_edge.runtime.bundle.guard.size import MAX_BATCH, MAX_ELEMENTS_ALIVE, Cost

__all__ = ["MAX_BATCH", "MAX_ELEMENTS_ALIVE", "Cost", "check"]
