"""What the command line says, and where: results on stdout, all else on stderr, and every outcome as an exit code.

    0    done
    1    a failure, named in one line
    2    wrong usage: an unknown option, a value out of range
    3    a check that failed: `verify`, the parity gate of `export`, a problem that `doctor` found
    130  interrupted (Ctrl-C)

With `--json`, stdout holds exactly one JSON document, `{"error": ...}` where the verb failed; what libraries write to
stdout meanwhile goes to stderr.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

from vae_edge.runtime.errors import CheckFailed, VaeEdgeError

__all__ = ["Console"]

DONE, FAILED, USAGE, CHECK_FAILED, INTERRUPTED = 0, 1, 2, 3, 130

# A module that is missing, and the extra that brings it.
_EXTRAS = {
    "PIL": "cli",
    "pyarrow": "parquet",
    "numpy": "cpu",
    "onnxruntime": "cpu",
    "tensorflow": "train",
    "tensorflow_probability": "train",
    "tf_keras": "train",
    "keras": "train",
    "tf2onnx": "train",
    "onnx": "train",
    "sklearn": "train",
    "matplotlib": "train",
}


class Console:
    """One run of the command line: its streams, and the outcome of its verb as an exit code."""

    def __init__(self) -> None:
        self.debug = bool(os.environ.get("VAE_EDGE_DEBUG"))
        self._stdout: TextIO | None = None  # the real one, while --json keeps others off it
        self._descriptor: int | None = None
        self._said = False

    @property
    def json(self) -> bool:
        """Whether the result is a JSON document."""
        return self._stdout is not None

    def use_json(self) -> None:
        """From here on stdout is for the one document: prints of any library, native ones included, go to stderr."""
        if self.json:
            return
        self._stdout = sys.stdout
        sys.stdout.flush()
        try:
            if sys.stdout.fileno() == 1:
                self._descriptor = os.dup(1)
                os.dup2(2, 1)
        except (OSError, ValueError):  # a stdout that is no file, as in a test
            pass
        sys.stdout = sys.stderr

    def say(self, line: str) -> None:
        """One line for the person who watches, on stderr."""
        print(line, file=sys.stderr, flush=True)  # noqa: T201

    def result(self, document: dict[str, Any], text: str = "") -> None:
        """The verb's result, once, on stdout: `document` with --json, else `text` where there is any."""
        if self._stdout is None:
            if text:
                sys.stdout.write(text + "\n")
                sys.stdout.flush()
            return
        text = json.dumps(_plain(document), indent=2, allow_nan=False) + "\n"
        self._said = True
        if self._descriptor is None:
            self._stdout.write(text)
            self._stdout.flush()
        else:
            with os.fdopen(os.dup(self._descriptor), "w", encoding="utf-8") as stdout:
                stdout.write(text)

    def run(self, verb: Callable[[], object], name: str) -> int:
        """The exit code of `verb`, whose failure is told in one line that begins with `name`."""
        try:
            code = verb()
            sys.stdout.flush()
        except KeyboardInterrupt as error:
            return self._fail(name, "interrupted", error, INTERRUPTED)
        except BrokenPipeError:
            # Whoever read our stdout has left: nothing more can be said there, at exit neither.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return FAILED
        except Exception as error:
            if type(error).__name__ == "Abort":  # how older Typers pass Ctrl-C on
                return self._fail(name, "interrupted", error, INTERRUPTED)
            return self._fail(name, *_explain(error))
        if code == INTERRUPTED:  # how newer Typers do
            return self._fail(name, "interrupted", KeyboardInterrupt(), INTERRUPTED)
        return code if isinstance(code, int) else DONE

    def _fail(self, name: str, message: str, error: BaseException, code: int) -> int:
        if self.debug:
            import traceback

            traceback.print_exception(error)
        self.say(f"{name}: {message}")
        if self.json and not self._said:
            self.result({"error": {"kind": type(error).__name__, "message": message, "exit_code": code}})
        return code

    def close(self) -> None:
        """Gives stdout back, which a process that ends anyway need not do."""
        if self._descriptor is not None:
            sys.stdout.flush()
            os.dup2(self._descriptor, 1)
            os.close(self._descriptor)
            self._descriptor = None
        if self._stdout is not None:
            sys.stdout, self._stdout = self._stdout, None


def _explain(error: Exception) -> tuple[str, Exception, int]:
    """The one line for `error`, and its exit code."""
    text = " ".join(str(error).split())
    if isinstance(error, CheckFailed):
        return text, error, CHECK_FAILED
    if isinstance(error, VaeEdgeError):
        return text, error, FAILED
    if hasattr(error, "format_message"):  # Typer's usage errors: click's class, or that of the click inside Typer
        command = getattr(getattr(error, "ctx", None), "command_path", "vae-edge")
        message = " ".join(error.format_message().split()).rstrip(".")
        return f"{message}; see '{command} --help'", error, getattr(error, "exit_code", USAGE)
    if isinstance(error, ImportError):
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra:
            return (
                f"this needs {error.name}, which cannot be imported: pip install 'vae-edge[{extra}]'",
                error,
                FAILED,
            )
    if isinstance(error, MemoryError):
        return f"out of memory ({text or 'no more to be had'}); take fewer images at once", error, FAILED
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or text}", error, FAILED
    return f"unexpected {type(error).__name__}: {text} (--debug shows where)", error, FAILED


def _plain(value: Any) -> Any:
    """`value` as JSON can hold it: NumPy's numbers as Python's, what is not finite as null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
