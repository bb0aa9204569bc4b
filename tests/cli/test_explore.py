"""`vae-edge explore` writes one file that holds a bundle byte for byte, and refuses what it cannot show."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from tests import bundles
from vae_edge.cli.explorer import onnxruntime, operators, page
from vae_edge.runtime import bundle as runtime_bundles
from vae_edge.runtime.errors import InputError

LIMIT = 2_000_000


def blocks(text: str) -> dict[str, bytes]:
    """The files that lie in a page."""
    found = re.findall(r'<script type="application/octet-stream" data-file="([^"]+)">([^<]*)</script>', text)
    return {name: base64.b64decode(data) for name, data in found}


@pytest.mark.parametrize("name", ["mnist", "mnist-tiny"])
def test_the_page_holds_the_bundle_byte_for_byte(vae_edge, folder, name):
    done = vae_edge("explore", name, "--json")
    document = json.loads(done.stdout)
    found = runtime_bundles.read(name)
    data = Path("explore.html").read_bytes()
    assert document["out"] == "explore.html"
    assert document["digest"] == found.manifest.digest
    assert document["bytes"] == len(data) < LIMIT
    assert document["onnxruntime_web"] is None
    names = {"manifest.json", *(file.name for file in found.manifest.files)} - {"scores.npz"}  # which it does not read
    assert blocks(data.decode()) == {each: (found.folder / each).read_bytes() for each in names}
    assert done.exit_code == 0


def test_the_same_bundle_gives_the_same_page(vae_edge, folder):
    vae_edge("explore", "mnist-tiny", "--out", "a.html")
    vae_edge("explore", "mnist-tiny", "--out", "b.html")
    assert Path("a.html").read_bytes() == Path("b.html").read_bytes()


def test_a_page_names_no_other_address(vae_edge, folder):
    vae_edge("explore", "mnist-tiny")
    text = re.sub(r">[A-Za-z0-9+/=]{1000,}<", "><", Path("explore.html").read_text("utf-8"))
    markup = re.sub(r'<script type="module">.*?</script>', "", text, flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", markup)
    assert "http" not in re.sub(r"http-equiv", "", markup)
    assert "%" not in re.sub(r"\d%", "", re.sub(r"<style>.*?</style>", "", markup, flags=re.DOTALL))


def test_a_name_cannot_bring_markup(tmp_path):
    from dataclasses import replace

    found = runtime_bundles.read(bundles.build("binary").write(tmp_path / "b"))
    named = replace(found, manifest=replace(found.manifest, name="<img src=x>"))
    text = page.render(named).decode()
    assert "<img" not in text
    assert "&lt;img src=x&gt;" in text


def test_it_replaces_a_page_but_no_other_file_without_force(vae_edge, folder, one_line):
    vae_edge("explore", "mnist-tiny")
    assert vae_edge("explore", "mnist-tiny").exit_code == 0
    Path("notes.html").write_text("my notes")
    done = vae_edge("explore", "mnist-tiny", "--out", "notes.html")
    assert done.exit_code == 1
    assert "--force" in one_line(done.stderr)
    assert Path("notes.html").read_text() == "my notes"
    assert vae_edge("explore", "mnist-tiny", "--out", "notes.html", "--force").exit_code == 0
    assert blocks(Path("notes.html").read_text("utf-8"))


def test_a_table_is_refused(vae_edge, tmp_path, folder, one_line):
    bundle = bundles.build("table").write(tmp_path / "table")
    done = vae_edge("explore", bundle)
    assert done.exit_code == 1
    assert "rows of 5 columns: the explorer shows images" in one_line(done.stderr)
    assert not Path("explore.html").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["no-such"], "there is no bundle 'no-such'"),
        (["mnist", "--out", "page.png"], "expected FILE.html, got 'page.png'"),
        (["mnist", "--out", "nowhere/page.html"], "nowhere"),
        (["mnist", "--onnxruntime-web", "nowhere"], "nowhere should be the folder of the npm package onnxruntime-web"),
    ],
    ids=["bundle", "name", "folder", "package"],
)
def test_what_it_cannot_do_is_one_line(vae_edge, folder, one_line, arguments, told):
    done = vae_edge("explore", *arguments)
    assert done.exit_code in (1, 2)
    assert told in one_line(done.stderr)
    assert not Path("explore.html").exists()


def test_an_operator_without_a_kernel_is_named_with_the_command(vae_edge, folder, one_line, monkeypatch):
    monkeypatch.setattr(operators, "missing", lambda bundle: ["ConvInteger", "MatMulInteger"])
    done = vae_edge("explore", "mnist-tiny")
    told = one_line(done.stderr)
    assert done.exit_code == 1
    assert "ConvInteger, MatMulInteger" in told
    assert "npm install onnxruntime-web, then give --onnxruntime-web node_modules/onnxruntime-web" in told
    assert not Path("explore.html").exists()


def test_the_kernels_cover_what_ships():
    for name in ("mnist", "mnist-tiny", "mnist-large"):
        assert operators.missing(runtime_bundles.read(name)) == []


def test_operators_are_read_off_both_graphs(tmp_path, monkeypatch):
    found = runtime_bundles.read(bundles.build("binary").write(tmp_path / "b"))
    monkeypatch.setattr(operators, "_covered", lambda: {"Reshape", "MatMul", "Split", "Gemm"})
    assert operators.missing(found) == ["Add", "Mul", "Softplus"]


def test_onnxruntime_web_goes_in_where_it_is_given(vae_edge, tmp_path, folder):
    package = _package(
        tmp_path / "onnxruntime-web", "const a=1;export{a as Tensor,a as default};\n//# sourceMappingURL=x\n"
    )
    done = vae_edge("explore", "mnist-tiny", "--onnxruntime-web", package, "--json")
    text = Path("explore.html").read_text("utf-8")
    assert json.loads(done.stdout)["onnxruntime_web"] == "1.30.0"
    assert 'globalThis.ort={"Tensor":a,"default":a};</script>' in text
    assert "onnxruntime-web 1.30.0 among them" in done.stderr
    assert text.count("'sha256-") == 3


def test_another_layout_of_onnxruntime_web_is_refused(tmp_path):
    with pytest.raises(InputError, match="should end with its exports"):
        onnxruntime.read(_package(tmp_path / "onnxruntime-web", "const a = 1;"))


def _package(folder: Path, script: str) -> Path:
    (folder / "dist").mkdir(parents=True)
    (folder / "package.json").write_text('{"version": "1.30.0"}')
    (folder / "dist/ort.wasm.bundle.min.mjs").write_text(script)
    (folder / "dist/ort-wasm-simd-threaded.wasm").write_bytes(b"\0asm")
    return folder
