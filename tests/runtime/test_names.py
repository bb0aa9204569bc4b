"""What a bundle is called: a built-in name never means a folder, and a VAE says in one line what it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vae_edge.runtime import HEADS, VAE, BundleNotFound, InputError
from vae_edge.runtime.bundle import built_in, locate

TINY = Path(__file__).parent / "tiny"


@pytest.fixture
def shadow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with another bundle as `mnist/`, and as `mine/`."""
    for name in ("mnist", "mine"):
        shutil.copytree(TINY, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_built_in_name_is_never_a_folder(shadow: Path) -> None:
    assert locate("mnist") == built_in()["mnist"]
    assert VAE.load("mnist").latent_size == 32


@pytest.mark.parametrize("path", ["./mnist", "mnist/", Path("mnist"), "mine", Path("mine")])
def test_a_path_is_a_folder(shadow: Path, path: str | Path) -> None:
    assert locate(path).resolve() == shadow / Path(path).name
    assert VAE.load(path).manifest.name == "tiny"


def test_a_folder_that_is_no_bundle_and_a_name_of_nothing_say_so(shadow: Path) -> None:
    (shadow / "empty").mkdir()
    with pytest.raises(BundleNotFound, match=r"empty' is no bundle: it has no manifest\.json"):
        locate("empty")
    (shadow / "fashion").mkdir()
    for path in ("./fashion", "fashion/", Path("fashion")):
        with pytest.raises(
            BundleNotFound, match=r"the folder '.*fashion/?' is no .*; the built-in one is 'fashion' alone"
        ):
            locate(path)
    with pytest.raises(BundleNotFound, match=r"no bundle 'other': it is no folder, and built in are: fashion, mnist, "):
        locate("other")


def test_a_vae_says_what_it_is() -> None:
    vae = VAE.load(TINY, provider="cpu", threads=1)
    assert repr(vae) == "<VAE 'tiny': 6x4x1 images, latent 3, bernoulli, fp32; CPUExecutionProvider, 1 thread>"


def test_all_heads_are_told_how_they_are_had() -> None:
    vae = VAE.load(TINY, provider="cpu", threads=1)
    with pytest.raises(InputError, match=r"for all, decode once: p = vae.decode\(z\), then p.sample\(seed=0\)"):
        vae.generate(2, head="all")
    each = {head: vae.generate(2, head=head) for head in HEADS}
    p = vae.decode(vae.prior.sample(2, seed=0))
    assert (p.sample(seed=0) == each["sample"]).all()
    assert (p.mean() == each["mean"]).all()
    assert (p.mode() == each["mode"]).all()
