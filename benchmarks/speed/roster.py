"""Who is compared: each peer's environment, the script that runs in it, and the work that it can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ENVIRONMENTS", "HEADS", "MODELS", "OURS", "PEERS", "SIZES", "Peer", "named"]

OURS = "vae-edge"  # the peer that the others are held against
MODELS = ("tutorial", "mnist-tiny", "mnist", "mnist-large")
SIZES = (1, 8, 64, 512, 10_000)
HEADS = ("mean", "mode", "sample")

_PICTURES = ("pixels", "reconstruct")


@dataclass(frozen=True)
class Peer:
    """One side of the comparison: `script` of `peers/`, run by the Python of `environment` with `arguments`."""

    name: str
    environment: str
    script: str
    what: str
    arguments: tuple[str, ...] = ()
    works: tuple[str, ...] = _PICTURES


PEERS = (
    Peer(OURS, "vae-edge", "with_vae_edge.py", "vae-edge, our export", works=(*_PICTURES, "heads")),
    Peer("onnxruntime", "onnxruntime", "with_onnxruntime.py", "bare ONNX Runtime, tf2onnx's plain graph"),
    Peer("tensorflow", "tensorflow", "with_tensorflow.py", "TensorFlow + TFP, tf.function", ("function",)),
    Peer("tensorflow-xla", "tensorflow", "with_tensorflow.py", "TensorFlow + TFP, XLA", ("xla",)),
    Peer("keras", "tensorflow", "with_keras.py", "Keras predict"),
    Peer("litert", "litert", "with_litert.py", "LiteRT"),
    Peer("openvino", "openvino", "with_openvino.py", "OpenVINO, float32"),
    Peer("torch", "torch", "with_torch.py", "PyTorch eager", ("eager",)),
    Peer("torch-compiled", "torch", "with_torch.py", "PyTorch compiled", ("compiled",)),
    Peer("tfp-numpy", "tfp-numpy", "with_tfp_numpy.py", "TFP's NumPy substrate", works=("heads",)),
    Peer("train-vae-edge", "tensorflow", "train_with_vae_edge.py", "vae-edge train", works=("train",)),
    Peer("train-keras", "tensorflow", "train_with_keras.py", "plain keras.fit", works=("train",)),
    Peer("train-torch", "torch", "train_with_torch.py", "PyTorch eager", works=("train",)),
)

ENVIRONMENTS = tuple(dict.fromkeys(peer.environment for peer in PEERS))


def named(only: Sequence[str]) -> tuple[Peer, ...]:
    """The peers of these names, all where there are none; ours is always among them. Raises ValueError on others."""
    known = {peer.name for peer in PEERS}
    if unknown := sorted(set(only) - known):
        raise ValueError(f"peers should be of {', '.join(sorted(known))}; not {', '.join(unknown)}")
    return tuple(peer for peer in PEERS if not only or peer.name in only or peer.name == OURS)
