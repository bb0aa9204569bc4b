"""The light runtime stays light: NumPy and ONNX Runtime, and a proof that the proof can fail."""

from __future__ import annotations

import pytest

import vae_edge.runtime

HEAVY = (
    "tensorflow",
    "tensorflow_probability",
    "keras",
    "tf_keras",
    "tf2onnx",
    "onnx",
    "typer",
    "PIL",
    "rich",
    "scipy",
    "sklearn",
)

# Runs a program where none of HEAVY can be imported, then says which packages it loaded beyond the standard library.
PROGRAM = """
import importlib.metadata, sys
class Ban:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {heavy}:
            raise ImportError(name + " is banned")
sys.meta_path.insert(0, Ban())
known = set(sys.modules)
{program}
packages = importlib.metadata.packages_distributions()
loaded = {{name.partition(".")[0] for name in set(sys.modules) - known}}
print(sorted(name for name in loaded if name in packages))
"""

USE = """
import numpy as np
from vae_edge.runtime import VAE, probe
from vae_edge.runtime.evaluation import likelihood
from vae_edge.runtime.noise import gaussian
vae = VAE.load(sys.argv[1])
probe.check(vae)
images = vae.generate(3, head="sample")
vae.reconstruct(images); vae.interpolate(images[0], images[1], 3)
likelihood.nll(vae, images, 2)
gaussian._exact_normal(5, 0)
"""


def loaded(run_python, tiny, program: str) -> str:
    done = run_python(PROGRAM.format(heavy=HEAVY, program=program), tiny)
    return done.stdout.strip() or done.stderr


def test_the_whole_runtime_works_with_numpy_and_onnx_runtime_alone(run_python, tiny):
    assert loaded(run_python, tiny, USE) == "['numpy', 'onnxruntime', 'vae_edge']"


@pytest.mark.parametrize("name", HEAVY)
def test_the_test_above_fails_where_a_framework_is_imported(run_python, tiny, name):
    assert f"ImportError: {name} is banned" in loaded(run_python, tiny, f"import {name}")


def test_the_test_above_fails_where_another_package_is_imported(run_python, tiny):
    assert "'hypothesis'" in loaded(run_python, tiny, USE + "import hypothesis")


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import vae_edge.runtime", "['vae_edge']"),
        ("from vae_edge.runtime import InputError", "['vae_edge']"),
        ("from vae_edge.runtime import Manifest", "['numpy', 'vae_edge']"),
        ("from vae_edge.runtime import Normal, bundle, evaluation, events, noise, probe", "['numpy', 'vae_edge']"),
    ],
)
def test_nothing_is_imported_before_it_is_needed(run_python, tiny, program, expected):
    assert loaded(run_python, tiny, program) == expected


def test_exported_names_are_sorted_and_all_there():
    names = vae_edge.runtime.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    assert set(vae_edge.runtime.errors.__all__) <= set(names)
    for name in names:
        assert getattr(vae_edge.runtime, name).__class__ is not None
    assert set(names) <= set(dir(vae_edge.runtime))
    with pytest.raises(AttributeError, match="has no attribute 'nonesuch'"):
        vae_edge.runtime.nonesuch  # noqa: B018
