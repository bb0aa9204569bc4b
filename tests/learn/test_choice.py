"""The likelihood is chosen from the data, and no photograph becomes black and white unsaid."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_sample_images

from vae_edge.runtime.errors import DataError
from vae_edge.train import data
from vae_edge.train.choice import is_black_and_white, resolve
from vae_edge.train.config import Config
from vae_edge.train.data import Dataset

Pixels = npt.NDArray[np.uint8]
RNG = np.random.default_rng(0)


def smooth(n: int, channels: int = 1) -> npt.NDArray[np.float64]:
    """Fields (n, 24, 24, channels) with soft edges, as lenses give them, each from 0 to 1."""
    fields = RNG.normal(size=(n, 24, 24, channels))
    for axis in (1, 2):
        for _ in range(12):
            fields = (fields + np.roll(fields, 1, axis) + np.roll(fields, -1, axis)) / 3
    low, high = fields.min((1, 2), keepdims=True), fields.max((1, 2), keepdims=True)
    return (fields - low) / (high - low)


def as_pixels(values: npt.NDArray[np.float64]) -> Pixels:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def ink() -> Pixels:
    """Strokes with antialiased edges on paper that is not quite white, as a scanner sees them."""
    paper = np.full((50, 32, 32, 1), 245.0)
    for page in paper:
        at = RNG.integers(4, 20, 2)
        page[at[0] : at[0] + 8, 4:28] = page[4:28, at[1] : at[1] + 8] = 12
        page[at[0] - 1, 4:28] = page[4:28, at[1] + 8] = 128
    return as_pixels((paper + RNG.normal(0, 3, paper.shape)) / 255)


def hot() -> Pixels:
    """One white pixel in each image."""
    pixels = np.zeros((50, 24, 24, 1), np.uint8)
    pixels[:, 3, 4] = 255
    return pixels


def night() -> Pixels:
    """Lights in the dark: 19 of 20 pixels are nearly black, few are saturated."""
    return as_pixels(smooth(50) ** 12 * 1.1)


BLACK_AND_WHITE = {
    "bits": lambda: RNG.integers(0, 2, (50, 8, 8, 1)).astype(np.uint8) * 255,
    "ink": ink,
    "white on black": lambda: 255 - ink(),
}
OTHERS = {
    "photographs": lambda: as_pixels(smooth(50)),
    "overexposed": lambda: as_pixels(smooth(50) * 3),
    "underexposed": lambda: as_pixels(smooth(50) * 0.1),
    "underexposed, with a broken sensor": lambda: np.maximum(as_pixels(smooth(50) * 0.1), hot()),
    "black": lambda: np.zeros((50, 8, 8, 1), np.uint8),
    "night": night,
    "white on grey": lambda: as_pixels(np.where(smooth(50) > 0.5, 1.0, 0.4)),
    "noise": lambda: RNG.integers(0, 256, (50, 8, 8, 1)).astype(np.uint8),
    "real photographs, grey": lambda: np.stack(load_sample_images().images).mean(-1, keepdims=True).astype(np.uint8),
    "real photographs": lambda: np.stack(load_sample_images().images),
    "patches of pure colour": lambda: np.repeat(RNG.integers(0, 2, (50, 1, 1, 3)) * 255, 8, 1).astype(np.uint8),
}


DARK_ON_LIGHT = "own is dark on light, light on dark is learned better: --invert makes it so"


def choose(events: npt.NDArray[np.generic], **options: object) -> tuple[Config, list[str]]:
    said: list[str] = []
    training = Dataset("own", events, None, "")
    return resolve(Config(data="own", **options), training, said.append), said  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", BLACK_AND_WHITE)
def test_ink_is_learned_as_black_and_white(kind: str) -> None:
    config, said = choose(BLACK_AND_WHITE[kind]())
    assert (config.likelihood, config.network) == ("bernoulli", "conv")
    assert said[0] == (
        "likelihood bernoulli: own is black and white, each pixel 1 above a half and else 0; "
        "--likelihood chooses another"
    )
    assert said[1:] == [DARK_ON_LIGHT] * (kind == "ink")


def test_what_an_option_would_mend_is_told_with_the_option() -> None:
    def told(images: Pixels, **options: object) -> list[str]:
        return [line for line in choose(images, **options)[1] if not line.startswith("likelihood")]

    scans, photographs = ink(), as_pixels(smooth(50))
    pencil = as_pixels(1 - 0.7 * (scans < 128))
    for light in (scans, pencil):
        assert told(light) == [DARK_ON_LIGHT]
        assert told(255 - light) == []
        assert told(light, invert=True) == ["own is dark on light, light on dark is learned better: leave --invert out"]
    assert told(photographs) == []
    assert told(np.repeat(photographs, 3, -1)) == [
        "own is grey in three channels that are alike: --grey learns one of them"
    ]
    assert told(np.repeat(scans, 3, -1))[1:] == [DARK_ON_LIGHT]
    assert told(photographs // 16) == [
        "own is nearly black, its brightest pixel 15 of 255: --white 15 makes that white"
    ]
    assert told(np.full((9, 8, 8, 1), 7, np.uint8)) == [
        "own: all pixels are 7, there is nothing to learn: look at what is read"
    ]


@pytest.mark.parametrize("kind", OTHERS)
def test_photographs_are_never_made_black_and_white_unsaid(kind: str) -> None:
    images = OTHERS[kind]()
    config, [said, *_] = choose(images)
    assert config.likelihood == "discretized_logistic"
    colour = "in colour" if images.shape[-1] == 3 else "grey"
    assert said.startswith(f"likelihood discretized_logistic: own is {colour}, 256 levels a pixel")
    config, [said, *_] = choose(images, likelihood="bernoulli")
    assert config.likelihood == "bernoulli"
    assert "own is not black and white, and each pixel is made 0 or 1" in said
    config, [said, *_] = choose(images, binarize="dynamic")
    assert config.likelihood == "bernoulli"
    assert "drawn as black and white, as --binarize dynamic says" in said


def test_what_was_asked_for_and_fits_is_not_commented() -> None:
    assert choose(255 - ink(), likelihood="bernoulli")[1] == []
    assert choose(as_pixels(smooth(5)), likelihood="normal")[1] == []


def test_a_categorical_of_many_logits_says_how_many() -> None:
    said = choose(as_pixels(smooth(5))[:, :, :], likelihood="categorical")[1]
    assert said == ["likelihood categorical: 256 logits a pixel, 72 MiB a batch; a smaller --batch takes less"]
    assert choose(as_pixels(smooth(5))[:, :4, :4], likelihood="categorical")[1] == []


def test_digits_are_black_and_white_by_tradition() -> None:
    training = data.load("digits")
    assert not is_black_and_white(training.images)
    for likelihood, lines in (("auto", 1), ("bernoulli", 0)):
        said: list[str] = []
        config = resolve(Config(data="digits", likelihood=likelihood), training, said.append)  # type: ignore[arg-type]
        assert (config.likelihood, len(said)) == ("bernoulli", lines)


def test_a_table_takes_a_normal_and_a_perceptron() -> None:
    config, said = choose(RNG.normal(size=(9, 3)))
    assert (config.likelihood, config.network) == ("normal", "mlp")
    assert said == ["likelihood normal, network mlp: own is a table of 3 columns"]
    assert choose(RNG.normal(size=(9, 3)), likelihood="normal", network="mlp")[1] == []


@pytest.mark.parametrize(
    "options",
    [
        {"likelihood": "bernoulli"},
        {"likelihood": "discretized_logistic"},
        {"network": "conv"},
        {"encoder_network": "separable"},
        {"shift": 1},
        {"pixel_width": 8},
        {"encoder_pixels": "centred"},
        {"binarize": "dynamic"},
    ],
)
def test_what_a_table_cannot_take_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(DataError, match="own: a table is learned with"):
        choose(RNG.normal(size=(9, 3)), **options)


def test_a_conditional_model_needs_labels() -> None:
    with pytest.raises(DataError, match=r"own: has no labels for a conditional model: give mnist, .* --label-column"):
        choose(ink(), conditional=True)


def test_a_normal_prior_under_labels_says_that_others_follow_the_label() -> None:
    training = data.load("digits")
    for prior, expected in (("mixture", 0), ("normal", 1)):
        said: list[str] = []
        options = {"likelihood": "bernoulli", "conditional": True, "prior": prior}
        resolve(Config(data="digits", **options), training, said.append)  # type: ignore[arg-type]
        assert [line.startswith("prior normal: ") for line in said] == [True] * expected


def test_mnist_itself_is_black_and_white_and_fashion_is_not() -> None:
    folder = Path(os.environ.get("VAE_EDGE_DATA", Path(__file__).parents[3] / "shared" / "data"))
    for name, expected in (("mnist", True), ("fashion-mnist", False)):
        try:
            training = data.load(name, data_dir=folder, download=False)
        except DataError:
            pytest.skip(f"{name} is not here (set VAE_EDGE_DATA to its folder)")
        assert is_black_and_white(training.images) is expected


@pytest.mark.parametrize(
    ("config", "pixels"),
    [
        (Config(likelihood="bernoulli"), "unit"),
        (Config(likelihood="discretized_logistic"), "centred"),
        (Config(likelihood="normal"), "centred"),
        (Config(likelihood="discretized_logistic", encoder_pixels="unit"), "unit"),
        (Config(likelihood="bernoulli", encoder_pixels="centred"), "centred"),
    ],
)
def test_the_encoder_sees_grey_and_colour_centred(config: Config, pixels: str) -> None:
    images = as_pixels(smooth(20))
    training = Dataset("mine", images, None, "0" * 64, (), ())
    assert resolve(config, training, lambda line: None).encoder_pixels == pixels
