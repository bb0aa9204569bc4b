"""The card: what a bundle is, for people; written from its manifest."""

from __future__ import annotations

import re
from collections.abc import Mapping

from vae_edge.export import figures, variant
from vae_edge.export.planning import condition_line, event_line
from vae_edge.runtime.bundle.manifest import Image, Manifest, Spec, Training

__all__ = ["render", "with_scores"]

_SCORES = "## Scores"
_SECTION = re.compile(rf"^{_SCORES}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_LIMITS = "## Limits\n"

_POSTERIORS = {
    "normal": "a normal over {size} latent dimensions, each on its own",
    "multivariate_normal_tril": "a normal of full covariance over {size} latent dimensions",
    "deterministic": "a point of {size} latent dimensions",
}
_LIKELIHOODS = {
    "bernoulli": "a Bernoulli for each pixel",
    "normal": "a normal for each number",
    "discretized_logistic": "a logistic distribution over {levels:.0f} shades for each pixel",
    "categorical": "a probability of each of {levels:.0f} shades for each pixel",
}


def render(manifest: Manifest, options: Mapping[str, object]) -> str:
    """CARD.md: event, distributions, graphs, figures, limits; `options` are those of the training run, if any."""
    conditional = manifest.condition is not None
    given = " and its condition" if conditional else ""
    condition = f"Its condition: {condition_line(manifest.condition)}.\n" if manifest.condition else ""
    about = f"\n{text}\n" if (text := variant.about(manifest)) else ""
    rows = "\n".join(
        f"| {name} | {graph.parameters:,} | {graph.multiply_adds:,} | {graph.file.bytes:,} |"
        for name, graph in manifest.graphs.items()
    )
    return f"""# {manifest.name}

A variational autoencoder. Its encoder takes an event{given} to q(z given x), {_posterior(manifest)};
its decoder takes z{given} to p(x given z), {_likelihood(manifest.likelihood)}. The prior is {_prior(manifest)}.

An event: {event_line(manifest.event)}.
{condition}{about}
| graph | weights | multiply-adds an event | bytes |
|---|---|---|---|
{rows}
{_weights(manifest)}
{_origin(manifest, options)}
{figures.section(manifest)}{_scores(manifest)}{_LIMITS}{_limits(manifest)}
"""


def with_scores(text: str, manifest: Manifest) -> str:
    """A card whose section on scores is that of the manifest: in the place of the old one, or before the limits."""
    section = _scores(manifest)
    if _SECTION.search(text):
        return _SECTION.sub(lambda _: section, text, count=1)
    before, limits, after = text.partition(_LIMITS)
    return f"{before}{section}{limits}{after}" if limits else f"{text.rstrip()}\n\n{section}".rstrip() + "\n"


def _scores(manifest: Manifest) -> str:
    """The section on scores; '' without a fit."""
    scores = manifest.scores
    if scores is None:
        return ""
    what = "images" if isinstance(manifest.event, Image) else "rows"
    of = f" of {scores.dataset}" if scores.dataset else ""
    without = scores.threshold_without_label
    unlabelled = f" ({without:.3f} where no label is given)" if without is not None else ""
    statistics = ", ".join(scores.statistics) + (" and the code" if scores.codes else "")
    return f"""{_SCORES}
`vae.score` and `vae-edge score` call an event unusual whose score is above {scores.threshold:.3f}{unlabelled}:
of {scores.held_out:,} {what}{of} that were held out, a share of {scores.false_positive_rate:.2%} had a higher one.
The score is -log of the density of {statistics},
a mixture of {scores.components} normals; of {scores.events:,} training {what}, with {scores.draws} draws of z each.

    {scores.command or "(by a program)"}

"""


def _weights(manifest: Manifest) -> str:
    if (said := manifest.deviations) is None:
        return ""
    return f"""
The decoder's weights are uncertain: {said.file.name} ({said.file.bytes:,} bytes) holds their standard
deviations. A call that names no member takes their
means; member k of the ensemble has draw k of them, the same on every machine.
"""


def _posterior(manifest: Manifest) -> str:
    return _POSTERIORS[manifest.posterior.family].format(size=manifest.latent_size)


def _prior(manifest: Manifest) -> str:
    spec = manifest.prior
    given = "p(z given the condition)" if manifest.prior_follows_condition else "p(z)"
    count = f"{spec.constants.get('components', 0):.0f} normals of full covariance"
    labels = ", each label with weights of its own" if "labels" in spec.constants else ""
    what = {
        "normal": "the standard normal",
        "mixture": f"a mixture of {count}{labels}",
        "flow": "a normalizing flow: standard normal noise through prior.onnx, and back through prior_inverse.onnx",
        "none": "none: an autoencoder reconstructs, it does not generate",
    }[spec.family]
    return f"{given}, {what}"


def _likelihood(spec: Spec) -> str:
    text = _LIKELIHOODS[spec.family].format(levels=spec.constants.get("levels", 0))
    return f"{text}, of scale {spec.constants['scale']:g}" if "scale" in spec.constants else text


def _origin(manifest: Manifest, options: Mapping[str, object]) -> str:
    versions = ", ".join(f"{package} {version}" for package, version in sorted(manifest.versions.items()))
    if manifest.training is None:
        return f"""## Made by
Exported by {manifest.producer}, with {versions}.
How the model was trained is not recorded here.
"""
    training = manifest.training
    bound = "importance-weighted bound" if training.objective == "iwae" or options.get("finish") else "ELBO"
    what = "images" if isinstance(manifest.event, Image) else "rows"
    listed = "\n".join(f"- {name}: {value}" for name, value in options.items() if value != "")
    return f"""## Data
{training.dataset}, {training.images:,} training {what} (SHA-256 of the
set {training.dataset_sha256[:16]}...){_pixels(manifest, training)}.{_treated(options)}
The weights are those of the epoch with the best {bound} on the validation split (epoch {training.epochs}).

## Made by
    {training.command}

at commit {training.commit}, exported by {manifest.producer},
with {versions}.
{f"All options of the run:{chr(10)}{chr(10)}{listed}{chr(10)}" if listed else ""}"""


def _pixels(manifest: Manifest, training: Training) -> str:
    if not isinstance(manifest.event, Image):
        return ", each column less its mean, divided by its standard deviation"
    threshold = manifest.event.threshold
    if threshold is None:
        return ", pixels divided by 255"
    if training.binarize == "dynamic":
        return (
            ", pixels divided by 255, then drawn: 1 with that probability, anew in each epoch (the runtime takes 1 "
            f"where above {threshold})"
        )
    return f", pixels divided by 255, then 1 where above {threshold}, else 0"


def _treated(options: Mapping[str, object]) -> str:
    """What the run did to its images before anything else; '' where they were read as they are."""
    done = [
        f"cut ({options['crop']})" if options.get("crop") else "",
        f"scaled to {options['resize']} pixels" if options.get("resize") else "",
        "made grey" if options.get("grey") else "",
        "inverted, dark made light" if options.get("invert") else "",
    ]
    white = f" {options['white']:g} was taken for white." if options.get("white") else ""
    steps = ", ".join(step for step in done if step)
    return (f" Images were first {steps}: new ones have to be read alike." if steps else "") + white


def _limits(manifest: Manifest) -> str:
    if manifest.training is None:
        return (
            "It knows events like those that it was trained on, which are not recorded here. Others come out as the "
            "nearest thing\nthat it has learned."
        )
    what = "images" if isinstance(manifest.event, Image) else "rows"
    text = (
        f"It knows {what} like those that it was trained on. Others come out as the nearest thing that it has learned."
    )
    if isinstance(manifest.event, Image) and manifest.likelihood.family == "bernoulli":
        text += "\nA drawn sample flips each pixel on its own, so it looks grainy where the mean is grey."
    return text
