"""Options that several verbs share, and how they become a VAE."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vae_edge.runtime.heads import HEADS

if TYPE_CHECKING:
    from vae_edge.runtime import VAE

__all__ = [
    "HEADS",
    "MAX_MEMBERS",
    "MAX_SEED",
    "Bundle",
    "Columns",
    "Device",
    "DeviceOptions",
    "Head",
    "Member",
    "Members",
    "Scale",
    "Seed",
    "Temperature",
    "Threads",
    "heads",
    "keyed",
    "load",
    "one_of",
]

MAX_SEED = 2**64 - 1
MAX_MEMBERS = 4096  # of one call: each takes a session


def one_of(*choices: str) -> Callable[[str | None], str | None]:
    """A callback that lets only `choices` by, with a message that lists them."""

    def check(value: str | None) -> str | None:
        if value is not None and value not in choices:
            raise typer.BadParameter(f"expected one of {', '.join(choices)}, got {value!r}")
        return value

    return check


Bundle = Annotated[
    str,
    typer.Option(
        "--bundle",
        "-b",
        metavar="NAME|FOLDER",
        help="A bundle's folder, or the name of one that is built in.",
    ),
]
Head = Annotated[
    str,
    typer.Option(
        metavar="sample|mean|mode|all",
        callback=one_of(*HEADS, "all"),
        help="What to make of the decoder's p(x|z): one draw, its mean, its mode, or all three.",
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        min=0,
        max=MAX_SEED,
        metavar="S",
        help="The same seed gives the same noise, whatever the batch or machine.",
    ),
]
Member = Annotated[
    int | None,
    typer.Option(
        min=0, max=2**63 - 1, metavar="K", help="Decode by member K, of uncertain weights.", show_default="their means"
    ),
]
Members = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MAX_MEMBERS,
        metavar="M",
        help="Of uncertain weights: image I is decoded by member I mod M.",
        show_default="the weights' means",
    ),
]
Temperature = Annotated[
    float,
    typer.Option(
        "--temperature",
        min=0.01,
        max=10,
        metavar="T",
        help="Multiplies the standard deviations of the prior: 0.9 gives more typical, less varied images.",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--provider",
        metavar="auto|cpu|cuda|...",
        help="ONNX Runtime's execution provider. auto: the best that works; a name: that one, or an error.",
    ),
]
DeviceOptions = Annotated[
    list[str],
    typer.Option("--provider-option", metavar="KEY=VALUE", help="Passed on to the provider; may be given again."),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, max=1024, metavar="T", help="Threads; as many as this process has CPUs where it is left out."),
]
Columns = Annotated[
    int | None, typer.Option(min=1, metavar="C", help="Columns of a sheet.", show_default="near square")
]
Scale = Annotated[
    int | None,
    typer.Option(min=1, max=64, metavar="X", help="Screen pixels a pixel of a sheet.", show_default="by its size"),
]


def heads(head: str) -> tuple[str, ...]:
    """The heads that `--head` names."""
    return HEADS if head == "all" else (head,)


def keyed(provider_options: list[str] | None) -> dict[str, str]:
    """What each `--provider-option` KEY=VALUE sets; raises BadParameter."""
    pairs = dict[str, str]()
    for option in provider_options or ():
        key, equals, value = option.partition("=")
        if not (key and equals):
            raise typer.BadParameter(f"expected KEY=VALUE, got {option!r}", param_hint="--provider-option")
        pairs[key] = value
    return pairs


def load(bundle: str, provider: str, provider_options: list[str] | None, threads: int | None) -> VAE:
    """The VAE of a bundle on a provider; raises what `VAE.load` raises, or BadParameter."""
    options = keyed(provider_options)
    from vae_edge.runtime import VAE
    from vae_edge.runtime.bundle import MANIFEST, built_in

    if bundle in built_in() and Path(bundle, MANIFEST).exists():
        typer.echo(f"{bundle} is the bundle that is built in; the folder of that name is ./{bundle}", err=True)
    return VAE.load(bundle, provider=provider, provider_options=options, threads=threads)
