"""The distributions that the two graphs and the prior speak of, with the names of TensorFlow Probability's.

A distribution has `batch_shape` and `event_shape`; a sample has shape sample_shape + batch_shape + event_shape
(float32), and a log-probability, an entropy or a divergence is in nats, summed over the event, of shape
(sample_shape +) batch_shape (float64, an array also where that is ()). Those of pixels stay in logit space. What a
caller hands in is copied, and what a method returns is a new array.
"""

from vae_edge.runtime.distributions.base import Distribution
from vae_edge.runtime.distributions.bernoulli import Bernoulli
from vae_edge.runtime.distributions.categorical import Categorical
from vae_edge.runtime.distributions.deterministic import Deterministic
from vae_edge.runtime.distributions.discretized_logistic import DiscretizedLogistic
from vae_edge.runtime.distributions.mixture import Mixture
from vae_edge.runtime.distributions.multivariate_normal import MultivariateNormalTriL
from vae_edge.runtime.distributions.normal import Normal

__all__ = [
    "Bernoulli",
    "Categorical",
    "Deterministic",
    "DiscretizedLogistic",
    "Distribution",
    "Mixture",
    "MultivariateNormalTriL",
    "Normal",
]
