"""Do the declared commands and plug-ins exist, and does a page mention every command?"""

import importlib
import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache

from tools.bootstrap.inputs import Distribution, find_distributions
from tools.checks.sources import ROOT, files_with, name_of, tool

# "usage: elanus [-h] {check,repair} ..." as argparse prints it; an option's choices stand inside
# its brackets.
_ARGPARSE = re.compile(r"(?<=[\])] )\{([a-z][\w,-]*)\}")
# A row of typer's table of commands, below its heading.
_TYPER_ROW = re.compile(r"^[│|]\s+([a-z][\w-]*)\s{2,}\S")


def declared(distribution: Distribution) -> Iterator[tuple[str, str]]:
    """Yield what each entry point is called and the `module:attribute` that it names."""
    project = distribution.project
    yield from project.get("scripts", {}).items()
    for group, entries in project.get("entry-points", {}).items():
        for name, target in entries.items():
            yield f"{group}: {name}", target


def missing_target(target: str) -> str | None:
    """Return why `module:attribute` cannot be loaded, or None."""
    module, _, attribute = target.partition(":")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        return f"{target}: {error}"
    return None if hasattr(found, attribute) else f"{target}: {module} has no {attribute}"


def check_entry_points() -> list[str]:
    """Return the declared commands and plug-ins that cannot be loaded."""
    problems = []
    for distribution in find_distributions(ROOT):
        file = name_of(distribution.folder / "pyproject.toml")
        for name, target in declared(distribution):
            problem = missing_target(target)
            if problem:
                problems.append(f"{file}: {name} = {problem}")
    return problems


def subcommands(help_text: str) -> list[str]:
    """Return the subcommands that a program's help lists; none for a program without any."""
    found: list[str] = []
    usage = help_text.split("\n\n")[0]
    for match in _ARGPARSE.finditer(usage):
        found += match[1].split(",")
    below = False
    for line in help_text.splitlines():
        below = "Commands" in line if line.startswith("╭") else below
        match_row = _TYPER_ROW.match(line)
        if below and match_row:
            found.append(match_row[1])
    return found


@cache
def documentation() -> str:
    """Return the text of every Markdown page."""
    return "\n".join(file.read_text("utf-8") for file in files_with([".md"]))


def undocumented_commands(script: str, help_text: str, pages: str) -> list[str]:
    """Return those of a program's commands, written as one types them, that no page contains."""
    names = [f"{script} {name}" for name in subcommands(help_text)] or [script]
    return [name for name in names if not re.search(rf"\b{re.escape(name)}\b", pages)]


def help_of(script: str) -> str | None:
    """Return what a program prints for `--help`, or None when it does not start."""
    try:
        done = subprocess.run(
            [tool(script), "--help"],
            check=False,
            env=os.environ | {"NO_COLOR": "1", "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def check_commands() -> list[str]:
    """Return the commands without help, and those that no page mentions."""
    problems = []
    for distribution in find_distributions(ROOT):
        for script in distribution.project.get("scripts", {}):
            help_text = help_of(script)
            if help_text is None:
                problems.append(f"`{script} --help` does not run")
                continue
            names = undocumented_commands(script, help_text, documentation())
            problems += [f"no page mentions the command `{name}`" for name in names]
    return problems
