"""`--temperature` of `generate` and `evaluate`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vae_edge.runtime import VAE


def test_generate_draws_at_the_temperature(vae_edge, folder):
    told = json.loads(vae_edge("generate", "-n", 20, "--temperature", 0.7, "--head", "sample", "--start", 5, "--out",
                               "x.npy", "--threads", 1, "--json").stdout)  # fmt: skip
    assert told["temperature"] == 0.7
    vae = VAE.load("mnist", threads=1)
    expected = vae.generate(20, head="sample", start=5, temperature=0.7)
    assert (np.load("x.npy") != expected).mean() < 1e-4
    assert (np.load("x.npy") != vae.generate(20, head="sample", start=5)).mean() > 1e-2


@pytest.mark.parametrize("head", ["mean", "all"])
def test_rows_are_drawn_at_the_temperature_too(vae_edge, folder, head):
    parquet = pytest.importorskip("pyarrow.parquet")
    vae_edge("generate", "--n", 7, "--temperature", 0.7, "--head", head, "--out", "shards/", "--format", "parquet",
             "--dtype", "float32")  # fmt: skip
    (shard,) = sorted(folder.glob("shards/*.parquet"))
    column = parquet.read_table(shard)["image" if head == "mean" else "mean"].combine_chunks()
    found = np.array(column.to_pylist(), np.float32).reshape(7, 28, 28, 1)
    assert np.abs(found - VAE.load("mnist").generate(7, temperature=0.7)).max() < 1e-5


def test_each_label_is_drawn_at_the_temperature(vae_edge, folder):
    vae_edge(
        "generate", "--n", 20, "--bundle", "mnist-labels", "--label", "all", "--temperature", 0.7, "--out", "x.npy"
    )
    expected = VAE.load("mnist-labels").generate(20, label=list(range(10)) * 2, temperature=0.7)
    assert np.abs(np.load("x.npy") - expected).max() < 1e-5


@pytest.mark.parametrize(("out", "more"), [("pictures/", ()), ("shards/", ("--format", "parquet"))])
def test_a_folder_goes_on_with_the_temperature_that_it_was_begun_with(vae_edge, folder, out, more):
    if more:
        pytest.importorskip("pyarrow")
    for temperature, code in ((0.9, 0), (0.9, 0), (0.8, 1), (1, 1)):
        found = vae_edge("generate", "--n", 4, "--temperature", temperature, "--out", out, "--resume", *more)
        assert found.exit_code == code
    assert "temperature 0.9" in found.stderr


def test_a_folder_without_a_temperature_is_one_of_1(vae_edge, folder):
    for options, code in (((), 0), (("--temperature", 1), 0), (("--temperature", 0.9), 1)):
        assert vae_edge("generate", "--n", 4, "--out", "pictures/", "--resume", *options).exit_code == code


@pytest.mark.parametrize("value", ["0", "-1", "11", "nan", "warm"])
def test_another_temperature_is_wrong_usage(vae_edge, folder, value):
    found = vae_edge("generate", "--temperature", value)
    assert found.exit_code == 2
    assert "--temperature" in found.stderr
    assert not list(folder.iterdir())
