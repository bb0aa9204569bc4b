"""`doctor` finds what it says it looks for, each with a remedy, and survives whatever it meets."""

from __future__ import annotations

import importlib.metadata
import json
import sys
import types

import pytest

from vae_edge.cli.reports import findings
from vae_edge.cli.reports.findings import Finding, examine


@pytest.fixture
def wheels(monkeypatch):
    """Sets which ONNX Runtime wheels seem to be installed, and which providers they have."""

    def pretend(*names: str, providers: tuple[str, ...] = ("CPUExecutionProvider",)) -> None:
        real = importlib.metadata.version

        def version(name: str) -> str:
            if name not in findings.WHEELS:
                return real(name)
            if name in names:
                return "1.99.0"
            raise importlib.metadata.PackageNotFoundError(name)

        monkeypatch.setattr(importlib.metadata, "version", version)
        module = types.SimpleNamespace(__version__="1.99.0", get_available_providers=lambda: list(providers))
        monkeypatch.setitem(sys.modules, "onnxruntime", module if names else None)

    return pretend


def found(subject: str) -> list[Finding]:
    return [finding for finding in examine() if finding.subject == subject]


def test_every_finding_that_is_not_ok_says_what_to_do():
    for finding in examine():
        assert finding.status in {"ok", "note", "problem"}
        assert bool(finding.remedy) == (finding.status != "ok"), finding


def test_both_wheels_at_once_are_a_problem(wheels):
    wheels("onnxruntime", "onnxruntime-gpu")
    [finding] = found("ONNX Runtime")
    assert finding.status == "problem"
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in finding.remedy


def test_one_wheel_is_fine(wheels):
    wheels("onnxruntime-gpu")
    assert found("ONNX Runtime") == [Finding("ONNX Runtime", "ok", "onnxruntime-gpu 1.99.0")]


def test_no_wheel_is_a_problem(wheels):
    wheels()
    [finding] = found("ONNX Runtime")
    assert finding.status == "problem"
    assert "pip install 'vae-edge[cpu]'" in finding.remedy


def test_a_driver_without_a_cuda_wheel_is_noted(wheels, monkeypatch):
    wheels("onnxruntime")
    monkeypatch.setattr(findings, "_loads", lambda *names: True)
    [finding] = found("CUDA")
    assert "pip install 'vae-edge[cuda]'" in finding.remedy


def test_a_cuda_wheel_without_a_driver_is_noted(wheels, monkeypatch):
    wheels("onnxruntime-gpu", providers=("CUDAExecutionProvider", "CPUExecutionProvider"))
    monkeypatch.setattr(findings, "_loads", lambda *names: False)
    [finding] = found("CUDA")
    assert finding.status == "note"
    assert "no NVIDIA driver" in finding.found


def test_cuda_libraries_that_are_missing_are_named(wheels, monkeypatch):
    wheels("onnxruntime-gpu", providers=("CUDAExecutionProvider", "CPUExecutionProvider"))
    monkeypatch.setattr(findings, "_loads", lambda *names: names[0] == "libcuda.so.1")
    monkeypatch.setattr(findings, "_package", lambda library: "" if library == "libcudnn.so" else "here")
    [finding] = found("CUDA libraries")
    assert finding.found == "not found: libcudnn.so"


@pytest.mark.parametrize("name", ["nvidia-cudnn-cu12", "nvidia_cudnn_cu13", "nvidia-cudnn"])
def test_cuda_libraries_from_pip_are_found(monkeypatch, name):
    distribution = types.SimpleNamespace(metadata={"Name": name}, version="9.1")
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: [distribution])
    assert findings._package("libcudnn.so").endswith(" 9.1")
    assert findings._package("libcublasLt.so") == ""


def test_fewer_cpus_than_the_hosts_are_told(monkeypatch):
    monkeypatch.setattr("vae_edge.runtime.cpus.available", lambda: 3)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    assert found("CPUs")[0].found == "3 of this host's 64 (affinity and cgroup): sessions take 3 threads"


def test_a_built_in_bundle_is_run(monkeypatch, tiny):
    monkeypatch.setattr("vae_edge.runtime.bundle.reading.built_in", lambda: {"tiny": tiny})
    [finding] = found("bundle tiny")
    assert finding.status == "ok"
    assert "runs on CPUExecutionProvider" in finding.found


def test_a_built_in_bundle_that_is_damaged_is_a_problem(monkeypatch, folder):
    monkeypatch.setattr("vae_edge.runtime.bundle.reading.built_in", lambda: {"gone": folder})
    monkeypatch.setattr("vae_edge.runtime.bundle.locate", lambda name: folder)
    assert found("bundle gone")[0].status == "problem"


def test_missing_extras_are_noted(monkeypatch):
    monkeypatch.setattr(findings, "EXTRAS", {"train": ("no-such-package",)})
    assert found("extra train")[0].remedy == "for train and export: pip install 'vae-edge[train]'"


def test_a_check_that_fails_is_a_finding(monkeypatch):
    def fail():
        raise RuntimeError("odd")

    monkeypatch.setattr("vae_edge.runtime.cpus.available", fail)
    assert any("RuntimeError: odd" in finding.found for finding in examine())


def test_the_verb_exits_with_3_where_there_is_a_problem(vae_edge, wheels):
    wheels("onnxruntime", "onnxruntime-gpu")
    done = vae_edge("doctor", "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 3
    assert told["ok"] is False
    assert {"subject", "status", "found", "remedy"} == set(told["findings"][0])
    assert "PROBLEM  ONNX Runtime" in vae_edge("doctor").stdout
