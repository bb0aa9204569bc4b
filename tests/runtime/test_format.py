"""A bundle can be read by `docs/bundle-format.md` alone: here with json, hashlib, zipfile and ONNX Runtime."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from vae_edge.runtime import VAE
from vae_edge.runtime.bundle import built_in

FOLDERS = {"tiny": Path(__file__).parent / "tiny", **built_in()}


def arrays(data: bytes) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        return {name.removesuffix(".npy"): np.load(io.BytesIO(archive.read(name))) for name in archive.namelist()}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_reader_of_the_specification_gets_what_the_runtime_gets(name):
    folder = FOLDERS[name]
    data = (folder / "manifest.json").read_bytes()
    (line,) = re.findall(rb'\n  "digest": "([0-9a-f]{64})"', data)
    assert hashlib.sha256(data.replace(line, b"", 1)).hexdigest() == line.decode()

    manifest = json.loads(data)
    assert manifest["schema"] == 3
    files = [graph["file"] for graph in manifest["graphs"].values()] + [manifest["probe"]]
    files += [manifest["prior"]["file"]] if manifest["prior"]["file"] else []
    files += [manifest["scores"]["file"]] if manifest["scores"] else []
    for file in files:
        content = (folder / file["name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])

    probe = arrays((folder / manifest["probe"]["name"]).read_bytes())
    for graph in manifest["graphs"].values():
        session = onnxruntime.InferenceSession(folder / graph["file"]["name"], providers=["CPUExecutionProvider"])
        roles = [given["role"] for given in graph["inputs"]]
        assert roles[0] in ("event", "latent")
        assert roles[1:] == (["condition"] if manifest["condition"] else [])
        feeds = {given["name"]: probe[given["name"]].astype("f4") for given in graph["inputs"]}
        found = session.run([output["name"] for output in graph["outputs"]], feeds)
        for output, value in zip(graph["outputs"], found, strict=True):
            expected = probe[output["name"]]
            assert value.shape[1:] == tuple(output["shape"][1:])
            assert (np.abs(value - expected) <= 1e-4 * np.maximum(1, np.abs(expected))).all()


@pytest.mark.parametrize("name", [name for name in FOLDERS if name != "tiny"])
def test_a_mixture_is_stored_as_the_specification_says(name):
    folder = FOLDERS[name]
    manifest = json.loads((folder / "manifest.json").read_bytes())
    k, size = int(manifest["prior"]["constants"]["components"]), manifest["latent_size"]
    stored = arrays((folder / manifest["prior"]["file"]["name"]).read_bytes())
    labels = int(manifest["prior"]["constants"].get("labels", 0))
    assert {key: (array.dtype.str, array.shape) for key, array in stored.items()} == {
        "weights": ("<f4", (labels, k) if labels else (k,)),
        "loc": ("<f4", (k, size)),
        "lower": ("<f4", (k, size * (size + 1) // 2)),
    }
    vae, place = VAE.load(folder), 0
    prior = vae.prior_given(label=0) if labels else vae.prior
    for row in range(size):
        np.testing.assert_array_equal(prior.scale_tril[:, row, : row + 1], stored["lower"][:, place : place + row + 1])
        place += row + 1
