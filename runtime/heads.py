"""The heads, which make an event of p(x|z): one draw, the mean, or the likeliest value.

Nothing heavy is imported here: the command line reads HEADS to print a help text.
"""

from vae_edge.runtime.errors import InputError

__all__ = ["HEADS", "check"]

HEADS = ("sample", "mean", "mode")


def check(name: str) -> str:
    """`name` where it is one of HEADS; raises InputError that lists them."""
    if not isinstance(name, str) or name not in HEADS:
        every = "; for all, decode once: p = vae.decode(z), then p.sample(seed=0), p.mean() and p.mode()"
        hint = every if name == "all" else ""
        raise InputError(f"head should be one of {', '.join(HEADS)}; it is {name!r:.60}{hint}")
    return name
