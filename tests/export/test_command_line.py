"""The command line exports a model of a module or of files, tells what it would do, and exits 3 without parity."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from vae_edge.cli.app import app
from vae_edge.runtime import VAE

ROOT = Path(__file__).parents[2]


def vae_edge(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def files(exported: Callable[..., tuple[dict[str, Any], Path]], tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    arguments, _ = exported("files", ".keras")
    path = tmp_path_factory.mktemp("examples") / "x.npy"
    np.save(path, arguments["examples"])
    return ["--encoder", arguments["encoder"], "--decoder", arguments["decoder"], "--examples", path]


SAID = ["--posterior", "mean,log_var", "--likelihood", "bernoulli:logits", "--event", "12x12"]


def test_files_become_a_bundle(files: list[Any], tmp_path: Path) -> None:
    done = vae_edge("export", *files, *SAID, "--out", tmp_path / "b")
    assert done.exit_code == 0, done.stderr
    assert "differs from the model by" in done.stderr
    assert VAE.load(tmp_path / "b", provider="cpu").generate(2).shape == (2, 12, 12, 1)


def test_a_module_becomes_a_bundle(tmp_path: Path) -> None:
    done = vae_edge("export", f"{ROOT}/benchmarks/models/zoo.py:build", "--out", tmp_path / "b")
    assert done.exit_code == 0, done.stderr
    assert VAE.load(tmp_path / "b", provider="cpu").generate(2).shape == (2, 12, 12, 1)


def test_a_dry_run_prints_the_plan_and_writes_nothing(files: list[Any], tmp_path: Path) -> None:
    done = vae_edge("export", *files, *SAID, "--dry-run", "--out", tmp_path / "b")
    assert (done.exit_code, list(tmp_path.iterdir())) == (0, [])
    assert "exp(x / 2) of output '0' part 1 of 2" in done.stdout
    done = vae_edge("export", *files, "--dry-run", "--json")
    plan = json.loads(done.stdout)
    assert done.exit_code == 1
    assert [text.split(" gives")[0] for text in plan["problems"]] == ["the encoder", "the decoder"]


def test_what_is_missing_is_one_line_and_exit_code_1(files: list[Any], tmp_path: Path) -> None:
    done = vae_edge("export", *files, "--out", tmp_path / "b")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("vae-edge export:")]
    assert (done.exit_code, "say which, as posterior=" in line) == (1, True)


def test_a_model_that_its_graph_does_not_reproduce_is_exit_code_3(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(
        "import numpy as np, tensorflow as tf\n"
        "from vae_edge.export import Bernoulli, Normal\n"
        "def encode(x):\n    return tf.reshape(x, (-1, 16))[:, :6]\n"
        "def decode(z):\n    h = tf.reshape(tf.tile(z, (1, 6))[:, :16], (-1, 4, 4, 1))\n"
        "    return h + 1.0 if tf.executing_eagerly() else h\n"
        "def build():\n    x = np.random.default_rng(0).random((9, 4, 4, 1), np.float32)\n"
        "    return dict(encoder=encode, decoder=decode, examples=x, posterior=Normal(loc=0, log_var=1),\n"
        "                likelihood=Bernoulli(logits=0))\n"
    )
    done = vae_edge("export", f"{tmp_path}/other.py:build", "--out", tmp_path / "b")
    assert (done.exit_code, "logits: the bundle and the model" in done.stderr) == (3, True)
    assert not (tmp_path / "b").exists()
