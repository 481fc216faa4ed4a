"""Lines for a log, a bar for a terminal, durations for people."""

import io

import pytest
from rich.console import Console

from elanus_demo.progress import BarProgress, LineProgress, format_time, make_progress


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def log() -> Console:
    return Console(file=io.StringIO(), width=80)


def terminal(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_log_has_a_line_every_ten_seconds_with_rate_and_time_left() -> None:
    console, clock = log(), Clock()
    with LineProgress(console, clock).track("Embedding", 1200, "passages") as advance:
        for seconds in (4, 8, 16, 20):
            clock.now = 100.0 + seconds
            advance(200)
        clock.now = 130.0
        advance(400)
    assert printed(console).splitlines() == [
        "Embedding: 600 of 1,200 passages, 38/s, 16.0 s left",
        "Embedding: 1,200 of 1,200 passages, 40/s, 30.0 s",
    ]


def test_quick_work_needs_no_line() -> None:
    console, clock = log(), Clock()
    with LineProgress(console, clock).track("Reading", 3, "files") as advance:
        clock.now += 1.5
        advance(3)
    assert printed(console) == ""


@pytest.mark.parametrize(("width", "unit_shown"), [(100, True), (50, False)])
def test_bar_fits_the_terminal(width: int, unit_shown: bool) -> None:
    console = terminal(width)
    with BarProgress(console).track("Embedding", 10, "passages") as advance:
        advance(4)
    output = printed(console)
    assert "Embedding" in output
    assert "4/10" in output
    assert ("passages" in output) is unit_shown


def test_display_fits_where_the_output_goes() -> None:
    assert isinstance(make_progress(terminal(80)), BarProgress)
    assert isinstance(make_progress(log()), LineProgress)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.00042, "0.4 ms"),
        (0.0123, "12 ms"),
        (8.26, "8.3 s"),
        (59.96, "60.0 s"),
        (125, "2 min 5 s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert format_time(seconds) == text
