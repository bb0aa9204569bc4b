from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_edge.runtime import Manifest, ManifestError
from vae_edge.runtime.bundle import read
from vae_edge.runtime.bundle.manifest import (
    PRECISIONS,
    SCHEMA,
    File,
    Graph,
    Image,
    Prior,
    Tensor,
    Training,
    parse,
    render,
    seal,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture(scope="module")
def said(tiny) -> Manifest:
    return read(tiny).manifest


# ---- every manifest that makes sense --------------------------------------------------------------------------------

COUNTS = st.integers(0, 2**63)
TEXTS = st.text(max_size=20)
FIGURES = st.dictionaries(TEXTS, FINITE, max_size=3)
SHA256 = st.binary(min_size=32, max_size=32).map(bytes.hex)
SIZES = st.integers(1, 4096)
PLAIN_NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Sealed, with every field drawn."""
    names = iter(draw(st.lists(PLAIN_NAMES, min_size=4, max_size=4, unique=True)))

    def file() -> File:
        return File(next(names), draw(st.integers(1, 2**63)), draw(SHA256))

    def graph(inputs: dict[str, tuple[int, ...]], outputs: dict[str, tuple[int, ...]]) -> Graph:
        sides = (
            tuple(Tensor(name, "float32", ("batch", *shape)) for name, shape in side.items())
            for side in (inputs, outputs)
        )
        return Graph(file(), draw(COUNTS), *sides, draw(COUNTS), draw(COUNTS))

    threshold = draw(st.none() | st.floats(0, 1, exclude_max=True))
    image = Image(draw(SIZES), draw(SIZES), draw(SIZES), threshold)
    shape, latent = (image.height, image.width, image.channels), (draw(SIZES),)
    kind = draw(st.sampled_from(["normal", "mixture", "none"]))
    return seal(
        Manifest(
            schema=SCHEMA,
            name=draw(TEXTS),
            producer=draw(TEXTS),
            versions=draw(st.dictionaries(TEXTS, TEXTS, max_size=3)),
            image=image,
            latent_size=latent[0],
            prior=Prior(kind, draw(SIZES), file() if kind == "mixture" else None),
            likelihood="bernoulli",
            binarize=draw(st.sampled_from(["static", "dynamic"])),
            precision=draw(st.sampled_from(PRECISIONS)),
            encoder=graph({"image": shape}, {"loc": latent, "scale": latent}),
            decoder=graph({"z": latent}, {"logits": shape}),
            probe=file(),
            training=draw(st.builds(Training, TEXTS, TEXTS, COUNTS, COUNTS, COUNTS, TEXTS, TEXTS, TEXTS)),
            metrics=draw(FIGURES),
            parity=draw(FIGURES),
            digest=draw(TEXTS),
        )
    )


@given(manifests())
def test_what_is_rendered_is_parsed(manifest):
    data = render(manifest)
    assert parse(data) == manifest
    assert render(parse(data)) == data
    assert seal(parse(data)) == manifest


@given(manifests(), st.data())
def test_any_single_changed_value_is_refused(manifest, data):
    """One leaf of the tree is another of its type, and the digest stays."""
    tree = json.loads(render(manifest))
    holder, key = data.draw(st.sampled_from(list(leaves(tree))))
    old = holder[key]
    if isinstance(old, str):
        holder[key] = old + "x"
    elif isinstance(old, int):
        holder[key] = old + 1
    else:  # a float, or a threshold of None
        holder[key] = 0.5 if old != 0.5 else 0.25
    with pytest.raises(ManifestError):
        parse(json.dumps(tree, indent=2, sort_keys=True).encode() + b"\n")


def leaves(tree: object) -> Iterator[tuple[Any, Any]]:
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if isinstance(value, dict | list):
            yield from leaves(value)
        else:
            yield tree, key


@given(manifests(), st.data())
def test_any_single_changed_byte_is_refused(manifest, data):
    whole = render(manifest)
    at = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
    with pytest.raises(ManifestError):
        parse(whole[:at] + bytes([other]) + whole[at + 1 :])


def test_each_byte_is_guarded(said):
    whole = render(said)
    for at, byte in enumerate(whole):
        with pytest.raises(ManifestError):
            parse(whole[:at] + bytes([byte ^ 1]) + whole[at + 1 :])


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


def test_a_precision_or_a_binarisation_that_nobody_knows_is_not_sealed(said):
    for field in ("precision", "binarize"):
        with pytest.raises(ManifestError, match=f"{field} should be"):
            seal(dataclasses.replace(said, **{field: "fp8"}))


def test_numbers_that_are_none_are_not_sealed(said):
    for value in (float("nan"), float("inf")):
        with pytest.raises(ManifestError, match="finite"):
            seal(dataclasses.replace(said, metrics={"nll": value}))


def test_a_mixture_names_its_file(said):
    with pytest.raises(ManifestError, match="a file for a mixture alone"):
        seal(dataclasses.replace(said, prior=Prior("mixture", 2, None)))
