from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from vae_edge.cli.output import Console
from vae_edge.runtime import errors


def fail(error: BaseException):
    def verb() -> None:
        raise error

    return verb


@pytest.mark.parametrize("kind", [getattr(errors, name) for name in errors.__all__])
def test_every_error_is_one_line_and_its_documented_exit_code(kind, capsys):
    code = Console().run(fail(kind("expected this,\n  got that: do so")), "vae-edge verb")
    out, err = capsys.readouterr()
    assert code == (3 if kind is errors.CheckFailed else 1)
    assert err == "vae-edge verb: expected this, got that: do so\n"
    assert out == ""


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (KeyboardInterrupt(), "v: interrupted", 130),
        (ValueError("odd"), "v: unexpected ValueError: odd (--debug shows where)", 1),
        (MemoryError(), "v: out of memory (no more to be had); take fewer images at once", 1),
        (PermissionError(errno.EACCES, "Permission denied", "there"), "v: there: Permission denied", 1),
        (OSError(errno.ENOSPC, "No space left on device", "x.npy"), "v: x.npy: No space left on device", 1),
        (
            ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow"),
            "v: this needs tensorflow, which cannot be imported: pip install 'vae-edge[train]'",
            1,
        ),
        (
            ModuleNotFoundError("No module named 'PIL'", name="PIL.Image"),
            "v: this needs PIL.Image, which cannot be imported: pip install 'vae-edge[cli]'",
            1,
        ),
    ],
)
def test_other_failures_are_one_line_too(error, line, code, capsys):
    assert Console().run(fail(error), "v") == code
    assert capsys.readouterr().err == line + "\n"


def test_debug_shows_the_traceback(capsys, monkeypatch):
    monkeypatch.setenv("VAE_EDGE_DEBUG", "1")
    Console().run(fail(errors.DataError("gone")), "v")
    assert "Traceback" in capsys.readouterr().err


def test_a_failure_under_json_is_a_document(capsys):
    console = Console()
    console.use_json()
    assert console.run(fail(errors.CheckFailed("differs")), "v") == 3
    console.close()
    out, err = capsys.readouterr()
    assert json.loads(out) == {"error": {"kind": "CheckFailed", "message": "differs", "exit_code": 3}}
    assert err == "v: differs\n"


def test_json_holds_numpys_numbers_and_no_nan(capsys):
    console = Console()
    console.use_json()
    numbers = {"a": np.float32(0.5), "b": np.arange(2), "c": float("nan"), "d": (1, np.int64(2))}
    assert console.run(lambda: console.result(numbers), "v") == 0
    console.close()
    assert json.loads(capsys.readouterr().out) == {"a": 0.5, "b": [0, 1], "c": None, "d": [1, 2]}


def test_nothing_that_a_library_prints_reaches_stdout_under_json():
    code = """
import os
from vae_edge.cli.output import Console
console = Console()
console.use_json()
def verb():
    print("from Python")
    os.system("echo from C")
    console.result({"n": 1})
    os.system("echo later")
raise SystemExit(console.run(verb, "v"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == {"n": 1}
    assert sorted(done.stderr.split("\n")) == ["", "from C", "from Python", "later"]


def test_a_reader_that_leaves_is_no_traceback(process):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "vae_edge.cli", "--help"], stdout=gone, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr == ""
