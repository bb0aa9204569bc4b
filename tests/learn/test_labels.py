"""Labels come with the data: of published sets, of folders with a subfolder a class, of Keras's arrays."""

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vae_edge.pictures.files import digest
from vae_edge.runtime.errors import DataError
from vae_edge.train import data, events, mnist


def save(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((6, 5), grey, np.uint8)).save(path)


def test_subfolders_are_labels(tmp_path: Path) -> None:
    for number in range(12):
        save(tmp_path / ("dark" if number < 6 else "light") / f"{number}.png", number * 20)
    found = data.load(tmp_path, "all")
    assert found.label_names == ("dark", "light")
    assert found.labels is not None
    assert np.array_equal(found.labels == 0, found.images[:, 0, 0, 0] < 120)


def test_a_folder_of_one_kind_has_no_labels_and_its_digest_is_of_the_images_alone(tmp_path: Path) -> None:
    for number in range(12):
        save(tmp_path / "all" / f"{number}.png", number * 20)
    found = data.load(tmp_path, "all")
    assert (found.labels, found.label_names) == (None, ())
    save(tmp_path / "more" / "12.png", 255)
    assert data.load(tmp_path, "all").label_names == ("all", "more")
    save(tmp_path / "13.png", 255)
    assert data.load(tmp_path, "all").labels is None
    (tmp_path / "13.png").unlink()
    labelled = data.load(tmp_path, "all")  # older runs, which knew no labels, know the set again
    cut = len(labelled) - round(len(labelled) / 7)
    assert labelled.sha256 == digest(labelled.images[:cut], labelled.images[cut:])


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (np.arange(24) % 3 + 5, ("5", "6", "7")),
        ((np.arange(24) % 3)[:, None], ("0", "1", "2")),
        (np.array(["b", "a"] * 12), ("a", "b")),
        ((np.arange(24) % 2).astype(np.float32), ("0", "1")),
        (np.linspace(0, 1, 24), ()),
        (np.eye(24, dtype=np.uint8), ()),
    ],
    ids=["from 5", "a column", "text", "whole floats", "fractions", "one-hot"],
)
def test_keras_arrays_have_the_labels_that_y_holds(tmp_path: Path, y: np.ndarray, names: tuple[str, ...]) -> None:
    images = np.zeros((24, 4, 4), np.uint8)
    np.savez(tmp_path / "set.npz", x_train=images, y_train=y, x_test=images, y_test=y)
    found = data.load(tmp_path / "set.npz", "test")
    assert found.label_names == names
    if names:
        assert found.labels is not None
        assert [names[k] for k in found.labels] == [str(int(v) if v.dtype.kind == "f" else v) for v in y.ravel()]
    else:
        assert found.labels is None


def test_one_hot_is_for_models_that_take_labels() -> None:
    labels = np.array([2, 0])
    assert np.array_equal(events.one_hot(labels, 3), [[0, 0, 1], [1, 0, 0]])  # type: ignore[arg-type]
    assert events.one_hot(labels, 0) is None
    assert events.one_hot(None, 3) is None


def four_files(folder: Path, seed: int) -> dict[str, bytes]:
    rng = np.random.default_rng(seed)
    contents = {}
    for split, count in (("train", 24), ("t10k", 6)):
        pixels = rng.integers(0, 256, (count, 4, 4), np.uint8)
        contents[f"{split}-images-idx3-ubyte"] = b"\0\0\x08\x03" + struct.pack(">3I", count, 4, 4) + pixels.tobytes()
        labels = (np.arange(count) % 10).astype(np.uint8)
        contents[f"{split}-labels-idx1-ubyte"] = b"\0\0\x08\x01" + struct.pack(">I", count) + labels.tobytes()
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    return contents


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a subfolder each for two sets that stand for MNIST and Fashion-MNIST."""
    import dataclasses
    import hashlib

    for seed, name in enumerate(("mnist", "fashion-mnist")):
        contents = four_files(tmp_path / name, seed)
        files = {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
        monkeypatch.setitem(mnist.SETS, name, dataclasses.replace(mnist.SETS[name], files=files, mirrors=()))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_a_published_set_is_found_in_a_folder_and_in_its_subfolder(both: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, first in (("mnist", "zero"), ("fashion-mnist", "T-shirt/top")):
        one, two = (data.load(name, "train", folder) for folder in (both, both / name))
        assert np.array_equal(one.images, two.images)
        assert one.label_names[0] == first
        assert len(one.label_names) == 10
        for folder in (both, both / name):
            monkeypatch.setenv("VAE_EDGE_DATA", str(folder))
            assert data.load(name).sha256 == one.sha256
    assert data.load("mnist", "train", both).sha256 != data.load("fashion-mnist", "train", both).sha256


def test_one_set_is_not_taken_for_the_other(both: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="put Fashion-MNIST's four files there"):
        data.load("fashion-mnist", "train", both / "mnist")
    monkeypatch.setenv("VAE_EDGE_DATA", str(both / "mnist"))
    with pytest.raises(DataError, match="put Fashion-MNIST's four files into a folder"):
        data.load("fashion-mnist")


def test_fashion_mnist_is_the_published_one() -> None:
    folder = Path(os.environ.get("VAE_EDGE_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not mnist.is_folder(folder / "fashion-mnist"):
        pytest.skip("Fashion-MNIST is not here (set VAE_EDGE_DATA to its folder)")
    found = data.load("fashion-mnist", "test", folder)
    assert found.images.shape == (10_000, 28, 28, 1)
    assert found.labels is not None
    assert found.label_names[found.labels[0]] == "Ankle boot"
