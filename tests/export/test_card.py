"""A card says how the run's own data was read, and claims nothing that it does not know."""

from __future__ import annotations

import dataclasses

from vae_edge.export import card
from vae_edge.runtime import VAE


def rendered(options: dict[str, object]) -> str:
    manifest = VAE.load("mnist-tiny").manifest
    assert manifest.training is not None
    own = dataclasses.replace(manifest, training=dataclasses.replace(manifest.training, dataset="patches"))
    return " ".join(card.render(own, options).split())


def test_what_was_done_to_images_stands_on_the_card() -> None:
    text = rendered({"crop": "fit", "resize": "32", "grey": True, "invert": True, "white": 4095.0})
    done = "Images were first cut (fit), scaled to 32 pixels, made grey, inverted, dark made light: new ones have to be"
    assert f"{done} read alike. 4095 was taken for white. The weights are those" in text


def test_a_card_of_own_data_claims_no_subject() -> None:
    text = rendered({"crop": "", "resize": "", "grey": False, "invert": False, "white": 0.0})
    assert "Images were first" not in text
    assert "patches, 55,000 training images" in text
    for claim in ("subject", "in the middle", "digit"):
        assert claim not in text.split("## Limits")[1]
