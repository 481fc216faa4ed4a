"""What the command line and the environment mean together."""

from pathlib import Path

import pytest

from elanus_demo.answer.choice import Provider
from elanus_demo.cli import Settings, cache_folder, parse_settings

DEFAULTS = Settings(
    docs=None,
    ask=None,
    db=None,
    limit=5,
    reset=False,
    embedder="minilm",
    provider=Provider.AUTO,
)


def test_nothing_given_asks_the_running_python() -> None:
    assert parse_settings([], {}) == DEFAULTS
    assert parse_settings([], {"DOCS": "", "ASK": "  "}) == DEFAULTS


def test_option_wins_over_environment() -> None:
    settings = parse_settings(["--docs", "a", "--ask", "b?"], {"DOCS": "c", "ASK": "d?"})
    assert (settings.docs, settings.ask) == (Path("a"), "b?")
    settings = parse_settings([], {"DOCS": "c", "ASK": "d?"})
    assert (settings.docs, settings.ask) == (Path("c"), "d?")


@pytest.mark.parametrize("limit", ["0", "51", "-1", "many", "1.5"])
def test_impossible_limit_is_refused(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_settings([f"--limit={limit}"], {})
    assert caught.value.code == 2
    assert f"expected a number from 1 to 50, got '{limit}'" in capsys.readouterr().err


def test_cache_folder_follows_the_specification(tmp_path: Path) -> None:
    in_home = Path.home() / ".cache" / "elanus-demo"
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "elanus-demo"
    assert cache_folder({"XDG_CACHE_HOME": "relative"}) == in_home
    assert cache_folder({}) == in_home
