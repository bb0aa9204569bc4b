"""A wrong statement is refused by looking at what the model gives, and what is missing is shown."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from vae_edge.export import (
    Bernoulli,
    Categorical,
    Deterministic,
    DiscretizedLogistic,
    Image,
    Index,
    MultivariateNormalTriL,
    Normal,
    OneHot,
    Part,
    Vector,
    export,
    plan,
)
from vae_edge.runtime import VAE
from vae_edge.runtime.errors import CheckFailed, InputError, OutputError

tfd = tfp.distributions

DRAWS = np.random.default_rng(0)
W = tf.constant(DRAWS.normal(size=(16, 6)), tf.float32)
V = tf.constant(DRAWS.normal(size=(3, 32)), tf.float32)
X = (DRAWS.random((20, 4, 4, 1)) < 0.4).astype(np.float32)


def encode(x: tf.Tensor) -> Any:
    """mean and log-variance, (B, 6)."""
    return tf.reshape(x, (-1, 16)) @ W / 4


def decode(z: tf.Tensor) -> Any:
    """logits, (B, 4, 4, 1)."""
    return tf.reshape(z @ V[:, :16], (-1, 4, 4, 1))


GOOD: dict[str, Any] = {
    "encoder": encode,
    "decoder": decode,
    "examples": X,
    "posterior": Normal(loc=0, log_var=1),
    "likelihood": Bernoulli(logits=0),
}


def problems(**changes: Any) -> str:
    arguments = {key: value for key, value in (GOOD | changes).items() if value is not ...}
    return "\n".join(plan(**arguments).problems)


def refused(match: str, **changes: Any) -> None:
    found = problems(**changes)
    assert match in found, found


def two(transform: Callable[[tf.Tensor], tf.Tensor] = lambda x: x) -> Callable[[tf.Tensor], Any]:
    return lambda x: (encode(x)[:, :3], transform(encode(x)[:, 3:]))


def test_a_model_that_fits_has_no_problems() -> None:
    assert problems() == ""


def test_what_is_not_said_is_asked_for_with_the_statement_to_add() -> None:
    refused("say which, as posterior=Normal(loc=0, log_var=1)", posterior=...)
    refused("say which, as likelihood=Bernoulli(logits=0)", likelihood=...)
    named = lambda x: dict(zip(("mu", "logvar"), two()(x), strict=True))  # noqa: E731
    refused("posterior=Normal(loc='mu', log_var='logvar')", encoder=named, posterior=...)
    with pytest.raises(
        InputError, match=r"2 things have to be said or mended: \(1\) the encoder gives .* \(2\) the dec"
    ):
        export("nowhere", encoder=encode, decoder=decode, examples=X)
    assert not Path("nowhere").exists()


def test_probabilities_that_are_named_logits_are_refused() -> None:
    refused("as probabilities do: say probs=0", decoder=lambda z: tf.sigmoid(decode(z)))
    refused("as probabilities do", decoder=lambda z: 1 / (1 + tf.exp(-decode(z))))
    refused("comes out of a Sigmoid", decoder=lambda z: tf.sigmoid(0 * decode(z)))
    assert problems(decoder=lambda z: tf.sigmoid(decode(z)), likelihood=Bernoulli(probs=0)) == ""


def test_logits_that_are_named_probabilities_are_refused() -> None:
    refused("should lie in [0, 1]", likelihood=Bernoulli(probs=0))
    wide = lambda z: tf.reshape(z @ tf.tile(V, (1, 4)), (-1, 4, 4, 8))  # noqa: E731
    refused("sum to 1", decoder=lambda z: tf.sigmoid(wide(z)), likelihood=Categorical(probs=0, levels=8))
    assert problems(decoder=lambda z: tf.nn.softmax(wide(z)), likelihood=Categorical(probs=0, levels=8)) == ""


def test_a_log_variance_that_is_named_a_scale_is_refused() -> None:
    refused("should be positive, it goes down to", posterior=Normal(loc=0, scale=1))


def test_a_scale_that_is_named_a_log_variance_is_refused() -> None:
    refused("comes out of a Softplus", encoder=two(tf.nn.softplus))
    refused("comes out of a Exp", encoder=two(tf.exp), posterior=Normal(loc=0, log_scale=1))
    assert problems(encoder=two(tf.nn.softplus), posterior=Normal(loc=0, scale=1)) == ""


def test_a_scale_that_float32_cannot_hold_is_refused() -> None:
    refused("gives a scale that float32 cannot hold", encoder=two(lambda x: x - 250.0))
    refused("gives a scale that float32 cannot hold", encoder=two(lambda x: x + 250.0))
    refused("gives a scale that float32 cannot hold", encoder=two(lambda x: 0 * x), posterior=Normal(loc=0, scale=1))


def test_a_covariance_that_is_named_a_factor_is_refused() -> None:
    def full(x: tf.Tensor) -> Any:
        loc, h = two()(x)
        return loc, h[:, :, None] * h[:, None, :] + tf.eye(3)

    refused("should be lower triangular", encoder=full, posterior=MultivariateNormalTriL(loc=0, scale_tril=1))


def test_a_sampled_z_is_refused() -> None:
    refused(
        "draws random numbers", encoder=lambda x: (two()(x)[0] + tf.random.normal((tf.shape(x)[0], 3)), two()(x)[1])
    )
    both = lambda x: (*two()(x), two()(x)[0] + tf.random.normal((tf.shape(x)[0], 3)))  # noqa: E731
    assert problems(encoder=both, posterior=Normal(loc=0, log_var=1)) == ""


def test_a_model_whose_batch_changes_its_outputs_is_refused() -> None:
    refused("of each event alone", encoder=lambda x: encode(x - tf.reduce_mean(x, 0)))


def test_outputs_that_are_not_finite_are_refused() -> None:
    refused("there is a NaN or an infinity", decoder=lambda z: tf.math.log(decode(z)))


def test_an_output_of_another_shape_is_refused() -> None:
    refused("should have the shape (B, 4, 4, 1)", decoder=lambda z: z @ V[:, :15])
    refused("there is no output 3", posterior=Normal(loc=0, log_var=3), encoder=two())
    refused("there is no output 'std'", posterior=Normal(loc=0, scale="std"), encoder=two())


def test_a_dicts_outputs_are_named_and_never_exchanged(tmp_path: Path) -> None:
    named = lambda x: {"mean": two()(x)[0], "log_var": two()(x)[1]}  # noqa: E731
    refused("should be named, as 'mean', not counted", encoder=named)
    export(tmp_path / "b", **GOOD | {"encoder": named, "posterior": Normal(loc="mean", log_var="log_var")})
    q = VAE.load(tmp_path / "b", provider="cpu").encode(X)
    np.testing.assert_allclose(q.mean(), encode(X)[:, :3], atol=1e-5)
    np.testing.assert_allclose(q.variance(), np.exp(encode(X)[:, 3:]), rtol=1e-4)


def test_a_distribution_that_no_bundle_holds_is_named() -> None:
    cauchy = lambda x: tfd.Cauchy(*two(tf.nn.softplus)(x))  # noqa: E731
    refused("the model gives a tfd.Cauchy, which no posterior of a bundle is: those are", encoder=cauchy, posterior=...)
    two_of_them = lambda x: [tfd.Normal(*two(tf.exp)(x)), tfd.Normal(*two(tf.exp)(x))]  # noqa: E731
    refused("several distributions", encoder=two_of_them, posterior=...)
    assert problems(encoder=two_of_them, posterior=Normal(loc="1.loc", scale="1.scale")) == ""


def test_images_that_are_not_in_0_to_1_need_their_units(tmp_path: Path) -> None:
    centred = 2 * X - 1
    refused("say event=Image(4, 4, 1, shift=0.5, scale=0.5)", examples=centred)
    refused("say event=Image(4, 4, 1, scale=1/255)", examples=255 * X)
    refused("with (pixel - shift) / scale what the model reads", examples=1000 * X)
    event = Image(4, 4, 1, threshold=None, shift=0.5, scale=0.5)
    likelihood = Normal(loc=0, scale=0.2)
    export(tmp_path / "b", **GOOD | {"examples": centred, "event": event, "likelihood": likelihood})
    vae = VAE.load(tmp_path / "b", provider="cpu")
    np.testing.assert_allclose(vae.encode(X).mean(), encode(centred)[:, :3], atol=1e-5)
    z = DRAWS.normal(size=(4, 3)).astype("f")
    p = vae.decode(z)
    np.testing.assert_allclose(p.mean(), decode(z) * 0.5 + 0.5, atol=1e-5)
    np.testing.assert_allclose(np.unique(p.stddev()), [0.1], rtol=1e-6)


def test_a_conditional_model_needs_its_condition() -> None:
    conditional = lambda z, y: decode(z) + tf.reshape(y @ V[:2, :16], (-1, 4, 4, 1))  # noqa: E731
    refused("it raised TypeError", decoder=conditional)
    labels = np.arange(20) % 2
    assert problems(decoder=conditional, condition=OneHot(2), conditions=labels) == ""
    indexed = lambda z, y: conditional(z, tf.one_hot(y, 2))  # noqa: E731
    assert problems(decoder=indexed, condition=Index(["a", "b"]), conditions=labels) == ""
    real = {"condition": Vector(2), "conditions": DRAWS.normal(size=(20, 2))}
    assert problems(decoder=conditional, **real) == ""
    refused("conditions= needs condition=", conditions=labels)
    refused("numbers of each example", condition=Vector(2), decoder=conditional)
    found = plan(**GOOD | {"condition": OneHot(2), "decoder": lambda z, y: decode(z)})
    assert any("gives the same for every label" in text for text in found.warnings)
    found = plan(**GOOD | {"condition": OneHot(2)})
    assert any("takes no condition" in text for text in found.warnings)


def test_a_pixel_threshold_is_that_of_the_examples() -> None:
    grey = DRAWS.random((20, 4, 4, 1)).astype("f")
    assert "pixels 0 or 1" in plan(**GOOD).found["event"]
    found = plan(**GOOD | {"examples": grey})
    assert "pixels in [0, 1]" in found.found["event"]
    assert any("pixels stay grey" in note for note in found.notes)
    assert "pixels 0 or 1" in plan(**GOOD | {"examples": grey, "event": Image(4, 4, 1, threshold=0.5)}).found["event"]


def test_a_prior_is_normal_or_a_mixture_of_normals() -> None:
    refused("a prior should be normal or a mixture of normals", prior=tfd.Gamma(2.0, 1.0))
    refused("prior should be 'normal', 'none' or a TFP distribution", prior="flow")
    wide = plan(**GOOD | {"prior": tfd.MultivariateNormalDiag(tf.zeros(3), tf.fill([3], 2.0))})
    assert wide.found["prior"].startswith("mixture of 1 normal of full covariance")
    standard = tfd.Independent(tfd.Normal(tf.zeros(3), tf.ones(3)), 1)
    assert plan(**GOOD | {"prior": standard}).found["prior"].startswith("normal")
    point = plan(**GOOD | {"encoder": lambda x: encode(x)[:, :3], "posterior": Deterministic(loc=0)})
    assert (point.problems, point.found["prior"].split()[0]) == ((), "none")


def test_an_operator_without_a_counterpart_is_named_before_anything_is_written() -> None:
    refused("Lgamma", decoder=lambda z: tf.math.lgamma(tf.abs(decode(z)) + 1))


def test_a_dry_run_tells_what_it_found_and_writes_nothing(tmp_path: Path) -> None:
    text = str(plan(**GOOD))
    for part in (
        "image 4 x 4 x 1",
        "exp(x / 2) of output '0' part 1 of 2",
        "bernoulli: logits",
        "multiply-adds",
        "MatMul 1",
    ):
        assert part in text
    assert list(tmp_path.iterdir()) == []


def test_parts_may_lie_along_another_axis() -> None:
    stacked = lambda x: tf.stack(two()(x), axis=1)  # noqa: E731
    said = Normal(loc=Part(0, 0, axis=1), log_var=Part(0, 1, axis=1))
    assert problems(encoder=lambda x: tf.reshape(stacked(x), (-1, 6, 1)), posterior=said) == ""


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (lambda: Normal(loc=0), "one of scale, log_scale, log_var"),
        (lambda: Normal(loc=0, scale=1, log_var=1), "one of scale, log_scale, log_var"),
        (lambda: Bernoulli(), "one of logits, probs"),
        (lambda: DiscretizedLogistic(loc=0), "one of scale, log_scale"),
        (lambda: Part(0, 2), "index should be 0 to 1"),
        (lambda: Normal(loc=0, scale=float("nan")).values(), "should be finite"),
        (lambda: OneHot(0).condition(), "number of labels"),
    ],
)
def test_a_statement_that_says_nothing_is_refused(statement: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        statement()


def test_a_graph_that_differs_from_the_users_function_leaves_nothing(tmp_path: Path) -> None:
    """The function is asked, not the graph: what only Python sees is in no graph."""

    def changes(z: tf.Tensor) -> Any:
        return decode(z) + (1e-3 if tf.executing_eagerly() else 0.0)

    with pytest.raises(
        CheckFailed, match=r"logits: the bundle and the model .* differ by 0\.00\d* at \(\d, \d, 0\) of"
    ):
        export(tmp_path / "b", **GOOD | {"decoder": changes})
    assert list(tmp_path.iterdir()) == []


def test_parity_is_measured_over_all_examples(tmp_path: Path) -> None:
    examples = np.concatenate([X] * 20)
    examples[-1] = 1

    def changes(x: tf.Tensor) -> Any:
        if tf.executing_eagerly():
            full = tf.reduce_all(x == 1, axis=(1, 2, 3), keepdims=False)
            return encode(x) + 1e-2 * tf.cast(full, tf.float32)[:, None]
        return encode(x)

    with pytest.raises(CheckFailed, match="of event 399"):
        export(tmp_path / "b", **GOOD | {"encoder": changes, "examples": examples})


def test_only_a_bundle_of_the_same_name_is_replaced(tmp_path: Path) -> None:
    export(tmp_path / "b", **GOOD)
    export(tmp_path / "b", **GOOD)
    with pytest.raises(OutputError, match="holds a bundle of another model"):
        export(tmp_path / "b", **GOOD, name="other")
    manifest = export(tmp_path / "b", **GOOD, name="other", force=True, metrics={"elbo": -3.5})
    assert (manifest.name, manifest.metrics, manifest.training) == ("other", {"elbo": -3.5}, None)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_others_models_have_precisions_too(tmp_path: Path, precision: str) -> None:
    manifest = export(tmp_path / "b", **GOOD, precision=precision)
    assert manifest.precision == precision
    assert abs(manifest.metrics["nats_lost"]) < 0.5
    assert VAE.load(tmp_path / "b", provider="cpu").generate(3).shape == (3, 4, 4, 1)


def test_bytes_do_not_say_what_a_model_reads() -> None:
    """A network with a Rescaling(1/255) of its own reads 0 to 255: parity cannot tell, the images would be dark."""
    grey = np.random.default_rng(0).integers(0, 256, X.shape).astype(np.uint8)
    assert "say event=Image(4, 4, 1) for [0, 1], or event=Image(4, 4, 1, scale=1 / 255)" in problems(examples=grey)
    assert problems(examples=grey, event=Image(4, 4, 1)) == ""
    assert problems(examples=X.astype(np.uint8)) == ""  # 0 and 1 are the same in both
