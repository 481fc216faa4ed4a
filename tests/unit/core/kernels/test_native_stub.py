import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import elanus.kernels

STUB = Path(elanus.kernels.__file__).parents[1] / "_native.pyi"
WRITTEN_WITH = "3.1."  # nanobind; another version may spell the same types differently


def test_stub_is_what_the_module_says(tmp_path: Path) -> None:
    nanobind = pytest.importorskip("nanobind")
    if not nanobind.__version__.startswith(WRITTEN_WITH):
        pytest.skip(f"nanobind {version('nanobind')} is not {WRITTEN_WITH}x")
    fresh = tmp_path / "_native.pyi"
    command = ["-m", "nanobind.stubgen", "-q", "-m", "elanus._native", "-o", str(fresh)]
    subprocess.run([sys.executable, *command], check=True)
    assert STUB.read_text() == fresh.read_text()
