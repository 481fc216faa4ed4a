"""Do the formatters, the linter and the type checker agree with the tree?"""

import subprocess

from tools.checks.sources import ROOT, native_sources, tool, typed_folders


def _lines_of(command: list[str]) -> list[str]:
    """Return what ``command`` reports, or nothing when it is content."""
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0:
        return []
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if line.strip()] or [f"{command[0]} failed without a word"]


def check_format() -> list[str]:
    """Return the Python files that `make format` would change."""
    return _lines_of(
        [tool("ruff"), "format", "--check", "--quiet", "--output-format", "concise", "."]
    )


def check_lint() -> list[str]:
    """Return what `ruff check` finds."""
    return _lines_of([tool("ruff"), "check", "--quiet", "--output-format", "concise", "."])


def check_types() -> list[str]:
    """Return what `mypy --strict` finds in everything but the tests."""
    found = _lines_of([tool("mypy"), "--strict", "--no-error-summary", *typed_folders()])
    return [line for line in found if ": note: " not in line]


def check_native_format() -> list[str]:
    """Return the C++ lines that `make format` would change."""
    sources = [str(file) for file in native_sources()]
    if not sources:
        return []
    found = _lines_of([tool("clang-format"), "--dry-run", "-Werror", *sources])
    return [line for line in found if "error:" in line]
