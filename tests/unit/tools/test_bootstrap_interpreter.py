import ast
import sys
from pathlib import Path

import pytest

from tools.bootstrap.interpreter import choose, probe, too_old

ROOT = Path(__file__).resolve().parents[3]


def nothing_on_path(name: str) -> None:
    return None


def test_a_new_enough_python_is_kept_without_looking_further() -> None:
    def look(name: str) -> None:
        pytest.fail(f"looked for {name}")

    assert choose("/usr/bin/env", (3, 11), look) == str(Path("/usr/bin/env").resolve())


def test_an_old_python_gives_way_to_the_first_newer_name_that_runs() -> None:
    installed = {"python3.12": ((3, 12), "/opt/python3.12"), "python3.13": ((3, 13), "/opt/13")}
    assert choose("/usr/bin/python3", (3, 9), installed.get) == "/opt/python3.12"


def test_a_name_that_runs_an_old_python_is_passed_over() -> None:
    installed = {"python3.11": ((3, 10), "/opt/liar"), "python3.12": ((3, 12), "/opt/python3.12")}
    assert choose("/usr/bin/python3", (3, 9), installed.get) == "/opt/python3.12"


def test_no_python_that_is_new_enough_gives_none() -> None:
    assert choose("/usr/bin/python3", (3, 9), nothing_on_path) is None


def test_the_link_in_an_environment_is_resolved_to_the_python_it_came_from(tmp_path: Path) -> None:
    real = tmp_path / "python3.11"
    real.touch()
    link = tmp_path / "environment-python"
    link.symlink_to(real)
    assert choose(str(link), (3, 11), nothing_on_path) == str(real)


def test_probe_returns_version_and_path_of_a_python() -> None:
    assert probe(sys.executable) == (sys.version_info[:2], sys.executable)


@pytest.mark.parametrize("content", ["#!/bin/sh\nexit 127\n", "#!/bin/sh\necho python 4\n"])
def test_probe_passes_over_a_command_that_is_no_python(tmp_path: Path, content: str) -> None:
    fake = tmp_path / "python3.12"
    fake.write_text(content)
    fake.chmod(0o755)
    assert probe(str(fake)) is None


def test_probe_passes_over_a_missing_command(tmp_path: Path) -> None:
    assert probe(str(tmp_path / "python3.12")) is None


def test_the_sentence_names_both_versions_and_what_to_do() -> None:
    assert too_old("/usr/bin/python3", (3, 9)) == (
        "elanus needs Python 3.11 or newer, but /usr/bin/python3 is Python 3.9: install a newer "
        "one (on Debian: apt install python3 python3-dev python3-pip) or name one with "
        "PYTHON=/path/to/python3.11."
    )


def test_the_start_of_the_setup_parses_with_the_grammar_of_python_3_6() -> None:
    for name in ("__init__.py", "__main__.py", "interpreter.py"):
        text = (ROOT / "tools" / "bootstrap" / name).read_text("utf-8")
        tree = ast.parse(text, feature_version=(3, 6))
        futures = [n for n in tree.body if getattr(n, "module", None) == "__future__"]
        assert futures == []
