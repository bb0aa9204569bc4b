"""The guard: what an ONNX graph of a bundle may contain, and how large it may get when it runs."""

from vae_edge.runtime.bundle.guard.reader import check

__all__ = ["check"]
