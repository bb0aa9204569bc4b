"""The decoder's weights as normal distributions: the graph holds the means, a file beside it standard deviations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.bundle import npz
from vae_edge.runtime.bundle.guard import reader
from vae_edge.runtime.bundle.schema import Deviations
from vae_edge.runtime.errors import IntegrityError

__all__ = ["Posterior", "parse", "render"]

Float32 = npt.NDArray[np.float32]

_MEMBER = "scale"


@dataclass(frozen=True)
class Posterior:
    """q(w) = N(loc, scale^2): `loc` (P,) and `scale` (P,) hold the numbers of all uncertain weights, one by one.

    `graph` is the decoder's file. `starts` says where in it the numbers of each weight begin, in bytes, and `sizes` how
    many there are.
    """

    graph: bytes
    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    loc: Float32
    scale: Float32

    def graph_with(self, weights: Float32) -> bytes:
        """The decoder's file with other numbers (P,) for its uncertain weights, and the same in all else."""
        # ONNX Runtime has SessionOptions.add_initializer for this. It is no use: where a convolution's filters are laid
        # out anew for the CPU's vector registers (NCHWc), ONNX Runtime 1.31 takes the graph's own, not those.
        data = bytearray(self.graph)
        at = 0
        for start, size in zip(self.starts, self.sizes, strict=True):
            data[start : start + 4 * size] = weights[at : at + size].astype("<f4", copy=False).tobytes()
            at += size
        return bytes(data)


def render(scale: npt.NDArray[Any]) -> bytes:
    """The bytes of the file of standard deviations (P,), in the order that the manifest names the weights in."""
    return npz.render({_MEMBER: np.asarray(scale, np.float32).reshape(-1)})


def parse(said: Deviations, data: bytes, decoder: bytes) -> Posterior:
    """The posterior of the weights that a manifest names: `data` holds the deviations, `decoder` the graph.

    Raises IntegrityError where a name is no float32 initializer of the graph, or a deviation is not finite or negative.
    """
    weights = reader.read(decoder).weights
    begin, starts, means = _address(memoryview(decoder)), [], []
    for name in said.weights:
        tensor = weights.get(name)
        if tensor is None or tensor.raw is None:
            raise IntegrityError(
                f"{said.file.name}: {name!r:.60} should be a weight of the decoder, float32 in raw_data; it is "
                f"{'no weight of it' if tensor is None else 'stored otherwise'}: export the bundle again"
            )
        starts.append(_address(tensor.raw) - begin)
        means.append(np.frombuffer(tensor.raw, "<f4"))
    loc = np.concatenate(means).astype(np.float32, copy=False)
    scale = npz.parse(data, said.file.name, {_MEMBER: ("<f4", loc.shape)})[_MEMBER].astype(np.float32, copy=False)
    if not (np.isfinite(scale).all() and (scale >= 0).all()):
        raise IntegrityError(
            f"{said.file.name}: standard deviations should be finite and 0 or more; export the bundle again"
        )
    return Posterior(decoder, tuple(starts), tuple(map(len, means)), loc, scale)


def _address(view: memoryview) -> int:
    """Where the bytes lie in memory."""
    address: int = np.frombuffer(view, np.uint8).__array_interface__["data"][0]
    return address
