import shutil
import subprocess
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "core"


@pytest.mark.slow
@pytest.mark.parametrize("sanitizers", ["address,undefined", "thread"])
def test_kernels_run_clean_under_sanitizers(tmp_path: Path, sanitizers: str) -> None:
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.skip("cmake is not installed")
    options = ["-DELANUS_NATIVE_TESTS=ON", f"-DELANUS_SANITIZE={sanitizers}", "-DELANUS_WERROR=ON"]
    for command in (
        [cmake, "-S", str(CORE), "-B", str(tmp_path), *options],
        [cmake, "--build", str(tmp_path), "--parallel", "2"],
    ):
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stdout + built.stderr
    program = str(tmp_path / "elanus_native_tests")
    finished = subprocess.run([program], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stdout.endswith("\n0 failures\n")
