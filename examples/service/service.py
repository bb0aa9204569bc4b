"""A small web service around a bundle: NumPy, ONNX Runtime and the standard library.

python service.py --bundle mnist --port 8000

GET  /health                             the bundle's name and provider
GET  /generate?n=4&seed=0&head=mean      new images, as uint8 in base64
POST /score                              log p(x|z) of each event of a float32 .npy, z its code's mean
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import socketserver
import wsgiref.simple_server
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

import numpy as np

from vae_edge.runtime import VAE, VaeEdgeError

MAX_IMAGES = 64
MAX_BODY = 1 << 20  # bytes

Respond = Callable[[str, list[tuple[str, str]]], Any]


class Service:
    """A WSGI application around one VAE, which is loaded before the first request and shared by all threads."""

    def __init__(self, vae: VAE) -> None:
        self._vae = vae
        self._routes = {("GET", "/health"): self._health, ("GET", "/generate"): self._generate,
                        ("POST", "/score"): self._score}  # fmt: skip

    def __call__(self, request: dict[str, Any], respond: Respond) -> Iterable[bytes]:
        """Answers a request with JSON: 200, 400 where the request is wrong, 404 where nothing has that path."""
        route = self._routes.get((request["REQUEST_METHOD"], request["PATH_INFO"]))
        if route is None:
            return _answer(respond, "404 Not Found", {"error": "expected /health, /generate or /score"})
        try:
            return _answer(respond, "200 OK", route(request))
        except (VaeEdgeError, ValueError) as error:
            return _answer(respond, "400 Bad Request", {"error": str(error)})

    def _health(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"bundle": self._vae.manifest.name, "provider": self._vae.provider}

    def _generate(self, request: dict[str, Any]) -> dict[str, Any]:
        asked = {key: values[-1] for key, values in parse_qs(request["QUERY_STRING"]).items()}
        n = int(asked.get("n", 1))
        if not 1 <= n <= MAX_IMAGES:
            raise ValueError(f"n should be 1 to {MAX_IMAGES}, it is {n}")
        images = self._vae.generate(n, head=asked.get("head", "mean"), seed=int(asked.get("seed", 0)))
        pixels = np.rint(images * 255).astype(np.uint8)
        return {"shape": pixels.shape, "images": base64.b64encode(pixels.tobytes()).decode()}

    def _score(self, request: dict[str, Any]) -> dict[str, Any]:
        length = int(request.get("CONTENT_LENGTH") or 0)
        if not 0 < length <= MAX_BODY:
            raise ValueError(f"the body should be a .npy of 1 to {MAX_BODY} bytes, it has {length}")
        body = io.BytesIO(request["wsgi.input"].read(length))
        x = self._vae.prepare(np.load(body, allow_pickle=False))
        scores = self._vae.decode(self._vae.encode(x).mean()).log_prob(x)
        return {"log_prob": scores.tolist()}


class ThreadingServer(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    """The standard library's server, with a thread for each request."""

    daemon_threads = True


def _answer(respond: Respond, status: str, content: dict[str, Any]) -> Iterable[bytes]:
    body = json.dumps(content).encode()
    respond(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def main() -> None:
    """Serves until it is stopped; prints the address as soon as it answers."""
    parser = argparse.ArgumentParser(description="Serve a bundle over HTTP.")
    parser.add_argument("--bundle", default=os.environ.get("BUNDLE", "mnist"), help="a folder, or a built-in's name")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 takes one that is free")
    options = parser.parse_args()
    vae = VAE.load(options.bundle, threads=1)  # requests run beside each other, each on one thread
    with wsgiref.simple_server.make_server(options.host, options.port, Service(vae), ThreadingServer) as server:
        print(f"serving {vae.manifest.name} on http://{options.host}:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
