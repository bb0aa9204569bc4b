"""Providers are honest: whatever wheel of ONNX Runtime is installed, the one asked for is used, or it is an error."""

from __future__ import annotations

from typing import ClassVar

import onnxruntime
import pytest

from vae_edge.runtime import VAE, ProviderError
from vae_edge.runtime.session import AUTO, PROVIDERS

CPU = "CPUExecutionProvider"
# What each wheel brings, by PROVIDERS' names.
FLAVOURS = {
    "onnxruntime": [],
    "onnxruntime for macOS": ["coreml"],
    "onnxruntime-gpu": ["tensorrt", "cuda"],
    "onnxruntime-openvino": ["openvino"],
    "onnxruntime-directml": ["directml"],
    "onnxruntime-rocm": ["migraphx", "rocm"],
    "onnxruntime-qnn": ["qnn"],
    "onnxruntime-cann": ["cann"],
    "onnxruntime-vitisai": ["vitisai"],
    "onnxruntime-webgpu": ["webgpu"],
    "built with all": [name for name in PROVIDERS if name != "cpu"],
}
BEHAVIOURS = ("works", "raises", "takes the CPU instead")


class Stub:
    """A session that prints as ONNX Runtime does where it falls back, and behaves as `behaviour` says."""

    behaviour: ClassVar[str]
    real = onnxruntime.InferenceSession

    def __init__(self, data, options, providers, **keywords):
        assert keywords == {"enable_fallback": 0, "read_config_from_model": 0}
        [(self.provider, _)] = providers
        if self.provider != CPU and Stub.behaviour == "raises":
            raise RuntimeError("libsomething.so: cannot open shared object file")
        self.session = Stub.real(data, providers=[CPU])

    def get_providers(self):
        instead = Stub.behaviour == "takes the CPU instead"
        return [CPU] if instead or self.provider == CPU else [self.provider, CPU]

    def __getattr__(self, name):
        return getattr(self.session, name)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_provider_asked_for_is_used_or_it_is_an_error(tiny, monkeypatch, capfd, flavour, behaviour):
    there = [PROVIDERS[name] for name in FLAVOURS[flavour]]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [*there, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Stub)
    monkeypatch.setattr(Stub, "behaviour", behaviour, raising=False)
    for name, full in PROVIDERS.items():
        for spelling in (name, name.upper(), full):
            works = full == CPU or (full in there and behaviour == "works")
            if works:
                assert VAE.load(tiny, provider=spelling).provider == full
            else:
                with pytest.raises(ProviderError, match=full):
                    VAE.load(tiny, provider=spelling)
    best = [full for full in AUTO if full in there and behaviour == "works"]
    assert VAE.load(tiny).provider == [*best, CPU][0]
    assert capfd.readouterr() == ("", "")
