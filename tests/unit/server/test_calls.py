"""Which calls of the protocol are answered, and does the guide say so?"""

import re
from pathlib import Path

from elanus_server.service.all_calls import METHODS
from elanus_server.service.registry import unanswered
from elanus_server.wire import SERVICE

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "server.md"


def test_guide_counts_the_calls_that_are_answered():
    rows = re.findall(r"^\| ([^|]+) \| (\d+) of (\d+) \|", GUIDE.read_text(), re.MULTILINE)
    counts = {name: (int(answered), int(all_)) for name, answered, all_ in rows}
    total = counts.pop("all")
    assert total == (len(METHODS), len(SERVICE.methods))
    assert tuple(map(sum, zip(*counts.values(), strict=True))) == total


def test_every_call_is_answered():
    assert unanswered(METHODS) == []
    streams = {name for name, method in METHODS.items() if method.is_stream}
    assert streams == {"CreateReplicateStream", "DumpMessages"}
