"""onnxruntime-web, from a folder that npm installed: what runs graphs that the page's own kernels cannot."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from pathlib import Path

from vae_edge.runtime.errors import InputError

__all__ = ["INSTALL", "Runtime", "read"]

INSTALL = "npm install onnxruntime-web"
_SCRIPT = "dist/ort.wasm.bundle.min.mjs"
_WASM = "dist/ort-wasm-simd-threaded.wasm"


@dataclass(frozen=True)
class Runtime:
    """`script` puts onnxruntime-web's exports into globalThis.ort; `wasm` is its WebAssembly, gzipped."""

    version: str
    script: str
    wasm: bytes


def read(folder: Path) -> Runtime:
    """The runtime of an installed package, as `npm install onnxruntime-web` leaves it; raises InputError."""
    try:
        version = json.loads((folder / "package.json").read_text("utf-8"))["version"]
        script = (folder / _SCRIPT).read_text("utf-8")
        wasm = (folder / _WASM).read_bytes()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder} should be the folder of the npm package onnxruntime-web, with package.json, {_SCRIPT} and "
            f"{_WASM}; install it with {INSTALL} and give node_modules/onnxruntime-web ({error})"
        ) from error
    # mtime=0: the same package gives the same page
    return Runtime(str(version), _as_global(script, folder), gzip.compress(wasm, 9, mtime=0))


def _as_global(script: str, folder: Path) -> str:
    """The module's code with its exports in globalThis.ort: a script inside a page cannot be imported from."""
    script = re.sub(r"\n//# sourceMappingURL=.*\s*$", "", script)
    found = re.search(r"export\{([^{}]*)\};?\s*$", script)
    if found is None:
        raise InputError(f"{folder / _SCRIPT} should end with its exports, as that of onnxruntime-web 1.30 does")
    pairs = (pair.strip().partition(" as ") for pair in found[1].split(","))
    members = ",".join(f"{json.dumps(public or local)}:{local}" for local, _, public in pairs)
    script = f"{script[: found.start()]}globalThis.ort={{{members}}};"
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
