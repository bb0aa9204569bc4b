"""One HTML file that holds the explorer and a bundle, byte for byte."""

from __future__ import annotations

import base64
import hashlib
import html
from importlib import resources

from vae_edge.cli.explorer.onnxruntime import Runtime
from vae_edge.runtime import bundle as bundles
from vae_edge.runtime.bundle import Bundle
from vae_edge.runtime.bundle.manifest import MAX_BYTES
from vae_edge.runtime.bundle.reading import read_file

__all__ = ["GENERATOR", "is_page", "render"]

GENERATOR = '<meta name="generator" content="vae-edge explore">'  # so that a page is known as one of ours
_HEAD_BYTES = 4096


def render(bundle: Bundle, runtime: Runtime | None = None) -> bytes:
    """The page of a verified bundle, with onnxruntime-web where it is given.

    The files lie in it as base64 of their exact bytes: the page checks the digest and each SHA-256 itself before it
    reads them. Its content security policy lets no other script run, and nothing be fetched.
    """
    page = resources.files("vae_edge.cli.explorer").joinpath("template.html").read_text("utf-8")
    manifest = read_file(bundle.folder / bundles.MANIFEST, MAX_BYTES)
    scores = bundle.manifest.scores
    unread = {scores.file.name} if scores is not None else set()  # the page scores nothing
    files = {bundles.MANIFEST: manifest} | {name: data for name, data in bundle.files.items() if name not in unread}
    blocks = [_block("data-file", name, data) for name, data in files.items()]
    if runtime is not None:
        blocks += [
            _block("data-wasm", "onnxruntime-web", runtime.wasm),
            f'<script type="module">{runtime.script}</script>',
        ]
        digest = base64.b64encode(hashlib.sha256(runtime.script.encode()).digest()).decode()
        page = page.replace("'wasm-unsafe-eval'", f"'sha256-{digest}' 'wasm-unsafe-eval'", 1)
    page = page.replace("%TITLE%", html.escape(bundle.manifest.name))
    return page.replace("%BUNDLE%", "\n".join(blocks), 1).encode()


def is_page(head: bytes) -> bool:
    """Whether a file that begins with `head` (4 KiB are enough) is an explorer's page."""
    return GENERATOR.encode() in head[:_HEAD_BYTES]


def _block(attribute: str, name: str, data: bytes) -> str:
    """A data block: a script of a type that no browser runs."""
    return f'<script type="application/octet-stream" {attribute}="{name}">{base64.b64encode(data).decode()}</script>'
