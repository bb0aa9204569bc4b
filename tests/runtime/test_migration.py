"""Bundles of earlier schemas go on working: the manifests that shipped, and the tiny bundle's."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from vae_edge.runtime import VAE, ManifestError, probe
from vae_edge.runtime.bundle import built_in, manifest, migration

HERE = Path(__file__).parent
OLD = {path.stem: path for path in sorted((HERE / "schema1").glob("*.json"))}
EVERY = sorted(HERE.glob("schema[12]/*.json"))


def sealed_again(name: str, tiny: Path) -> bytes:
    """The manifest in today's schema of the bundle that an earlier manifest is of.

    Bundles that were trained anew since have theirs in schema3/.
    """
    kept = HERE / "schema3" / f"{name}.json"
    folder = tiny if name == "tiny" else built_in()[name]
    return kept.read_bytes() if kept.exists() else (folder / "manifest.json").read_bytes()


def test_what_shipped_is_here():
    names = {"mnist", "mnist-large", "mnist-tiny", "tiny"}
    assert {f"{path.parent.name}/{path.stem}" for path in EVERY} == {
        f"{schema}/{name}" for schema in ("schema1", "schema2") for name in names
    }


@pytest.mark.parametrize("path", EVERY, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_manifest_of_an_earlier_schema_says_what_it_said(path, tiny):
    """The re-sealed bundle differs by its digest and by figures that were measured since."""
    old = manifest.parse(path.read_bytes())
    new = manifest.parse(sealed_again(path.stem, tiny))
    assert old.schema == manifest.SCHEMA
    for field in ("event", "condition", "latent_size", "graphs", "posterior", "likelihood", "prior", "training"):
        assert getattr(old, field) == getattr(new, field), field
    assert old.digest == json.loads(path.read_bytes())["digest"]


@pytest.mark.parametrize("schema", ["schema1", "schema2"])
def test_a_bundle_of_an_earlier_schema_runs(tiny, tmp_path, schema):
    for file in tiny.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "manifest.json").write_bytes((HERE / schema / "tiny.json").read_bytes())
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
    for schema, step in (("schema1", migration.from_1), ("schema2", migration.from_2)):
        tree = json.loads((HERE / schema / "mnist.json").read_bytes())
        before = copy.deepcopy(tree)
        assert step(tree) == step(tree)
        assert tree == before


def test_a_model_without_training_is_of_the_next_schema_too():
    tree = json.loads((HERE / "schema2" / "tiny.json").read_bytes()) | {"training": None}
    assert migration.from_2(tree) == tree | {"schema": 3, "deviations": None, "scores": None}


@pytest.mark.parametrize("schema", ["schema1", "schema2"])
def test_each_byte_of_an_earlier_schema_is_guarded(schema):
    whole = (HERE / schema / "tiny.json").read_bytes()
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


@pytest.mark.parametrize("edit", [lambda tree: tree.update(extra=1), lambda tree: tree.pop("event")])
def test_fields_that_schema_2_does_not_have_are_refused(edit):
    tree = json.loads((HERE / "schema2" / "tiny.json").read_bytes())
    edit(tree)
    with pytest.raises(ManifestError, match="schema 2 has other fields"):
        migration.migrate(tree)


@pytest.mark.parametrize("schema", [0, 4, True, "3", None])
def test_another_schema_is_refused(schema):
    with pytest.raises(ManifestError, match="schema should be 1 to 3"):
        migration.migrate({"schema": schema})


def test_another_layout_of_schema_1_is_refused():
    data = OLD["tiny"].read_bytes()
    for other in (data[:-1], data + b"\n", b" " + data, json.dumps(json.loads(data)).encode()):
        with pytest.raises(ManifestError, match="canonical form"):
            manifest.parse(other)
