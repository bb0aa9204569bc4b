"""What TensorFlow writes to stderr as it is imported is dropped, and nothing else."""

from __future__ import annotations

import os
import sys

import pytest

from vae_edge.cli.quiet import import_tensorflow


@pytest.fixture
def greeting(tmp_path, monkeypatch):
    """A module `tensorflow` that writes to stderr as native code does."""
    (tmp_path / "tensorflow.py").write_text("import os\nos.write(2, b'hello')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    yield
    sys.modules.pop("tensorflow", None)


@pytest.mark.parametrize(("greet", "told"), [(False, "later"), (True, "hellolater")])
def test_the_greeting_is_dropped_unless_asked_for(greeting, capfd, greet, told):
    import_tensorflow(greet=greet)
    os.write(2, b"later")
    assert capfd.readouterr().err == told


def test_without_tensorflow_stderr_is_given_back(monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError):
        import_tensorflow(greet=False)
    os.write(2, b"later")
    assert capfd.readouterr().err == "later"
