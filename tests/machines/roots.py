"""A root of Debian for another processor: files alone, without a chroot, run by qemu in user mode.

Needs Debian's packages debootstrap and qemu-user-static, and the wheels from the package index that pip uses.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.machines.machines import MACHINES, Machine

__all__ = ["REPOSITORY", "ROOTS", "build", "environment", "interpreter", "missing"]

REPOSITORY = Path(__file__).resolve().parents[2]
ROOTS = Path(os.environ.get("VAE_EDGE_MACHINES", REPOSITORY / "out" / "machines"))
WHEELS = ("numpy", "onnxruntime", "onnx", "scipy", "hypothesis", "pytest", "pytest-timeout")

# ONNX Runtime reads the processor's features here, and dies on import where they are missing.
CPUINFO = """processor	: 0
BogoMIPS	: 50.00
Features	: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm
CPU implementer	: 0x41
CPU architecture: 8
CPU variant	: 0x3
CPU part	: 0xd0c
CPU revision	: 1
"""
# A test that starts Python again starts the script of `interpreter`: the kernel cannot run the binary itself.
SITE = """import os, sys
sys.executable = os.environ.get("MACHINE_PYTHON", sys.executable)
"""


def missing(machine: Machine) -> str | None:
    """Why this machine cannot be tried here, or None."""
    if shutil.which(f"qemu-{machine.qemu}-static") is None:
        return "qemu is not here: apt-get install qemu-user-static"
    if not (ROOTS / machine.name / "done").exists():
        return f"its root is not here: make machines MACHINES={machine.name}"
    return None


def build(machine: Machine) -> None:
    """Makes the root under `ROOTS`, some 230 MB, from a download of 60 to 110 MB. One that is there is kept."""
    target = ROOTS / machine.name
    if (target / "done").exists():
        return
    for tool in ("debootstrap", f"qemu-{machine.qemu}-static"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is not here: apt-get install debootstrap qemu-user-static")
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    root = target / "root"
    python = "python3" if machine.wheels else "python3-numpy"
    _quiet("debootstrap", "--foreign", f"--arch={machine.debian}", "--variant=minbase", f"--include={python}",
           machine.release, str(root), *_mirror())  # fmt: skip
    for package in sorted((root / "var/cache/apt/archives").glob("*.deb")):
        _quiet("dpkg", "-x", str(package), str(root))
    site = root / "opt/site"
    site.mkdir(parents=True)
    (site / "sitecustomize.py").write_text(SITE)
    if machine.wheels:
        (root / "proc/cpuinfo").write_text(CPUINFO)
        _install(machine, site)
    script = target / "python"
    script.write_text(_script(machine, target))
    script.chmod(0o755)
    (target / "done").touch()


def interpreter(machine: Machine) -> str:
    """The script that runs this machine's Python: called as Python is."""
    return str(ROOTS / machine.name / "python")


def environment() -> dict[str, str]:
    """The environment in which that Python finds this checkout."""
    return os.environ | {"PYTHONPATH": str(REPOSITORY / "typings"), "PYTHONDONTWRITEBYTECODE": "1"}


def _script(machine: Machine, target: Path) -> str:
    root, libraries = target / "root", target / "root/usr/lib" / machine.triplet
    return f"""#!/bin/sh
export MACHINE_PYTHON={target}/python
export PYTHONPATH="${{PYTHONPATH:+$PYTHONPATH:}}{root}/opt/site"
exec qemu-{machine.qemu}-static -E LD_LIBRARY_PATH={libraries}/blas:{libraries}/lapack -L {root} \\
    {root}/usr/bin/python{machine.python} "$@"
"""


def _install(machine: Machine, site: Path) -> None:
    """Wheels of another processor are unpacked: pip itself installs only what fits its own."""
    with tempfile.TemporaryDirectory() as folder:
        fit = [word for platform in machine.wheels for word in ("--platform", platform)]
        _quiet(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:",
               "--python-version", machine.python, "--constraint", str(REPOSITORY / "constraints.txt"),
               "--dest", folder, *fit, *WHEELS)  # fmt: skip
        for wheel in Path(folder).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(site)


def _mirror() -> list[str]:
    """The mirror of Debian's main archive that this machine itself installs from; without one, debootstrap's own."""
    if shutil.which("apt-get") is None:
        return []
    format_ = "$(CODENAME) $(COMPONENT) $(REPO_URI)"
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", format_, "Created-By: Packages"],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    words = [line.split() for line in listed.splitlines()]
    names = {machine.release for machine in MACHINES.values()}
    return [line[2] for line in words if len(line) == 3 and line[0] in names and line[1] == "main"][:1]


def _quiet(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
