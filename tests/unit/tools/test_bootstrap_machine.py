from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tools.bootstrap.machine import Machine, compiles_cpp20, find_compiler, host_pip, missing

PYTHON = "/usr/bin/python3.11"


def finds(*names: str) -> Callable[[str], str | None]:
    return lambda name: f"/usr/bin/{name}" if name in names else None


@pytest.fixture
def complete(tmp_path: Path) -> Machine:
    """A machine on which nothing is missing."""
    (tmp_path / "Python.h").touch()
    return Machine(
        environ={},
        which=finds("g++", "pip3"),
        compiles_cpp20=lambda compiler: True,
        include_dir=tmp_path,
        has_module=lambda name: name in ("ensurepip", "pip"),
    )


def test_a_complete_machine_lacks_nothing(complete: Machine) -> None:
    assert missing(complete, PYTHON) is None


def test_a_missing_compiler_is_named_with_the_way_to_get_one(complete: Machine) -> None:
    assert missing(replace(complete, which=finds("pip3")), PYTHON) == (
        "elanus needs a C++20 compiler to build its extension, but none is on PATH: "
        "install one (on Debian: apt install g++)."
    )


def test_a_compiler_named_by_cxx_that_does_not_exist_is_not_replaced(complete: Machine) -> None:
    machine = replace(complete, environ={"CXX": "clang++-19 -stdlib=libc++"})
    assert missing(machine, PYTHON) == (
        "elanus needs a C++20 compiler to build its extension, but CXX names "
        "clang++-19 -stdlib=libc++, which is not on PATH: "
        "install one (on Debian: apt install g++)."
    )


def test_a_compiler_without_cpp20_is_named(complete: Machine) -> None:
    assert missing(replace(complete, compiles_cpp20=lambda compiler: False), PYTHON) == (
        "elanus needs a C++20 compiler, but g++ does not compile C++20: "
        "install g++ 11 or newer (on Debian: apt install g++) or name one with CXX."
    )


def test_missing_headers_are_named_with_the_file_looked_for(
    complete: Machine, tmp_path: Path
) -> None:
    (tmp_path / "Python.h").unlink()
    assert missing(complete, PYTHON) == (
        f"elanus needs the C headers of {PYTHON}, but {tmp_path}/Python.h does not exist: "
        "install them (on Debian: apt install python3-dev)."
    )


def test_neither_pip_nor_ensurepip_is_named(complete: Machine) -> None:
    machine = replace(complete, which=finds("g++"), has_module=lambda name: False)
    assert missing(machine, PYTHON) == (
        f"elanus needs pip, but {PYTHON} has neither pip nor ensurepip: "
        "install it (on Debian: apt install python3-pip)."
    )


def test_a_pip_on_path_makes_up_for_ensurepip(complete: Machine) -> None:
    machine = replace(complete, has_module=lambda name: False)
    assert missing(machine, PYTHON) is None
    assert host_pip(machine, PYTHON) == ["pip3"]


def test_the_pip_of_the_python_itself_comes_first(complete: Machine) -> None:
    assert host_pip(complete, PYTHON) == [PYTHON, "-m", "pip"]


def test_cxx_comes_before_the_names_on_path_and_keeps_its_arguments(complete: Machine) -> None:
    machine = replace(complete, environ={"CXX": "ccache g++"}, which=finds("ccache", "c++"))
    assert find_compiler(machine) == ["ccache", "g++"]


@pytest.mark.parametrize("body", ["exit 1", "exit 127"])
def test_a_compiler_that_fails_does_not_compile_cpp20(tmp_path: Path, body: str) -> None:
    fake = tmp_path / "c++"
    fake.write_text(f"#!/bin/sh\n{body}\n")
    fake.chmod(0o755)
    assert not compiles_cpp20([str(fake)])
