"""The learner: one step of training, the moving average of the weights, and the validation ELBO."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from vae_edge.train import mixture, replicas
from vae_edge.train.config import Config
from vae_edge.train.feed import Feed, Stream, seeds
from vae_edge.train.model import VariationalAutoencoder
from vae_edge.train.objective import Terms, importance_weighted, resampled, terms
from vae_edge.train.weights import drawn

__all__ = ["Learner", "evenly"]

VALIDATION_BATCH = 500
CODES_BATCH = 125  # events whose codes are drawn at once; of more, the decoder's features outgrow the caches
CODES = 60_000  # the mixture prior is fitted to the codes of at most so many events, taken evenly from all
EM_STEPS = 2  # of the mixture prior after each epoch


class Learner(keras.Model):
    """A model with its feed, optimizer and moving averages; `fit` feeds it the indices of events.

    `log_scale` is subtracted from the log-densities of a table's rows, which are reported in the rows' own units.
    """

    def __init__(self, model: VariationalAutoencoder, feed: Feed, log_scale: float = 0.0) -> None:
        super().__init__(name="learner")
        self.log_scale = log_scale
        self.model = model
        self.feed = feed
        self.config: Config = model.config
        self.is_uncertain = self.config.weights == "uncertain"
        names = ("elbo", "reconstruction", "kl", *(("bound",) if self.config.raises_bound else ()),
                 *(("weights_kl",) if self.is_uncertain else ()))  # fmt: skip
        self.trackers = [keras.metrics.Mean(name=name) for name in names]
        self.averages = [
            keras.Variable(v.numpy(), trainable=False, aggregation="only_first_replica", name=f"average_{i}")
            for i, v in enumerate(self.learned if self.config.ema else [])
        ]
        self.built = True
        self.replicas = replicas.count()
        # Keras clips a replica's own gradients, before it adds them up: of several, `train_step` clips the sum.
        clip = self.config.clip if self.replicas == 1 else 0.0
        self.compile(optimizer=_optimizer(self.config, feed.steps, clip), jit_compile=self.config.jit)
        self.optimizer.build(self.learned)
        # Several steps a call, since each call from Python costs time (benchmarks/quality/search.md).
        # Over several replicas TensorFlow 2.21 cannot place that loop ("You must feed a value for placeholder tensor").
        self.steps_per_execution = 1 if self.replicas > 1 else _steps_per_execution(feed.steps)

    @property
    def learned(self) -> list[keras.Variable]:
        """The weights that a step changes: all; beside frozen networks those of a flow, and none for a mixture."""
        if self.config.freeze:
            return [] if self.model.flow is None else list(self.model.flow.trainable_variables)
        return list(self.model.trainable_variables)

    @property
    def judged_by(self) -> str:
        """The validation figure that says which weights are best: the bound that the objective raises."""
        return "val_bound" if self.config.raises_bound else "val_elbo"

    @property
    def state(self) -> list[keras.Variable]:
        """All that a step changes, in a fixed order: weights, averages, optimizer."""
        return [*self.model.variables, *self.averages, *self.optimizer.variables]

    def train_step(self, indices: tf.Tensor) -> dict[str, tf.Tensor]:
        """One step of Adam on loss = weight * KL - reconstruction, or -L_K; returns the epoch's means so far."""
        config, step = self.config, tf.convert_to_tensor(self.optimizer.iterations.value)
        x, label = self.feed.events(indices, step), self.feed.label(indices)
        warm = 1.0
        if config.warmup:
            warm = tf.minimum(1.0, tf.cast(step, tf.float32) / (config.warmup * self.feed.steps))
        noise = seeds(config.seed, Stream.NOISE, step)

        def raise_elbo() -> tuple[list[tf.Tensor], tuple[tf.Tensor, ...]]:
            return self._elbo_gradients(x, label, noise, warm, step)

        def raise_bound() -> tuple[list[tf.Tensor], tuple[tf.Tensor, ...]]:
            return self._bound_gradients(x, label, noise, warm)

        if config.objective == "iwae":
            gradients, values = raise_bound()
        elif config.finish:
            gradients, values = tf.cond(step >= self._finish_begins, raise_bound, raise_elbo)
        else:
            gradients, values = raise_elbo()
        weights = self.learned
        if weights:
            self.optimizer.apply(self._clipped(gradients), weights)
        else:  # Keras would not count the step, which noise and codes depend on
            self.optimizer.iterations.assign_add(1)
        # average <- decay * average + (1 - decay) * weight, with a shorter memory at the start
        decay = tf.minimum(config.ema, (1.0 + tf.cast(step, tf.float32)) / (10.0 + tf.cast(step, tf.float32)))
        for average, weight in zip(self.averages, weights, strict=bool(self.averages)):
            average.assign(average.value + (1.0 - decay) * (weight.value - average.value))
        for tracker, value in zip(self.trackers, values, strict=True):
            tracker.update_state(value)
        results = {tracker.name: tracker.result() for tracker in self.trackers}
        # Keras averages what the replicas return, over several workers along axis 0, which a single number lacks.
        return {name: result[None] for name, result in results.items()} if replicas.are_workers() else results

    def _elbo_gradients(
        self, x: tf.Tensor, label: tf.Tensor | None, noise: tf.Tensor, warm: tf.Tensor | float, step: tf.Tensor
    ) -> tuple[list[tf.Tensor], tuple[tf.Tensor, ...]]:
        """The gradients of weight * KL - reconstruction, and the step's values."""
        config = self.config
        free_bits = config.free_bits * tf.cast(warm < 1.0, tf.float32) if config.free_bits else 0.0
        with tf.GradientTape() as tape:
            with self._drawn(Stream.WEIGHTS, step):
                both = terms(self.model, x, noise, free_bits, label)
            loss = tf.reduce_mean(config.beta * warm * (both.kl + both.excess) - both.reconstruction)
            if self.is_uncertain:  # the bound of the whole set has it once, a step a share
                loss += config.weights_beta * warm * self._weights_kl()
            loss /= self.replicas  # their gradients are summed
        return tape.gradient(loss, self.learned), self._elbo_values(both)

    def _bound_gradients(
        self, x: tf.Tensor, label: tf.Tensor | None, noise: tf.Tensor, warm: tf.Tensor | float
    ) -> tuple[list[tf.Tensor], tuple[tf.Tensor, ...]]:
        """The gradients of -L_K, and the step's values."""
        with tf.GradientTape() as tape:
            config = self.config
            bound, both = importance_weighted(
                self.model, x, noise, config.samples, warm, label, config.gradient_samples
            )
            loss = -tf.reduce_mean(bound) / self.replicas
        return tape.gradient(loss, self.learned), self._values(both, bound)

    @property
    def _finish_begins(self) -> int:
        """The first step that raises L_K in place of the ELBO."""
        return (self.config.epochs - self.config.finish) * self.feed.steps

    @property
    def _draws(self) -> int:
        """K of the bound L_K that the last step raised; 1 where it raised the ELBO, which is L_1."""
        finishes = self.config.finish > 0 and int(self.optimizer.iterations.numpy()) > self._finish_begins
        return self.config.samples if finishes or self.config.objective == "iwae" else 1

    def _clipped(self, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        """A replica's gradients as the optimizer is to add them up: of several replicas, their clipped sum's share."""
        if self.replicas == 1 or not self.config.clip:
            return gradients
        total = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        clipped, _ = tf.clip_by_global_norm(total, self.config.clip)
        return [gradient / self.replicas for gradient in clipped]

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """A block in which the model has the moving averages of its weights, if there are any."""
        kept = [weight.numpy() for weight in self.learned]
        for weight, average in zip(self.learned, self.averages, strict=False):
            weight.assign(average.numpy())
        try:
            yield
        finally:
            for weight, value in zip(self.learned, kept, strict=True):
                weight.assign(value)

    def fit_prior(self) -> None:
        """Fits a mixture prior, if there is one, to codes of training events; EM starts from the present mixture."""
        prior = self.model.mixture
        if prior is None:
            return
        chosen = evenly(self.feed.size, CODES)
        starts = range(0, len(chosen), CODES_BATCH)
        batches = (tf.constant(chosen[at : at + CODES_BATCH]) for at in starts)
        weighted = self._draws > 1
        z = np.concatenate([self._codes(indices, weighted).numpy() for indices in batches])
        given = self.feed.label(tf.constant(chosen))
        label = None if given is None else given.numpy()
        parts = prior.parts
        if not parts.loc.any():  # the initial mixture: all components are one normal
            parts = mixture.begin(z, len(parts.loc), self.config.seed, label)
        for _ in range(EM_STEPS):
            parts = mixture.improve(z, parts, label)
        prior.assign(parts)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def _codes(self, indices: tf.Tensor, weighted: bool) -> tf.Tensor:
        """A code for each of these training events, moved and drawn as at this step, (n, L).

        A draw of q(z|x), or where `weighted` one of several by their importance weights.
        """
        step = tf.convert_to_tensor(self.optimizer.iterations.value)
        x, label = self.feed.events(indices, step), self.feed.label(indices)
        noise = seeds(self.config.seed, Stream.CODES, step + tf.cast(indices[0], step.dtype))
        if weighted:
            return resampled(self.model, x, noise, self.config.samples, label)
        q = self.model.encode(x, label).distribution
        return q.loc + q.scale * tf.random.stateless_normal(tf.shape(q.loc), noise)

    def validate(
        self, events: npt.NDArray[np.float32], labels: npt.NDArray[np.float32] | None = None
    ) -> dict[str, float]:
        """Mean ELBO and its two terms over `events` (n, *event_shape), and the bound where training raises it.

        The bound is the one that the epoch's steps raised: before a finish it is the ELBO, L_1. In nats per event;
        `labels` are one-hot, (n, labels). The same noise each time.
        """
        sums, draws = np.zeros(len(self.trackers)), self._draws
        for number, start in enumerate(range(0, len(events), VALIDATION_BATCH)):
            some = slice(start, start + VALIDATION_BATCH)
            label = None if labels is None else tf.constant(labels[some])
            sums += self._sums(tf.constant(events[some]), tf.constant(number), label, draws).numpy()
        return {f"val_{tracker.name}": value for tracker, value in zip(self.trackers, sums / len(events), strict=True)}

    def means(
        self, events: npt.NDArray[np.float32], labels: npt.NDArray[np.float32] | None = None, most: int = 1000
    ) -> npt.NDArray[np.float32]:
        """The means of q(z|x) of `events` (n, *event_shape), (n, L), of `most` of them at most, taken evenly."""
        chosen = evenly(len(events), most)
        parts = []
        for start in range(0, len(chosen), VALIDATION_BATCH):
            some = chosen[start : start + VALIDATION_BATCH]
            label = None if labels is None else tf.constant(labels[some])
            parts.append(self.model.encode(tf.constant(events[some]), label).mean().numpy())
        return np.concatenate(parts)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def _sums(self, x: tf.Tensor, number: tf.Tensor, label: tf.Tensor | None, draws: int) -> tf.Tensor:
        noise = seeds(self.config.seed, Stream.VALIDATE, number)
        if draws > 1:
            bound, both = importance_weighted(self.model, x, noise, draws, label=label)
            values = self._values(both, bound)
        else:
            with self._drawn(Stream.VALIDATE_WEIGHTS, number):
                both = terms(self.model, x, noise, label=label)
            values = self._elbo_values(both)
        return tf.reduce_sum(tf.stack(values), -1)

    def _elbo_values(self, both: Terms) -> tuple[tf.Tensor, ...]:
        """What the trackers follow after a step that raised the ELBO, which is the bound L_1."""
        return self._values(both, both.reconstruction - both.kl) if self.config.raises_bound else self._values(both)

    def _values(self, both: Terms, *bound: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """What the trackers follow, in their order."""
        reconstruction = both.reconstruction
        if self.log_scale:  # log p(row) = log p(standard row) - log |d row / d standard row|
            reconstruction -= self.log_scale
            bound = tuple(each - self.log_scale for each in bound)
        if self.is_uncertain:
            bound = (tf.fill(tf.shape(both.kl), self._weights_kl()),)
        return (reconstruction - both.kl, reconstruction, both.kl, *bound)

    def _weights_kl(self) -> tf.Tensor:
        """An event's share of KL(q(w) || p(w)), in nats, ()."""
        return self.model.weights_kl() / self.feed.size

    def _drawn(self, stream: Stream, step: tf.Tensor) -> AbstractContextManager[None]:
        """A block in which uncertain weights are drawn."""
        return drawn(seeds(self.config.seed, stream, step)) if self.is_uncertain else nullcontext()


def evenly(n: int, most: int) -> npt.NDArray[np.int32]:
    """The indices of all n events, or of `most` of them at even distances, since data may be sorted by class."""
    size = min(n, most)
    return (np.arange(size) * n // size).astype(np.int32)


def _optimizer(config: Config, steps: int, clip: float) -> keras.optimizers.Optimizer:
    rate: float | keras.optimizers.schedules.LearningRateSchedule = config.learning_rate
    if config.schedule == "cosine":
        total = config.epochs * steps
        ramp = min(config.ramp, total // 2)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if ramp else config.learning_rate, total - ramp, warmup_target=config.learning_rate, warmup_steps=ramp
        )
    return keras.optimizers.Adam(rate, global_clipnorm=clip or None)


def _steps_per_execution(steps: int) -> int:
    """The largest number of steps up to 64 that parts an epoch evenly."""
    return max(math.gcd(steps, count) for count in range(1, 65))
