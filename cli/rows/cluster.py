"""`--ray`: a verb as a job of a Ray cluster, whose rows are Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vae_edge.cli.nouns import counted

if TYPE_CHECKING:
    from vae_edge.cli.output import Console
    from vae_edge.cluster.running import Outcome
    from vae_edge.pictures.treatment import Treatment
    from vae_edge.runtime import VAE

__all__ = ["Ray", "check", "given_of", "run_job", "tell"]

Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS|local",
        help="Run on this Ray cluster, or on one of this machine alone; --out FOLDER/, which all nodes see, or a URI.",
    ),
]
# What a job takes beside its verb's own options.
_ALWAYS = {"ray", "out", "bundle", "resume", "label", "labels", "condition", "json", "debug"}
_READING = ("images", "column", "label_column", "resize", "crop", "grey", "invert", "ground", "white")  # of events


def check(context: typer.Context, *allowed: str) -> str:
    """The place to write to; raises BadParameter where an option is given that a cluster's job does not take."""
    given = [
        name
        for name in context.params
        if (source := context.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    ]
    if other := [name for name in given if name not in _ALWAYS | set(allowed)]:
        raise typer.BadParameter(
            "is not for jobs of a cluster: leave it out", param_hint=f"--{other[0]}".replace("_", "-")
        )
    places = context.params["out"]
    out: str | None = places[0] if isinstance(places, list) and len(places) == 1 else places
    if not isinstance(out, str) or not out or out == "-":
        raise typer.BadParameter("give a folder, or a URI such as s3://bucket/folder", param_hint="--out")
    return out


def run_job(
    ray: str, context: typer.Context, verb: str, treatment: Treatment, how: dict[str, Any] | None = None
) -> None:
    """Runs a verb that reads events, of these options: `how` are those that `vae_edge.cluster` has for it alone.

    Raises BadParameter for what a job does not take.
    """
    from vae_edge import cluster
    from vae_edge.cli.options import load

    how = how or {}
    out, options = check(context, *_READING, *how), context.params
    if len(options["images"] or ()) != 1:
        raise typer.BadParameter("give one file or folder, which all nodes see", param_hint="IMAGES")
    vae = load(options["bundle"], "auto", [], 1)
    given = given_of(vae, options["label"], options["labels"], options["condition"])
    columns = {name: options[name] for name in ("column", "label_column")}
    done = getattr(cluster, verb)(
        vae.bundle, options["images"][0], out=out, treatment=treatment, resume=options["resume"], address=ray,
        **columns, **how, **given,
    )  # fmt: skip
    tell(context.obj, vae, verb, done)


def given_of(vae: VAE, label: str | None, labels: str | None, condition: str | None) -> dict[str, Any]:
    """Labels or vectors of the options, as `vae_edge.cluster` takes them; {} where they give none."""
    from vae_edge.cli.reading.conditions import resolve

    if label is labels is condition is None and vae.manifest.condition is not None:
        return {}
    given = resolve(vae, label, labels, condition)
    return {given.keyword: given.rows} if given.keyword else {}


def tell(console: Console, vae: VAE, verb: str, done: Outcome) -> None:
    """Says what a job has done."""
    written = counted(done.rows, vae.event_shape)
    made = "" if done.made == done.rows else f", {done.made:,} of them now"
    console.say(f"wrote {done.out}: {written}{made}, in {done.files:,} files, {done.seconds:.1f} s")
    console.result(
        {
            "out": done.out,
            "verb": verb,
            "n": done.rows,
            "written": done.made,
            "files": done.files,
            "bundle": vae.manifest.name,
            "seconds": round(done.seconds, 4),
        }
    )
