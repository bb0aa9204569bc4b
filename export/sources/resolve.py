"""The encoder and the decoder as sources, from models, functions or paths."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from vae_edge.export.sources.base import Source
from vae_edge.runtime.errors import InputError

__all__ = ["resolve"]


def resolve(encoder: Any, decoder: Any, model: Any) -> tuple[Source, Source]:
    """Encoder and decoder: models, functions or paths; or one `model` that has both. Raises InputError."""
    if model is not None:
        if encoder is not None or decoder is not None:
            raise InputError("give model=, or encoder= and decoder=, not both")
        model = _loaded(model) if isinstance(model, (str, os.PathLike)) else model
        encoder, decoder = _part(model, "encode", "encoder"), _part(model, "decode", "decoder")
    elif encoder is None or decoder is None:
        raise InputError("export needs encoder= and decoder=, or model= with methods encode and decode")
    elif isinstance(encoder, (str, os.PathLike)) and isinstance(decoder, (str, os.PathLike)):
        paths = Path(encoder), Path(decoder)
        are_onnx = [path.suffix == ".onnx" for path in paths]
        if all(are_onnx):
            from vae_edge.export.sources.onnx_models import OnnxSource

            return OnnxSource(paths[0], "encoder"), OnnxSource(paths[1], "decoder")
        if any(are_onnx):
            raise InputError(f"encoder and decoder should both be ONNX files, they are {encoder} and {decoder}")
        if paths[0] == paths[1]:
            return resolve(None, None, encoder)
    return _source(encoder, "encoder", model), _source(decoder, "decoder", model)


def _part(model: Any, *names: str) -> Any:
    for name in names:
        if callable(part := getattr(model, name, None)):
            return part
    raise InputError(
        f"model= should have methods encode and decode (or encoder and decoder), a {type(model).__name__} has no "
        f"{names[0]}: give encoder= and decoder="
    )


def _loaded(path: str | os.PathLike[str]) -> Any:
    from vae_edge.export.sources.saved import load

    return load(Path(path))


def _source(model: Any, role: str, owner: Any) -> Source:
    from vae_edge.export.sources.callables import CallableSource

    if isinstance(model, (str, os.PathLike)):
        if Path(model).suffix == ".onnx":
            raise InputError(f"encoder and decoder should both be ONNX files, the {role} is {model} alone")
        return CallableSource(_loaded(model), f"{role} {Path(model).name}")
    name = getattr(model, "name", None) or getattr(model, "__name__", None) or type(model).__name__
    return CallableSource(model, role if name == role else f"{role} {name!r}", owner)
