import pytest

from tools.checks.commands import missing_target, subcommands, undocumented_commands

ARGPARSE = """\
usage: elanus [-h] [--mode {fast,slow}] {check,import-data} ...

A database.

positional arguments:
  {check,import-data}
"""
TYPER = """\
 Usage: elanus [OPTIONS] COMMAND [ARGS]...

╭─ Options ──────────────────────────╮
│ --help          Show this message. │
│ verbose         Not a command.     │
╰────────────────────────────────────╯
╭─ Commands ─────────────────────────╮
│ check           Check a database.  │
│                 And more.          │
│ import-data     Read rows.         │
╰────────────────────────────────────╯
"""


def test_subcommands_are_read_from_what_typer_prints() -> None:
    assert subcommands(TYPER) == ["check", "import-data"]


def test_subcommands_are_read_from_what_argparse_prints() -> None:
    assert subcommands(ARGPARSE) == ["check", "import-data"]


def test_a_program_without_subcommands_has_none() -> None:
    assert subcommands("usage: elanus-demo [-h] [--docs PATH]\n\nAsk {anything}.\n") == []


def test_a_command_counts_as_documented_as_one_types_it() -> None:
    pages = "Run `elanus check kb` and then import-data."
    assert undocumented_commands("elanus", TYPER, pages) == ["elanus import-data"]
    assert undocumented_commands("elanus-demo", "usage: elanus-demo [-h]", pages) == ["elanus-demo"]


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("json:dumps", None),
        ("json:nothing", "json:nothing: json has no nothing"),
        ("no_such_module:f", "no_such_module:f: No module named 'no_such_module'"),
    ],
)
def test_an_entry_point_must_load(target: str, problem: str | None) -> None:
    assert missing_target(target) == problem
