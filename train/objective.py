"""The objective: the evidence lower bound (Kingma & Welling 2014) in its two terms, nats per image.

log p(x) >= ELBO = E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z))
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from vae_edge.train.model import VariationalAutoencoder

tfd = tfp.distributions

__all__ = ["Terms", "terms"]


class Terms(NamedTuple):
    """E_q[log p(x|z)] by one draw of z, and KL(q || p); (B,) each, in nats. -ELBO = kl - reconstruction."""

    reconstruction: tf.Tensor
    kl: tf.Tensor


def terms(model: VariationalAutoencoder, x: tf.Tensor, seed: tf.Tensor, free_bits: tf.Tensor | float = 0.0) -> Terms:
    """The two terms for images `x` (B, H, W, C); the noise is a function of `seed` (2,) int32.

    The KL is exact for the normal prior, and by the same draw of z for the mixture. A latent dimension's mean KL
    counts at least `free_bits` (Kingma et al. 2016).
    """
    q = model.encode(x)
    if model.config.objective == "ae":
        z = q.mean()
        return Terms(model.decode(z).log_prob(x), tf.zeros(tf.shape(x)[0]))
    # z = loc + scale * eps
    loc, scale = q.distribution.loc, q.distribution.scale
    z = loc + scale * tf.random.stateless_normal(tf.shape(loc), seed)
    reconstruction = model.decode(z).log_prob(x)
    if model.mixture is not None:
        return Terms(reconstruction, q.log_prob(z) - model.prior.log_prob(z))
    kl = tfd.kl_divergence(q.distribution, model.prior.distribution)
    excess = tf.reduce_sum(tf.nn.relu(free_bits - tf.reduce_mean(kl, 0)))
    return Terms(reconstruction, tf.reduce_sum(kl, -1) + excess)
