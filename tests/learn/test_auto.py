"""`--preset auto` chooses by the data, and what goes wrong while a model learns is said once, with the remedy."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from vae_edge.train import auto
from vae_edge.train.config import Config
from vae_edge.train.data import Dataset
from vae_edge.train.fit import fit, load
from vae_edge.train.presets import PRESETS
from vae_edge.train.run import Run
from vae_edge.train.watch import Watch


def dataset(n: int, *shape: int) -> Dataset:
    kind = np.uint8 if len(shape) == 3 else np.float64
    return Dataset("mine", np.zeros((n, *shape), kind), None, "0" * 64, (), ())


def chosen(n: int, *shape: int, **given: object) -> tuple[Config, list[str]]:
    said: list[str] = []
    config = auto.choose(Config(**given), dataset(n, *shape), given.keys(), said.append)  # type: ignore[arg-type]
    return config, said


def test_larger_events_get_more_latents_and_smaller_sets_more_epochs() -> None:
    sizes = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 64, 3)]
    assert [chosen(5000, *size)[0].latent for size in sizes] == [8, 32, 64, 128]
    assert [chosen(n, 28, 28, 1)[0].epochs for n in (200, 20_000, 60_000, 1_000_000)] == [300, 150, 50, 20]
    assert [chosen(n, 28, 28, 1)[0].width for n in (200, 2000, 60_000)] == [16, 32, 64]
    assert [chosen(n, 28, 28, 1)[0].components for n in (60, 200, 5000, 60_000)] == [2, 2, 50, 100]
    assert (chosen(5000, 64, 64, 3)[0].network, chosen(5000, 28, 28, 1)[0].network) == ("separable", "conv")
    table = chosen(500, 13)[0]
    assert (table.network, table.latent, table.width) == ("mlp", 4, 32)


def test_what_is_given_stays() -> None:
    config, said = chosen(5000, 28, 28, 1, latent=7, epochs=3, objective="ae")
    assert (config.latent, config.epochs, config.prior) == (7, 3, "normal")
    assert "latent" not in said[0]


def test_large_images_take_a_cheap_decoder_and_an_encoder_of_plain_convolutions() -> None:
    config = chosen(3000, 64, 64, 3)[0]
    assert (config.network, config.width, config.depth) == ("separable", 64, 3)
    assert (config.encoder_network, config.encoder_width, config.encoder_depth) == ("conv", 32, 2)
    assert (chosen(3000, 32, 32, 3)[0].encoder_network, chosen(3000, 32, 32, 3)[0].encoder_width) == ("same", 0)
    for given in ({"network": "mlp"}, {"width": 16}, {"depth": 1}):
        config = chosen(3000, 64, 64, 3, **given)[0]
        assert (config.encoder_network, config.encoder_width, config.encoder_depth) == ("same", 0, 0)
    assert [chosen(3000, size, size, 3)[0].pixel_width for size in (28, 32, 40, 64)] == [0, 0, 0, 16]
    assert [chosen(3000, 64, 64, 3, network=network)[0].pixel_width for network in ("mlp", "conv")] == [0, 16]
    config = chosen(3000, 64, 64, 3, width=16, encoder_width=8)[0]
    assert (config.width, config.encoder_width) == (16, 8)


def test_the_gradient_of_colour_has_no_bound() -> None:
    assert [chosen(3000, 32, 32, channels)[0].clip for channels in (1, 3)] == [100, 0]
    assert chosen(3000, 13)[0].clip == 100


def test_the_images_of_a_small_set_move_and_no_patience_ends_the_run_before_they_stand_still() -> None:
    assert [chosen(3000, size, size + 8, 3)[0].shift for size in (8, 15, 16, 28, 32, 64)] == [0, 0, 1, 1, 2, 4]
    assert [chosen(n, 32, 32, 3)[0].shift for n in (200, 9_999, 10_000)] == [2, 2, 0]
    assert [chosen(n, 32, 32, 3)[0].patience for n in (9_999, 10_000)] == [0, 75]
    assert chosen(3000, 32, 32, 3, shift=0)[0].patience == 75
    assert chosen(20_000, 32, 32, 3, shift=1)[0].patience == 0
    assert chosen(3000, 32, 32, 3, patience=7)[0].patience == 7
    assert (chosen(3000, 13)[0].shift, chosen(3000, 13)[0].patience) == (0, 75)


def test_a_tiny_set_is_said_to_be_one() -> None:
    assert [len(chosen(n, 28, 28, 1)[1]) for n in (999, 1000)] == [2, 1]
    config, said = chosen(200, 28, 28, 1)
    assert "only 200 events" in said[1]
    assert config.shift == 1


def test_a_run_by_auto_learns_and_records_what_was_chosen(tmp_path: Path) -> None:
    said: list[str] = []
    fit(Config(data="digits", epochs=2), tmp_path / "run", verbose=0, say=said.append, given={"data", "epochs"})
    config = Run(tmp_path / "run").record().config
    wanted = {"latent": 32, "width": 32, "prior": "mixture", "likelihood": "bernoulli", "epochs": 2}
    assert {name: getattr(config, name) for name in wanted} == wanted
    assert said[0].startswith("auto: digits has 1,")
    assert load(tmp_path / "run")[1].config == config
    fit(config, tmp_path / "run", resume=True, verbose=0)  # as it is recorded


# What goes wrong.


def rows(validation: list[float], training: list[float]) -> list[dict[str, float]]:
    return [{"val_elbo": v, "elbo": t} for v, t in zip(validation, training, strict=True)]


def watched(epochs: int = 20, warmup: float = 1.0) -> tuple[Watch, list[str]]:
    said: list[str] = []
    return Watch(said.append, "val_elbo", epochs, warmup), said


def test_overfitting_is_said_once_validation_has_turned() -> None:
    watch, said = watched()
    validation = [-100.0, -90, -85, *(-85 - 0.5 * k for k in range(1, 9))]
    training = [-100.0 + 3 * k for k in range(len(validation))]
    for done in range(1, len(validation) + 1):
        watch.look(rows(validation[:done], training[:done]), None)
        assert bool(said) == (done >= 3 + 5), done
    assert len(said) == 1
    assert "after epoch 3" in said[0]
    assert "--patience" in said[0]


@pytest.mark.parametrize(
    ("validation", "training"),
    [
        ([-100, -90, -85, -84, -83, -82, -81, -80], [-100, -90, -85, -84, -83, -82, -81, -80]),  # it goes on rising
        (
            [-80, -85, -85, -85, -85, -85, -85, -85],
            [-80, -85, -85, -85, -85, -85, -85, -85],
        ),  # both fall: no overfitting
        ([-80, -80.01, -80, -80.01, -80, -80.01, -80, -80.01], [-80, -79, -78, -77, -76, -75, -74, -73]),  # noise
    ],
)
def test_what_is_no_overfitting_is_not_said(validation: list[float], training: list[float]) -> None:
    watch, said = watched()
    for done in range(1, len(validation) + 1):
        watch.look(rows(validation[:done], training[:done]), None)
    assert said == []


def test_posterior_collapse_is_said_once_with_the_remedy() -> None:
    watch, said = watched(warmup=4)
    assert not watch.looks_at_codes(4)  # the KL term is not all there
    assert watch.looks_at_codes(5)
    means = np.zeros((100, 16))
    means[:, 0] = np.linspace(-1, 1, 100)
    watch.look(rows([-1], [-1]), means)
    watch.look(rows([-1], [-1]), means)
    assert len(said) == 1
    assert "1 of 16 units" in said[0]
    assert "--latent 2" in said[0]
    assert not watch.looks_at_codes(20)


def test_a_model_that_uses_its_units_is_not_said_to_collapse() -> None:
    watch, said = watched()
    watch.look(rows([-1], [-1]), np.random.default_rng(0).normal(size=(100, 16)))
    assert said == []
    assert [done for done in range(1, 40) if watch.looks_at_codes(done)] == [*range(3, 12), 20, 30]


def test_a_run_that_collapses_says_so_while_it_learns(tmp_path: Path) -> None:
    said: list[str] = []
    config = Config(data="digits", likelihood="bernoulli", latent=16, width=8, depth=1, epochs=6, batch=32,
                    objective="beta", beta=1000.0, network="mlp", ema=0.0)  # fmt: skip
    fit(config, tmp_path / "run", verbose=0, say=said.append)
    assert sum("posterior collapse" in line for line in said) == 1


@pytest.mark.parametrize("name", ["mnist-labels", "fashion"])
def test_a_preset_of_its_own_data_is_a_configuration(name: str) -> None:
    config = PRESETS[name]
    assert (config.data, config.conditional) == (
        ("mnist", True) if name == "mnist-labels" else ("fashion-mnist", False)
    )
    assert dataclasses.replace(config, seed=1).seed == 1
