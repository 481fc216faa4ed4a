"""Is every file and every function short enough to be read at once?

A longer one is listed in `sizes.toml` with its reason.
"""

import ast
import tomllib
from pathlib import Path

from tools.checks.sources import NATIVE_SUFFIXES, files_with, name_of

MOST_FILE_LINES = 500
MOST_FUNCTION_LINES = 50


def function_lengths(text: str) -> dict[str, int]:
    """Return the number of lines of each function, methods as `Class.method`."""
    lengths = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = prefix + child.name
                if not isinstance(child, ast.ClassDef):
                    lengths[name] = (child.end_lineno or child.lineno) - child.lineno + 1
                visit(child, name + ".")
            else:
                visit(child, prefix)

    visit(ast.parse(text), "")
    return lengths


def compare(kind: str, lengths: dict[str, int], most: int, listed: dict[str, str]) -> list[str]:
    """Return what is too long without being listed, and what is listed without being too long."""
    too_long = {name: lines for name, lines in lengths.items() if lines > most}
    problems = [
        f"{name}: {lines} lines, a {kind} may have {most}"
        for name, lines in sorted(too_long.items())
        if name not in listed
    ]
    stale = sorted(set(listed) - set(too_long))
    return problems + [f"sizes.toml lists {name}, which is not over {most} lines" for name in stale]


def check_sizes() -> list[str]:
    """Return every file and function over its limit. Test functions may be as long as they like."""
    listed = tomllib.loads((Path(__file__).parent / "sizes.toml").read_text("utf-8"))
    files: dict[str, int] = {}
    functions: dict[str, int] = {}
    for file in files_with([".py", *NATIVE_SUFFIXES]):
        text, name = file.read_text("utf-8"), name_of(file)
        files[name] = len(text.splitlines())
        if file.suffix == ".py" and not file.name.startswith("test_"):
            found = function_lengths(text)
            functions |= {f"{name}::{function}": lines for function, lines in found.items()}
    problems = compare("file", files, MOST_FILE_LINES, listed["files"])
    return problems + compare("function", functions, MOST_FUNCTION_LINES, listed["functions"])
