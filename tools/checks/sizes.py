"""Is every file and every function short enough to be read at once?

A longer one is listed in `sizes.toml` with its reason.
"""

import ast
import re
import tomllib
from pathlib import Path

from tools.checks.sources import NATIVE_SUFFIXES, files_with, name_of

MOST_FILE_LINES = 500
MOST_FUNCTION_LINES = 50

# What may hold braces or semicolons without meaning them: comments, literals, directives.
_CPP_NOISE = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|^[ \t]*#(?:\\\n|[^\n])*",
    re.DOTALL | re.MULTILINE,
)
_CPP_NAME = re.compile(r"([\w:~]+|operator\S+)\s*\(")
_CPP_SCOPE = re.compile(
    r"^\s*(?:template\s*<.*>\s*)?(?:namespace|struct|class|union|enum|extern)\b", re.DOTALL
)


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


def native_function_lengths(text: str) -> dict[str, int]:
    """Return the number of lines of each C++ function, from its name to its closing brace.

    A function is a brace block behind a parameter list that no other function is around. That is
    enough for code as clang-format leaves it; no compiler is asked.
    """
    lengths: dict[str, int] = {}
    code = _CPP_NOISE.sub(lambda match: "\n" * match[0].count("\n"), text)
    open_blocks: list[tuple[str, int]] = []
    head_start = 0
    for match in re.finditer(r"[{};]", code):
        head = code[head_start : match.start()]
        head_start = match.end()
        if match[0] == "{":
            inside = any(name for name, _ in open_blocks)
            named = None if inside or _CPP_SCOPE.match(head) else _CPP_NAME.search(head)
            start = match.start() - len(head) + (named.start() if named else 0)
            open_blocks.append((named[1] if named else "", code.count("\n", 0, start)))
        elif match[0] == "}" and open_blocks:
            name, first = open_blocks.pop()
            if name:
                lines = code.count("\n", 0, match.start()) - first + 1
                lengths[name] = max(lines, lengths.get(name, 0))
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
        if not file.name.startswith("test_"):
            measure = function_lengths if file.suffix == ".py" else native_function_lengths
            found = measure(text).items()
            functions |= {f"{name}::{function}": lines for function, lines in found}
    problems = compare("file", files, MOST_FILE_LINES, listed["files"])
    return problems + compare("function", functions, MOST_FUNCTION_LINES, listed["functions"])
