"""The service of examples/ answers over loopback. Its image is not built here: its file is held to what it copies."""

from __future__ import annotations

import base64
import http.client
import io
import json
import re
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from vae_edge.runtime import VAE

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "service"


@pytest.fixture(scope="module")
def address():
    command = [sys.executable, str(FOLDER / "service.py"), "--bundle", "mnist-tiny", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = process.stdout.readline()
        assert line.startswith("serving mnist-tiny on http://127.0.0.1:"), line
        yield line.split()[-1]
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def ask(url: str, body: bytes | None = None) -> tuple[int, dict]:
    try:
        with urllib.request.urlopen(url, body, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_it_says_what_it_runs(address):
    assert ask(f"{address}/health") == (200, {"bundle": "mnist-tiny", "provider": "CPUExecutionProvider"})


def test_it_generates_what_the_runtime_generates(address):
    status, answer = ask(f"{address}/generate?n=3&seed=5&head=mode")
    assert (status, answer["shape"]) == (200, [3, 28, 28, 1])
    pixels = np.frombuffer(base64.b64decode(answer["images"]), np.uint8).reshape(answer["shape"])
    here = VAE.load("mnist-tiny").generate(3, seed=5, head="mode") * 255
    assert (pixels != here).mean() < 1e-3


def test_it_scores_what_it_is_sent(address):
    vae = VAE.load("mnist-tiny")
    x = vae.generate(2, seed=1, head="mode")
    status, answer = ask(f"{address}/score", npy(x))
    assert status == 200
    np.testing.assert_allclose(answer["log_prob"], vae.decode(vae.encode(x).mean()).log_prob(x), rtol=1e-4)


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/generate?n=65", None, 400, "1 to 64"),
        ("/generate?head=median", None, 400, "median"),
        ("/generate?n=many", None, 400, "many"),
        ("/score", npy(np.zeros((1, 3), np.float32)), 400, "28"),
        ("/score", b"no array", 400, ""),
        ("/score", npy(np.array([{}], object)), 400, "allow_pickle"),
        ("/elsewhere", None, 404, "/health"),
    ],
)
def test_it_says_what_is_wrong_with_a_request_and_goes_on(address, path, body, status, words):
    code, answer = ask(f"{address}{path}", body)
    assert code == status
    assert words in answer["error"]
    assert ask(f"{address}/health")[0] == 200


def test_it_refuses_a_large_body_before_it_reads_any(address):
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/score")
    connection.putheader("Content-Length", str((1 << 20) + 1))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 400
    assert "1 to 1048576 bytes" in json.load(response)["error"]
    connection.close()


def test_the_container_file_copies_what_is_there_and_pins_what_was_tested():
    text = (FOLDER / "Containerfile").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wheel = f"dist/vae_edge-{project['version']}-py3-none-any.whl"  # what `make wheel` builds
    sources = re.findall(r"^COPY (\S+) ", text, re.MULTILINE)
    assert sources == ["constraints.txt", wheel, "examples/service/service.py"]
    assert all((ROOT / source).is_file() for source in sources if source != wheel)
    assert f'--constraint /tmp/constraints.txt "/tmp/{Path(wheel).name}[cpu]"' in text
    python = re.search(r"^FROM \S+/python:(\d+\.\d+)-slim$", text, re.MULTILINE)[1]
    assert f"Programming Language :: Python :: {python}" in project["classifiers"]


def test_the_container_runs_the_service_without_rights():
    text = (FOLDER / "Containerfile").read_text()
    assert re.search(r"^USER [1-9]", text, re.MULTILINE)
    command = json.loads(re.search(r"^CMD (.+)$", text, re.MULTILINE)[1])
    assert command[:2] == ["python", "/srv/service.py"]
    help_text = subprocess.run([sys.executable, str(FOLDER / "service.py"), "--help"], capture_output=True, text=True)
    assert all(option in help_text.stdout for option in command[2::2])
