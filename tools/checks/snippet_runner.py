"""Run the code blocks of one page, given as JSON on standard input; see `snippets.py`.

A process of its own, so that a page can neither see the check's modules nor leave anything in
them. Line numbers in tracebacks are those of the page.
"""

import contextlib
import doctest
import io
import json
import sys
from typing import Any


def run(task: dict[str, Any]) -> str | None:
    """Run the blocks of ``task`` in order; return how the output differs, or None."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    checker = doctest.OutputChecker()
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for snippet in task["snippets"]:
        # Blank lines in front make the code's line numbers those of the page.
        code = "\n" * (snippet["line"] - 1) + snippet["code"]
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, task["page"], "exec"), namespace)
        expected, got = snippet["expected"], printed.getvalue()
        if expected is not None and not checker.check_output(expected, got, flags):
            return f"line {snippet['line']} prints\n{got}where the page shows\n{expected}"
    return None


def main() -> int:
    """Run the page; an exception in it ends this process with its traceback."""
    difference = run(json.load(sys.stdin))
    if difference is not None:
        sys.stderr.write(difference)
    return 0 if difference is None else 1


if __name__ == "__main__":
    sys.exit(main())
