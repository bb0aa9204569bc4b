from __future__ import annotations

import os
import random
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

from vae_edge.runtime import (
    VAE,
    BundleError,
    BundleNotFound,
    IntegrityError,
    ManifestError,
    UnsafeBundle,
    VaeEdgeError,
    bundle,
)
from vae_edge.runtime.bundle import manifest, npz, reading
from vae_edge.runtime.bundle.manifest import File, Spec

FILES = ("manifest.json", "encoder.onnx", "decoder.onnx", "probe.npz")


@pytest.fixture
def copy(tiny, tmp_path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


def test_a_bundle_is_the_bytes_of_its_files(tiny):
    found = bundle.read(tiny)
    assert found.folder == tiny
    assert found.files == {name: (tiny / name).read_bytes() for name in FILES[1:]}
    assert found[found.manifest.probe] == (tiny / "probe.npz").read_bytes()


def test_a_name_is_a_folder_or_one_that_is_built_in(tiny, monkeypatch, tmp_path):
    monkeypatch.setattr(reading, "built_in", lambda: {"digits": tiny})
    assert bundle.read("digits").folder == tiny
    assert bundle.read(str(tiny)).folder == tiny
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny, tmp_path / "digits")
    assert bundle.read("digits").folder == tiny
    assert bundle.read("./digits").folder == bundle.read(Path("digits")).folder == Path("digits")
    for missing in ("nonesuch", tmp_path / "no", "", "a\0b", None, 3):
        with pytest.raises(BundleNotFound):
            bundle.read(missing)
    with pytest.raises(BundleNotFound, match="built in are: digits"):
        bundle.read("mnits")
    with pytest.raises(BundleNotFound, match=r"it has no manifest\.json"):
        bundle.read(tmp_path)


def test_what_is_built_in_can_be_read():
    for name, folder in bundle.built_in().items():
        assert bundle.read(name).folder == folder


def test_a_bundle_may_lie_behind_a_link_and_be_hard_linked(tiny, tmp_path):
    (tmp_path / "link").symlink_to(tiny)  # a model folder is often one; and package managers link files hard
    assert bundle.read(tmp_path / "link").manifest.name == "tiny"
    (tmp_path / "hard").mkdir()
    for name in FILES:
        shutil.copy(tiny / name, tmp_path / name)
        os.link(tmp_path / name, tmp_path / "hard" / name)
    assert bundle.read(tmp_path / "hard").manifest.name == "tiny"


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_regular_file_is_refused_and_not_waited_for(copy, name):
    original = copy.parent / "original"
    (copy / name).rename(original)

    def bind() -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(copy / name))

    for make in (
        lambda: (copy / name).symlink_to(original),
        lambda: (copy / name).symlink_to("/dev/zero"),
        lambda: os.mkfifo(copy / name),
        lambda: (copy / name).mkdir(),
        bind,
    ):
        make()
        with pytest.raises(BundleError):
            bundle.read(copy)
        (copy / name).rmdir() if (copy / name).is_dir() else (copy / name).unlink()


@pytest.mark.parametrize("name", FILES[1:])
def test_a_file_that_is_missing_cut_longer_or_of_another_is_an_integrity_error(copy, name):
    data = (copy / name).read_bytes()
    for other in (b"", data[:-1], data + b"\0", data[::-1], data[:7] + bytes([data[7] ^ 1]) + data[8:]):
        (copy / name).write_bytes(other)
        with pytest.raises(IntegrityError, match=name):
            bundle.read(copy)
    (copy / name).unlink()
    with pytest.raises(IntegrityError, match=f"lacks {name}"):
        bundle.read(copy)


def test_a_huge_file_is_not_read(copy):
    for name in FILES:
        data = (copy / name).read_bytes()
        with (copy / name).open("r+b") as file:
            file.truncate(1 << 40)  # sparse
        with pytest.raises(IntegrityError, match="1,099,511,627,776 bytes"):
            bundle.read(copy)
        (copy / name).write_bytes(data)


def test_a_manifest_may_not_claim_a_huge_file(copy):
    said = manifest.parse((copy / "manifest.json").read_bytes())
    huge = manifest.seal(
        manifest.dataclasses.replace(said, probe=File("probe.npz", reading.MAX_FILE_BYTES + 1, said.probe.sha256))
    )
    (copy / "manifest.json").write_bytes(manifest.render(huge))
    with pytest.raises(UnsafeBundle, match="at most 67,108,864 bytes"):
        bundle.read(copy)


def test_the_manifest_is_refused_cut_at_any_byte(copy):
    """Every byte at full size, in issue-5 words; here each seventh."""
    path = copy / "manifest.json"
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(ManifestError):
            bundle.read(copy)


def test_a_damaged_bundle_is_refused(copy):
    """100,000 mutants at full size."""
    dice = random.Random(0)
    originals = {name: (copy / name).read_bytes() for name in FILES}
    for _ in range(600):
        name = dice.choice(FILES)
        data = bytearray(originals[name])
        for _ in range(dice.choice([1, 1, 1, 2, 20])):
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        if bytes(data) == originals[name]:
            continue
        (copy / name).write_bytes(data)
        with pytest.raises(BundleError):
            bundle.read(copy)
        (copy / name).write_bytes(originals[name])
    assert bundle.read(copy).manifest.name == "tiny"


def test_swapped_files_are_refused(copy):
    (copy / "encoder.onnx").rename(copy / "x")
    (copy / "decoder.onnx").rename(copy / "encoder.onnx")
    (copy / "x").rename(copy / "decoder.onnx")
    with pytest.raises(IntegrityError):
        bundle.read(copy)


def test_what_was_hashed_is_what_runs(copy, vae):
    """Files that change after they were read change nothing, not even for a forked child's new session."""
    found = bundle.read(copy)
    for name in FILES:
        (copy / name).write_bytes(b"other")
    loaded = VAE(found)
    expected = vae.generate(3)
    assert np.array_equal(loaded.generate(3), expected)
    loaded.model.decoder._session = None
    assert np.array_equal(loaded.generate(3), expected)


def test_a_file_that_grows_while_it_is_read_is_refused(copy, monkeypatch):
    fstat = os.fstat

    def fstat_then_grow(descriptor):
        status = fstat(descriptor)
        with (copy / "decoder.onnx").open("ab") as file:
            file.write(b"\0")
        return status

    monkeypatch.setattr(os, "fstat", fstat_then_grow)
    with pytest.raises(IntegrityError):
        bundle.read(copy)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/b", "..", ".", "", ".hidden", "a\0b", "a\nb", "x" * 65, "a\\b"]
)
def test_a_path_never_leaves_the_folder(tiny, name):
    said = bundle.read(tiny).manifest
    with pytest.raises(ManifestError, match="plain name"):
        manifest.seal(manifest.dataclasses.replace(said, probe=File(name, 1, "0" * 64)))


@pytest.mark.parametrize(
    "arrays",
    [
        {"weights": [0.5, 0.4], "loc": np.zeros((2, 3)), "lower": np.ones((2, 6))},
        {"weights": [0.5, 0.5], "loc": np.zeros((2, 3)), "lower": np.zeros((2, 6))},
        {"weights": [0.5, 0.5], "loc": np.full((2, 3), np.nan), "lower": np.ones((2, 6))},
        {"weights": [0.5, 0.5], "loc": np.zeros((2, 4)), "lower": np.ones((2, 10))},
        {"weights": [0.5, 0.5], "loc": np.zeros((2, 3)), "lower": np.ones((2, 9))},
        {"weights": [1.0], "loc": np.zeros((1, 3)), "lower": np.ones((1, 6))},
        {"weights": [0.5, 0.5], "loc": np.zeros((2, 3))},
    ],
)
def test_a_prior_that_is_no_mixture_is_an_integrity_error(make_bundle, arrays):
    data = npz.render({key: np.asarray(value, np.float32) for key, value in arrays.items()})
    with pytest.raises(IntegrityError, match=r"prior\.npz"):
        VAE.load(
            make_bundle(
                {"prior.npz": data},
                prior=Spec("mixture", (3,), constants={"components": 2.0}, file=File("prior.npz", 1, "0" * 64)),
            )
        )


def test_an_unreadable_file_is_a_bundle_error(copy, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(BundleError, match="cannot be read: Permission denied") as caught:
        bundle.read(copy)
    assert isinstance(caught.value, VaeEdgeError)


SMALL_PRIOR = {
    "weights": np.array([0.25, 0.75], np.float32),
    "loc": np.array([[2, 0, -1], [0, 127, 0]], np.int8),
    "lower": np.array([[1, -2, 3, 0, 0, 3], [4, 5, 127, -127, 1, 127]], np.int8),
    "loc_step": np.array([0.5, 0.01, 1], np.float32),
    "lower_step": np.array([1, 0.5, 0.25, 1, 1, 0.5], np.float32),
}


def test_a_prior_in_fewer_bits_is_read_as_numbers(make_bundle):
    prior = Spec("mixture", (3,), constants={"components": 2.0}, file=File("prior.npz", 1, "0" * 64))
    data = npz.render(SMALL_PRIOR)
    p = VAE.load(make_bundle({"prior.npz": data}, "int8", prior=prior, precision="int8")).prior
    np.testing.assert_array_equal(p.loc, np.float32([[1, 0, -1], [0, 1.27, 0]]))
    np.testing.assert_array_equal(p.scale_tril[0], np.float32([[1, 0, 0], [-1, 0.75, 0], [0, 0, 1.5]]))
    np.testing.assert_array_equal(p.scale_tril[1], np.float32([[4, 0, 0], [2.5, 31.75, 0], [-127, 1, 63.5]]))
    halves = {"weights": SMALL_PRIOR["weights"], "loc": p.loc.astype(np.float16)}
    halves["lower"] = SMALL_PRIOR["lower"].astype(np.float16)
    data = npz.render(halves)
    half = VAE.load(make_bundle({"prior.npz": data}, "fp16", prior=prior, precision="fp16")).prior
    assert half.loc.dtype == np.float32
    np.testing.assert_array_equal(half.loc, halves["loc"].astype(np.float32))


@pytest.mark.parametrize(
    "edit",
    [
        {"lower": np.array([[0, 2, 3, 1, 1, 1], [4, 5, 6, 1, 1, 1]], np.int8)},
        {"lower": np.array([[1, 2, -3, 1, 1, 1], [4, 5, 6, 1, 1, 1]], np.int8)},
        {"loc_step": np.array([1, np.nan, 1], np.float32)},
        {"lower_step": np.array([1, 1, 3e38, 1, 1, 1], np.float32)},
        {"lower_step": np.ones(3, np.float32)},
        {"loc": np.zeros((2, 3), np.float32)},
    ],
)
def test_a_prior_in_fewer_bits_that_is_no_mixture_is_an_integrity_error(make_bundle, edit):
    prior = Spec("mixture", (3,), constants={"components": 2.0}, file=File("prior.npz", 1, "0" * 64))
    with pytest.raises(IntegrityError, match=r"prior\.npz"):
        VAE.load(make_bundle({"prior.npz": npz.render(SMALL_PRIOR | edit)}, prior=prior, precision="int8"))


@pytest.mark.parametrize("change", [{"multiply_adds": 1}, {"multiply_adds": 10**15}, {"opset": 17}])
def test_what_a_manifest_says_of_a_graph_s_cost_is_not_believed(vae, make_bundle, change):
    graphs = dict(vae.manifest.graphs)
    graphs["decoder"] = manifest.dataclasses.replace(graphs["decoder"], **change)
    with pytest.raises(IntegrityError, match=r"decoder\.onnx should be of opset \d+ and [\d,]+ multiply-adds"):
        VAE.load(make_bundle(graphs=graphs))
