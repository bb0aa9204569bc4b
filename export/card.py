"""The card: what a bundle is, for people; written from its manifest."""

from __future__ import annotations

import dataclasses

from vae_edge.export import figures, variant
from vae_edge.runtime.bundle.manifest import Manifest
from vae_edge.train.config import Config

__all__ = ["render"]


def render(manifest: Manifest, config: Config) -> str:
    """CARD.md: data, command line, figures, limits."""
    training, image = manifest.training, manifest.image
    height, width, channels = manifest.image_shape
    prior = {
        "normal": "the standard normal",
        "mixture": f"a learned mixture of {manifest.prior.components} normals of full covariance",
        "none": "none: an autoencoder reconstructs, it does not generate",
    }[manifest.prior.kind]
    drawn = f"1 where above {image.threshold}, else 0"
    if manifest.binarize == "dynamic":
        drawn = (
            f"drawn: 1 with that probability, anew in each epoch (the runtime takes 1 where above {image.threshold})"
        )
    bound = "importance-weighted bound" if training.objective == "iwae" else "ELBO"
    chosen = dataclasses.asdict(config) | {"data": config.data_name}  # no folder of the machine that it was made on
    options = "\n".join(f"- {name}: {value}" for name, value in chosen.items())
    versions = ", ".join(f"{package} {version}" for package, version in sorted(manifest.versions.items()))
    return f"""# {manifest.name}

A variational autoencoder. Its encoder takes an image ({height}, {width}, {channels}) to q(z given x), a normal over
{manifest.latent_size} latent dimensions; its decoder takes z to p(x given z), a Bernoulli for each pixel.
The prior p(z) is {prior}.
{f"{chr(10)}{about}{chr(10)}" if (about := variant.about(manifest)) else ""}
| graph | weights | multiply-adds an image | bytes |
|---|---|---|---|
| encoder | {manifest.encoder.parameters:,} | {manifest.encoder.multiply_adds:,} | {manifest.encoder.file.bytes:,} |
| decoder | {manifest.decoder.parameters:,} | {manifest.decoder.multiply_adds:,} | {manifest.decoder.file.bytes:,} |

## Data
{training.dataset}, {training.images:,} training images (SHA-256 of the set {training.dataset_sha256[:16]}...), pixels
divided by 255, then {drawn}. The weights are those of the epoch with the best {bound} on
the validation split (epoch {training.epochs}).

## Made by
    {training.command}

at commit {training.commit}, exported by {manifest.producer},
with {versions}. All options of the run:

{options}

{figures.section(manifest)}## Limits
It knows images like those it was trained on: of {height}x{width} pixels, black and white, one subject in the middle.
Others come out as the nearest thing that it has learned. A drawn sample flips each pixel on its own, so it looks grainy
where the mean is grey.
"""
