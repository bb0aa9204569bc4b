"""Which statement a user should add where nothing can be inferred, with the model's own names."""

from __future__ import annotations

from vae_edge.export.sources.members import Members

__all__ = ["nothing_said"]

_MEAN = ("mean", "mu", "loc")
_SPREAD = {
    "log_var": ("log_var", "logvar", "log_sigma2", "log_variance"),
    "log_scale": ("log_scale", "log_std", "logstd", "log_sigma", "log_stddev"),
    "scale": ("scale", "std", "stddev", "sigma"),
}


def nothing_said(role: str, members: Members) -> str:
    """Why the `role` is unknown, and the statements that would define it."""
    given = members.described()
    if role == "posterior":
        options = _posterior(members)
        return (
            f"the encoder gives tensors ({given}), which could be a mean and a scale, a log-scale or a log-variance: "
            f"say which, as posterior={options}"
        )
    value = _name(members, 0)
    return (
        f"the decoder gives tensors ({given}), which could be logits, probabilities or means: say which, as "
        f"likelihood=Bernoulli(logits={value}), Bernoulli(probs={value}) where it ends in a sigmoid, or "
        f"Normal(loc={value}, scale=0.1)"
    )


def _posterior(members: Members) -> str:
    keys = {key: name for name, key in members.names.items()}
    names = [keys.get(key, key) for key in members.tensors]
    loc = next((name for name in names if any(part in name.lower() for part in _MEAN)), None)
    for spelling, parts in _SPREAD.items():
        for name in names:
            if loc is not None and name != loc and any(part in name.lower() for part in parts):
                return f"Normal(loc={loc!r}, {spelling}={name!r})"
    first, second = (_name(members, place) for place in (0, 1))
    return f"Normal(loc={first}, log_var={second}), Normal(loc={first}, scale={second}) or Deterministic(loc={first})"


def _name(members: Members, place: int) -> str:
    keys = list(members.tensors)
    if members.is_dict and len(keys) > place:
        return repr(keys[place])
    return str(place)
