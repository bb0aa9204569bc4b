"""Images from files, and pictures of images: NumPy, and Pillow where a picture is decoded.

from vae_edge import pictures
x = pictures.read("scans/", size=28, crop="fit", grey=True, invert=True)     # (n, 28, 28, 1) uint8
pictures.save("pairs.png", pictures.grid(vae.reconstruct(x)))
pictures.show({"x": x, "back": vae.reconstruct(x)})                          # in a notebook
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vae_edge.pictures.notices import Notices
    from vae_edge.pictures.reading import read
    from vae_edge.pictures.sheet import grid, save
    from vae_edge.pictures.showing import Picture, show
    from vae_edge.pictures.treatment import Treatment

__all__ = ["Notices", "Picture", "Treatment", "grid", "read", "save", "show"]

_HOMES = {
    "Notices": "notices",
    "Picture": "showing",
    "Treatment": "treatment",
    "grid": "sheet",
    "read": "reading",
    "save": "sheet",
    "show": "showing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
