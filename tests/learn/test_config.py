"""A configuration says what a run does, and refuses what makes no sense."""

import dataclasses

import pytest

from vae_edge.runtime.errors import InputError
from vae_edge.train.config import Config
from vae_edge.train.presets import PRESETS, with_options


def test_every_option_says_what_it_does() -> None:
    for spec in dataclasses.fields(Config):
        assert spec.metadata["help"].endswith("."), spec.name


def test_a_configuration_survives_json() -> None:
    config = Config(latent=7, prior="mixture", learning_rate=3e-4)
    assert Config.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent": 0}, "latent should be 1 or more, it is 0"),
        ({"latent": 1.5}, "latent should be a int"),
        ({"objective": "gan"}, "objective should be one of elbo, beta, iwae, ae, it is 'gan'"),
        ({"learning_rate": 0.0}, "above 0"),
        ({"ema": 1.0}, r"in \[0, 1\)"),
        ({"beta": 4.0}, "beta should be 1 unless the objective is beta"),
        ({"objective": "ae", "prior": "mixture"}, "an autoencoder has no prior"),
        ({"seed": -1}, "seed should be 0 or more"),
        ({"prior": "mixture", "free_bits": 0.1}, "free_bits should be 0 with a mixture prior"),
        ({"objective": "ae", "free_bits": 0.1}, "free_bits should be 0 with objective iwae or ae"),
        ({"warmup": 0.0, "free_bits": 0.1}, "free_bits should be 0 without a warmup"),
        ({"samples": 7}, "samples should be 5 unless the objective is iwae or finish is set, it is 7"),
        ({"network": "mlp", "pixel_width": 8}, "pixel_width should be 0 with network mlp, it is 8"),
        ({"freeze": True}, "freeze should be left out without --prior mixture or flow, it is True"),
        ({"finish": 20}, "finish should be below epochs, 20; for all, --objective iwae, it is 20"),
        ({"finish": 2, "objective": "iwae"}, "finish should be 0 unless the objective is elbo, it is 2"),
        ({"finish": 2, "weights": "uncertain"}, "weights should be point with objective iwae or finish"),
        ({"gradient_samples": 2}, "gradient_samples should be below samples, 5, and 0 unless the objective is iwae"),
        ({"finish": 2, "gradient_samples": 5}, "gradient_samples should be below samples, 5, .* it is 5"),
        ({"resize": "0"}, "resize should be N pixels or HxW"),
        ({"ground": "pink"}, "ground should be white, black or #RRGGBB"),
        ({"validation": "first"}, "validation should be one of auto, shuffled, last"),
        ({"schedule": "constant", "ramp": 0}, "ramp should be left out unless the schedule is cosine, it is 0"),
    ],
)
def test_a_wrong_option_is_named_with_what_was_expected(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Config(**options)  # type: ignore[arg-type]


def test_a_run_of_release_0_1_goes_on_as_it_was() -> None:
    recorded = Config.from_json('{"data": "own.npz"}')
    assert (recorded.likelihood, recorded.validation, recorded.encoder_pixels) == ("bernoulli", "last", "unit")
    assert Config(data="own.npz").settled(recorded).validation == "last"
    assert Config.from_json(Config(data="own.npz").to_json()).validation == "auto"


@pytest.mark.parametrize("text", ["[]", "{", '{"latent": 8, "no_such": 1}', '{"latent": "8"}'])
def test_json_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Config.from_json(text)


@pytest.mark.parametrize(
    ("given", "finish"),
    [
        ({}, 30), ({"epochs": 80}, 15), ({"epochs": 1}, 0), ({"epochs": 320}, 60), ({"finish": 3}, 3),
        ({"objective": "iwae"}, 0), ({"weights": "uncertain"}, 0), ({"prior": "flow", "freeze": True}, 0),
    ],
)  # fmt: skip
def test_a_preset_of_other_epochs_keeps_the_share_of_its_finish(given: dict[str, object], finish: int) -> None:
    config = with_options(PRESETS["mnist"], given)
    assert config.finish == finish
    assert all(getattr(config, name) == value for name, value in given.items())


@pytest.mark.parametrize(
    ("given", "finish", "samples"),
    [
        ({}, 30, 20), ({"epochs": 16}, 3, 20), ({"epochs": 1}, 0, 5), ({"finish": 0}, 0, 5), ({"samples": 7}, 30, 7),
        ({"objective": "iwae"}, 0, 5), ({"prior": "flow", "freeze": True}, 0, 5),
    ],
)  # fmt: skip
def test_the_draws_of_a_preset_go_with_its_finish(given: dict[str, object], finish: int, samples: int) -> None:
    config = with_options(PRESETS["mnist-tiny"], given)
    assert (config.finish, config.samples) == (finish, samples)


@pytest.mark.parametrize(
    ("given", "samples", "gradient_samples"),
    [
        ({}, 20, 4), ({"samples": 5}, 5, 4), ({"samples": 4}, 4, 0), ({"finish": 0}, 5, 0),
        ({"objective": "iwae"}, 5, 0), ({"samples": 4, "gradient_samples": 2}, 4, 2), ({"gradient_samples": 0}, 20, 0),
    ],
)  # fmt: skip
def test_the_draws_of_a_preset_that_give_the_gradient_go_with_its_draws(
    given: dict[str, object], samples: int, gradient_samples: int
) -> None:
    preset = Config(prior="mixture", epochs=160, finish=30, samples=20, gradient_samples=4)
    config = with_options(preset, given)
    assert (config.samples, config.gradient_samples) == (samples, gradient_samples)


def test_differences_are_named() -> None:
    assert Config().differences(Config(latent=8, seed=3)) == ["latent: 32, 8", "seed: 0, 3"]
