import os
import subprocess
import sys

import pytest

from elanus.errors import InvalidArgumentError
from elanus.kernels import cpu

PRINT_VARIANT = "from elanus.kernels import cpu; print(cpu.active_variant())"


def run_with(name: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ELANUS_CPU": name}
    command = [sys.executable, "-c", PRINT_VARIANT]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_generic_is_always_available_and_slowest() -> None:
    assert cpu.available_variants()[0] == "generic"
    assert cpu.active_variant() in cpu.available_variants()


@pytest.mark.parametrize("name", cpu.available_variants())
def test_environment_forces_a_variant(name: str) -> None:
    assert run_with(name).stdout.strip() == name


def test_empty_environment_takes_the_best() -> None:
    assert run_with("").stdout.strip() == cpu.available_variants()[-1]


def test_unknown_variant_in_environment_is_an_error_that_names_the_others() -> None:
    finished = run_with("pentium")
    assert finished.returncode == 1
    names = ", ".join(cpu.available_variants())
    expected = f"ELANUS_CPU: CPU variant 'pentium' does not exist; available here: {names}"
    assert expected in finished.stderr


def test_variant_of_another_processor_is_refused(variant: str) -> None:
    foreign = "neon" if "neon" not in cpu.available_variants() else "avx2"
    with pytest.raises(InvalidArgumentError, match=f"'{foreign}' cannot run on this machine"):
        cpu.set_active_variant(foreign)
    assert cpu.active_variant() == variant
