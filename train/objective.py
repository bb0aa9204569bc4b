"""The objectives, nats per event: the evidence lower bound (Kingma & Welling 2014), and the tighter one of K samples.

log p(x) >= L_K = E[log 1/K sum_k w_k] >= ELBO = E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z)),
w_k = p(x|z_k) p(z_k) / q(z_k|x) (Burda et al. 2016)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from vae_edge.train import replicas
from vae_edge.train.model import VariationalAutoencoder

tfd = tfp.distributions

__all__ = ["Terms", "importance_weighted", "resampled", "systematic", "terms"]


class Terms(NamedTuple):
    """E_q[log p(x|z)] and KL(q || p) by as many draws of z as the objective takes; (B,) each, in nats.

    -ELBO = kl - reconstruction. What free bits add to the KL, (), is for the loss alone.
    """

    reconstruction: tf.Tensor
    kl: tf.Tensor
    excess: tf.Tensor | float = 0.0


def terms(
    model: VariationalAutoencoder,
    x: tf.Tensor,
    seed: tf.Tensor,
    free_bits: tf.Tensor | float = 0.0,
    label: tf.Tensor | None = None,
) -> Terms:
    """The two terms for events `x` (B, *event_shape); the noise is a function of `seed` (2,) int32.

    The KL is exact for the normal prior, and by the same draw of z for another. With `excess` a latent dimension's
    mean KL counts at least `free_bits` (Kingma et al. 2016).
    """
    q = model.encode(x, label)
    if model.config.objective == "ae":
        z = q.mean()
        return Terms(model.decode(z, label).log_prob(x), tf.zeros(tf.shape(x)[0]))
    # z = loc + scale * eps
    loc, scale = q.distribution.loc, q.distribution.scale
    z = loc + scale * replicas.rows(lambda shape: tf.random.stateless_normal(shape, seed), tf.shape(loc))
    reconstruction = model.decode(z, label).log_prob(x)
    if model.config.prior != "normal":
        return Terms(reconstruction, q.log_prob(z) - model.prior_given(label).log_prob(z))
    kl = tfd.kl_divergence(q.distribution, model.prior.distribution)
    excess = tf.reduce_sum(tf.nn.relu(free_bits - tf.reduce_mean(kl, 0)))
    return Terms(reconstruction, tf.reduce_sum(kl, -1), excess)


def importance_weighted(
    model: VariationalAutoencoder,
    x: tf.Tensor,
    seed: tf.Tensor,
    samples: int,
    kl_weight: tf.Tensor | float = 1.0,
    label: tf.Tensor | None = None,
    gradient_samples: int = 0,
) -> tuple[tf.Tensor, Terms]:
    """L_K of events `x` (B, *event_shape) by K = `samples` draws of z each, (B,), and the ELBO's two terms by the same.

    Its gradient is the doubly reparameterised one (Tucker et al. 2019), whose signal does not fade as K grows: q is
    held still inside w, and what reaches the encoder through z_k has w_k / sum w as a second factor.

    The gradient is a weighted mean over the draws, and few weights are large. With `gradient_samples` = J above 0, J
    draws taken with probability w_k / sum w estimate it without bias. All K run the decoder once; only the J run it
    again, with gradients.
    """
    q = model.encode(x, label)
    loc, scale = q.distribution.loc, q.distribution.scale
    still = tfd.Independent(tfd.Normal(tf.stop_gradient(loc), tf.stop_gradient(scale)), 1)
    shape = tf.concat([[samples], tf.shape(loc)], 0)
    eps = replicas.rows(lambda shape: tf.random.stateless_normal(shape, seed), shape, axis=1)

    def weighed(z: tf.Tensor, count: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """log w, log p(x|z) and log q(z|x) - log p(z) of z (count, B, L), (count, B) each."""
        flat, each = tf.reshape(z, (-1, model.config.latent)), _tiled(label, count)
        log_p = model.decode(flat, each).log_prob(_tiled(x, count))
        reconstruction = tf.reshape(log_p, tf.shape(z)[:2])
        kl = still.log_prob(z) - tf.reshape(model.prior_given(each).log_prob(flat), tf.shape(z)[:2])
        return reconstruction - kl_weight * kl, reconstruction, kl

    shares: list[tf.Tensor] = []  # filled below, read when the gradient is taken

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def reweighted(z: tf.Tensor) -> tuple[tf.Tensor, object]:
        return tf.identity(z), lambda upstream: upstream * shares[0][..., None]

    if gradient_samples == 0:
        log_w, reconstruction, kl = weighed(reweighted(loc + scale * eps), samples)
        shares.append(tf.stop_gradient(tf.nn.softmax(log_w, 0)))
        bound = tf.reduce_logsumexp(log_w, 0)
    else:
        z = tf.stop_gradient(loc + scale * eps)
        each = _in_turn(lambda one: weighed(one[None], 1), z, (tf.float32,) * 3)
        log_w, reconstruction, kl = (tf.stop_gradient(value[:, 0]) for value in each)
        share = tf.nn.softmax(log_w, 0)
        offset = tf.random.experimental.stateless_fold_in(seed, 1)
        u = replicas.rows(lambda shape: tf.random.stateless_uniform(shape, offset), tf.shape(loc)[:1])
        taken = systematic(share, gradient_samples, u)
        shares.append(tf.gather_nd(share, taken))
        log_w_taken, _, _ = weighed(reweighted(loc + scale * tf.gather_nd(eps, taken)), gradient_samples)
        mean = tf.reduce_mean(log_w_taken, 0)
        bound = tf.reduce_logsumexp(log_w, 0) + (mean - tf.stop_gradient(mean))  # L_K's value, the mean's gradient
    return bound - math.log(samples), Terms(tf.reduce_mean(reconstruction, 0), tf.reduce_mean(kl, 0))


def systematic(share: tf.Tensor, count: int, u: tf.Tensor) -> tf.Tensor:
    """Indices (k, b) of `count` draws of each event b, (count, B, 2) int32.

    Draw k is taken count * share[k, b] times on average: that rounded down, or once more (systematic resampling,
    Kitagawa 1996). `share` (K, B) sums to 1 over the K draws; `u` (B,) is uniform in [0, 1).
    """
    ends = tf.cumsum(share)
    at = (tf.range(count, dtype=tf.float32)[:, None] + u) / count
    draw = tf.reduce_sum(tf.cast(ends[:-1, None] <= at, tf.int32), 0)  # how many ends lie at or below it
    event = tf.broadcast_to(tf.range(tf.shape(u)[0]), tf.shape(draw))
    return tf.stack([draw, event], -1)


def resampled(
    model: VariationalAutoencoder, x: tf.Tensor, seed: tf.Tensor, samples: int, label: tf.Tensor | None = None
) -> tf.Tensor:
    """One of K = `samples` draws of q(z|x) for each event, taken with probability w_k / sum w, (B, L).

    The gradient of L_K by the prior's parameters is that of log p(z) at such draws, so a prior fitted to them raises
    L_K. With one they are draws of q; with many they come close to draws of p(z|x) (Cremer et al. 2017).
    """
    q = model.encode(x, label).distribution
    noise, choice = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    z = q.loc + q.scale * tf.random.stateless_normal(tf.concat([[samples], tf.shape(q.loc)], 0), noise)

    def weighed(z: tf.Tensor) -> tf.Tensor:
        log_p = model.decode(z, label).log_prob(x) + model.prior_given(label).log_prob(z)
        return log_p - tf.reduce_sum(q.log_prob(z), -1)

    log_w = _in_turn(weighed, z, tf.float32)
    chosen = tf.random.stateless_categorical(tf.transpose(log_w), 1, choice, dtype=tf.int32)
    return tf.gather(tf.transpose(z, (1, 0, 2)), chosen, axis=1, batch_dims=1)[:, 0]


def _in_turn(function: Callable[[tf.Tensor], Any], z: tf.Tensor, like: Any) -> Any:
    """`function` of each draw of `z` (K, B, L), stacked; what it returns has the structure and dtypes of `like`.

    All K at once take a fifth longer: the decoder's features outgrow the processor's caches.
    """
    return tf.map_fn(function, z, fn_output_signature=like)


def _tiled(x: tf.Tensor | None, times: int) -> tf.Tensor | None:
    """`x` (B, ...) `times` over, (times B, ...)."""
    return None if x is None else tf.tile(x, (times, *[1] * (len(x.shape) - 1)))
