"""`vae.score`: each statistic is what its definition says, for every family; and a fit is read without trusting it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests import bundles
from vae_edge.runtime import VAE, Deterministic, DiscretizedLogistic, InputError, IntegrityError, ManifestError, Normal
from vae_edge.runtime.bundle import manifest, read
from vae_edge.runtime.bundle import scores as stored
from vae_edge.runtime.bundle.manifest import File, Scores, Spec
from vae_edge.runtime.distributions import Mixture
from vae_edge.runtime.noise import Purpose, normals
from vae_edge.runtime.scoring import densities
from vae_edge.runtime.scoring.statistics import STATISTICS

DRAWS, L = 5, bundles.L


@pytest.fixture(params=sorted(bundles.KINDS))
def kind(request):
    return request.param


@pytest.fixture
def opened(kind, bundle_of):
    return VAE.load(bundle_of(kind), threads=1)


def given_to(vae, n):
    condition = vae.manifest.condition
    if condition is None:
        return {}
    if condition.is_label:
        return {"label": np.arange(n) % condition.size}
    return {"condition": bundles.weights(8, n, condition.size)}


def events_of(vae, n=7):
    x = vae.generate(n, head="sample", seed=3, **given_to(vae, n))
    return np.clip(x, 0, 1) if x.ndim == 4 else x


def test_each_statistic_is_what_it_says(opened):
    x, given = events_of(opened), given_to(opened, 7)
    found = opened.score(x, draws=DRAWS, seed=2, **given)
    assert list(found.statistics) == [name for name in STATISTICS if name != "texture" or x.ndim == 4]
    q, prior = opened.encode(x, **given), opened.prior
    z, log_q = [], []
    for k in range(DRAWS):
        eps = normals(2, Purpose.POSTERIOR, 0, 1, L, k)[0]
        moved = q.scale * eps if isinstance(q, Normal) else np.einsum("bij,j->bi", q.scale_tril, eps)
        z.append((q.loc + moved).astype(np.float32))
        log_q.append(q.log_prob(z[-1]))
    log_x = np.array([opened.decode(each, **given).log_prob(x) for each in z])
    log_p = np.array([prior.log_prob(each) for each in z])
    log_q = np.array(log_q)
    log_w = log_x + log_p - log_q
    p = opened.decode(q.mean(), **given)
    surprise = p.elementwise_log_prob(p.mode()) - p.elementwise_log_prob(x)
    residual = np.sign(x - p.mode()) * np.sqrt(2 * np.maximum(surprise, 0))
    axes = tuple(range(1, x.ndim))
    expected = {
        "log_evidence": np.logaddexp.reduce(log_w, axis=0) - np.log(DRAWS),
        "spread": log_w.std(axis=0),
        "reconstruction": log_x.mean(axis=0),
        "kl": (log_q - log_p).mean(axis=0),
        "log_prior": log_p.mean(axis=0),
        "entropy": q.entropy(),
        "distance": np.linalg.norm(q.mean(), axis=1),  # of a standard normal
        "misfit": surprise.sum(axis=axes),
        "bias": residual.mean(axis=axes),
        "cycle": q.kl_divergence(opened.encode(np.clip(p.mode(), 0, 1) if x.ndim == 4 else p.mode(), **given)),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found.statistics[name], values, rtol=2e-4, atol=2e-4, err_msg=name)
    np.testing.assert_allclose(found.surprise, np.maximum(surprise, 0), rtol=1e-4, atol=1e-4)


def test_a_score_does_not_depend_on_the_other_events(opened):
    x, given = events_of(opened, 40), given_to(opened, 40)
    whole, one = opened.score(x, **given), opened.score(x[33:34], **{name: rows[33:34] for name, rows in given.items()})
    for name, values in one.statistics.items():
        np.testing.assert_allclose(values, whole.statistics[name][33:34], rtol=1e-4, atol=1e-4, err_msg=name)
    np.testing.assert_allclose(one.surprise[0], whole.surprise[33], rtol=1e-4, atol=1e-4)


def test_more_threads_give_the_same(bundle_of):
    one, many = (VAE.load(bundle_of("grey"), threads=threads) for threads in (1, 4))
    x = events_of(one, 300)
    for name, values in one.score(x).statistics.items():
        np.testing.assert_allclose(many.score(x).statistics[name], values, rtol=1e-4, atol=1e-4)


def test_the_worst_region_is_where_an_image_does_not_fit(bundle_of):
    vae = VAE.load(bundle_of("grey"))
    x = vae.generate(1, head="mode", seed=0)
    assert vae.score(x).surprise.shape == (1, 6, 4, 1)
    z = vae.encode(x).mean()
    y = vae.decode(z).mode()  # what fits the code of x; another code may fit y
    p = vae.decode(z)
    spoiled = y.copy()
    spoiled[0, 2, 3, 0] = 1 - np.rint(y[0, 2, 3, 0])
    _, surprise = densities.surprise(p, spoiled)
    assert np.argmax(surprise) == 2 * 4 + 3
    assert np.count_nonzero(surprise) == 1


def test_the_odd_column_of_a_table_stands_out_whatever_its_unit(bundle_of):
    vae = VAE.load(bundle_of("table"))
    x = vae.decode(vae.prior.sample(1, seed=0)).mean()
    p = vae.decode(vae.encode(x).mean())
    for column in range(5):
        odd = p.mean().copy()
        odd[0, column] += 9 * p.scale[0, column]
        _, surprise = densities.surprise(p, odd)
        assert np.argmax(surprise) == column
        assert surprise[0, column] == pytest.approx(40.5, rel=1e-3)  # z^2 / 2


@pytest.mark.parametrize("widest", [0.001, 0.02, 0.5, 30.0])
def test_the_quick_logistics_are_the_exact_ones(bundle_of, widest):
    vae, rng = VAE.load(bundle_of("grey")), np.random.default_rng(0)
    x = (rng.integers(0, 256, (3, 6, 4, 1)) / 255).astype(np.float32)
    x[0, :2], x[1, 3:] = 0, 1
    loc = rng.uniform(-0.5, 1.5, (9, 6, 4, 1)).astype(np.float32)
    scale = rng.uniform(0.0005, widest, (9, 1, 1, 1)).astype(np.float32)
    exact = DiscretizedLogistic(loc, scale).log_prob(np.concatenate([x] * 3))
    np.testing.assert_allclose(densities.likelihood(vae.model, x)([loc, scale]), exact, rtol=1e-5, atol=1e-4)
    p = DiscretizedLogistic(loc[:3], scale[:3])
    mode, surprise = densities.surprise(p, x)
    wanted = p.elementwise_log_prob(mode) - p.elementwise_log_prob(x)
    np.testing.assert_allclose(surprise, np.maximum(wanted, 0), rtol=1e-4, atol=1e-4)


def test_log_prob_is_the_sum_of_its_elements(opened):
    x, given = events_of(opened), given_to(opened, 7)
    p = opened.model.decode(opened.encode(x, **given).mean(), opened_condition(opened, given, 7))
    elements = p.elementwise_log_prob(x)
    assert elements.shape == x.shape
    np.testing.assert_allclose(elements.reshape(7, -1).sum(axis=1), p.log_prob(x), rtol=1e-6)


def opened_condition(vae, given, n):
    from vae_edge.runtime import conditions

    return conditions.check(vae.manifest.condition, given.get("label"), given.get("condition"), n)


def test_families_whose_numbers_depend_on_each_other_have_no_elements():
    with pytest.raises(InputError, match="log_prob of each number"):
        Deterministic(np.zeros(3)).elementwise_log_prob(np.zeros(3))


@pytest.mark.parametrize("name", ["labels", "index"])
def test_without_a_label_an_event_is_scored_under_the_likeliest(bundle_of, name):
    vae = VAE.load(bundle_of(name))
    x = events_of(vae, 12)
    found = vae.score(x)
    bounds = []
    for label in range(vae.manifest.condition.size):
        q = vae.encode(x, label=label)
        bounds.append(vae.decode(q.mean(), label=label).log_prob(x) + vae.prior.log_prob(q.mean()) + q.entropy())
    assert (found.labels == np.argmax(bounds, axis=0)).all()
    assert len(set(found.labels)) > 1
    same = vae.score(x, label=found.labels)
    np.testing.assert_array_equal(same.statistics["misfit"], found.statistics["misfit"])


def test_a_vector_has_to_be_given(bundle_of):
    vae = VAE.load(bundle_of("vector"))
    with pytest.raises(InputError, match="2 numbers"):
        vae.score(events_of(vae))


def test_an_autoencoder_has_what_needs_neither_prior_nor_density(bundle_of, make_bundle):
    source = read(bundle_of("grey"))
    said = dataclasses.replace(
        source.manifest, posterior=Spec("deterministic", (L,), {"loc": "loc"}), prior=Spec("none", (L,))
    )
    vae = VAE(dataclasses.replace(source, manifest=said))
    x = vae.decode(np.eye(3)).mode()
    found = vae.score(x)
    assert list(found.statistics) == ["reconstruction", "misfit", "worst_region", "bias", "texture", "cycle"]
    again = vae.encode(vae.reconstruct(x)).mean()
    expected = np.square(vae.encode(x).mean() - again).sum(axis=1)
    np.testing.assert_allclose(found.statistics["cycle"], expected, rtol=1e-4)


@pytest.mark.parametrize("draws", [0, -1, 5000, 2.0, True])
def test_draws_that_make_no_sense_are_refused(vae, draws):
    with pytest.raises(InputError, match="draws should be"):
        vae.score(np.zeros((1, 6, 4, 1)), draws=draws)


def test_a_bundle_without_a_fit_says_how_to_make_one(vae):
    found = vae.score(np.zeros((2, 6, 4, 1)))
    for name in ("value", "threshold", "is_unusual"):
        with pytest.raises(InputError, match="score --fit --bundle tiny"):
            getattr(found, name)


NAMES = ("reconstruction", "misfit")


@pytest.fixture
def fitted(make_bundle):
    """Writes the tiny bundle with a fit: changes of its record, and of its arrays."""

    def make(folder="fitted", data=None, **changes):
        size = 2 + L
        rng = np.random.default_rng(0)
        tril = np.tril(rng.normal(size=(3, size, size)) / 9, -1) + np.eye(size)
        density = Mixture([0.5, 0.25, 0.25], rng.normal(size=(3, size)), tril)
        arrays = stored.Arrays(np.full(size, 0.5, np.float32), np.full(size, 2, np.float32), density)
        data = stored.render(arrays) if data is None else data
        said = Scores(File.of("scores.npz", data), NAMES, True, 3, 16, 5.0, None, 0.01, 100, 50, "d", "", "a command")
        return make_bundle({"scores.npz": data}, folder, scores=dataclasses.replace(said, **changes)), arrays

    return make


def test_the_value_is_minus_the_log_density_of_the_features(fitted, vae):
    folder, arrays = fitted()
    x = vae.generate(9, head="sample", seed=1)
    found = VAE.load(folder).score(x)
    raw = np.column_stack([found.statistics["reconstruction"], np.log(found.statistics["misfit"]), found.codes])
    expected = -arrays.density.log_prob((raw - arrays.shift) / arrays.scale)
    np.testing.assert_allclose(found.value, expected, rtol=1e-6)
    assert found.threshold == 5.0
    assert (found.is_unusual == (found.value > 5)).all()
    with pytest.raises(InputError, match="16 draws"):
        _ = VAE.load(folder).score(x, draws=8).value


def test_a_fit_of_labels_wants_a_label_where_it_has_no_other_threshold(fitted, bundle_of, make_bundle):
    source = read(bundle_of("labels"))
    folder, _ = fitted()
    fit = read(folder)
    said = dataclasses.replace(source.manifest, scores=fit.manifest.scores)
    vae = VAE(dataclasses.replace(source, manifest=said, files=source.files | {"scores.npz": fit.files["scores.npz"]}))
    x = events_of(vae, 4)
    with pytest.raises(InputError, match="give label="):
        _ = vae.score(x).value
    assert vae.score(x, label=1).value.shape == (4,)


def test_a_fit_of_statistics_that_the_model_lacks_is_refused(fitted):
    folder, _ = fitted(statistics=("reconstruction", "charm"))
    with pytest.raises(IntegrityError, match="charm"):
        VAE.load(folder).score(np.zeros((1, 6, 4, 1)))


@pytest.mark.parametrize("changes", [{"components": 2}, {"codes": False}, {"statistics": ("misfit",)}])
def test_arrays_of_other_shapes_are_refused(fitted, changes):
    folder, _ = fitted(**changes)
    with pytest.raises(IntegrityError, match=r"scores\.npz"):
        VAE.load(folder).score(np.zeros((1, 6, 4, 1)))


@pytest.mark.parametrize(
    ("name", "value"),
    [("scale", 0.0), ("scale", np.nan), ("shift", np.inf), ("weights", -1.0), ("loc", np.nan), ("lower", 0.0)],
)
def test_arrays_that_make_no_sense_are_refused(fitted, name, value):
    from vae_edge.runtime.bundle import npz

    _, arrays = fitted()
    rows, columns = np.tril_indices(5)
    parts = {
        "shift": arrays.shift, "scale": arrays.scale, "weights": arrays.density.weights.astype(np.float32),
        "loc": arrays.density.loc, "lower": arrays.density.scale_tril[:, rows, columns],
    }  # fmt: skip
    parts = {key: np.array(array, np.float32) for key, array in parts.items()}
    parts[name].flat[0] = value
    folder, _ = fitted("damaged", npz.render(parts))
    with pytest.raises(IntegrityError, match=r"scores\.npz"):
        VAE.load(folder).score(np.zeros((1, 6, 4, 1)))


@pytest.mark.parametrize(
    "changes",
    [
        {"statistics": ()},
        {"statistics": ("misfit", "misfit")},
        {"components": 0},
        {"draws": 0},
        {"false_positive_rate": 0.0},
        {"false_positive_rate": 1.0},
        {"events": 0},
        {"held_out": 0},
    ],
)
def test_a_manifest_says_nothing_of_scores_that_makes_no_sense(fitted, changes):
    with pytest.raises(ManifestError, match=r"scores\."):
        fitted(**changes)


def test_a_fit_is_one_of_the_files_that_the_manifest_vouches_for(fitted):
    folder, _ = fitted()
    (folder / "scores.npz").write_bytes(b"PK")
    with pytest.raises(IntegrityError, match=r"scores\.npz"):
        VAE.load(folder)
    assert "scores.npz" in {file.name for file in manifest.parse((folder / "manifest.json").read_bytes()).files}


def test_an_event_that_the_graphs_overflow_on_is_the_most_unusual_and_no_error(bundle_of, fitted):
    vae = VAE.load(bundle_of("table"))
    rows = vae.generate(20, head="sample", seed=0)
    spoiled = rows.copy()
    spoiled[13] = 1e30
    with pytest.raises(InputError):
        vae.encode(spoiled)
    found, plain = vae.score(spoiled), vae.score(rows)
    assert np.isnan(found.statistics["misfit"]).tolist() == [place == 13 for place in range(20)]
    assert np.isinf(found.surprise[13]).all()
    others = np.arange(20) != 13
    np.testing.assert_allclose(found.statistics["misfit"][others], plain.statistics["misfit"][others], rtol=1e-5)
    source, (folder, _) = read(bundle_of("table")), fitted()
    fit = read(folder)
    said = dataclasses.replace(source.manifest, scores=fit.manifest.scores)
    files = source.files | {"scores.npz": fit.files["scores.npz"]}
    judged = VAE(dataclasses.replace(source, manifest=said, files=files)).score(spoiled)
    assert judged.value.argmax() == 13
    assert judged.is_unusual[13]
