"""What `vae-edge doctor` looks at: one function a subject, each of which reports and never raises."""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import os
import platform
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from vae_edge.runtime.errors import VaeEdgeError

__all__ = ["Finding", "examine"]

# Every one of these installs the module `onnxruntime` over that of the others.
WHEELS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
    "onnxruntime-rocm",
    "onnxruntime-silicon",
    "onnxruntime-training",
    "onnxruntime-webgpu",
    "ort-nightly",
    "ort-nightly-gpu",
)
EXTRAS = {
    "cli": ("typer", "pillow"),
    "train": ("tensorflow", "keras", "tensorflow-probability", "tf-keras", "tf2onnx", "onnx", "scikit-learn"),
}
# Library -> the pip packages that bring it, by the start of their names.
CUDA_LIBRARIES = {
    "libcudart.so": "nvidia-cuda-runtime",
    "libcublasLt.so": "nvidia-cublas",
    "libcudnn.so": "nvidia-cudnn",
    "libcufft.so": "nvidia-cufft",
}
CUDA_VERSIONS = ("13", "12", "11", "10", "9", "8")


@dataclass(frozen=True)
class Finding:
    """What was found of a subject: 'ok', 'note' (missing, but not all need it) or 'problem'; and the remedy."""

    subject: str
    status: str
    found: str
    remedy: str = ""


def examine() -> list[Finding]:
    """All findings, in the order in which a person would look."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (_python, _numpy, _wheels, _cuda, _cpus, _bundles, _extras)
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += check()
        except Exception as error:
            findings.append(
                Finding(
                    check.__name__.strip("_"),
                    "problem",
                    f"{type(error).__name__}: {error}",
                    "report this, it is a defect",
                )
            )
    return findings


def _python() -> Iterator[Finding]:
    version = _version("vae-edge") or "not installed as a package"
    yield Finding("vae-edge", "ok", f"{version} on Python {platform.python_version()}, {platform.platform()}")


def _numpy() -> Iterator[Finding]:
    try:
        import numpy
    except ImportError as error:
        yield Finding("NumPy", "problem", f"cannot be imported ({error})", "pip install 'numpy>=1.26'")
        return
    major, minor = map(int, numpy.__version__.split(".")[:2])
    if (major, minor) < (1, 26):
        yield Finding("NumPy", "problem", f"{numpy.__version__}, 1.26 or later is needed", "pip install -U numpy")
    else:
        yield Finding("NumPy", "ok", numpy.__version__)


def _wheels() -> Iterator[Finding]:
    wheels = {name: version for name in WHEELS if (version := _version(name))}
    listed = ", ".join(f"{name} {version}" for name, version in wheels.items())
    if len(wheels) > 1:
        # Removing one of them removes files of the other: only all of them, then one, mends it.
        yield Finding(
            "ONNX Runtime",
            "problem",
            f"{listed} are installed at once, and overwrite each other's module",
            f"pip uninstall -y {' '.join(wheels)}; then pip install 'vae-edge[cpu]', or 'vae-edge[cuda]'",
        )
    try:
        onnxruntime = _onnxruntime()
    except Exception as error:  # a half-removed wheel fails in many ways
        yield Finding(
            "ONNX Runtime",
            "problem",
            f"{listed or 'not installed'}; cannot be imported ({_line(error)})",
            "pip install 'vae-edge[cpu]', or 'vae-edge[cuda]' for NVIDIA GPUs",
        )
        return
    if len(wheels) < 2:
        yield Finding("ONNX Runtime", "ok", listed or f"{onnxruntime.__version__}, of no wheel that pip knows")
    yield Finding("providers", "ok", ", ".join(onnxruntime.get_available_providers()))


def _onnxruntime() -> Any:
    """The module, its telemetry switched off: left alone it puts a database into the home folder."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    return importlib.import_module("onnxruntime")


def _cuda() -> Iterator[Finding]:
    driver = _loads("libcuda.so.1", "nvcuda.dll")
    try:
        onnxruntime = _onnxruntime()
        built = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    except Exception:
        built = False
    if not built:
        if driver:
            yield Finding(
                "CUDA",
                "note",
                "an NVIDIA driver is here, but this ONNX Runtime has no CUDA",
                "to use the GPU: pip uninstall -y onnxruntime; pip install 'vae-edge[cuda]'",
            )
        else:
            yield Finding("CUDA", "ok", "no NVIDIA driver, and an ONNX Runtime without CUDA")
        return
    if not driver:
        yield Finding(
            "CUDA",
            "note",
            "this ONNX Runtime has CUDA, but no NVIDIA driver is here: `auto` takes the CPU",
            "install the driver (nvidia-smi lists the GPU then), or take 'vae-edge[cpu]' in a fresh environment",
        )
        return
    missing = [library for library in CUDA_LIBRARIES if not (_package(library) or _loads(*_names(library)))]
    if missing:
        yield Finding(
            "CUDA libraries", "note", f"not found: {', '.join(missing)}", "pip install 'onnxruntime-gpu[cuda,cudnn]'"
        )
    else:
        found = {library: _package(library) or "on the system's path" for library in CUDA_LIBRARIES}
        yield Finding("CUDA libraries", "ok", ", ".join(f"{library}: {where}" for library, where in found.items()))


def _cpus() -> Iterator[Finding]:
    from vae_edge.runtime import cpus

    host, usable = os.cpu_count() or 1, cpus.available()
    if usable == host:
        yield Finding("CPUs", "ok", f"{usable}, all of this host's")
    else:
        yield Finding(
            "CPUs",
            "ok",
            f"{usable} of this host's {host} (affinity and cgroup): sessions take {usable} threads",
        )


def _bundles() -> Iterator[Finding]:
    from vae_edge.runtime import VAE, probe
    from vae_edge.runtime.bundle import reading

    names = reading.built_in()
    if not names:
        yield Finding("bundles", "note", "none is built in", "give --bundle FOLDER; vae-edge export makes one")
    for name in names:
        subject = f"bundle {name}"
        try:
            vae = VAE.load(name)
            worst = max(probe.check(vae).values())
        except VaeEdgeError as error:
            yield Finding(
                subject, "problem", _line(error), "if ONNX Runtime works: pip install --force-reinstall vae-edge"
            )
        else:
            yield Finding(subject, "ok", f"runs on {vae.provider}, within {worst:.2g} of what it gave at export")


def _extras() -> Iterator[Finding]:
    for extra, packages in EXTRAS.items():
        missing = [name for name in packages if not _version(name)]
        if missing:
            use = "train and export" if extra == "train" else "the command line"
            yield Finding(
                f"extra {extra}",
                "note",
                f"missing: {', '.join(missing)}",
                f"for {use}: pip install 'vae-edge[{extra}]'",
            )
        else:
            yield Finding(f"extra {extra}", "ok", ", ".join(f"{name} {_version(name)}" for name in packages))


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _package(library: str) -> str:
    """The installed NVIDIA package that brings a library, with its version; '' where there is none."""
    start = CUDA_LIBRARIES[library]
    for distribution in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        if re.fullmatch(rf"{start}(-cu\d+)?", name):
            return f"{name} {distribution.version}"
    return ""


def _names(library: str) -> list[str]:
    return [f"{library}.{version}" for version in CUDA_VERSIONS]


def _loads(*names: str) -> bool:
    """Whether the system's loader finds one of these libraries."""
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False


def _line(error: Any) -> str:
    return " ".join(str(error).split())
