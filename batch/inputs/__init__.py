"""Events that lie in files, read a piece at a time: memory does not grow with their number."""

from vae_edge.batch.inputs.base import Found, Reader, Source
from vae_edge.batch.inputs.sources import Array, Held, Pictures, Several

__all__ = ["Array", "Found", "Held", "Pictures", "Reader", "Several", "Source"]
