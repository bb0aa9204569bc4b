"""Downloads are right or refused: a server on loopback that does thirty things wrong."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import pytest

from vae_edge.runtime.errors import DataError
from vae_edge.train import mnist

NAME = "train-labels-idx1-ubyte"
CONTENT = b"\0\0\x08\x01\0\0\0\x40" + bytes(range(64))
PACKED = gzip.compress(CONTENT, mtime=0)
PICKLE = b"\x93NUMPY\x01\0v\0{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(128) + b"\x80\x04N."

STOP = threading.Event()  # ends what stalls, with its test
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


def respond(body: bytes, code: int = 200, *, length: int | None = None, **headers: str) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        for key, value in headers.items():
            handler.send_header(key.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def raw(data: bytes, wait: float = 0) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(data)
        handler.wfile.flush()
        STOP.wait(wait)
        handler.connection.shutdown(socket.SHUT_RDWR)

    return answer


def drip(data: bytes, size: int = 1, wait: float = 0.02) -> Answer:
    """A little at a time, never silent for long."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        for at in range(0, len(data), size):
            handler.wfile.write(data[at : at + size])
            handler.wfile.flush()
            if STOP.wait(wait):
                return

    return answer


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PACKED)

FAULTS: dict[str, Answer] = {
    **{f"status {code}": respond(PACKED, code) for code in (400, 401, 403, 404, 410, 429, 500, 502, 503, 504)},
    "cut in the middle": respond(PACKED[:40], length=len(PACKED)),
    "cut, and said so": respond(PACKED[:-1]),
    "nothing": respond(b""),
    "nothing of what was said": respond(b"", length=len(PACKED)),
    "another file": respond(gzip.compress(b"another")),
    "one bit flipped": respond(gzip.compress(CONTENT[:-1] + b"\0")),
    "not packed": respond(CONTENT),
    "a page": respond(b"<html>log in</html>"),
    "packed twice": respond(gzip.compress(PACKED)),
    "bytes behind the end": respond(gzip.compress(CONTENT + b"more")),
    "two members": respond(PACKED + PACKED),
    "a damaged checksum": respond(PACKED[:-8] + bytes(8)),
    "a pickle": respond(gzip.compress(PICKLE)),
    "a bomb": respond(gzip.compress(bytes(64 << 20))),
    "too much": respond(bytes(3000), length=3000),
    "a redirect to nothing": respond(b"", 302, Location="/nothing-here"),
    "a redirect to itself": respond(b"", 302, Location="/loop"),
    "a redirect to a file": respond(b"", 302, Location="file:///etc/passwd"),
    "a redirect without a place": respond(b"", 302),
    "no HTTP": raw(b"hello\r\n\r\n"),
    "silence": raw(b"", wait=60),
    "a stall in the middle": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + PACKED[:20], wait=60),
    "a broken chunk": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "a cut chunk": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n" + PACKED[:10]),
    "an endless header": raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000),
    "hanging up": raw(b""),
    "a byte at a time": drip(WHOLE + PACKED),
    "a header, a byte at a time": drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000),
    "a chunk's size, a byte at a time": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 10_000),
}

# Longer than the limit that the test sets, which is seen by its end: of silence, and of all that takes its time.
STALLS = ("silence", "a stall in the middle")
DRIPS = tuple(fault for fault in FAULTS if fault.endswith("a byte at a time"))


@pytest.fixture
def mirror(tmp_path, monkeypatch) -> Iterator[tuple[str, dict[str, Answer]]]:
    """A server whose answer the test sets; the only mirror, with a cache of its own."""
    answers: dict[str, Answer] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            if self.path == "/nothing-here":
                return self.send_error(404)
            with suppress(OSError):
                answers["now"](self)

        def log_message(self, *arguments: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *arguments: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        prepare(url, set_attribute=monkeypatch.setattr)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.delenv("VAE_EDGE_DATA", raising=False)
        monkeypatch.setattr(mnist, "MAX_DOWNLOAD", 2000)
        STOP.clear()
        yield url, answers
        STOP.set()
        server.shutdown()


def prepare(url: str, *more: str, set_attribute: Callable = setattr) -> None:
    files = mnist.MNIST.files | {NAME: hashlib.sha256(CONTENT).hexdigest()}
    set_attribute(mnist, "MNIST", dataclasses.replace(mnist.MNIST, mirrors=(url, *more), files=files))


def download() -> bytes:
    return mnist._download(NAME, mnist.MNIST, "here")


def obtain() -> bytes:
    return mnist._obtain(NAME, mnist.MNIST, [mnist._cache(mnist.MNIST)], True)


def kept(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_refused_and_never_kept(mirror, tmp_path, monkeypatch, fault):
    url, answers = mirror
    answers["now"] = FAULTS[fault]
    if fault in STALLS:
        monkeypatch.setattr(mnist, "TIMEOUT", 0.5)
    if fault in DRIPS:
        monkeypatch.setattr(mnist, "WINDOW", 0.5)
        monkeypatch.setattr(mnist, "MIN_RATE", 1000)
    with pytest.raises(DataError, match=rf"(?s)no mirror gave it \({url}.*--data-dir or VAE_EDGE_DATA"):
        download()
    assert kept(tmp_path) == []
    monkeypatch.setattr(mnist, "TIMEOUT", 30)
    monkeypatch.setattr(mnist, "WINDOW", 60)
    answers["now"] = respond(PACKED)
    assert download() == CONTENT  # and the next one may be right
    assert [path.read_bytes() for path in kept(tmp_path)] == [PACKED]


def test_a_server_that_drips_is_left_for_the_next_mirror(mirror, tmp_path, monkeypatch):
    url, answers = mirror
    prepare(url + "slow/", url, set_attribute=monkeypatch.setattr)
    monkeypatch.setattr(mnist, "WINDOW", 0.5)
    monkeypatch.setattr(mnist, "MIN_RATE", 1000)
    answers["now"] = lambda handler: (drip(WHOLE + PACKED) if "slow" in handler.path else respond(PACKED))(handler)
    assert download() == CONTENT
    answers["now"] = drip(WHOLE + PACKED)
    limit = r"too slow \([\d,]+ bytes in 0\.5 seconds, 500 are the least\)"
    with pytest.raises(DataError, match=rf"{url}slow/: {limit}; {url}: {limit}.*--data-dir"):
        download()


def test_a_slow_line_is_waited_for(mirror, tmp_path, monkeypatch):
    """Over several windows, each of which brings enough."""
    _, answers = mirror
    monkeypatch.setattr(mnist, "WINDOW", 1)
    monkeypatch.setattr(mnist, "MIN_RATE", 1)
    answers["now"] = drip(WHOLE + PACKED, size=6, wait=0.1)
    before = time.monotonic()
    assert download() == CONTENT
    assert time.monotonic() - before > 2


def test_there_are_thirty_faults():
    assert len(FAULTS) >= 30


def test_a_second_mirror_is_asked(mirror, tmp_path, monkeypatch):
    url, answers = mirror
    prepare("http://127.0.0.1:9/", url, set_attribute=monkeypatch.setattr)
    answers["now"] = respond(PACKED)
    assert download() == CONTENT


def test_what_the_cache_holds_is_checked_again(mirror, tmp_path):
    _, answers = mirror
    answers["now"] = respond(PACKED)
    assert obtain() == CONTENT
    (path,) = kept(tmp_path)
    path.write_bytes(gzip.compress(b"other"))
    with pytest.raises(DataError, match="its SHA-256 is another"):
        obtain()


def fetch(cache: str, url: str) -> bytes:
    import os

    os.environ["XDG_CACHE_HOME"] = cache
    prepare(url)
    return obtain()


def test_two_processes_at_once_both_get_it(mirror, tmp_path):
    url, answers = mirror
    answers["now"] = respond(PACKED)
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        found = [pool.submit(fetch, str(tmp_path), url) for _ in range(16)]
        assert {future.result() for future in found} == {CONTENT}
    assert [path.read_bytes() for path in kept(tmp_path)] == [PACKED]
