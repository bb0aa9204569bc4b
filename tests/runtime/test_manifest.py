from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_edge.runtime import Manifest, ManifestError
from vae_edge.runtime.bundle import read, schema
from vae_edge.runtime.bundle.manifest import (
    PRECISIONS,
    SCHEMA,
    Condition,
    Deviations,
    File,
    Graph,
    Image,
    Scores,
    Spec,
    Tensor,
    Training,
    Vector,
    parse,
    render,
    seal,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture(scope="module")
def said(tiny) -> Manifest:
    return read(tiny).manifest


@pytest.mark.parametrize("kind", schema.__all__)
def test_what_a_manifest_holds_is_never_changed(kind):
    assert getattr(schema, kind).__dataclass_params__.frozen


# ---- every manifest that makes sense --------------------------------------------------------------------------------

COUNTS = st.integers(0, 2**63)
TEXTS = st.text(max_size=20)
FIGURES = st.dictionaries(TEXTS, FINITE, max_size=3)
SHA256 = st.binary(min_size=32, max_size=32).map(bytes.hex)
SIZES = st.integers(1, 4096)
PLAIN_NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


@st.composite
def events(draw: st.DrawFn) -> Image | Vector:
    shift, scale = FINITE, st.floats(1e-30, 1e30)
    if draw(st.booleans()):
        threshold = draw(st.none() | st.floats(0, 1, exclude_max=True))
        return Image(draw(SIZES), draw(SIZES), draw(SIZES), threshold, draw(shift), draw(scale))
    names = tuple(draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True)))
    each = (tuple(draw(st.lists(kind, min_size=len(names), max_size=len(names)))) for kind in (shift, scale))
    shifts, scales = each
    return draw(st.sampled_from([Vector(len(names)), Vector(len(names), names, shifts, scales)]))


@st.composite
def conditions(draw: st.DrawFn) -> Condition | None:
    names = tuple(draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True)))
    kind = draw(st.sampled_from(["none", "one_hot", "index", "vector"]))
    return None if kind == "none" else Condition(kind, len(names), names)


def fits(file: File) -> st.SearchStrategy[Scores]:
    names = st.lists(TEXTS, min_size=1, max_size=4, unique=True).map(tuple)
    rates, counts = st.floats(1e-9, 0.999), st.integers(1, 2**63)
    said = (names, st.booleans(), SIZES, SIZES, FINITE, st.none() | FINITE, rates, counts, counts, TEXTS, TEXTS, TEXTS)
    return st.builds(Scores, st.just(file), *said)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Sealed, with every field drawn."""
    names = iter(draw(st.lists(PLAIN_NAMES, min_size=6, max_size=6, unique=True)))
    event, condition, latent = draw(events()), draw(conditions()), (draw(SIZES),)

    def file() -> File:
        return File(next(names), draw(st.integers(1, 2**63)), draw(SHA256))

    def graph(name: str, role: str, shape: tuple[int, ...], outputs: dict[str, tuple[int, ...]]) -> Graph:
        inputs = [Tensor(name, "float32", ("batch", *shape), role)]
        if condition is not None and draw(st.booleans()):
            index = condition.kind == "index"
            tail = () if index else (condition.size,)
            inputs.append(Tensor("y", "int64" if index else "float32", ("batch", *tail), "condition"))
        given = tuple(Tensor(name, "float32", ("batch", *shape)) for name, shape in outputs.items())
        return Graph(file(), draw(COUNTS), tuple(inputs), given, draw(COUNTS), draw(COUNTS))

    prior = draw(st.sampled_from(["normal", "mixture", "none"]))
    constants = {"components": float(draw(SIZES))} if prior == "mixture" else {}
    mixture = Spec(prior, latent, constants=constants, file=file() if prior == "mixture" else None)
    posterior = draw(
        st.sampled_from(
            [
                Spec("normal", latent, {"loc": "loc", "scale": "scale"}),
                Spec("normal", latent, {"loc": "loc"}, {"scale": 0.5}),
                Spec("deterministic", latent, {"loc": "loc"}),
            ]
        )
    )
    precision = draw(st.sampled_from(PRECISIONS))
    weights = draw(st.none() | st.lists(TEXTS.filter(bool), min_size=1, max_size=3, unique=True))
    uncertain = weights is not None and precision == "fp32"
    return seal(
        Manifest(
            schema=SCHEMA,
            name=draw(TEXTS),
            producer=draw(TEXTS),
            versions=draw(st.dictionaries(TEXTS, TEXTS, max_size=3)),
            event=event,
            condition=condition,
            latent_size=latent[0],
            graphs={
                "encoder": graph("x", "event", event.shape, {"loc": latent, "scale": latent}),
                "decoder": graph("z", "latent", latent, {"logits": event.shape}),
            },
            posterior=posterior,
            likelihood=Spec("bernoulli", event.shape, {"logits": "logits"}),
            prior=mixture,
            deviations=Deviations(file(), tuple(weights)) if uncertain else None,
            precision=precision,
            probe=file(),
            scores=draw(st.none() | fits(file())),
            training=draw(st.none() | st.builds(Training, TEXTS, TEXTS, COUNTS, COUNTS, COUNTS, TEXTS, TEXTS, TEXTS)),
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
    with pytest.raises(ManifestError, match=r"reads up to 3: upgrade vae-edge"):
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
        lambda tree: tree.update(schema="2"),
        lambda tree: tree.update(schema=0),
        lambda tree: tree["likelihood"].update(family="normal"),
        lambda tree: tree["likelihood"].update(family="gamma"),
        lambda tree: tree["likelihood"].update(event_shape=[6, 4]),
        lambda tree: tree["likelihood"].update(outputs={"logits": "loc"}),
        lambda tree: tree["likelihood"].update(outputs={}),
        lambda tree: tree["likelihood"].update(constants={"logits": 0.0}),
        lambda tree: tree["posterior"].update(family="bernoulli"),
        lambda tree: tree["posterior"].update(outputs={"loc": "loc"}),
        lambda tree: tree["posterior"].update(outputs={"loc": "loc"}, constants={"scale": -1.0}),
        lambda tree: tree.update(metrics={"nll": "70"}),
        lambda tree: tree.update(metrics=[]),
        lambda tree: tree.update(event=None),
        lambda tree: tree["event"].update(threshold=1.0),
        lambda tree: tree["event"].update(threshold=-0.1),
        lambda tree: tree["event"].update(height=10**9),
        lambda tree: tree["event"].update(scale=0.0),
        lambda tree: tree["event"].update(kind="vector"),
        lambda tree: tree.update(event={"kind": "vector", "size": 3, "names": ["a"], "shift": [], "scale": []}),
        lambda tree: tree.update(condition={"kind": "one_hot", "size": 3, "names": ["a", "a", "b"]}),
        lambda tree: tree.update(condition={"kind": "colour", "size": 1, "names": ["a"]}),
        lambda tree: tree["prior"].update(family="flow"),
        lambda tree: tree["prior"].update(family="mixture"),
        lambda tree: tree["prior"].update(constants={"components": 2.0}),
        lambda tree: tree["prior"].update(file={"name": "prior.npz"}),
        lambda tree: tree["prior"].update(file="prior.npz"),
        lambda tree: tree["probe"].update(name="encoder.onnx"),
        lambda tree: tree["probe"].update(sha256="F" * 64),
        lambda tree: tree["probe"].update(bytes=0),
        lambda tree: tree["graphs"].pop("encoder"),
        lambda tree: tree["graphs"].update(flow=tree["graphs"]["encoder"]),
        lambda tree: tree["graphs"]["encoder"].update(inputs=[]),
        lambda tree: tree["graphs"]["encoder"].update(multiply_adds=-5),
        lambda tree: tree["graphs"]["encoder"].update(parameters=-1),
        lambda tree: tree["graphs"]["encoder"]["inputs"][0].update(role="latent"),
        lambda tree: tree["graphs"]["encoder"]["inputs"][0].update(shape=["batch", 6, 4]),
        lambda tree: tree["graphs"]["encoder"]["inputs"].append(
            {"name": "y", "dtype": "float32", "shape": ["batch", 2], "role": "condition"}
        ),
        lambda tree: tree["graphs"]["encoder"]["outputs"][0].update(name="scale"),
        lambda tree: tree["graphs"]["decoder"]["outputs"][0].update(name="loc"),
        lambda tree: tree["graphs"]["decoder"]["outputs"][0].update(name="tolerance"),
        lambda tree: tree["graphs"]["decoder"]["outputs"][0].update(dtype="float16"),
        lambda tree: tree["graphs"]["decoder"]["outputs"][0].update(shape=["batch", 6, 4, None]),
        lambda tree: tree["graphs"]["decoder"]["outputs"][0].update(shape=["batch", 6, 4, 2]),
        lambda tree: tree["training"].update(binarize="fp8"),
        lambda tree: tree["training"].update(pictures={"blur": "true"}),
        lambda tree: tree["training"].update(pictures={"grey": True}),
        lambda tree: tree.update(precision="fp8"),
    ],
)
def test_any_edit_is_refused_also_with_a_digest_that_fits(said, edit):
    tree = json.loads(render(said))
    edit(tree)
    for data in (as_bytes(tree), with_digest(tree)):
        with pytest.raises(ManifestError):
            parse(data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latent_size": 0}, "latent_size should be 1 to 4096, it is '0'"),
        ({"latent_size": 4097}, "latent_size should be 1 to 4096"),
        ({"event": Image(0, 4, 1, 0.5)}, r"event\.height should be 1 to 4096"),
        ({"event": Image(6, 4, 1, -0.1)}, r"event\.threshold should be in \[0, 1\)"),
        ({"event": Image(6, 4, 1, 1.0)}, r"event\.threshold should be in \[0, 1\)"),
        ({"event": Image(6, 4, 1, None, scale=0.0)}, r"event\.scale should be finite and > 0"),
        ({"event": Image(6, 4, 1, None, shift=float("nan"))}, r"event\.shift should be finite"),
        ({"event": Vector(0)}, r"event\.size should be 1 to 4096"),
        ({"event": Vector(2, ("a",))}, r"event\.names should be none or 2"),
        ({"event": Vector(2, ("a", "a"))}, r"event\.names should be different names"),
        ({"event": Vector(2, shift=(1.0,))}, r"event\.shift should be none or 2"),
        ({"event": Vector(2, scale=(1.0, -1.0))}, r"event\.scale should be finite and > 0"),
        ({"condition": Condition("one_hot", 0)}, r"condition\.size should be 1 to 4096"),
        ({"condition": Condition("index", 2)}, r"condition\.names should be 2 names"),
        ({"condition": Condition("vector", 2, ("a",))}, r"condition\.names should be 2 names"),
        ({"condition": Condition("vector", 2, ("a", "a"))}, r"condition\.names should be different names"),
        ({"precision": "fp8"}, "precision should be 'fp32', 'fp16' or 'int8'"),
        ({"parity": {"loc": float("inf")}}, "figures should be finite"),
    ],
)
def test_a_field_that_makes_no_sense_is_named(said, changes, message):
    with pytest.raises(ManifestError, match=f"^manifest: {message}"):
        seal(dataclasses.replace(said, **changes))


def test_a_graph_s_signature_is_named_where_it_is_not_the_model_s(said):
    def refused(name: str, message: str, **changes: object) -> None:
        graphs = said.graphs | {name: dataclasses.replace(said.graphs[name], **changes)}
        with pytest.raises(ManifestError, match=f"^manifest: {message}"):
            seal(dataclasses.replace(said, graphs=graphs))

    latent, event = said.decoder.inputs[0], said.encoder.inputs[0]
    refused("decoder", r"decoder\.inputs should be latent", inputs=(dataclasses.replace(latent, role="event"),))
    refused("decoder", r"decoder\.inputs should be latent", inputs=())
    refused("encoder", r"encoder\.inputs should be event", inputs=(event, event))
    refused("decoder", r"decoder\.z should be float32", inputs=(dataclasses.replace(latent, shape=("batch", 4)),))
    refused("decoder", r"decoder\.z should be float32", inputs=(dataclasses.replace(latent, dtype="int64"),))
    refused("decoder", r"decoder\.z should be float32", inputs=(dataclasses.replace(latent, shape=("n", 3)),))
    logits = said.decoder.outputs[0]
    for change in ({"dtype": "float16"}, {"role": "event"}, {"shape": ("n", 6, 4, 1)}, {"shape": ("batch", 6, 0, 1)},
                   {"shape": ("batch", 6, "w", 1)}):  # fmt: skip
        refused("decoder", r"decoder\.logits should be float32", outputs=(dataclasses.replace(logits, **change),))
    refused("encoder", r"encoder\.multiply_adds should be 0 or more", multiply_adds=-1)
    refused("encoder", r"encoder\.parameters should be 0 or more", parameters=-1)


def as_bytes(tree: dict[str, Any]) -> bytes:
    return json.dumps(tree, indent=2, sort_keys=True).encode() + b"\n"


def with_digest(tree: dict[str, Any]) -> bytes:
    """As the format's specification says: the SHA-256 of the file with the digest's value left out."""
    digest = hashlib.sha256(as_bytes(tree | {"digest": ""})).hexdigest()
    return as_bytes(tree | {"digest": digest})


def test_a_digest_that_is_made_by_the_specification_is_the_one_that_is_sealed(said):
    assert with_digest(json.loads(render(said))) == render(said)


def test_numbers_may_be_written_in_another_way(said):
    """Another language writes 0.5 as 5e-1, and no spaces before a colon are asked for."""
    blank = render(said).replace(b'"threshold": 0.5', b'"threshold" : 5e-1').replace(said.digest.encode(), b"")
    digest = hashlib.sha256(blank).hexdigest()
    data = blank.replace(b'\n  "digest": ""', b'\n  "digest": "%s"' % digest.encode())
    assert dataclasses.replace(parse(data), digest=said.digest) == said


def test_a_digest_of_other_bytes_is_refused(said):
    with pytest.raises(ManifestError, match="not that of its bytes"):
        parse(render(dataclasses.replace(said, digest="0" * 64)))


def test_a_second_line_that_looks_like_the_digest_is_refused(said):
    twice = json.dumps({"digest": said.digest}, indent=2).encode()[1:-2]
    data = render(said).replace(b'\n  "name"', b",".join([twice, b""]) + b'\n  "name"', 1)
    with pytest.raises(ManifestError):
        parse(data)


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


def test_numbers_that_are_none_are_not_sealed(said):
    for value in (float("nan"), float("inf")):
        with pytest.raises(ManifestError, match="finite"):
            seal(dataclasses.replace(said, metrics={"nll": value}))


def test_a_mixture_names_its_file(said):
    with pytest.raises(ManifestError, match="mixture needs a file of arrays"):
        seal(dataclasses.replace(said, prior=Spec("mixture", (3,), constants={"components": 2.0})))


def test_one_condition_may_go_into_both_graphs_and_no_other_tensor(said):
    y = Tensor("y", "float32", ("batch", 2), "condition")
    graphs = {name: dataclasses.replace(graph, inputs=(*graph.inputs, y)) for name, graph in said.graphs.items()}
    conditional = dataclasses.replace(said, graphs=graphs, condition=Condition("one_hot", 2, ("a", "b")))
    assert parse(render(seal(conditional))).encoder.input("condition") == y
    renamed = dataclasses.replace(graphs["decoder"], inputs=(*said.decoder.inputs, dataclasses.replace(y, name="x")))
    with pytest.raises(ManifestError, match="different names"):
        seal(dataclasses.replace(conditional, graphs=graphs | {"decoder": renamed}))
