"""The same networks in PyTorch, channels first, with the weights of the exchange folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

__all__ = ["PresetDecoder", "PresetEncoder", "build", "load"]

PATCH, GRID, BOUND = 4, 7, 15.0


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(x + self.second(functional.relu(self.first(x))))


class Separable(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.apart, self.mix = nn.Conv2d(width, width, 3, padding=1, groups=width), nn.Conv2d(width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(x + self.mix(self.apart(x)))


BLOCKS = {"conv": Residual, "separable": Separable}


class PresetEncoder(nn.Module):
    def __init__(self, kind: str, latent: int, width: int, depth: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, PATCH, stride=PATCH)
        self.blocks = nn.Sequential(*(BLOCKS[kind](width) for _ in range(depth)))
        last = width // 2 if kind == "separable" else width
        self.narrow = nn.Conv2d(width, last, 1) if kind == "separable" else None
        self.loc, self.scale = (nn.Linear(last * GRID**2, latent) for _ in range(2))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.blocks(functional.relu(self.patches(x)))
        x = (x if self.narrow is None else functional.relu(self.narrow(x))).flatten(1)
        return self.loc(x), functional.softplus(self.scale(x))


class PresetDecoder(nn.Module):
    def __init__(self, kind: str, latent: int, width: int, depth: int) -> None:
        super().__init__()
        self.first = width // 2 if kind == "separable" else width
        self.grid = nn.Linear(latent, self.first * GRID**2)
        self.mix = nn.Conv2d(self.first, width, 1)
        self.blocks = nn.Sequential(*(BLOCKS[kind](width) for _ in range(depth)))
        self.paint = nn.Conv2d(width, PATCH**2, 1)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.grid(z)).view(-1, self.first, GRID, GRID)
        x = self.paint(self.blocks(functional.relu(self.mix(x))))
        return functional.pixel_shuffle(x.clamp(-BOUND, BOUND), PATCH)


class TutorialEncoder(nn.Module):
    def __init__(self, latent: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 32, 3, stride=2), nn.Conv2d(32, 64, 3, stride=2)
        self.both = nn.Linear(64 * 6 * 6, 2 * latent)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = functional.relu(self.second(functional.relu(self.first(x)))).flatten(1)
        loc, log_variance = self.both(x).chunk(2, 1)
        return loc, (0.5 * log_variance).exp()


class TutorialDecoder(nn.Module):
    def __init__(self, latent: int) -> None:
        super().__init__()
        self.grid = nn.Linear(latent, 32 * GRID**2)
        self.first, self.second = nn.ConvTranspose2d(32, 64, 3, stride=2), nn.ConvTranspose2d(64, 32, 3, stride=2)
        self.paint = nn.ConvTranspose2d(32, 1, 3, padding=1)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.grid(z)).view(-1, 32, GRID, GRID)
        # TensorFlow's "same" cuts the last row and column; PyTorch's padding would cut the first too.
        x = functional.relu(self.first(x)[..., :-1, :-1])
        return self.paint(functional.relu(self.second(x)[..., :-1, :-1]))


def build(said: dict[str, Any]) -> tuple[nn.Module, nn.Module]:
    """The encoder (image (B, 1, 28, 28) -> loc, scale) and the decoder (z -> logits (B, 1, 28, 28)) of a model.json."""
    latent, kind = said["latent"], said["kind"]
    if kind == "tutorial":
        return TutorialEncoder(latent), TutorialDecoder(latent)
    other = kind if said["encoder_network"] == "same" else said["encoder_network"]
    wide, deep = said["encoder_width"] or said["width"], said["encoder_depth"] or said["depth"]
    return PresetEncoder(other, latent, wide, deep), PresetDecoder(kind, latent, said["width"], said["depth"])


def load(exchange: Path, model: str) -> tuple[nn.Module, nn.Module]:
    """The encoder and the decoder of a model, with its weights."""
    said: dict[str, Any] = json.loads((exchange / model / "model.json").read_text())
    encoder, decoder = build(said)
    for name, network in (("encoder", encoder), ("decoder", decoder)):
        with np.load(exchange / model / f"{name}.npz") as stored:
            arrays = [stored[str(index)] for index in range(len(stored.files))]
        layers = [layer for layer in network.modules() if hasattr(layer, "weight")]
        for index, layer in enumerate(layers):
            kernel, bias = (torch.from_numpy(array) for array in _ours(layer, arrays[2 * index], arrays[2 * index + 1]))
            layer.load_state_dict({"weight": kernel, "bias": bias})
        network.eval().requires_grad_(False)
    if said["kind"] == "tutorial":
        _channels_first(encoder.both.weight, 1, (6, 6, 64))
        _channels_first(decoder.grid.weight, 0, (GRID, GRID, 32))
        _channels_first(decoder.grid.bias, 0, (GRID, GRID, 32))
    return encoder, decoder


def _ours(layer: nn.Module, kernel: Any, bias: Any) -> tuple[Any, Any]:
    """TensorFlow's kernels are (in, out), (h, w, in, out), and (h, w, out, in) where transposed or channels apart."""
    apart = isinstance(layer, nn.Conv2d) and layer.groups > 1
    turned = kernel.T if kernel.ndim == 2 else kernel.transpose((2, 3, 0, 1) if apart else (3, 2, 0, 1))
    assert turned.shape == tuple(layer.weight.shape), (turned.shape, layer)
    return np.ascontiguousarray(turned), bias


def _channels_first(weight: torch.Tensor, axis: int, shape: tuple[int, int, int]) -> None:
    """Orders an axis of rows, columns, channels as channels, rows, columns."""
    order = torch.arange(shape[0] * shape[1] * shape[2]).reshape(shape).permute(2, 0, 1).flatten()
    weight.copy_(weight.index_select(axis, order))
