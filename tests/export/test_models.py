"""Every kind of VAE that people have is exported, proven, and runs: the ten of benchmarks/models, end to end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from vae_edge.runtime import VAE, probe
from vae_edge.runtime.distributions.registry import FAMILIES
from vae_edge.runtime.evaluation import figures

Exported = Callable[..., tuple[dict[str, Any], Path]]

# name, options, posterior, likelihood, event shape
KINDS = [
    ("convolutional", (), "normal", "bernoulli", (12, 12, 1)),
    ("functional", (), "normal", "bernoulli", (12, 12, 1)),
    ("probabilistic layers", (), "multivariate_normal_tril", "bernoulli", (12, 12, 1)),
    ("subclassed", (), "normal", "bernoulli", (12, 12, 1)),
    ("colour", ("fixed",), "normal", "normal", (8, 8, 3)),
    ("colour", ("shared",), "normal", "normal", (8, 8, 3)),
    ("colour", ("pixel",), "normal", "normal", (8, 8, 3)),
    ("conditional", (), "normal", "bernoulli", (12, 12, 1)),
    ("files", (".keras",), "normal", "bernoulli", (12, 12, 1)),
    ("files", (".h5",), "normal", "bernoulli", (12, 12, 1)),
    ("files", ("",), "normal", "bernoulli", (12, 12, 1)),
    ("table", (), "normal", "normal", (30,)),
    ("grey", ("discretized_logistic",), "normal", "discretized_logistic", (6, 6, 1)),
    ("grey", ("categorical",), "normal", "categorical", (6, 6, 1)),
    ("onnx", (11,), "normal", "normal", (10, 8, 3)),
    ("onnx", (17,), "normal", "normal", (10, 8, 3)),
    ("onnx", (21,), "normal", "normal", (10, 8, 3)),
]
IDS = [" ".join(map(str, (name, *options))) for name, options, *_ in KINDS]


@pytest.mark.parametrize(("name", "options", "posterior", "likelihood", "shape"), KINDS, ids=IDS)
def test_a_model_of_every_kind_goes_the_whole_way(
    exported: Exported, name: str, options: tuple[Any, ...], posterior: str, likelihood: str, shape: tuple[int, ...]
) -> None:
    arguments, folder = exported(name, *options)
    vae = VAE.load(folder, provider="cpu")
    manifest = vae.manifest
    assert (manifest.posterior.family, manifest.likelihood.family) == (posterior, likelihood)
    assert vae.event_shape == shape
    assert vae.latent_size == 3
    assert set(manifest.parity) == {*manifest.posterior.outputs.values(), *manifest.likelihood.outputs.values()}
    assert max(manifest.parity.values()) <= 1e-4
    assert max(probe.check(vae).values()) <= 1e-5
    x = events_of(arguments, shape)[:6]
    label = {"label": np.arange(6) % 4} if name == "conditional" else {}
    q = vae.encode(x, **label)
    assert isinstance(q, FAMILIES[posterior])
    p = vae.decode(q.sample(seed=1), **label)
    assert isinstance(p, FAMILIES[likelihood])
    assert np.isfinite(p.log_prob(vae.prepare(x))).all()
    for head in ("sample", "mean", "mode"):
        generated = vae.generate(6, head=head, seed=2, **label)
        assert generated.shape == vae.reconstruct(x, head=head, **label).shape == (6, *shape)
        assert np.isfinite(generated).all()
        if len(shape) == 3 and likelihood != "normal":
            assert 0 <= generated.min() <= generated.max() <= 1
    found = figures.likelihoods(vae, x, 3, **label) | figures.reconstructions(vae, x, **label)
    assert {"elbo", "nll", "squared_error", "cross_entropy"} <= found.keys()
    assert all(np.isfinite(figure.value) for figure in found.values())


def events_of(arguments: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    """The examples as the runtime takes them."""
    x = np.asarray(arguments["examples"])
    return np.moveaxis(x, 1, -1) if x.shape[1:] == (3, 10, 8) else x.reshape(len(x), *shape)


def test_log_variance_beside_the_mean_is_the_posterior(exported: Exported) -> None:
    arguments, folder = exported("convolutional")
    x = arguments["examples"][:5]
    mean, log_var = np.split(arguments["encoder"](x).numpy(), 2, axis=1)
    q = VAE.load(folder, provider="cpu").encode(x)
    np.testing.assert_allclose(q.mean(), mean, atol=1e-5)
    np.testing.assert_allclose(q.variance(), np.exp(log_var), rtol=1e-4)


def test_probabilities_of_a_sigmoid_are_the_mean(exported: Exported) -> None:
    arguments, folder = exported("functional")
    z = np.random.default_rng(0).normal(size=(5, 3)).astype("f")
    p = VAE.load(folder, provider="cpu").decode(z)
    np.testing.assert_allclose(p.mean(), arguments["decoder"](z).numpy(), atol=1e-6)
    assert np.abs(p.logits).max() > 1


def test_full_covariance_and_the_mixture_are_tfps(exported: Exported) -> None:
    arguments, folder = exported("probabilistic layers")
    x = arguments["examples"][:5]
    theirs, ours = arguments["encoder"](x), VAE.load(folder, provider="cpu").encode(x)
    z = np.random.default_rng(0).normal(size=(5, 3)).astype("f")
    np.testing.assert_allclose(ours.log_prob(z), theirs.log_prob(z), rtol=1e-4, atol=1e-4)
    arguments, folder = exported("subclassed")
    prior = VAE.load(folder, provider="cpu").prior
    np.testing.assert_allclose(prior.log_prob(z), arguments["prior"].log_prob(z), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scale", ["fixed", "shared", "pixel"])
def test_a_scale_is_the_models(exported: Exported, scale: str) -> None:
    arguments, folder = exported("colour", scale)
    z = np.random.default_rng(0).normal(size=(5, 3)).astype("f")
    theirs = arguments["decoder"](z)
    p = VAE.load(folder, provider="cpu").decode(z)
    expected = {
        "fixed": lambda: np.full((5, 8, 8, 3), 0.22),
        "shared": lambda: np.broadcast_to(np.float32([0.1, 0.2, 0.3]), (5, 8, 8, 3)),
        "pixel": lambda: np.exp(theirs[1].numpy()),
    }[scale]()
    np.testing.assert_allclose(np.broadcast_to(p.stddev(), (5, 8, 8, 3)), expected, rtol=1e-4)
    loc = {"fixed": lambda: theirs, "shared": lambda: theirs.mean(), "pixel": lambda: theirs[0]}[scale]()
    np.testing.assert_allclose(p.mean(), tf.convert_to_tensor(loc).numpy(), atol=1e-5)


def test_a_label_is_the_second_input(exported: Exported) -> None:
    arguments, folder = exported("conditional")
    vae = VAE.load(folder, provider="cpu")
    z = np.zeros((4, 3), np.float32)
    expected = arguments["decoder"]([z, np.eye(4, dtype="f")]).numpy()
    np.testing.assert_allclose(vae.decode(z, label=["zero", "one", "two", "three"]).mean(), expected, atol=1e-6)
    assert vae.generate(2, label="three").shape == (2, 12, 12, 1)


def test_channels_first_becomes_channels_last(exported: Exported) -> None:
    import onnxruntime

    arguments, folder = exported("onnx", 17)
    session = onnxruntime.InferenceSession(arguments["decoder"], providers=["CPUExecutionProvider"])
    z = np.random.default_rng(0).normal(size=(5, 3)).astype("f")
    (expected,) = session.run(None, {"z.1": z})
    np.testing.assert_allclose(
        VAE.load(folder, provider="cpu").decode(z).mean(), np.moveaxis(expected, 1, -1), atol=1e-6
    )


@pytest.mark.parametrize("opset", [11, 21])
def test_onnx_files_keep_their_opset(exported: Exported, opset: int) -> None:
    _, folder = exported("onnx", opset)
    assert VAE.load(folder, provider="cpu").manifest.decoder.opset == opset


def test_the_card_claims_nothing_about_others_data(exported: Exported) -> None:
    _, folder = exported("table")
    card = (folder / "CARD.md").read_text()
    assert "vector of 30 numbers" in card
    assert "a normal for each number" in card
    for claim in ("black and white", "one subject", "training images", "SHA-256"):
        assert claim not in card
