"""Every example runs as it is, offline, and prints what its docstring promises.

An example's module docstring ends with a line `Prints:` and, indented below it, text that must
appear in a line of the output.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.py"))


def promised_line(text: str) -> str:
    """Return what the docstring of an example promises."""
    lines = (ast.get_docstring(ast.parse(text)) or "").splitlines()
    assert "Prints:" in lines, "the module docstring has no line 'Prints:'"
    return next(line.strip() for line in lines[lines.index("Prints:") + 1 :] if line.strip())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_example_runs_and_prints_what_it_promises(example: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(example)],
        check=False,
        cwd=tmp_path,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert promised_line(example.read_text("utf-8")) in done.stdout
