"""`vae-edge train`: a run folder from a data set. Its options are the fields of `vae_edge.train.config.Config`."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import shlex
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vae_edge.cli.options import one_of
from vae_edge.cli.quiet import import_tensorflow
from vae_edge.runtime.errors import InputError, RunError
from vae_edge.train.config import Config
from vae_edge.train.presets import AUTO, PRESETS, with_options

if TYPE_CHECKING:
    from vae_edge.cli.output import Console
    from vae_edge.train.run import Run

__all__ = ["train"]


# Heading -> the options below it, in the help's order.
PANELS = {
    "Run": ("out", "resume", "start", "preset", "epochs", "patience", "seed"),
    "Data": ("data", "data_dir", "conditional", "label_column", "resize", "crop", "grey", "invert", "ground", "white",
             "validation", "binarize", "shift"),
    "Model": ("likelihood", "network", "latent", "width", "depth", "pixel_width", "encoder_network", "encoder_width",
              "encoder_depth", "encoder_pixels", "weights", "weights_beta"),
    "Prior": ("prior", "components", "flow_blocks", "flow_width", "freeze"),
    "Objective": ("objective", "beta", "finish", "samples", "gradient_samples", "warmup", "free_bits"),
    "Optimisation": ("batch", "learning_rate", "schedule", "ramp", "clip", "ema", "jit", "strategy"),
}  # fmt: skip
METAVARS = {"data": "SET|PATH", "label_column": "NAME", "resize": "N|HxW", "crop": "N|HxW|fit", "ground": "COLOUR"}
PRIORS_OWN = {"components": "mixture", "flow_blocks": "flow", "flow_width": "flow"}
HEADING = {name: heading for heading, names in PANELS.items() for name in names}


def train_with(
    context: typer.Context,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="RUN", help="The run's folder.", show_default="runs/DATA, or runs/PRESET"),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the run in --out, exactly where it stopped, by its recorded options; --epochs extends it.",
        ),
    ] = False,
    start: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="Begin with the best weights of this run, of the same network and prior: fine-tuning."
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="|".join([*PRESETS, AUTO]),
            callback=one_of(*PRESETS, AUTO),
            help="Start with the options of a shipped bundle, or with what the data choose (auto); those given beside "
            "it count.",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where the four files of mnist or fashion-mnist lie, or a subfolder of that name with them; else "
            "$VAE_EDGE_DATA, cache, network.",
        ),
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            metavar="none|mirrored|multi-worker",
            callback=one_of("none", "mirrored", "multi-worker"),
            help="Share each batch among all GPUs (mirrored), or among the workers of the cluster in $TF_CONFIG, "
            "with the same command on each and a folder that all see.",
        ),
    ] = "none",
    **options: Any,
) -> None:
    """Learn a variational autoencoder into a run folder, which `vae-edge export` makes a bundle of.

    The likelihood follows the data where it is not given: black-and-white images, grey and colour ones, or a table.
    Needs the extra `train`. Ctrl-C leaves a whole run, with its pictures, to export or to --resume.

    \b
    Examples:
      vae-edge train --data digits --epochs 20 --out runs/small
      vae-edge train
      vae-edge train --preset mnist-tiny --seed 1
      vae-edge train --latent 16 --epochs 40 --out runs/sixteen
      vae-edge train --data digits --network mlp --out runs/digits
      vae-edge train --data fashion-mnist --conditional
      vae-edge train --data digits --weights uncertain --out runs/uncertain
      vae-edge train --data photos/ --preset auto --out runs/photos
      vae-edge train --data wine.csv --label-column kind --conditional --width 64 --out runs/wine
      vae-edge train --out runs/sixteen --resume
      vae-edge train --out runs/sixteen --resume --epochs 60
      vae-edge train --preset mnist-tiny --start runs/mnist-tiny --objective iwae --warmup 0 --out runs/tuned
      vae-edge train --preset mnist-tiny --start runs/mnist-tiny --prior flow --freeze --out runs/with-flow
      vae-edge train --preset mnist-tiny --start runs/mnist-tiny --freeze --components 400 --epochs 12 --out runs/400
    """
    given = {name: value for name, value in options.items() if _is_given(context, name)}
    out = out or Path("runs", (preset if preset in PRESETS else "") or Config(data=options["data"]).data_name or "run")
    if resume and start is not None:
        raise typer.BadParameter("--resume goes on with the run's own weights; leave one out", param_hint="--start")
    config = _config(out, given, resume, preset)
    console = context.obj
    import_tensorflow(greet=console.debug)
    from vae_edge.train.fit import fit
    from vae_edge.train.pictures import draw  # now, so that a missing matplotlib is told before hours of training
    from vae_edge.train.replicas import is_chief
    from vae_edge.train.run import Diverged, Run

    asked = ({"preset": preset} if preset else {}) | given | ({} if strategy == "none" else {"strategy": strategy})
    run = Run(out)
    try:
        fit(
            config,
            out,
            resume=resume,
            command=_command(asked | {"data": config.data_name} if "data" in given else asked),
            data_dir=data_dir,
            start=start,
            strategy=strategy,  # type: ignore[arg-type]  # one_of has checked it
            verbose=1 if sys.stdout.isatty() else 2,
            say=console.say,
            given=set(given) if preset == AUTO else None,
        )
    except KeyboardInterrupt:
        if is_chief(strategy):  # type: ignore[arg-type]
            _stopped(console, run, draw, {} if strategy == "none" else {"strategy": strategy})
        raise
    except Diverged as error:
        if run.load("best") is not None and is_chief(strategy):  # type: ignore[arg-type]
            draw(out)
        places = {"data_dir": data_dir, "start": start, "learning_rate": _lower(config.learning_rate), "clip": 1}
        again = asked if not resume else _differing(config)
        again |= {name: value for name, value in places.items() if value is not None} | {"out": _beside(out)}
        raise RunError(f"{error}; for instance: {_command(again)}") from error
    if not is_chief(strategy):  # type: ignore[arg-type]
        console.say(f"the first worker has written {out}")
        console.result({"run": out, "config": dataclasses.asdict(run.record().config)})
        return
    draw(out)
    learned = run.record().config  # with what was chosen from the data
    name = shlex.quote(str(out))
    console.say(f"wrote {out} and its pictures; make a bundle of it with: vae-edge export {name} --out BUNDLE")
    console.result({"run": out, "config": dataclasses.asdict(learned)})


def _stopped(console: Console, run: Run, draw: Callable[[Path], object], options: dict[str, Any]) -> None:
    """Says how to go on after Ctrl-C, and draws the pictures of what was learned so far."""
    if not run.exists:
        console.say("stopped before the run began; nothing was written")
        return
    console.say(f"stopped; go on with: {_command({'out': run.path, 'resume': True} | options)}")
    if run.load("best") is not None:
        draw(run.path)
        console.say(f"its pictures are in {run.path}")


def _beside(out: Path) -> Path:
    """A folder beside `out` that is not there yet."""
    return next(path for k in itertools.count(2) if not (path := out.with_name(f"{out.name}-{k}")).exists())


def _lower(learning_rate: float) -> float:
    """A quarter of it, or of the default's where it is far above that."""
    return min(learning_rate, Config().learning_rate) / 4


def _differing(config: Config) -> dict[str, Any]:
    """The options in which a configuration differs from the default."""
    default = dataclasses.asdict(Config())
    return {name: value for name, value in dataclasses.asdict(config).items() if value != default[name]}


def _config(out: Path, given: dict[str, Any], resume: bool, preset: str | None) -> Config:
    """The configuration asked for: what was given on top of the preset, or on resuming of what the run recorded."""
    try:
        if not resume:
            config = with_options(PRESETS.get(preset or AUTO, Config()), given)
            for name, prior in PRIORS_OWN.items():
                if name in given and config.prior != prior and (preset != AUTO or "prior" in given):
                    hint = f"--{name.replace('_', '-')}"
                    raise typer.BadParameter(f"a {prior} prior has these; give --prior {prior}", param_hint=hint)
            return config
        from vae_edge.train.resuming import differences
        from vae_edge.train.run import Run

        recorded = Run(out).record().config
        if preset == AUTO:  # it chose what the run has recorded
            return dataclasses.replace(recorded, **given)
        asked = with_options(PRESETS[preset], {"finish": recorded.finish} | given) if preset else recorded
        if found := differences(recorded, asked):
            raise typer.BadParameter(
                f"{out} was begun with another configuration ({'; '.join(found)}; recorded, asked for); "
                "leave --preset out",
                param_hint="--preset",
            )
        return dataclasses.replace(recorded, **given)
    except InputError as error:
        raise typer.BadParameter(str(error)) from error


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _command(options: dict[str, Any]) -> str:
    """The command line with these options. Of a run it has all that the weights depend on."""
    words = ["vae-edge", "train"]
    for name, value in options.items():
        flag = name.replace("_", "-")
        words += [f"--{flag}" if value else f"--no-{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    return shlex.join(words)


def _with_options_of(config: type[Config]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a function of **options an option for each field: its type, default, choices and help."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        hints = typing.get_type_hints(config)
        own = inspect.signature(function, eval_str=True)
        parameters = [parameter for parameter in own.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
        for spec in dataclasses.fields(config):
            kind, settings = hints[spec.name], {"help": spec.metadata["help"]}
            if choices := typing.get_args(kind):
                kind, settings = str, settings | {"metavar": "|".join(choices), "callback": one_of(*choices)}
            if kind is str and "metavar" not in settings:
                settings = settings | {"metavar": METAVARS.get(spec.name, "TEXT")}
            parameters.append(
                inspect.Parameter(
                    spec.name,
                    inspect.Parameter.POSITIONAL_OR_KEYWORD,
                    default=spec.default,
                    annotation=Annotated[kind, typer.Option(**settings)],
                )
            )
        order = [name for names in PANELS.values() for name in names]
        parameters.sort(key=lambda parameter: order.index(parameter.name) if parameter.name in order else -1)
        for parameter in parameters:
            if parameter.name in HEADING:
                typing.get_args(parameter.annotation)[1].rich_help_panel = HEADING[parameter.name]
        vars(function)["__signature__"] = own.replace(parameters=parameters)
        function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return function

    return decorate


train = _with_options_of(Config)(train_with)
