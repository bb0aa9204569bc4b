"""The networks return distributions, and the objective is the evidence lower bound."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from vae_edge.train import objective
from vae_edge.train.config import Config
from vae_edge.train.mixture import Parts
from vae_edge.train.model import VariationalAutoencoder
from vae_edge.train.objective import importance_weighted, resampled, systematic, terms

tfd = tfp.distributions
SMALL = {"likelihood": "bernoulli", "latent": 3, "width": 8, "depth": 1}
SHAPE = (12, 10, 1)  # oblong, and 10 does not divide by 4


def make(**options: object) -> VariationalAutoencoder:
    return VariationalAutoencoder(Config(**(SMALL | options)), SHAPE)  # type: ignore[arg-type]


def images(count: int) -> tf.Tensor:
    return tf.constant(np.random.default_rng(0).integers(0, 2, (count, *SHAPE)), tf.float32)


@pytest.mark.parametrize("network", ["conv", "separable", "mlp"])
@pytest.mark.parametrize("count", [1, 5])
def test_encode_and_decode_return_distributions(network: str, count: int) -> None:
    model = make(network=network)
    q = model.encode(images(count))
    p = model.decode(q.sample(seed=(0, 0)))
    assert isinstance(q, tfd.Distribution)
    assert isinstance(p, tfd.Independent)
    assert isinstance(p.distribution, tfd.Bernoulli)
    assert (q.batch_shape, q.event_shape) == ((count,), (3,))
    assert (p.batch_shape, p.event_shape) == ((count,), SHAPE)
    assert np.all(q.stddev() > 0)


def test_an_autoencoder_encodes_to_a_point() -> None:
    model = make(objective="ae")
    q = model.encode(images(2))
    assert np.array_equal(q.sample(seed=(0, 0)), q.sample(seed=(0, 1)))
    assert not np.any(model.encoder(images(2))[1])


@pytest.mark.parametrize("network", ["conv", "mlp"])
def test_a_centred_encoder_sees_pixels_from_minus_one_to_one(network: str) -> None:
    unit, centred = (make(network=network, encoder_pixels=pixels) for pixels in ("unit", "centred"))
    for ours, theirs in zip(centred.encoder(images(3)), unit.encoder(2 * images(3) - 1), strict=True):
        assert np.allclose(ours, theirs, atol=1e-6)
    assert not np.allclose(centred.encoder(images(3))[0], unit.encoder(images(3))[0], atol=1e-3)


@pytest.mark.parametrize("network", ["conv", "separable"])
def test_single_pixels_read_across_the_edges_of_the_cells(network: str) -> None:
    model = make(network=network, depth=0, pixel_width=6)
    assert model.decode(tf.zeros((2, 3))).event_shape == SHAPE
    # No block mixes the cells here, so what a change in one of them moves tells how far the last convolution reads.
    grid = next(layer for layer in model.decoder.layers if isinstance(layer, keras.layers.Permute))
    rest = keras.Model(grid.output, model.decoder.output)
    cells = np.random.default_rng(0).random((1, *grid.output.shape[1:]), np.float32)
    changed = cells.copy()
    changed[0, 1, 1] += 1
    moved = np.argwhere(rest(cells)[0, :, :, 0] != rest(changed)[0, :, :, 0])
    assert (moved.min(0).tolist(), moved.max(0).tolist()) == ([3, 3], [8, 8])  # the cell is [4, 7]


def test_the_same_seed_gives_the_same_weights() -> None:
    one, two, other = (make(seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_terms_are_log_likelihood_and_kl_in_nats() -> None:
    # By hand, in float64: z = loc + scale*eps; sum of x*l - log(1+e^l); sum of (scale^2 + loc^2 - 1)/2 - log(scale).
    model, x, seed = make(), images(4), tf.constant([3, 4])
    loc, scale = (tensor.numpy().astype(float) for tensor in model.encoder(x))
    eps = tf.random.stateless_normal(loc.shape, seed).numpy()
    logits = model.decoder((loc + scale * eps).astype(np.float32)).numpy().astype(float)
    found = terms(model, x, seed)
    reconstruction = (x.numpy() * logits - np.logaddexp(0, logits)).sum((1, 2, 3))
    kl = ((scale**2 + loc**2 - 1) / 2 - np.log(scale)).sum(1)
    np.testing.assert_allclose(found.reconstruction, reconstruction, rtol=1e-5)
    np.testing.assert_allclose(found.kl, kl, rtol=1e-5)


def test_a_mixture_has_the_normal_priors_kl_on_average_before_it_is_fitted() -> None:
    model = make(prior="mixture", components=2)
    x = tf.repeat(images(1), 20_000, 0)
    drawn = terms(model, x, tf.constant([0, 1])).kl.numpy()
    exact = tfd.kl_divergence(model.encode(x[:1]), tfd.Independent(tfd.Normal(tf.zeros(3), tf.ones(3)), 1)).numpy()
    assert abs(drawn.mean() - exact[0]) < 5 * drawn.std() / math.sqrt(len(drawn))


def test_free_bits_hold_the_losss_kl_up_and_leave_the_elbos_as_it_is() -> None:
    model, x, seed = make(), images(4), tf.constant([0, 0])
    mean = tf.reduce_mean(tfd.kl_divergence(model.encode(x).distribution, model.prior.distribution), 0)
    plain, raised = terms(model, x, seed), terms(model, x, seed, free_bits=5.0)
    total = tf.reduce_mean(raised.kl) + raised.excess
    np.testing.assert_allclose(total, tf.reduce_sum(tf.maximum(mean, 5.0)), rtol=1e-5)
    assert np.array_equal(raised.kl, plain.kl)
    assert plain.excess == 0


def test_the_priors_are_distributions_over_z() -> None:
    for model in (make(), make(prior="mixture", components=5)):
        z = model.prior.sample(7, seed=(0, 0))
        assert z.shape == (7, 3)
        assert model.prior.log_prob(z).shape == (7,)


def test_the_mixtures_log_prob_is_that_of_tfps_own() -> None:
    model, rng = make(prior="mixture", components=6), np.random.default_rng(0)
    assert model.mixture is not None
    factor = np.tril(rng.normal(size=(6, 3, 3)), -1) + np.eye(3) * rng.gamma(5, size=(6, 1, 3)) / 5
    model.mixture.assign(Parts(rng.dirichlet(np.ones(6)), rng.normal(size=(6, 3)), factor))  # type: ignore[arg-type]
    ours = model.prior
    theirs = tfd.MixtureSameFamily(ours.mixture_distribution, ours.components_distribution)
    covariance = np.linalg.inv(np.swapaxes(factor, 1, 2) @ factor)
    np.testing.assert_allclose(ours.components_distribution.covariance(), covariance, rtol=1e-4, atol=1e-5)
    z = 3 * tf.random.stateless_normal((5, 10, 3), (0, 2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        values = [prior.log_prob(z) for prior in (ours, theirs)]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(tape.gradient(values[0], z), tape.gradient(values[1], z), rtol=1e-3, atol=1e-4)


def test_the_mixture_is_copied_like_any_distribution_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    prior = make(prior="mixture", components=6).prior
    z = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    assert (prior.copy().batch_shape, prior.batch_shape_tensor().shape) == ((), (0,))
    np.testing.assert_array_equal(prior.copy().log_prob(z), prior.log_prob(z))
    assert not caplog.records  # TFP warns of a subclass that leaves its parameters to the parent


@pytest.mark.parametrize("options", [{}, {"prior": "mixture", "components": 4}])
def test_the_importance_weighted_bound_is_the_log_of_the_mean_weight(options: dict[str, object]) -> None:
    model, x, seed, samples = make(**options), images(4), tf.constant([3, 4]), 7
    bound, found = importance_weighted(model, x, seed, samples)
    q = model.encode(x)
    loc, scale = q.distribution.loc, q.distribution.scale
    z = loc + scale * tf.random.stateless_normal((samples, 4, 3), seed)
    # log w_k = log p(x|z_k) + log p(z_k) - log q(z_k|x)
    log_p = tf.stack([model.decode(each).log_prob(x) for each in z])
    log_w = (log_p + model.prior.log_prob(z) - q.log_prob(z)).numpy().astype(float)
    np.testing.assert_allclose(bound, np.log(np.exp(log_w - log_w.max(0)).mean(0)) + log_w.max(0), rtol=1e-5)
    np.testing.assert_allclose(found.reconstruction - found.kl, log_w.mean(0), rtol=1e-4)
    assert np.all(bound.numpy() >= log_w.mean(0) - 1e-3)  # L_K >= ELBO


def test_the_importance_weighted_gradient_is_the_doubly_reparameterised_one() -> None:
    # Tucker et al. 2019, equation 8: for the encoder sum_k share_k^2 d log w_k/dz_k dz_k/dphi, q held still inside w;
    # for the decoder sum_k share_k d log w_k.
    model, x, seed, samples = make(prior="mixture", components=4), images(2), tf.constant([3, 4]), 5
    with tf.GradientTape(persistent=True) as tape:
        bound = tf.reduce_sum(importance_weighted(model, x, seed, samples)[0])
    found = [tape.gradient(bound, part.trainable_variables) for part in (model.encoder, model.decoder)]
    with tf.GradientTape(persistent=True) as tape:
        loc, scale = model.encoder(x)
        z = loc + scale * tf.random.stateless_normal((samples, 2, 3), seed)
        free = tf.stop_gradient(z)
        tape.watch(free)
        q = tfd.Independent(tfd.Normal(tf.stop_gradient(loc), tf.stop_gradient(scale)), 1)
        log_p = tf.stack([model.decode(free[k]).log_prob(x) for k in range(samples)])
        log_w = log_p + model.prior.log_prob(free) - q.log_prob(free)
        share = tf.stop_gradient(tf.nn.softmax(log_w, 0))
        weighted = tf.reduce_sum(share * log_w)
    through = share[..., None] * tape.gradient(weighted, free)  # share^2 dlog w/dz
    expected = [
        tape.gradient(z, model.encoder.trainable_variables, output_gradients=through),
        tape.gradient(weighted, model.decoder.trainable_variables),
    ]
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * float(tf.reduce_max(tf.abs(other))))


@pytest.mark.parametrize(("labels", "kl_weight"), [(0, 1.0), (0, 0.5), (3, 1.0)])
def test_a_few_draws_give_the_gradient_of_all_on_average(
    monkeypatch: pytest.MonkeyPatch, labels: int, kl_weight: float
) -> None:
    # One u draws which; the mean over a grid of them is the mean over u.
    config = Config(**(SMALL | {"prior": "mixture", "components": 4, "conditional": labels > 0}))  # type: ignore[arg-type]
    model, x, seed, grid = VariationalAutoencoder(config, SHAPE, labels), images(2), tf.constant([3, 4]), 200
    label = tf.one_hot([0, 2], labels) if labels else None

    def gradients(gradient_samples: int) -> tuple[list[np.ndarray], np.ndarray]:  # type: ignore[type-arg]
        with tf.GradientTape() as tape:
            bound, both = importance_weighted(model, x, seed, 7, kl_weight, label, gradient_samples)
        of_weights = tape.gradient(bound, model.trainable_variables)
        return [gradient.numpy() for gradient in of_weights], np.stack([bound, *both[:2]])

    of_all, values = gradients(0)
    of_few = []
    for number in range(grid):
        u = tf.fill([2], (number + 0.5) / grid)
        monkeypatch.setattr(objective, "systematic", lambda share, count, _, u=u: systematic(share, count, u))
        estimates, values_beside = gradients(2)
        np.testing.assert_allclose(values_beside, values, rtol=1e-5)  # the bound is that of all draws
        of_few.append(estimates)
    spread = 0.0
    for expected, *estimates in zip(of_all, *of_few, strict=True):
        stacked = np.stack(estimates)
        np.testing.assert_allclose(stacked.mean(0), expected, atol=0.02 * np.abs(stacked).max() + 1e-6)
        spread = max(spread, float(np.abs(stacked - expected).max() / np.abs(expected).max()))
    assert spread > 0.1  # the estimates differ: their mean says something


def test_each_event_takes_its_draws_by_a_number_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x, numbers = make(prior="mixture", components=4), images(64), []

    def recorded(share: tf.Tensor, count: int, u: tf.Tensor) -> tf.Tensor:
        numbers.append(u.numpy())
        return systematic(share, count, u)

    monkeypatch.setattr(objective, "systematic", recorded)
    for seed in ([3, 4], [3, 4], [3, 5]):
        importance_weighted(model, x, tf.constant(seed), 5, gradient_samples=2)
    first, again, other = numbers
    assert first.shape == (64,)
    assert np.all((first >= 0) & (first < 1))
    assert len(np.unique(first)) > 60
    assert abs(first.mean() - 0.5) < 0.2
    assert np.array_equal(first, again)
    assert not np.any(first == other)


def test_draws_are_taken_as_often_as_their_share_says() -> None:
    share = np.random.default_rng(0).dirichlet(np.full(6, 0.5), 4).T.astype(np.float32)
    share[:, 3] = [0, 0, 1, 0, 0, 0]
    taken = np.zeros((6, 4))
    for u in (np.arange(500) + 0.5) / 500:
        index = systematic(tf.constant(share), 3, tf.fill([4], np.float32(u))).numpy()
        assert index.shape == (3, 4, 2)
        assert np.array_equal(index[..., 1], np.tile(np.arange(4), (3, 1)))
        counts = np.stack([np.bincount(index[:, event, 0], minlength=6) for event in range(4)], 1)
        assert np.all(np.abs(counts - 3 * share) < 1 + 1e-4)
        taken += counts / 500
    np.testing.assert_allclose(taken, 3 * share, atol=0.01)
    beyond = systematic(tf.constant([[0.5], [0.4999]]), 1, tf.constant([0.99999]))  # shares add up to less than 1
    assert beyond.numpy().tolist() == [[[1, 0]]]


def test_one_importance_sample_gives_the_elbo() -> None:
    model, x, seed = make(prior="mixture", components=4), images(3), tf.constant([3, 4])
    bound, found = importance_weighted(model, x, seed, 1)
    np.testing.assert_allclose(bound, found.reconstruction - found.kl, rtol=1e-5)


def test_codes_are_resampled_by_their_weights() -> None:
    model, x, seed = make(prior="mixture", components=4), tf.repeat(images(4), 1000, 0), tf.constant([3, 4])
    z = resampled(model, x, seed, 2).numpy()
    q = model.encode(x)
    noise = tf.random.experimental.stateless_split(seed, 2)[0]
    drawn = q.distribution.loc + q.distribution.scale * tf.random.stateless_normal((2, 4000, 3), noise)
    log_p = tf.stack([model.decode(each).log_prob(x) for each in drawn]) + model.prior.log_prob(drawn)
    log_w = log_p - q.log_prob(drawn)
    first = (z == drawn[0].numpy()).all(1)
    assert np.all(first | (z == drawn[1].numpy()).all(1))
    share = tf.nn.softmax(log_w, 0).numpy()[0]
    assert share.std() > 0.05  # weights that tell the draws apart
    assert abs(first.sum() - share.sum()) < 5 * math.sqrt((share * (1 - share)).sum())
