"""The explorer's page in Chromium, opened from the disk: what it shows is what Python makes."""

from __future__ import annotations

import base64
import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests import bundles
from tests.web.conftest import Browse, npy
from tests.web.pages import code, drawing, make
from vae_edge.runtime import VAE
from vae_edge.runtime.bundle import manifest

HEADS = ("sample", "mean", "mode")
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("mnist", tmp_path_factory.mktemp("page") / "explore mnist.html")


@pytest.fixture(scope="module")
def vae() -> VAE:
    return VAE.load("mnist", provider="cpu", threads=1)


def is_alone(found: dict[str, Any], page: Path) -> bool:
    """Whether the browser asked for nothing but the page itself, and found nothing to complain about."""
    assert found["problems"] == []
    asked = {url.partition("#")[0] for url in found["requests"] if not url.startswith(("blob:", "data:"))}
    return asked == {page.as_uri()}


@pytest.mark.parametrize(("width", "height", "scheme"), [(1280, 860, "light"), (360, 740, "dark")])
def test_it_opens_from_the_disk_and_asks_for_nothing(browse: Browse, mnist, width, height, scheme):
    found = browse("opens", page=mnist, width=width, height=height, colorScheme=scheme)
    assert is_alone(found, mnist)
    assert found["title"] == "mnist"
    assert found["facts"] == "28 × 28 pixels, black and white, from 32 numbers"
    assert "the page’s own WebAssembly kernels" in found["about"]
    assert found["theme"] == scheme
    assert found["overflow"] == 0
    assert found["unnamed"] == []
    assert found["sliders"] == 32
    policy = {name: values for name, *values in (part.split() for part in found["policy"].split(";"))}
    assert policy["default-src"] == ["'none'"]
    assert "connect-src" not in policy
    assert [value for value in policy["script-src"] if not value.startswith("'sha256-")] == ["'wasm-unsafe-eval'"]
    assert policy["img-src"] == ["data:", "blob:"]


def test_a_damaged_page_says_so(browse: Browse, mnist, tmp_path):
    text = mnist.read_text("utf-8")
    at = text.index('data-file="decoder.onnx">') + 40_000
    other = "A" if text[at] != "A" else "B"
    damaged = tmp_path / "damaged.html"
    damaged.write_text(text[:at] + other + text[at + 1 :], "utf-8")
    found = browse("failure", page=damaged)
    assert "decoder.onnx" in found["text"]
    assert found["hidden"]


SEED, START = 2**64 - 1, 11


@pytest.fixture(scope="module")
def new_images(browse: Browse, mnist) -> dict[str, Any]:
    return browse("images", page=mnist, seed=str(SEED), start=str(START))


def test_new_images_are_those_of_python(new_images, mnist, vae):
    assert is_alone(new_images, mnist)
    for head in HEADS:
        compare(head, npy(new_images["saved"][head]), vae.generate(24, head=head, seed=SEED, start=START))
    assert new_images["command"] == f"vae-edge generate --n 24 --seed {SEED} --start {START} --head mode --bundle mnist"
    assert "from 0 to 18446744073709551615" in new_images["refusal"]
    assert new_images["fragment"]["seed"] == str(SEED)


def test_a_png_holds_the_same_pixels(new_images, vae):
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(new_images["png"]))).convert("L"))
    images = vae.generate(24, head="mode", seed=SEED, start=START).reshape(3, 8, 28, 28)
    sheet = images.transpose(0, 2, 1, 3).reshape(3 * 28, 8 * 28)
    np.testing.assert_array_equal(picture, np.kron(sheet, np.ones((4, 4))) * 255)


def test_a_new_image_becomes_the_current_code_with_its_own_noise(new_images, vae):
    for head, picture in zip(HEADS, npy(new_images["heads"]), strict=True):
        compare(head, picture, vae.generate(1, head=head, seed=SEED, start=START + 2))


def test_a_cooler_prior_gives_the_new_images_of_python(browse: Browse, mnist, vae):
    found = browse("images", page=mnist, seed="1", start="0", cooler=3)
    assert is_alone(found, mnist)
    for head in HEADS:
        compare(head, npy(found["saved"][head]), vae.generate(24, head=head, seed=1, temperature=0.85))
    assert found["command"].endswith(" --bundle mnist --temperature 0.85")
    assert found["fragment"]["temperature"] == "0.85"
    assert found["source"] == "image 2 of seed 1, temperature 0.85"
    assert found["current"] == ["Image 2"]
    for head, picture in zip(HEADS, npy(found["heads"]), strict=True):
        compare(head, picture, vae.generate(1, head=head, seed=1, start=2, temperature=0.85))


def test_a_drawing_is_encoded_while_the_hand_moves(browse: Browse, mnist, vae):
    found = browse("drawing", page=mnist)
    assert is_alone(found, mnist)
    assert found["seen"] >= 4
    assert found["source"] == "your drawing"
    x, z = drawing(found["drawn"]), code(found["drawn"])
    assert 60 < x.sum() < 250
    np.testing.assert_allclose(z, vae.encode(x).mean(), atol=1e-4)
    p = vae.decode(z)
    for draw, saved in enumerate((found["heads"], found["again"])):
        for head, picture in zip(HEADS, npy(saved), strict=True):
            compare(head, picture, p.sample(seed=0, start=draw) if head == "sample" else getattr(p, head)())
    erased = drawing({"x": found["erased"]})
    assert 0 < erased.sum() < x.sum()
    assert "x" not in found["cleared"]
    x, z = drawing(found["example"]), code(found["example"])
    np.testing.assert_allclose(z, vae.encode(x).mean(), atol=1e-4)


def test_the_map_decodes_what_is_pointed_at(browse: Browse, mnist, vae):
    found = browse("map", page=mnist)
    assert is_alone(found, mnist)
    assert found["hover"] == {"source": "under the pointer", "changed": True, "loupe": True}
    assert found["left"] == {"source": "image 0 of seed 0", "same": True, "loupe": False}
    assert found["pressed"]["source"] == "a point of the map" or found["pressed"]["source"] == "under the pointer"
    assert found["playing"].endswith("% along the path")
    assert len(found["path"]["fragment"]["path"].split("~")) > 5
    assert npy(found["path"]["npy"]).shape == (12, 28, 28, 1)
    corner = np.concatenate([code(each) for each in found["corner"]["codes"]])
    at = np.concatenate([[0], np.linalg.norm(np.diff(corner, axis=0), axis=1).cumsum()])
    steps = [np.interp(np.linspace(0, at[-1], 12), at, dimension) for dimension in corner.T]  # equal steps of length
    compare("mean", npy(found["corner"]["npy"]), vae.decode(np.stack(steps, axis=1)).mean(), atol=1e-4)
    assert len(found["line"]["first"]["path"].split("~")) == 1
    # A -> B are the codes that the map gave at both points, and what lies between is decoded from straight steps
    a, b = code(found["line"]["first"]), code(found["line"]["second"])
    t = np.linspace(0, 1, 12, dtype=np.float32)[:, None]
    compare("mean", npy(found["line"]["npy"]), vae.decode((1 - t) * a + t * b).mean())
    assert "principal axes" in found["grounds"]["dots"]
    assert "the current code" in found["grounds"]["slice"]
    assert "two most active" in found["grounds"]["active"]


def test_an_address_brings_the_view_back(browse: Browse, mnist, vae):
    found = browse("state", page=mnist)
    assert is_alone(found, mnist)
    assert found["second"] == found["first"]
    assert found["third"] == found["first"]
    assert found["first"]["strip"]
    assert found["first"]["temperature"] == ["0.85", "0.85"]
    assert {"seed", "start", "temperature", "head", "draw", "x", "z", "path", "tool"} <= set(found["first"]["fragment"])
    compare("mean", npy(found["nonsense"]), vae.generate(24))  # what an address says wrongly is passed over


def test_the_page_can_be_used_with_keys(browse: Browse, mnist):
    found = browse("keyboard", page=mnist)
    assert is_alone(found, mnist)
    assert drawing(found["drawn"]).sum() == 4
    assert "x" not in found["cleared"]
    moved = found["moved"]
    assert float(moved["after"]) == pytest.approx(float(moved["before"]) + 0.02)
    assert code(moved["fragment"])[0, int(moved["slider"][1:])] == pytest.approx(float(moved["after"]))
    assert found["tool"] == "line"
    a, b = (tuple(map(float, point.split("_"))) for point in found["line"]["path"].split("~"))
    assert b[0] > a[0]
    assert b[1] > a[1]
    assert found["told"] == "2 points are marked"
    assert "path" not in found["escaped"]
    assert len(set(found["stops"])) == len(found["stops"])


def test_a_finger_draws_on_a_narrow_screen(browse: Browse, mnist, vae):
    found = browse("touch", page=mnist)
    assert is_alone(found, mnist)
    x = drawing(found["drawn"])
    assert x.sum() > 40
    np.testing.assert_allclose(code(found["drawn"]), vae.encode(x).mean(), atol=1e-4)
    assert found["moved"]["z"] != found["drawn"]["z"]
    assert found["headsInView"]
    assert not found["loupe"]
    assert found["overflow"] == 0


@pytest.mark.parametrize("kind", [kind for kind in bundles.KINDS if "table" not in kind])
def test_every_kind_of_image_is_explored(browse: Browse, tmp_path, kind):
    folder = bundles.build(kind).write(tmp_path / kind)
    page = make(folder, tmp_path / f"{kind}.html")
    is_labelled = kind in ("labels", "index")
    found = browse("images", page=page, seed="1", start="0", **({"label": 2} if is_labelled else {}))
    assert is_alone(found, page)
    given = {"label": 2} if is_labelled else {"condition": [0, 0]} if kind == "vector" else {}
    vae = VAE.load(folder, provider="cpu", threads=1)
    for head in HEADS:
        # a normal's sample and mode move with its loc, and graphs agree to rounding
        kind_of = "mean" if kind == "colour" else head
        compare(kind_of, npy(found["saved"][head]), vae.generate(24, head=head, seed=1, **given))
    if is_labelled:
        assert found["command"].endswith(f"--label {vae.labels[2]}")


def test_an_autoencoder_is_explored_around_its_examples(browse: Browse, tmp_path):
    folder = bundles.build("binary").write(tmp_path / "b")
    old = manifest.parse((folder / "manifest.json").read_bytes())
    sealed = manifest.seal(dataclasses.replace(old, prior=dataclasses.replace(old.prior, family="none")))
    (folder / "manifest.json").write_bytes(manifest.render(sealed))
    page = make(folder, tmp_path / "page.html")
    found = browse("opens", page=page)
    assert is_alone(found, page)
    assert not found["hasSheet"]
    assert "a code spread like those of the examples" in found["map"]


def compare(head: str, found: Any, expected: Any, atol: float = 1e-5) -> None:
    """Samples and modes are the same to the bit; means agree within 1e-5, as exp differs in its last bit."""
    if head == "mean":
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol)
    else:
        np.testing.assert_array_equal(found, expected)
