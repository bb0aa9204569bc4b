"""What a user should know of pictures that were read: counted while reading, told in one line a kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vae_edge.pictures.treatment import FIT, Treatment
from vae_edge.runtime.errors import DataError

__all__ = ["Notices", "Say"]

Say = Callable[[str], None]

DIM = 16384  # 16-bit pictures that stay below it hold 14 bits or fewer, or nothing that can be seen


@dataclass
class Notices:
    """Counts what is noticed while pictures are read. `highest` is the highest number in all 16-bit pictures."""

    pictures: int = 0
    highest: int = 0
    _found: dict[str, tuple[str, int]] = field(default_factory=dict)  # kind -> the first picture, and how many
    _lines: list[str] = field(default_factory=list)

    def note(self, kind: str, name: object) -> None:
        """One more picture, `name`, of a `kind`: it is 'transparent', holds 'frames', or is 'stretched'."""
        first, count = self._found.get(kind, (str(name), 0))
        self._found[kind] = first, count + 1

    def add(self, line: str) -> None:
        """A line of its own, on an array file; it is told once."""
        if line not in self._lines:
            self._lines.append(line)

    def check(self, name: object, treatment: Treatment) -> None:
        """Raises DataError where 16-bit pictures would all come out black, as 12 bits in a file of 16 do.

        `name` is what the message calls them, and `treatment` what would be done to them.
        """
        if 0 < self.highest < DIM and not treatment.white:
            bits = max(8, self.highest.bit_length())
            bits += bits % 2  # cameras and scanners have 10, 12 or 14
            raise DataError(
                f"{name}: the highest number in its 16-bit pictures is {self.highest:,} of 65,535, nearly black: say "
                f"which number is white, by --white {2**bits - 1:.0f} (or --white 65535, if they are that dark)"
            )

    def tell(self, say: Say, treatment: Treatment) -> None:
        """Gives `say` a line for each kind of thing that was noticed, with what to do about it, after `treatment`."""
        size = "x".join(map(str, treatment.resize or ()))
        texts = {  # kind -> what one picture is said to have or be, what many are, and the remedy
            "transparent": ("has", "have", f"transparent parts, laid on {treatment.ground}",
                            "--ground white|black|#RRGGBB chooses it"),
            "frames": ("has", "have", "several frames, of which the first is read",
                       "save the others as pictures of their own"),
            "stretched": ("is", "are", f"stretched to {size} pixels", f"--crop {FIT} cuts the margins instead"),
        }  # fmt: skip
        for kind, (one, many, text, remedy) in texts.items():
            if kind in self._found:
                first, count = self._found[kind]
                if self.pictures == 1:
                    say(f"{first} {one} {text}: {remedy}")
                else:
                    say(f"{count:,} of {self.pictures:,} pictures {many} {text} (first {first}): {remedy}")
        for line in self._lines:
            say(line)
