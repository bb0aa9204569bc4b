"""Data sets have the splits and the pixels that they promise."""

import dataclasses
import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from vae_edge.pictures.treatment import Treatment
from vae_edge.runtime.errors import DataError, InputError
from vae_edge.train import data, mnist
from vae_edge.train.config import Config
from vae_edge.train.fit import fit


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """Real MNIST, where there is any: in $VAE_EDGE_DATA, or beside the checkout."""
    beside = Path(__file__).parents[3] / "shared" / "data" / "mnist"
    named = Path(os.environ.get("VAE_EDGE_DATA", beside))
    for folder in (named, named / "mnist", beside):
        if mnist.is_folder(folder):
            return folder
    pytest.skip("MNIST's four files are not here (set VAE_EDGE_DATA to their folder)")


def test_pixels_are_one_above_half_and_zero_else() -> None:
    pixels = data.binarise(np.arange(256, dtype=np.uint8))
    assert pixels.dtype == np.float32
    assert np.array_equal(pixels, np.arange(256) >= 128)  # 127/255 = 0.498, 128/255 = 0.502


def test_dynamic_pixels_are_draws_of_their_grey_value() -> None:
    grey = np.tile(np.arange(256, dtype=np.uint8), (10_000, 1)).reshape(-1, 16, 16, 1)
    drawn = data.binarise(grey, "dynamic", seed=1)
    assert drawn.dtype == np.float32
    assert drawn.shape == grey.shape
    shares = drawn.reshape(-1, 256).mean(0)
    p = np.arange(256) / 255
    assert (shares[0], shares[-1]) == (0, 1)
    assert np.all(np.abs(shares - p) <= 5 * np.sqrt(p * (1 - p) / len(grey)))


def test_dynamic_pixels_follow_the_seed_contract() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (20, 5, 3, 1)).astype(np.uint8)
    drawn = data.binarise(grey, "dynamic", seed=1)
    assert np.array_equal(drawn[:7], data.binarise(grey[:7], "dynamic", seed=1))
    assert not np.array_equal(drawn, data.binarise(grey, "dynamic", seed=2))


@pytest.mark.parametrize(
    ("split", "size"), [("train", 55_000), ("validation", 5_000), ("test", 10_000), ("all", 70_000)]
)
def test_mnist_has_its_splits(mnist_folder: Path, split: data.Split, size: int) -> None:
    found = data.load("mnist", split, mnist_folder)
    assert found.images.shape == (size, 28, 28, 1)
    assert found.labels is not None
    assert np.bincount(found.labels).size == 10


def test_the_last_5000_training_images_validate(mnist_folder: Path) -> None:
    everything = data.load("mnist", "all", mnist_folder).images
    assert np.array_equal(data.load("mnist", "validation", mnist_folder).images, everything[55_000:60_000])


def test_digits_are_real_and_split_without_overlap() -> None:
    parts = [data.load("digits", split).images for split in ("train", "validation", "test")]  # type: ignore[arg-type]
    assert sum(map(len, parts)) == len(data.load("digits", "all")) == 1797
    assert parts[0].shape[1:] == (28, 28, 1)
    hashes = [{image.tobytes() for image in part} for part in parts]
    assert not hashes[0] & hashes[1]
    assert not hashes[0] & hashes[2]
    assert not hashes[1] & hashes[2]


def test_a_path_is_a_data_set_of_any_shape(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (70, 20, 28), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=images)
    sizes = {split: len(data.load(tmp_path / "set.npz", split)) for split in ("train", "validation", "test")}  # type: ignore[arg-type]
    assert sizes == {"train": 55, "validation": 5, "test": 10}
    both = np.concatenate(
        [data.load(tmp_path / "set.npz", "train").images, data.load(tmp_path / "set.npz", "validation").images]
    )
    assert both.shape == (60, 20, 28, 1)


def test_kerass_layout_keeps_its_test_split(tmp_path: Path) -> None:
    images = np.zeros((24, 8, 8), np.uint8)
    np.savez(tmp_path / "set.npz", x_train=images, y_train=np.arange(24), x_test=images[:3], y_test=np.arange(3))
    found = data.load(tmp_path / "set.npz", "test")
    assert len(found) == 3
    assert found.labels is not None


def test_floats_outside_zero_to_one_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", images=np.full((12, 8, 8), 2.0))
    with pytest.raises(DataError, match=r"float64 from 2\.0 to 2\.0"):
        data.load(tmp_path / "set.npz")


def test_an_unknown_split_and_an_unknown_set_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it is 'dev'"):
        data.load("digits", "dev")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no such data set; give mnist, fashion-mnist, digits"):
        data.load(tmp_path / "nothing")


def test_a_mnist_file_of_other_content_is_never_used(tmp_path: Path) -> None:
    for name in mnist.MNIST.files:
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(b"not MNIST"))
    with pytest.raises(DataError, match="its SHA-256 is another"):
        mnist.load(tmp_path)


def test_without_data_and_without_network_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("VAE_EDGE_DATA", raising=False)
    nowhere = dataclasses.replace(mnist.MNIST, mirrors=("http://127.0.0.1:9/",))
    with pytest.raises(DataError, match=r"no mirror gave it .*name it by --data-dir or VAE_EDGE_DATA"):
        mnist.load(None, nowhere)
    with pytest.raises(DataError, match="put MNIST's four files there"):
        mnist.load(tmp_path)


def test_a_download_is_kept_only_where_its_checksum_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, content = "train-labels-idx1-ubyte", b"content"
    packed = gzip.compress(content)
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / f"{name}.gz").write_bytes(packed)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    mirrors = ((tmp_path / "mirror").as_uri() + "/",)
    kept = tmp_path / "cache" / "vae-edge" / "mnist" / f"{name}.gz"
    with pytest.raises(DataError, match="wrong SHA-256"):
        mnist._download(name, dataclasses.replace(mnist.MNIST, mirrors=mirrors), "nowhere")
    assert not kept.exists()
    files = {name: hashlib.sha256(content).hexdigest()}
    published = dataclasses.replace(mnist.MNIST, mirrors=mirrors, files=files)
    assert mnist._download(name, published, "nowhere") == content
    assert kept.read_bytes() == packed


def sorted_by_class(n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Images of six classes, one after the other; each holds its place."""
    images = np.arange(n, dtype=np.uint8).repeat(64).reshape(n, 8, 8)
    return images, np.arange(n) * 6 // n


def test_own_data_sorted_by_class_validates_on_every_class(tmp_path: Path) -> None:
    images, labels = sorted_by_class()
    np.savez(tmp_path / "set.npz", x_train=images, y_train=labels, x_test=images[:12], y_test=labels[:12])
    train, validation = (data.load(tmp_path / "set.npz", split) for split in ("train", "validation"))  # type: ignore[arg-type]
    assert (len(train), len(validation)) == (110, 10)
    assert validation.labels is not None
    assert len(set(validation.labels.tolist())) >= 4
    assert train.labels is not None
    assert len(set(train.labels[:30].tolist())) == 6
    places = np.concatenate([train.images[:, 0, 0, 0], validation.images[:, 0, 0, 0]])
    assert np.array_equal(np.sort(places), np.arange(120))
    assert np.array_equal(data.load(tmp_path / "set.npz", "validation").images, validation.images)
    last = data.load(tmp_path / "set.npz", "validation", validation="last").images
    assert np.array_equal(last[:, 0, 0, 0], np.arange(110, 120))
    assert data.load(tmp_path / "set.npz", "train", validation="last").sha256 == train.sha256


def test_the_last_of_data_that_is_shuffled_as_a_whole_is_refused(tmp_path: Path, small: Config) -> None:
    images, _ = sorted_by_class()
    np.save(tmp_path / "set.npy", images)
    with pytest.raises(DataError, match=r"has no test split of its own.*leave --validation last out"):
        data.load(tmp_path / "set.npy", "train", validation="last")
    config = dataclasses.replace(small, data=str(tmp_path / "set.npy"), validation="last")
    with pytest.raises(DataError, match="leave --validation last out"):
        fit(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    # A run of release 0.1 has recorded it for all data.
    assert len(data.load_for(config, "validation")) == 9


def test_mnist_keeps_its_last_5000_by_whatever_name(mnist_folder: Path, tmp_path: Path) -> None:
    everything = data.load("mnist", "all", mnist_folder)
    assert np.array_equal(data.load(mnist_folder, "validation").images, everything.images[55_000:60_000])
    split = {"x_train": everything.images[:60_000, ..., 0], "x_test": everything.images[60_000:, ..., 0]}
    np.savez(tmp_path / "mnist.npz", **split)
    assert np.array_equal(data.load(tmp_path / "mnist.npz", "validation").images, everything.images[55_000:60_000])
    split["x_train"] = split["x_train"][::-1]
    np.savez(tmp_path / "mnist.npz", **split)  # another order is another set
    assert not np.array_equal(data.load(tmp_path / "mnist.npz", "validation").images, everything.images[4_999::-1])
    with pytest.raises(DataError, match="its last 5,000 training images validate: leave --validation shuffled out"):
        data.load("mnist", "train", mnist_folder, validation="shuffled")


def test_images_are_treated_in_every_split_and_say_so_once(tmp_path: Path) -> None:
    images, _ = sorted_by_class()
    np.save(tmp_path / "x.npy", images[:, None])
    treatment = Treatment.parse(resize=4, invert=True)
    lines: list[str] = []
    with pytest.raises(DataError, match="smaller than --crop 9"):
        data.load(tmp_path / "x.npy", "train", treatment=Treatment.parse(crop=9))
    train = data.load(tmp_path / "x.npy", "train", treatment=treatment, say=lines.append)
    assert train.images.shape[1:] == (4, 4, 1)
    assert lines == [
        f"{tmp_path / 'x.npy'}: (120, 1, 8, 8) is read as (n, C, H, W): save it as (n, H, W, C) if it is not"
    ]
    everything = data.load(tmp_path / "x.npy", "all", treatment=treatment).images
    assert np.array_equal(np.sort(everything[:, 0, 0, 0]), np.arange(255 - 119, 256))
    digits = data.load("digits", "test", treatment=Treatment.parse(resize="14", invert=True)).images
    assert digits.shape[1:] == (14, 14, 1)
    assert (digits[:, 0, 0, 0] == 255).all()


def test_a_table_takes_no_treatment(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(90, 3)))
    with pytest.raises(DataError, match="a table, --resize 4 is for images: leave it out"):
        data.load(tmp_path / "x.npy", treatment=Treatment.parse(resize=4))
