"""Bundles of schema 1 go on working: the manifests that shipped with 0.1.0, and the tiny bundle's."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from vae_edge.runtime import VAE, ManifestError, probe
from vae_edge.runtime.bundle import built_in, manifest, migration

OLD = {path.stem: path for path in sorted((Path(__file__).parent / "schema1").glob("*.json"))}


def folder(name: str, tiny: Path) -> Path:
    return tiny if name == "tiny" else built_in()[name]


def test_what_shipped_is_here():
    assert set(OLD) == {"mnist", "mnist-large", "mnist-tiny", "tiny"}


@pytest.mark.parametrize("name", OLD)
def test_a_manifest_of_schema_1_says_what_it_said(name, tiny):
    """The re-sealed bundle differs by its digest and by figures that were measured since."""
    old = manifest.parse(OLD[name].read_bytes())
    new = manifest.parse((folder(name, tiny) / "manifest.json").read_bytes())
    assert old.schema == manifest.SCHEMA
    for field in ("event", "condition", "latent_size", "graphs", "posterior", "likelihood", "prior", "training"):
        assert getattr(old, field) == getattr(new, field), field
    assert old.digest == json.loads(OLD[name].read_bytes())["digest"]


def test_a_bundle_of_schema_1_runs(tiny, tmp_path):
    for file in tiny.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "manifest.json").write_bytes(OLD["tiny"].read_bytes())
    vae = VAE.load(tmp_path)
    assert max(probe.check(vae).values()) < 1e-6
    assert (vae.generate(5, seed=1) == VAE.load(tiny).generate(5, seed=1)).all()


def test_an_autoencoder_of_schema_1_gives_points():
    tree = json.loads(OLD["tiny"].read_bytes())
    tree["prior"]["kind"] = "none"
    new = migration.from_1(tree)
    assert (new["posterior"]["family"], new["prior"]["family"]) == ("deterministic", "none")
    assert new["posterior"]["outputs"] == {"loc": "loc"}


def test_a_step_changes_nothing_that_it_was_given():
    tree = json.loads(OLD["mnist"].read_bytes())
    before = copy.deepcopy(tree)
    assert migration.from_1(tree) == migration.from_1(tree)
    assert tree == before


def test_each_byte_of_schema_1_is_guarded():
    whole = OLD["tiny"].read_bytes()
    for at, byte in enumerate(whole):
        with pytest.raises(ManifestError):
            manifest.parse(whole[:at] + bytes([byte ^ 1]) + whole[at + 1 :])


@pytest.mark.parametrize("edit", [lambda tree: tree.update(extra=1), lambda tree: tree.pop("image")])
def test_fields_that_schema_1_does_not_have_are_refused(edit):
    tree = json.loads(OLD["tiny"].read_bytes())
    edit(tree)
    blank = json.dumps(tree | {"digest": ""}, indent=2, sort_keys=True).encode() + b"\n"
    tree["digest"] = manifest.hashlib.sha256(blank).hexdigest()
    with pytest.raises(ManifestError, match="schema 1 has other fields"):
        manifest.parse(json.dumps(tree, indent=2, sort_keys=True).encode() + b"\n")


def test_another_layout_of_schema_1_is_refused():
    data = OLD["tiny"].read_bytes()
    for other in (data[:-1], data + b"\n", b" " + data, json.dumps(json.loads(data)).encode()):
        with pytest.raises(ManifestError, match="canonical form"):
            manifest.parse(other)
