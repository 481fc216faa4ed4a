"""What the command line and the environment mean together."""

from pathlib import Path

import pytest

from elanus_demo.answer.choice import Provider
from elanus_demo.cli import Settings, WebSettings, cache_folder, parse_settings

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


def test_page_is_served_when_asked_for() -> None:
    assert parse_settings(["--web"], {}).web == WebSettings(8765, open_browser=False)
    settings = parse_settings(["--web", "--port=0", "--open", "--rerank=lexical"], {})
    assert settings.web == WebSettings(0, open_browser=True)
    assert settings.rerank == "lexical"
    assert parse_settings(["--port=1"], {}).web is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--web", "--port=65536"], "expected a number from 0 to 65535, got '65536'"),
        (["--web", "--port=-1"], "expected a number from 0 to 65535, got '-1'"),
        (["--web", "--ask=a?"], "--ask answers in the terminal; leave it out with --web"),
    ],
)
def test_impossible_page_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_settings(arguments, {})
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_cache_folder_follows_the_specification(tmp_path: Path) -> None:
    in_home = Path.home() / ".cache" / "elanus-demo"
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "elanus-demo"
    assert cache_folder({"XDG_CACHE_HOME": "relative"}) == in_home
    assert cache_folder({}) == in_home
