"""What must this machine have that pip cannot bring? One sentence for whatever is missing.

The checks run before anything is created, so a machine that lacks something is left as it was.
"""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

COMPILERS = ("c++", "g++", "clang++")

# Parsed, not linked: a compiler without C++20 or without its standard library fails here.
_CPP20_PROBE = "#include <bit>\n#include <span>\nconstexpr int bits = std::popcount(7u);\n"


@dataclass(frozen=True, slots=True)
class Machine:
    """What the checks ask of the machine; the tests hand in other answers."""

    environ: Mapping[str, str]
    which: Callable[[str], str | None]
    compiles_cpp20: Callable[[list[str]], bool]
    include_dir: Path
    has_module: Callable[[str], bool]


def this_machine() -> Machine:
    """Return the machine that this process runs on."""
    return Machine(
        environ=os.environ,
        which=shutil.which,
        compiles_cpp20=compiles_cpp20,
        include_dir=Path(sysconfig.get_paths()["include"]),
        has_module=lambda name: importlib.util.find_spec(name) is not None,
    )


def compiles_cpp20(compiler: list[str]) -> bool:
    """Return whether ``compiler`` accepts a C++20 translation unit."""
    command = [*compiler, "-std=c++20", "-fsyntax-only", "-x", "c++", "-"]
    try:
        done = subprocess.run(
            command, check=False, input=_CPP20_PROBE, text=True, capture_output=True
        )
    except OSError:
        return False
    return done.returncode == 0


def find_compiler(machine: Machine) -> list[str] | None:
    """Return the C++ compiler's command: ``CXX`` if set, else the first known name on PATH."""
    wanted = shlex.split(machine.environ.get("CXX", ""))
    if wanted:
        return wanted if machine.which(wanted[0]) else None
    for name in COMPILERS:
        if machine.which(name):
            return [name]
    return None


def host_pip(machine: Machine, python: str) -> list[str] | None:
    """Return a pip outside the new environment that can install into it, or None."""
    if machine.has_module("pip"):
        return [python, "-m", "pip"]
    for name in ("pip3", "pip"):
        if machine.which(name):
            return [name]
    return None


def missing(machine: Machine, python: str) -> str | None:
    """Return one sentence about the first thing that is missing, or None when all is there."""
    compiler = find_compiler(machine)
    if compiler is None:
        asked = machine.environ.get("CXX", "")
        which = f"CXX names {asked}, which is not on PATH" if asked else "none is on PATH"
        return (
            f"elanus needs a C++20 compiler to build its extension, but {which}: "
            "install one (on Debian: apt install g++)."
        )
    if not machine.compiles_cpp20(compiler):
        return (
            f"elanus needs a C++20 compiler, but {shlex.join(compiler)} does not compile C++20: "
            "install g++ 11 or newer (on Debian: apt install g++) or name one with CXX."
        )
    if not (machine.include_dir / "Python.h").is_file():
        return (
            f"elanus needs the C headers of {python}, but {machine.include_dir / 'Python.h'} "
            "does not exist: install them (on Debian: apt install python3-dev)."
        )
    if not machine.has_module("ensurepip") and host_pip(machine, python) is None:
        return (
            f"elanus needs pip, but {python} has neither pip nor ensurepip: "
            "install it (on Debian: apt install python3-pip)."
        )
    return None
