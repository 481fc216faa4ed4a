"""Run the checks: all of them, or those named on the command line."""

import argparse
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tools.checks.commands import check_commands, check_entry_points
from tools.checks.distributions import check_distributions
from tools.checks.docstrings import check_docstrings
from tools.checks.layers import check_layers
from tools.checks.pages import check_architecture, check_links
from tools.checks.programs import check_format, check_lint, check_native_format, check_types
from tools.checks.sizes import check_sizes
from tools.checks.snippets import check_snippets

# Slowest first, since two run at a time.
CHECKS: dict[str, Callable[[], list[str]]] = {
    "types": check_types,
    "snippets": check_snippets,
    "lint": check_lint,
    "format": check_format,
    "native-format": check_native_format,
    "layers": check_layers,
    "sizes": check_sizes,
    "links": check_links,
    "architecture": check_architecture,
    "docstrings": check_docstrings,
    "distributions": check_distributions,
    "entry-points": check_entry_points,
    "commands": check_commands,
}
# Most of them wait for a process of their own.
THREADS = 2


def timed(check: Callable[[], list[str]]) -> tuple[list[str], float]:
    """Return what ``check`` finds, and how long it took in seconds."""
    started = time.monotonic()
    try:
        problems = check()
    except Exception:  # noqa: BLE001 - a check that breaks has failed and must not hide the others
        problems = traceback.format_exc().splitlines()
    return problems, time.monotonic() - started


def main() -> int:
    """Print one line per check, problems below it; return 1 if there is any problem."""
    parser = argparse.ArgumentParser(prog="tools.checks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="CHECK", help=", ".join(CHECKS))
    names = parser.parse_args().names or list(CHECKS)
    unknown = sorted(set(names) - set(CHECKS))
    if unknown:
        parser.error(f"no check named {', '.join(unknown)}; there are {', '.join(CHECKS)}")
    failed = []
    with ThreadPoolExecutor(THREADS) as pool:
        running = {name: pool.submit(timed, CHECKS[name]) for name in names}
        for name, future in running.items():
            problems, seconds = future.result()
            print(f"{'FAIL' if problems else 'ok  '}  {name} ({seconds:.1f} s)", flush=True)
            for problem in problems:
                print(f"      {problem}")
            failed += [name] if problems else []
    print(f"check: {', '.join(failed)} failed" if failed else f"check: all {len(names)} passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
