"""Models on disk: one SavedModel that holds both parts, and what is no model at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from vae_edge.export import Bernoulli, Normal, export, plan
from vae_edge.runtime import VAE
from vae_edge.runtime.errors import InputError

X = (np.random.default_rng(0).random((20, 16)) < 0.4).astype(np.float32)
SAID: dict[str, Any] = {"examples": X, "posterior": Normal(loc=0, log_var=1), "likelihood": Bernoulli(logits=0)}


class Both(tf.Module):
    """encode and decode as functions of one SavedModel."""

    def __init__(self) -> None:
        draws = np.random.default_rng(1)
        self.w = tf.Variable(draws.normal(size=(16, 6)).astype("f") / 4)
        self.v = tf.Variable(draws.normal(size=(3, 16)).astype("f"))

    @tf.function(input_signature=[tf.TensorSpec((None, 16))])  # type: ignore[untyped-decorator]
    def encode(self, x: tf.Tensor) -> tf.Tensor:
        return x @ self.w

    @tf.function(input_signature=[tf.TensorSpec((None, 3))])  # type: ignore[untyped-decorator]
    def decode(self, z: tf.Tensor) -> tf.Tensor:
        return z @ self.v


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Both, Path]:
    model, path = Both(), tmp_path_factory.mktemp("saved") / "model"
    tf.saved_model.save(model, str(path))
    return model, path


@pytest.mark.parametrize("name", [lambda path: {"model": path}, lambda path: {"encoder": path, "decoder": str(path)}])
def test_one_saved_model_may_hold_both_parts(
    saved: tuple[Both, Path], name: Callable[[Path], dict[str, Any]], tmp_path: Path
) -> None:
    from vae_edge.export import Image

    model, path = saved
    export(tmp_path / "b", **name(path), **SAID, event=Image(4, 4, 1))
    z = np.random.default_rng(2).normal(size=(5, 3)).astype("f")
    p = VAE.load(tmp_path / "b", provider="cpu").decode(z)
    np.testing.assert_allclose(p.logits.reshape(5, 16), model.decode(z), atol=1e-5)


def empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def damaged(folder: Path) -> Path:
    (empty(folder) / "saved_model.pb").write_bytes(b"no model")
    return folder / "empty"


def written(name: str, content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return write


ZIP = b"PK\x05\x06" + bytes(18)  # an archive without members
NO_MODELS = {
    "a folder of other things": (empty, "should be a SavedModel, it is a folder without saved_model.pb"),
    "a damaged SavedModel": (damaged, "should be a SavedModel, TensorFlow cannot load it"),
    "nothing": (lambda folder: folder / "no.keras", "there is no such file; a model is a .keras, .h5 or .onnx file"),
    "another kind of file": (written("model.pt", b"torch"), "or a SavedModel's folder, it is a .pt"),
    "a .keras that is cut off": (written("m.keras", b"PK\x03\x04"), "it is no zip archive: save it again"),
    "a .keras of nothing": (written("m.keras", ZIP), "should be a model that Keras 3 or tf_keras can load alone"),
    "an .h5 of nothing": (written("m.h5", b"no model"), "load it in Python and call vae_edge.export.export"),
}


@pytest.mark.parametrize("why", NO_MODELS)
def test_what_is_no_model_is_refused_with_a_remedy(why: str, tmp_path: Path) -> None:
    make, message = NO_MODELS[why]
    with pytest.raises(InputError) as error:
        plan(model=make(tmp_path), **SAID)
    assert message in str(error.value)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": Both, "encoder": Both}, "give model=, or encoder= and decoder=, not both"),
        ({"encoder": Both}, "export needs encoder= and decoder=, or model= with methods encode and decode"),
        ({"encoder": "a.onnx", "decoder": "b.keras"}, "should both be ONNX files, they are a.onnx and b.keras"),
        ({"encoder": "a.onnx", "decoder": Both}, "should both be ONNX files, the encoder is a.onnx alone"),
        ({"model": 3}, "a int has no encode: give encoder= and decoder="),
    ],
)
def test_half_a_model_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        plan(**given, **SAID)
    assert message in str(error.value)
