"""A page of a bundle with an operator that the kernels lack carries onnxruntime-web, and runs it."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests import bundles
from tests.web.conftest import WEB, Browse, npy
from vae_edge.cli.app import app
from vae_edge.cli.explorer import operators
from vae_edge.runtime import VAE
from vae_edge.runtime import bundle as runtime_bundles
from vae_edge.runtime.bundle import manifest

PACKAGE = WEB / "node_modules" / "onnxruntime-web"
pytestmark = pytest.mark.timeout(300)


def test_a_page_runs_other_operators_on_onnxruntime_web(browse: Browse, tmp_path: Path):
    if not PACKAGE.exists():
        pytest.skip(f"there is no {PACKAGE}: npm ci in web/")
    folder = _with_sine(bundles.build("binary").write(tmp_path / "b"))
    assert operators.missing(runtime_bundles.read(folder)) == ["Sin"]
    out = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["explore", str(folder), "--out", str(out), "--onnxruntime-web", str(PACKAGE)])
    assert done.exit_code == 0, done.stderr
    assert "onnxruntime-web 1.30.0 among them" in done.stderr
    found = browse("opens", page=out)
    assert found["problems"] == []
    assert "run by the page’s own WebAssembly kernels and onnxruntime-web" in found["about"]
    images = browse("images", page=out, seed="1", start="0")
    vae = VAE.load(folder, provider="cpu")
    np.testing.assert_array_equal(npy(images["saved"]["sample"]), vae.generate(24, head="sample", seed=1))


def test_a_page_without_it_says_what_is_missing(browse: Browse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = _with_sine(bundles.build("binary").write(tmp_path / "b"))
    monkeypatch.setattr(operators, "missing", lambda bundle: [])  # as where the kernels lack an attribute alone
    out = tmp_path / "page.html"
    assert CliRunner().invoke(app, ["explore", str(folder), "--out", str(out)]).exit_code == 0
    told = browse("failure", page=out)["text"]
    assert "Sin" in told
    assert "--onnxruntime-web" in told


def _with_sine(folder: Path) -> Path:
    """The bundle with a decoder that reads z + 0 * sin(z)."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(folder / "decoder.onnx")
    for node in model.graph.node:
        node.input[:] = ["z_beside" if name == "z" else name for name in node.input]
    model.graph.initializer.append(numpy_helper.from_array(np.float32([0]), "nothing"))
    for node in reversed(
        [
            helper.make_node("Sin", ["z"], ["sine"]),
            helper.make_node("Mul", ["sine", "nothing"], ["no_sine"]),
            helper.make_node("Add", ["z", "no_sine"], ["z_beside"]),
        ]
    ):
        model.graph.node.insert(0, node)
    data = model.SerializeToString(deterministic=True)
    (folder / "decoder.onnx").write_bytes(data)
    old = manifest.parse((folder / "manifest.json").read_bytes())
    file = manifest.File("decoder.onnx", len(data), hashlib.sha256(data).hexdigest())
    graphs = {**old.graphs, "decoder": dataclasses.replace(old.decoder, file=file)}
    sealed = manifest.seal(dataclasses.replace(old, graphs=graphs))
    (folder / "manifest.json").write_bytes(manifest.render(sealed))
    return folder
