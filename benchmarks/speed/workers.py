"""Workers as the driver sees them: one process a peer, of which all but the one at work are stopped.

A stopped process (SIGSTOP) burns no CPU, whatever its threads would do while they wait; each peer thereby keeps the
waiting that it comes with.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Asked", "Worker", "WorkerError", "clean_environment"]

_PINNING = ("OPENBLAS_", "OMP_", "GOMP_", "KMP_", "MKL_", "BLIS_", "TF_NUM_", "TF_ENABLE_", "ORT_", "XLA_", "TORCH")


class WorkerError(Exception):
    """A peer could not do it; the message says why, on one line."""


class Asked(Protocol):
    """What the rounds need of a worker."""

    def ask(self, do: str, **more: object) -> dict[str, Any]:
        """The answer to one request; raises WorkerError."""


def clean_environment(inherited: Mapping[str, str], threads: int, compiled: Path) -> dict[str, str]:
    """The variables that all processes get: as many threads for each, and nothing that pins a library's kernels.

    OPENBLAS_CORETYPE, for one, makes NumPy's products those of an older processor.
    """
    kept = {key: value for key, value in inherited.items() if not key.startswith(_PINNING)}
    counts = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return kept | dict.fromkeys(counts, str(threads)) | {
        "CUDA_VISIBLE_DEVICES": "",
        "ORT_DISABLE_TELEMETRY": "1",
        "PYTHONNOUSERSITE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TORCHINDUCTOR_CACHE_DIR": str(compiled),
        "TORCHINDUCTOR_COMPILE_THREADS": "1",  # else a pool of processes waits beside the worker
    }  # fmt: skip


class Worker:
    """One process; raises WorkerError where it ends, is silent for too long, or answers with an error."""

    def __init__(self, command: Sequence[str], log: Path, timeout: float = 900) -> None:
        self._log, self._timeout, self._unread = log, timeout, b""
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
                start_new_session=True,  # it and its children are stopped together
            )
        self._stop()

    def ask(self, do: str, **more: object) -> dict[str, Any]:
        """Lets the worker go on until it has answered this request."""
        assert self._process.stdin
        with self._running():
            try:
                self._process.stdin.write(json.dumps({"do": do} | more).encode() + b"\n")
            except OSError:
                raise WorkerError(self._end()) from None
            answer: dict[str, Any] = json.loads(self._line())
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def close(self) -> None:
        """Ends the process and its children."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()

    @contextmanager
    def _running(self) -> Iterator[None]:
        self._signal(signal.SIGCONT)
        try:
            yield
        finally:
            self._stop()

    def _stop(self) -> None:
        """Stops it, and returns when it stands (or has ended)."""
        self._signal(signal.SIGSTOP)
        if self._process.returncode is None:
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def _line(self) -> bytes:
        assert self._process.stdout
        end = time.monotonic() + self._timeout
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, end - time.monotonic())):
                    self.close()
                    raise WorkerError(f"no answer within {self._timeout:g} s")
                part = os.read(self._process.stdout.fileno(), 1 << 16)
                if not part:
                    raise WorkerError(self._end())
                self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _end(self) -> str:
        code = self._process.wait()
        said = self._log.read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(said) if line.strip()), "it said nothing")
        return f"the process ended with {code}: {last[:300]}"

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
