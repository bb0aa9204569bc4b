"""A bundle of each family, event and condition does all that a VAE can do, as NumPy and SciPy calculate it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests import bundles
from vae_edge.runtime import HEADS, VAE, InputError, probe
from vae_edge.runtime.evaluation import figures, likelihood

KINDS = list(bundles.KINDS)
CONDITIONAL = [kind for kind in KINDS if bundles.KINDS[kind][2] is not None]


@pytest.fixture(scope="module")
def load(bundle_of):
    """Gives a bundle's VAE, its model in NumPy, and n events in their own units."""

    def load(kind: str, n: int = 7, **options: object):
        model = bundles.build(kind)
        shape, raw = model.event.shape, np.random.default_rng(0)
        if len(shape) == 1:
            x = raw.normal(size=(n, *shape)) * np.float64(model.event.scale) + np.float64(model.event.shift)
        else:
            x = raw.random((n, *shape), np.float32)
        return VAE.load(bundle_of(kind), **options), model, x

    return load


def given(model: bundles.Model, n: int):
    """The arguments of the VAE's methods for n events, and what the graphs should read."""
    if model.condition is None:
        return {}, None
    if model.condition.kind == "vector":
        values = np.random.default_rng(1).normal(size=(n, model.condition.size)).astype(np.float32)
        return {"condition": values}, values
    labels = np.random.default_rng(1).integers(0, model.condition.size, n)
    return {"label": labels}, model.encoded(labels)


@pytest.mark.parametrize("kind", KINDS)
def test_encode_gives_the_posterior_that_numpy_calculates(load, kind):
    vae, model, x = load(kind)
    arguments, condition = given(model, len(x))
    q = vae.encode(x, **arguments)
    for name, expected in model.encode(vae.prepare(x), condition).items():
        assert np.allclose(getattr(q, name), expected, rtol=1e-4, atol=1e-5), name


@pytest.mark.parametrize("kind", KINDS)
def test_decode_gives_the_likelihood_in_the_events_own_units(load, kind):
    vae, model, _ = load(kind)
    arguments, condition = given(model, 5)
    z = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
    p = vae.decode(z, **arguments)
    assert (p.batch_shape, p.event_shape) == ((5,), model.event.shape)
    expected = model.decode(z, condition)
    if model.likelihood.family == "normal":
        scale, shift = np.float64(model.event.scale), np.float64(model.event.shift)
        expected["scale"] = expected.get("scale", np.float64(model.likelihood.constants.get("scale", 1))) * scale
        expected["loc"] = expected["loc"] * scale + shift
    for name, value in expected.items():
        assert np.allclose(getattr(p, name), value, rtol=1e-5, atol=1e-5), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("head", HEADS)
def test_events_are_what_the_head_makes_of_the_decoded_draws(load, kind, head):
    vae, model, x = load(kind)
    arguments, _ = given(model, 7)
    made = vae.generate(7, head=head, seed=3, start=11, **arguments)
    p = vae.decode(vae.prior.sample(7, seed=3, start=11), **arguments)
    assert made.dtype == np.float32
    assert np.array_equal(made, p.sample(seed=3, start=11) if head == "sample" else getattr(p, head)())
    back = vae.reconstruct(x, head=head, seed=3, **arguments)
    q = vae.decode(vae.encode(x, **arguments).mean(), **arguments)
    assert np.array_equal(back, q.sample(seed=3) if head == "sample" else getattr(q, head)())


@pytest.mark.parametrize("kind", KINDS)
def test_interpolation_meets_both_ends(load, kind):
    vae, model, x = load(kind)
    one = {key: value[0] for key, value in given(model, 1)[0].items()}
    strip = vae.interpolate(x[:1], x[1:2], 5, **one)
    for at, end in ((0, x[:1]), (-1, x[1:2])):
        assert np.allclose(strip[at], vae.reconstruct(end, head="mean", **one)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_is_the_same_events_in_batches_and_so_are_parts_on_threads(load, kind):
    n = 600
    one, model, _ = load(kind, threads=1)
    arguments, _ = given(model, n)
    whole = one.generate(n, head="mean", seed=1, **arguments)
    parts = list(one.stream(n, head="mean", seed=1, batch_size=100, **arguments))
    assert [len(part) for part in parts] == [100] * 6
    assert np.allclose(np.concatenate(parts), whole, rtol=1e-5, atol=1e-6)
    several, _, _ = load(kind, threads=3)
    assert np.allclose(several.generate(n, head="mean", seed=1, **arguments), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", CONDITIONAL)
def test_each_event_has_the_condition_of_its_place(load, kind):
    vae, model, x = load(kind, 600)
    arguments, _ = given(model, 600)
    every = vae.generate(600, seed=1, **arguments)
    back = vae.reconstruct(x, head="mean", **arguments)
    codes = vae.encode(x, **arguments).loc
    for at in (0, 255, 256, 257, 511, 512, 599):
        here = {key: value[at] for key, value in arguments.items()}
        assert np.allclose(vae.generate(1, seed=1, start=at, **here)[0], every[at], rtol=1e-5, atol=1e-6)
        assert np.allclose(vae.reconstruct(x[at : at + 1], head="mean", **here)[0], back[at], rtol=1e-5, atol=1e-6)
        assert np.allclose(vae.encode(x[at : at + 1], **here).loc[0], codes[at], rtol=1e-5, atol=1e-6)
    assert not np.allclose(every, vae.generate(600, seed=1, **{key: value[0] for key, value in arguments.items()}))


@pytest.mark.parametrize("kind", KINDS)
def test_the_elbo_and_the_bound_are_their_definitions(load, kind):
    vae, model, x = load(kind)
    x = vae.prepare(x)
    arguments, _ = given(model, len(x))
    q, prior, n = vae.encode(x, **arguments), vae.prior, len(x)
    reconstruction, kl = likelihood.elbo(vae, x, seed=5, **arguments)
    assert np.allclose(reconstruction, vae.decode(q.sample(seed=5), **arguments).log_prob(x), rtol=1e-5)
    # KL(q || N(0, I)) = (tr S + m'm - L - log |S|) / 2
    scale = q.scale_tril if hasattr(q, "scale_tril") else q.scale[..., None] * np.eye(3)
    covariance = (scale @ scale.transpose(0, 2, 1)).astype(np.float64)
    trace, log_det = np.trace(covariance, axis1=1, axis2=2), np.linalg.slogdet(covariance)[1]
    assert np.allclose(kl, (trace + np.square(q.loc).sum(1) - 3 - log_det) / 2, rtol=1e-4, atol=1e-5)
    log_w = np.empty((20, n))
    for k in range(20):
        z = q.sample(seed=5, stream=k)
        log_w[k] = vae.decode(z, **arguments).log_prob(x) + prior.log_prob(z) - q.log_prob(z)
    expected = math.log(20) - np.logaddexp.reduce(log_w, axis=0)
    assert np.allclose(likelihood.nll(vae, x, 20, seed=5, **arguments), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", ["table", "labelled-table"])
def test_a_tables_density_is_of_its_own_units(load, kind):
    from scipy import stats

    vae, model, x = load(kind)
    arguments, condition = given(model, len(x))
    z = np.random.default_rng(2).normal(size=(len(x), 3)).astype(np.float32)
    p, standard = vae.decode(z, **arguments), model.decode(z, condition)
    loc = standard["loc"] * model.event.scale + model.event.shift
    scale = standard["scale"] * model.event.scale
    assert np.allclose(p.log_prob(x), stats.norm.logpdf(x, loc, scale).sum(axis=1), rtol=1e-4)
    # p(x) dx = p(u) du with u = (x - shift) / scale: log p(x) = log p(u) - sum log scale
    units = (x - model.event.shift) / model.event.scale
    density = stats.norm.logpdf(units, standard["loc"], standard["scale"]).sum(axis=1)
    assert np.allclose(p.log_prob(x), density - np.log(model.event.scale).sum(), rtol=1e-4)


@pytest.mark.parametrize(("kind", "levels"), [("grey", 256), ("levels", 4)])
def test_discrete_pixels_are_levels_and_have_bits(load, kind, levels):
    vae, _, x = load(kind, 20)
    for head in ("sample", "mode"):
        steps = vae.generate(20, head=head).astype(np.float64) * (levels - 1)
        assert np.allclose(steps, np.rint(steps), atol=1e-4)
        assert steps.min() >= 0
        assert steps.max() <= levels - 1
    pixels = np.arange(24, dtype=np.uint8).reshape(1, 6, 4) * 11
    assert np.allclose(vae.prepare(pixels)[..., 0] * (levels - 1), np.rint(pixels / 255 * (levels - 1)), atol=1e-4)
    found = figures.likelihoods(vae, x, 3)
    nats = likelihood.nll(vae, x, 3).mean()
    assert found["bits_per_dimension"].value == pytest.approx(nats / math.log(2) / 24)
    assert "wrong_pixels" not in figures.reconstructions(vae, x)


@pytest.mark.parametrize("kind", KINDS)
def test_figures_and_costs_are_those_of_any_bundle(load, kind):
    vae, model, x = load(kind, 20)
    arguments, _ = given(model, 20)
    found = figures.likelihoods(vae, x, 2, **arguments) | figures.reconstructions(vae, x, **arguments)
    discrete = "levels" in model.likelihood.constants
    assert {"elbo", "nll", "kl", "cross_entropy", "squared_error"} <= found.keys()
    assert ("bits_per_dimension" in found) == discrete
    assert ("wrong_pixels" in found) == (model.likelihood.family == "bernoulli")
    mean = vae.reconstruct(x, head="mean", **arguments)
    error = np.square(vae.prepare(x).astype(np.float64) - mean).mean()
    assert found["squared_error"].value == pytest.approx(error, rel=1e-4)
    (cost,) = figures.costs([vae], repeats=1)
    assert cost.microseconds > 0


@pytest.mark.parametrize("kind", KINDS)
def test_its_own_probe_holds(load, kind):
    vae, _, _ = load(kind)
    assert set(probe.check(vae)) == set(probe.outputs(vae.manifest))


@pytest.mark.parametrize("kind", ["labels", "index", "labelled-table"])
def test_a_label_is_a_name_or_a_number(load, kind):
    vae, model, _ = load(kind)
    names = model.condition.names
    assert vae.labels == names
    last = len(names) - 1
    expected = vae.generate(3, label=[1, last, 0])
    for same in (
        [names[1], names[last], names[0]],
        np.array([1, last, 0]),
        [1, names[last], np.int32(0)],
        ["1", last, 0],
    ):
        assert np.array_equal(vae.generate(3, label=same), expected)
    assert np.array_equal(vae.generate(3, label=names[1]), vae.generate(3, label=[1, 1, 1]))


@pytest.mark.parametrize("label", ["eleven", 10, -1, 1.5, None, True])
def test_an_unknown_label_lists_those_there_are(load, label):
    vae, _, x = load("labels")
    for call in (lambda: vae.generate(2, label=label), lambda: vae.encode(x, label=label)):
        with pytest.raises(InputError, match=r"one of zero, one, two, .*, or a number from 0 to 9"):
            call()


def test_labels_are_one_for_all_or_one_each(load):
    vae, _, x = load("labels")
    with pytest.raises(InputError, match="one for all, or one for each of the 7 events; they are 2"):
        vae.reconstruct(x, label=[1, 2])


def test_what_takes_no_condition_is_given_none_and_what_takes_one_is_given_it(load):
    plain, vector = load("binary")[0], load("vector")[0]
    with pytest.raises(InputError, match="takes no label and no condition"):
        plain.generate(1, label=3)
    for wrong in ({}, {"label": 1}):
        with pytest.raises(InputError, match="should be given 2 numbers"):
            vector.generate(1, **wrong)
    with pytest.raises(InputError, match="shape"):
        vector.generate(3, condition=[[1, 2]])
    with pytest.raises(InputError, match="finite"):
        vector.generate(3, condition=[1, np.nan])
    assert np.array_equal(vector.generate(3, condition=[1, 2]), vector.generate(3, condition=[[1, 2]] * 3))


def test_a_label_for_all_takes_no_memory(load):
    vae = load("labels")[0]
    first = next(vae.stream(10**12, label="seven"))
    assert np.array_equal(first, vae.generate(256, label=7))
    with pytest.raises(InputError, match="more than NumPy can count"):
        vae.stream(2**60, label="seven")


def test_an_output_that_is_alike_along_an_axis_is_not_painted_on(bundle_of, monkeypatch):
    """A Normal may be written over its loc; a loc of one value an image is too small for that."""
    vae = VAE.load(bundle_of("colour"), threads=1)
    n, (height, width, channels) = 3, vae.event_shape
    outputs = [np.full((n, *shape), 0.5, np.float32) for shape in vae.model.decoder.output_shapes]
    narrow = [array[:, :1, :1] for array in outputs]
    monkeypatch.setattr(vae.model.decoder, "run", lambda z, condition: narrow)
    assert vae.generate(n, head="mean").shape == (n, height, width, channels)
