"""A flow prior is noise through one graph and back through the other, under the seed contract, label by label."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import bundles
from vae_edge.runtime import VAE, Flow, InputError, IntegrityError, ManifestError, Mixture, Normal, noise, probe
from vae_edge.runtime.bundle import guard, manifest, npz, priors
from vae_edge.runtime.bundle.manifest import File, Spec
from vae_edge.runtime.evaluation import likelihood
from vae_edge.runtime.noise import Purpose

pytest.importorskip("onnx")
L = bundles.L
LABELS = {
    "flow": {},
    "flow-labels": {"label": [3, 9, 0, 3, 5]},
    "flow-index": {"label": ["hearts", 0, 3, 1, 2]},
    "flow-vector": {"condition": np.arange(10).reshape(5, 2) / 8.0},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("flows")
    return {kind: bundles.build(kind).write(root / kind) for kind in bundles.FLOWS}


@pytest.fixture(scope="module")
def vaes(folders: dict[str, Path]) -> dict[str, VAE]:
    return {kind: VAE.load(folder, threads=2) for kind, folder in folders.items()}


def rows(vae: VAE, given: dict[str, Any], n: int) -> Any:
    """What the graphs read for the conditions."""
    from vae_edge.runtime import conditions

    return conditions.check(vae.manifest.condition, given.get("label"), given.get("condition"), n)


@pytest.mark.parametrize("kind", bundles.FLOWS)
def test_a_draw_is_the_flow_of_the_standard_normals_noise(vaes: dict[str, VAE], kind: str) -> None:
    model, vae, given = bundles.build(kind), vaes[kind], LABELS[kind]
    prior = vae.prior_given(**given)
    assert isinstance(prior, Flow)
    assert (prior.batch_shape, prior.event_shape) == ((5,) if given else (), (L,))
    z = prior.sample(() if given else 5, seed=2**63 + 1, start=7)
    eps = noise.normals(2**63 + 1, Purpose.PRIOR, 7, 5, L)
    standard = Normal(np.zeros(L), np.ones(L), purpose=Purpose.PRIOR)
    np.testing.assert_array_equal(standard.sample(5, seed=2**63 + 1, start=7), eps)
    np.testing.assert_allclose(z, model.from_noise(eps, rows(vae, given, 5)), rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(model.to_noise(z, rows(vae, given, 5))[0], eps, atol=1e-5)


@pytest.mark.parametrize("kind", bundles.FLOWS)
def test_log_prob_is_the_change_of_variables(vaes: dict[str, VAE], kind: str) -> None:
    model, vae, given = bundles.build(kind), vaes[kind], LABELS[kind]
    z = bundles.weights(11, 10, L).reshape(2, 5, L)
    found = vae.prior_given(**given).log_prob(z)
    assert (found.shape, found.dtype) == ((2, 5), np.float64)
    for k, each in enumerate(z):
        eps, log_det = model.to_noise(each, rows(vae, given, 5))
        expected = log_det - np.square(eps).sum(axis=1) / 2 - L * math.log(2 * math.pi) / 2
        np.testing.assert_allclose(found[k], expected, rtol=1e-6)


def test_the_density_integrates_to_one(vaes: dict[str, VAE]) -> None:
    axis = np.linspace(-14, 14, 57)
    grid = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, L)
    total = np.exp(vaes["flow"].prior.log_prob(grid)).sum() * (axis[1] - axis[0]) ** 3
    assert total == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("kind", bundles.FLOWS)
def test_events_are_the_decoders_of_the_priors_draws(vaes: dict[str, VAE], kind: str) -> None:
    vae, given, n = vaes[kind], LABELS[kind], 5
    prior = vae.prior_given(**given)
    z = prior.sample(() if given else n, seed=4, start=2)
    p = vae.decode(z, **given)
    np.testing.assert_allclose(vae.generate(n, head="mean", seed=4, start=2, **given), p.mean(), atol=1e-6)
    np.testing.assert_array_equal(vae.generate(n, head="sample", seed=4, start=2, **given), p.sample(seed=4, start=2))
    parts = list(vae.stream(n, head="sample", seed=4, start=2, batch_size=2, **given))
    np.testing.assert_array_equal(np.concatenate(parts), p.sample(seed=4, start=2))


@pytest.mark.parametrize("kind", bundles.FLOWS)
def test_the_elbo_takes_the_kl_by_draws(vaes: dict[str, VAE], kind: str) -> None:
    vae, given = vaes[kind], LABELS[kind]
    x = np.random.default_rng(0).integers(0, 2, (5, *vae.event_shape)).astype(np.float32)
    _, kl = likelihood.elbo(vae, x, seed=3, **given)
    q = vae.encode(x, **given)
    z = q.sample(seed=3)
    np.testing.assert_allclose(kl, q.log_prob(z) - vae.prior_given(**given).log_prob(z), rtol=1e-4)
    bound = likelihood.nll(vae, x, 3, seed=3, **given)
    log_w = []
    for stream in range(3):
        z = q.sample(seed=3, stream=stream)
        log_p = vae.decode(z, **given).log_prob(x) + vae.prior_given(**given).log_prob(z)
        log_w.append(log_p - q.log_prob(z))
    np.testing.assert_allclose(bound, math.log(3) - np.logaddexp.reduce(log_w), rtol=1e-5)


def test_one_label_for_all_is_a_prior_without_a_batch(vaes: dict[str, VAE]) -> None:
    vae = vaes["flow-labels"]
    one = vae.prior_given(label="three")
    assert one.batch_shape == ()
    z = one.sample(6, seed=1)
    np.testing.assert_allclose(z, vae.prior_given(label=[3] * 6).sample(seed=1), atol=1e-6)
    assert np.abs(z - vae.prior_given(label=4).sample(6, seed=1)).max() > 0.01
    np.testing.assert_allclose(one.log_prob(z), vae.prior_given(label=[3] * 6).log_prob(z), rtol=1e-6)


def test_a_prior_that_follows_the_condition_is_asked_with_it(vaes: dict[str, VAE]) -> None:
    with pytest.raises(InputError, match="prior_given"):
        vaes["flow-labels"].prior  # noqa: B018
    with pytest.raises(InputError, match="label"):
        vaes["flow-labels"].prior_given()
    assert vaes["flow"].prior_given().batch_shape == ()


@pytest.mark.parametrize("kind", bundles.FLOWS)
def test_the_probe_holds_the_flow_too(folders: dict[str, Path], kind: str, tmp_path: Path) -> None:
    vae = VAE.load(folders[kind])
    found = probe.check(vae)
    assert found.keys() == {"loc", "scale", "logits", "sample", "code_noise", "code_log_det"}
    arrays = probe.parse(vae)
    wrong = dict(arrays)
    for name in ("sample", "code_noise", "code_log_det"):
        wrong = arrays | {name: arrays[name] + np.float32(0.01)}
        assert probe.differences(vae, wrong)[name] > 1e-3
        assert probe.differences(vae, arrays)[name] < 1e-5


def test_draws_do_not_fit_into_one_run_of_a_graph(vaes: dict[str, VAE]) -> None:
    prior, alone = vaes["flow"].prior, []
    alone = [prior.sample(1, seed=5, start=i) for i in (0, 255, 256, 599)]
    whole = prior.sample(600, seed=5)
    np.testing.assert_allclose(whole[[0, 255, 256, 599]], np.concatenate(alone), atol=1e-6)
    np.testing.assert_allclose(prior.log_prob(whole)[[0, 299, 599]], prior.log_prob(whole[[0, 299, 599]]), rtol=1e-6)


def sealed(folder: Path, **changes: Any) -> manifest.Manifest:
    said = manifest.parse((folder / "manifest.json").read_bytes())
    return manifest.seal(dataclasses.replace(said, **changes))


def test_a_manifest_of_half_a_flow_is_refused(folders: dict[str, Path]) -> None:
    said = manifest.parse((folders["flow-labels"] / "manifest.json").read_bytes())
    graphs, spec = said.graphs, said.prior
    free = dataclasses.replace(graphs["prior"], inputs=graphs["prior"].inputs[:1])
    latent = (dataclasses.replace(graphs["prior"].inputs[0], role="latent"), graphs["prior"].inputs[1])
    cases: dict[str, dict[str, Any]] = {
        "graphs should be": {"graphs": {name: graphs[name] for name in ("encoder", "decoder", "prior")}},
        "graphs should be decoder, encoder,": {"prior": Spec("normal", (L,))},
        "outputs.sample should be": {"prior": dataclasses.replace(spec, outputs={})},
        "prior names": {"prior": dataclasses.replace(spec, outputs=spec.outputs | {"more": "mean"})},
        "prior.outputs.log_det": {"prior": dataclasses.replace(spec, outputs=spec.outputs | {"log_det": "code_noise"})},
        "prior.outputs.sample": {"prior": dataclasses.replace(spec, outputs=spec.outputs | {"sample": "code_noise"})},
        "a condition in both": {"graphs": graphs | {"prior": free}},
        "prior.inputs": {"graphs": graphs | {"prior": dataclasses.replace(graphs["prior"], inputs=latent)}},
        "needs a|has no": {"prior": dataclasses.replace(spec, file=File("p.npz", 1, "0" * 64))},
    }
    for message, changes in cases.items():
        with pytest.raises(ManifestError, match=message):
            sealed(folders["flow-labels"], **changes)


def test_a_flows_graphs_are_guarded(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = bundles.build("flow").write(tmp_path / "b")
    said = manifest.parse((folder / "manifest.json").read_bytes())
    costly = dataclasses.replace(said.graphs["prior"], multiply_adds=1)
    (folder / "manifest.json").write_bytes(
        manifest.render(manifest.seal(dataclasses.replace(said, graphs=said.graphs | {"prior": costly})))
    )
    with pytest.raises(IntegrityError, match=r"prior\.onnx should be of"):
        VAE.load(folder)
    assert guard.check((folder / "prior.onnx").read_bytes(), "prior.onnx").multiply_adds == 4


# Mixtures with weights for each label.


def labelled(folder: Path, precision: str = "fp32") -> VAE:
    """The bundle of `labels` with a prior of two components, weighed by label."""
    folder = bundles.build("labels").write(folder)
    weights = np.linspace(0.05, 0.95, 10, dtype=np.float32)
    loc = np.float32([[-2, 0, 1], [2, 1, 0]])
    tril = np.float32([np.eye(3), [[0.5, 0, 0], [0.25, 1, 0], [0, -0.5, 2]]])
    data = npz.render(priors.arrays(np.stack([weights, 1 - weights], 1), loc, tril))
    (folder / "prior.npz").write_bytes(data)
    spec = Spec("mixture", (3,), constants={"components": 2.0, "labels": 10.0}, file=File.of("prior.npz", data))
    (folder / "manifest.json").write_bytes(manifest.render(sealed(folder, prior=spec)))
    return VAE.load(folder)


def test_a_label_has_its_weights(tmp_path: Path) -> None:
    vae = labelled(tmp_path / "b")
    one, two = vae.prior_given(label=0), vae.prior_given(label="nine")
    assert isinstance(one, Mixture)
    np.testing.assert_allclose([one.weights[0], two.weights[0]], [0.05, 0.95], rtol=1e-6)
    both = vae.prior_given(label=[0, 9, 0])
    assert both.batch_shape == (3,)
    z = both.sample(seed=3, start=5)
    for place, prior in enumerate((one, two, one)):
        np.testing.assert_array_equal(z[place], prior.sample(1, seed=3, start=5 + place)[0])
        assert both.log_prob(z)[place] == pytest.approx(float(prior.log_prob(z[place])))
        np.testing.assert_allclose(both.mean()[place], prior.mean(), rtol=1e-6)
        np.testing.assert_allclose(both.variance()[place], prior.variance(), rtol=1e-6)
    drawn = vae.prior_given(label=[0] * 4000 + [9] * 4000).sample(seed=1)
    np.testing.assert_allclose((drawn[:4000, 0] < 0).mean(), 0.05, atol=0.02)
    np.testing.assert_allclose((drawn[4000:, 0] < 0).mean(), 0.93, atol=0.03)


def test_a_labelled_mixture_generates_and_scores(tmp_path: Path) -> None:
    vae = labelled(tmp_path / "b")
    labels = [1, 8, 8, 2]
    z = vae.prior_given(label=labels).sample(seed=6)
    np.testing.assert_array_equal(
        vae.generate(4, head="sample", seed=6, label=labels), vae.decode(z, label=labels).sample(seed=6)
    )
    x = vae.generate(4, head="sample", seed=6, label=labels)
    q = vae.encode(x, label=labels)
    z = q.sample(seed=0)
    log_w = vae.decode(z, label=labels).log_prob(x) + vae.prior_given(label=labels).log_prob(z) - q.log_prob(z)
    np.testing.assert_allclose(likelihood.nll(vae, x, 1, label=labels), -log_w, rtol=1e-5)


def test_weights_of_other_labels_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    labelled(folder)
    said = manifest.parse((folder / "manifest.json").read_bytes())
    for constants, message in (({"labels": 9.0}, "prior.constants.labels"), ({"labels": 2.5}, "whole number")):
        spec = dataclasses.replace(said.prior, constants=said.prior.constants | constants)
        with pytest.raises(ManifestError, match=message):
            sealed(folder, prior=spec)


@pytest.mark.parametrize("kind", [*bundles.FLOWS, "mixture"])
def test_events_are_scored_under_a_prior_that_follows_the_condition(
    vaes: dict[str, VAE], kind: str, tmp_path: Path
) -> None:
    vae = labelled(tmp_path / "b") if kind == "mixture" else vaes[kind]
    given = LABELS["flow-labels" if kind == "mixture" else kind]
    x = np.random.default_rng(0).integers(0, 2, (5, *vae.event_shape)).astype(np.float32)
    found = vae.score(x, draws=3, **given).statistics
    z = vae.encode(x, **given).mean()
    prior = vae.prior_given(**given)
    if kind == "mixture":
        means = np.float32([[-2, 0, 1], [2, 1, 0]])
        highest = np.max([prior.log_prob(np.tile(mean, (5, 1))) for mean in means], axis=0)
        expected = np.sqrt(2 * np.maximum(0, highest - prior.log_prob(z)))
    else:
        expected = np.linalg.norm(bundles.build(kind).to_noise(z, rows(vae, given, 5))[0], axis=1)
    np.testing.assert_allclose(found["distance"], expected, rtol=1e-5)
    alone = [vae.score(x[k : k + 1], draws=3, **{key: value[k : k + 1] for key, value in given.items()}).statistics
             for k in range(5)]  # fmt: skip
    for name, values in found.items():
        np.testing.assert_allclose([each[name][0] for each in alone], values, rtol=1e-4, atol=1e-5, err_msg=name)
