"""Distributions with the names of TensorFlow Probability: what the graphs' outputs and the prior parameterise.

A distribution has a `batch_shape` and an `event_shape`. A sample is float32 of shape sample_shape + batch_shape +
event_shape. A log-probability, an entropy or a divergence is in nats, summed over the event: a float64 array of shape
(sample_shape +) batch_shape, also where that is (). Probabilities of pixels stay in logit space. Constructors copy
their arguments, and methods return new arrays.
"""

from vae_edge.runtime.distributions.base import Distribution
from vae_edge.runtime.distributions.bernoulli import Bernoulli
from vae_edge.runtime.distributions.categorical import Categorical
from vae_edge.runtime.distributions.deterministic import Deterministic
from vae_edge.runtime.distributions.discretized_logistic import DiscretizedLogistic
from vae_edge.runtime.distributions.flow import Flow
from vae_edge.runtime.distributions.mixture import Mixture
from vae_edge.runtime.distributions.multivariate_normal import MultivariateNormalTriL
from vae_edge.runtime.distributions.normal import Normal

__all__ = [
    "Bernoulli",
    "Categorical",
    "Deterministic",
    "DiscretizedLogistic",
    "Distribution",
    "Flow",
    "Mixture",
    "MultivariateNormalTriL",
    "Normal",
]
