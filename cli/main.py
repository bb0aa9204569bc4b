"""The console script `vae-edge`."""

import gc
import sys

__all__ = ["main"]


def main() -> None:
    """Runs the command line on `sys.argv` and exits with its code; without Typer, one line says how to install it."""
    gc.set_threshold(100_000)  # imports make objects by the ten thousand, all to stay: 8 ms of looking through them
    try:
        from vae_edge.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("vae_edge"):
            raise
        print(f"vae-edge: the command line needs {error.name}: pip install 'vae-edge[cli]'", file=sys.stderr)  # noqa: T201
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    app()
