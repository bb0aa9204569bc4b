from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_edge.runtime import Manifest, ManifestError
from vae_edge.runtime.bundle import read
from vae_edge.runtime.manifest import PRECISIONS, SCHEMA, Image, Prior, Training, parse, render, seal

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture(scope="module")
def said(tiny) -> Manifest:
    return read(tiny).manifest


@given(
    name=st.text(),
    versions=st.dictionaries(st.text(), st.text(), max_size=3),
    metrics=st.dictionaries(st.text(), FINITE, max_size=3),
    threshold=st.none() | st.floats(0, 1, exclude_max=True),
    seed=st.integers(0, 2**64 - 1),
    precision=st.sampled_from(PRECISIONS),
)
def test_what_is_rendered_is_parsed(said, name, versions, metrics, threshold, seed, precision):
    manifest = seal(
        dataclasses.replace(
            said,
            name=name,
            versions=versions,
            metrics=metrics,
            image=Image(6, 4, 1, threshold),
            training=Training("digits", "0" * 64, 3, 1, seed, "elbo", "x", "y"),
            precision=precision,
        )
    )
    assert parse(render(manifest)) == manifest


def test_the_bytes_on_disk_are_the_canonical_ones(said, tiny):
    assert render(said) == (tiny / "manifest.json").read_bytes()


def test_a_newer_schema_says_to_upgrade(said):
    tree = json.loads(render(said)) | {"schema": SCHEMA + 1, "something": "new"}
    with pytest.raises(ManifestError, match=r"reads up to 1: upgrade vae-edge"):
        parse(json.dumps(tree).encode())


@pytest.mark.parametrize(
    "edit",
    [
        lambda tree: tree.pop("name"),
        lambda tree: tree.update(extra=1),
        lambda tree: tree.update(name=3),
        lambda tree: tree.update(latent_size=3.0),
        lambda tree: tree.update(latent_size=True),
        lambda tree: tree.update(latent_size=4),
        lambda tree: tree.update(latent_size=0),
        lambda tree: tree.update(schema="1"),
        lambda tree: tree.update(schema=0),
        lambda tree: tree.update(likelihood="normal"),
        lambda tree: tree.update(metrics={"nll": "70"}),
        lambda tree: tree.update(metrics=[]),
        lambda tree: tree.update(digest="0" * 64),
        lambda tree: tree.update(image=None),
        lambda tree: tree["image"].update(threshold=1.0),
        lambda tree: tree["image"].update(height=10**9),
        lambda tree: tree["prior"].update(kind="flow"),
        lambda tree: tree["prior"].update(kind="mixture"),
        lambda tree: tree["prior"].update(file={"name": "prior.npz"}),
        lambda tree: tree["prior"].update(file="prior.npz"),
        lambda tree: tree["probe"].update(name="encoder.onnx"),
        lambda tree: tree["probe"].update(sha256="F" * 64),
        lambda tree: tree["probe"].update(bytes=0),
        lambda tree: tree["encoder"].update(inputs=[]),
        lambda tree: tree["encoder"]["outputs"].reverse(),
        lambda tree: tree["decoder"]["outputs"][0].update(dtype="float16"),
        lambda tree: tree["decoder"]["outputs"][0].update(shape=["batch", 6, 4, None]),
    ],
)
def test_any_edit_is_refused(said, edit):
    tree = json.loads(render(said))
    edit(tree)
    with pytest.raises(ManifestError):
        parse(json.dumps(tree, indent=2, sort_keys=True).encode() + b"\n")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"3",
        b"{}",
        b"{",
        b"\xff",
        b'{"a": 1, "a": 1}',
        b'{"a": NaN}',
        b"[" * 100_000,
        b"1" * 5000,
        b" " * (1 << 19),
    ],
)
def test_anything_else_is_no_manifest(data):
    with pytest.raises(ManifestError):
        parse(data)


def test_another_layout_of_the_same_content_is_refused(said):
    data = render(said)
    for other in (
        data[:-1],
        data + b"\n",
        b" " + data,
        data.replace(b"  ", b"\t"),
        json.dumps(json.loads(data)).encode(),
    ):
        with pytest.raises(ManifestError, match="canonical form"):
            parse(other)


def test_a_precision_is_said_only_where_it_is_not_fp32(said):
    assert said.precision == "fp32"
    assert b"precision" not in render(said)
    assert b'"precision": "int8"' in render(seal(dataclasses.replace(said, precision="int8")))
    tree = json.loads(render(said)) | {"precision": "fp32"}
    with pytest.raises(ManifestError, match="canonical form"):
        parse(json.dumps(tree, indent=2, sort_keys=True).encode() + b"\n")
    with pytest.raises(ManifestError, match="precision should be"):
        seal(dataclasses.replace(said, precision="fp8"))


def test_numbers_that_are_none_are_not_sealed(said):
    for value in (float("nan"), float("inf")):
        with pytest.raises(ManifestError, match="finite"):
            seal(dataclasses.replace(said, metrics={"nll": value}))


def test_a_mixture_names_its_file(said):
    with pytest.raises(ManifestError, match="a file for a mixture alone"):
        seal(dataclasses.replace(said, prior=Prior("mixture", 2, None)))
