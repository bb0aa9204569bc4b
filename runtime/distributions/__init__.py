"""The distributions that the two graphs and the prior speak of, with the names of TensorFlow Probability's.

A distribution has `batch_shape` and `event_shape`; a sample has shape sample_shape + batch_shape + event_shape
(float32), and a log-probability, an entropy or a divergence is in nats, summed over the event, of shape
(sample_shape +) batch_shape (float64). Bernoulli's stay in logit space.
"""

from vae_edge.runtime.distributions.base import Distribution
from vae_edge.runtime.distributions.bernoulli import Bernoulli
from vae_edge.runtime.distributions.mixture import Mixture
from vae_edge.runtime.distributions.normal import Normal

__all__ = ["Bernoulli", "Distribution", "Mixture", "Normal"]
