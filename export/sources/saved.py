"""Models on disk: `.keras`, `.h5`, SavedModel folders."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from vae_edge.runtime.errors import InputError

__all__ = ["load"]


def load(path: Path) -> Any:
    """The model at `path`: of Keras 3 or of tf_keras, whichever reads it, or a SavedModel. Raises InputError."""
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise InputError(f"{path} should be a SavedModel, it is a folder without saved_model.pb")
        import tensorflow as tf

        return _tried(path, tf.saved_model.load)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; a model is a .keras, .h5 or .onnx file, or a SavedModel")
    if path.suffix not in (".keras", ".h5", ".hdf5"):
        raise InputError(
            f"{path} should be a .keras, .h5 or .onnx file, or a SavedModel's folder, it is a {path.suffix}"
        )
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise InputError(f"{path} should be a Keras model, it is no zip archive: save it again with model.save")
    return _load_keras(path)


def _load_keras(path: Path) -> Any:
    import keras

    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:
        first = error
    import tf_keras

    try:
        return tf_keras.models.load_model(path, compile=False)
    except Exception as error:
        raise InputError(
            f"{path} should be a model that Keras 3 or tf_keras can load alone. Keras 3: {_short(first)}; tf_keras: "
            f"{_short(error)}. Where it has layers of your own, load it in Python and call vae_edge.export.export"
        ) from error


def _tried(path: Path, load_model: Any) -> Any:
    try:
        return load_model(str(path))
    except Exception as error:
        raise InputError(f"{path} should be a SavedModel, TensorFlow cannot load it: {_short(error)}") from error


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
