"""The application: global options, and the verbs, each loaded when it is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from vae_edge.cli.numbers import with_numbers
from vae_edge.cli.output import Console

__all__ = ["app"]

# Verb -> the module that holds the function of its name; `--help` lists them in this order.
VERBS = {
    "generate": "generate",
    "reconstruct": "reconstruct",
    "encode": "reconstruct",
    "interpolate": "interpolate",
    "score": "score",
    "explore": "explore",
    "train": "train",
    "export": "export",
    "evaluate": "evaluate",
    "verify": "bundles",
    "info": "bundles",
    "doctor": "doctor",
    "bench": "bench",
}


class Verb(TyperCommand):
    """A verb's command, whose help lists options under the headings that they name (`rich_help_panel`)."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes arguments and options, a section a heading, in the order in which headings first come."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            usual = "Arguments" if param.param_type_name == "argument" else "Options"
            if (record := param.get_help_record(ctx)) is not None:
                sections.setdefault(getattr(param, "rich_help_panel", None) or usual, []).append(record)
        options = sections.pop("Options", [])
        for heading, records in (*sections.items(), ("Options", options)):
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


class Verbs(Mapping[str, Any]):
    """The verbs' commands, each built when it is first looked up: `generate` need not pay for `train`'s options."""

    def __init__(self, shared: list[Any]) -> None:
        self._shared = shared
        self._built: dict[str, TyperCommand] = {}

    def __getitem__(self, name: str) -> TyperCommand:
        if name not in self._built:
            module = importlib.import_module(f"vae_edge.cli.verbs.{VERBS[name]}")
            single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
            single.command(name, cls=Verb)(with_numbers(getattr(module, name)))
            command: Any = typer.main.get_command(single)
            command.params.extend(self._shared)
            self._built[name] = command
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


class Group(TyperGroup):
    """The group of all verbs: finds them lazily, and turns what goes wrong into one line and an exit code."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # --json and --debug stand before the verb or after it.
        self.commands: Any = Verbs([param for param in self.params if param.name in {"json", "debug"}])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs the verb in `args` and exits, or returns the exit code without `standalone_mode`."""
        arguments = list(sys.argv[1:] if args is None else args) or ["--help"]
        console = Console()
        # Looked for before anything is parsed, so that they hold for usage errors too.
        flags = arguments[: arguments.index("--")] if "--" in arguments else arguments
        console.debug |= "--debug" in flags
        if "--json" in flags:
            console.use_json()
        verb = next((argument for argument in arguments if argument in VERBS), None)
        code = console.run(
            lambda: super(Group, self).main(arguments, "vae-edge", standalone_mode=False, obj=console, **extra),
            f"vae-edge {verb}" if verb else "vae-edge",
        )
        if standalone_mode:
            sys.exit(code)
        console.close()
        return code


app = typer.Typer(
    cls=Group,
    add_completion=False,
    # Typer's rich mode imports rich for each help text and error: 35 ms, and boxes around one line.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        import vae_edge

        typer.echo(f"vae-edge {vae_edge.__version__}")
        raise typer.Exit


@app.callback(epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a check failed, 130 interrupted.")
def vae_edge(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", expose_value=False, help="Print the result as one JSON document.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", expose_value=False, help="Show the traceback of a failure.")
    ] = False,
) -> None:
    """Learn a variational autoencoder with TensorFlow, run it anywhere with NumPy and ONNX Runtime.

    \b
    Examples:
      vae-edge generate --n 64 --out digits.png
      vae-edge generate --n 12 --out digits/
      vae-edge reconstruct digits/ --out pairs.png
      vae-edge train --data digits --out runs/digits && vae-edge export runs/digits --out digits-bundle
      vae-edge doctor
    """
