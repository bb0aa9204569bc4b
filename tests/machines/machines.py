"""The processors that qemu stands in for here: what Debian and qemu call each, and where its NumPy comes from."""

from __future__ import annotations

import dataclasses

__all__ = ["MACHINES", "Machine"]


@dataclasses.dataclass(frozen=True)
class Machine:
    """One processor.

    `debian` is Debian's name of it, `qemu` qemu's, `triplet` the folder of its libraries. `release` is the Debian that
    has it, `python` that release's. `wheels` are the platforms whose wheels fit; without them NumPy is Debian's, and
    there is no ONNX Runtime: noise alone can be tried.
    """

    name: str
    debian: str
    qemu: str
    triplet: str
    what: str
    wheels: tuple[str, ...] = ()
    release: str = "bookworm"
    python: str = "3.11"


MACHINES = {
    machine.name: machine
    for machine in (
        Machine(
            "aarch64", "arm64", "aarch64", "aarch64-linux-gnu", "64 bits, little-endian, NEON",
            ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64"),
        ),
        Machine("armhf", "armhf", "arm", "arm-linux-gnueabihf", "32 bits, little-endian"),
        Machine("i386", "i386", "i386", "i386-linux-gnu", "32 bits, little-endian, x87"),
        Machine(
            "riscv64", "riscv64", "riscv64", "riscv64-linux-gnu", "64 bits, little-endian",
            release="trixie", python="3.13",  # the first Debian that has it
        ),
        Machine("s390x", "s390x", "s390x", "s390x-linux-gnu", "64 bits, big-endian"),
    )
}  # fmt: skip
