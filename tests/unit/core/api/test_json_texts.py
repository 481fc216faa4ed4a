"""Questions about texts inside JSON, answered by their bytes in sealed segments, against Python."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import elanus
from elanus.filter.strings import StringDictionary

ROWS = 4_000


def title(i: int) -> Any:
    """Return a value: mostly texts that hardly repeat, some that do, and some that are none."""
    if i % 11 == 0:
        return None if i % 2 else i
    if i % 7 == 0:
        return "Straße im \u212aelvin"
    return f"Wort{i % 900:04d} ä{i} {'LOUD' if i % 50 == 0 else 'still'}"


CASES: list[tuple[str, Callable[[str], bool]]] = [
    ("meta['title'] like 'Wort0042%'", lambda t: t.startswith("Wort0042")),
    ("meta['title'] like '%ä1234%'", lambda t: "ä1234" in t),
    ("meta['title'] like '%t0_42%ill'", lambda t: bool(re.search("t0.42.*ill$", t))),
    ("not meta['title'] like '%ä1%'", lambda t: "ä1" not in t),
    ("text_contains(meta['title'], 'Kelvin')", lambda t: "Kelvin" in t),
    ("text_icontains(meta['title'], 'KELVIN')", lambda t: "kelvin" in t.lower()),
    ("meta['title'] ilike '%loud'", lambda t: t.lower().endswith("loud")),
    ("meta['title'] ilike 'wort0007 %'", lambda t: t.lower().startswith("wort0007 ")),
    ("meta['title'] =~ 'ä12[0-9]4'", lambda t: bool(re.search("ä12[0-9]4", t))),
    ("meta['title'] like '%nowhere%'", lambda t: False),
    ("meta['title'] =~ '^Wort0[0-9]+2 ä'", lambda t: bool(re.search("^Wort0[0-9]+2 ä", t))),
    ("meta['title'] like '%7 ä%' and meta['id'] < 40", lambda t: "7 ä" in t),
    ("meta['title'] == 'Straße im \u212aelvin'", lambda t: t == "Straße im \u212aelvin"),
    ("meta['title'] in ['Wort0001 ä1 still', 'none', 'Wort0002']", lambda t: "ä1 s" in t),
    ("meta['title'] < 'Wort0042'", lambda t: t < "Wort0042"),
    ("meta['title'] <= 'Wort0001 ä1 still'", lambda t: t <= "Wort0001 ä1 still"),
    ("meta['title'] > 'Wort0899'", lambda t: t > "Wort0899"),
    ("meta['title'] >= 'Straße im \u212aelvin'", lambda t: t >= "Straße im \u212aelvin"),
    ("meta['id'] >= 3990 and meta['title'] like '%still'", lambda t: t.endswith("still")),
]


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> elanus.Collection:
    folder: Path = tmp_path_factory.mktemp("json")
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("meta", elanus.JSON),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=2),
        ]
    )
    made = elanus.connect(str(folder)).create_collection("texts", schema)
    made.insert(
        [{"id": i, "meta": {"id": i, "title": title(i)}, "v": [1.0, i]} for i in range(ROWS)]
    )
    made.flush()
    return made


@pytest.mark.parametrize(("filter", "holds"), CASES)
def test_texts_in_json_are_found(
    collection: elanus.Collection, filter: str, holds: Callable[[str], bool]
) -> None:
    wanted = []
    for i in range(ROWS):
        text = title(i)
        is_text = isinstance(text, str)
        is_negated = filter.startswith("not")
        passes = (not is_text or holds(text)) if is_negated else (is_text and holds(text))
        is_asked = i >= 3_990 or not filter.startswith("meta['id']")
        is_asked = is_asked and (i < 40 or not filter.endswith("< 40"))
        if passes and is_asked:
            wanted.append(i)
    found = collection.query(filter, output=["id"])
    assert sorted(entity["id"] for entity in found) == wanted


def test_distinct_texts_are_not_asked_one_by_one(
    collection: elanus.Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: StringDictionary, *args: Any) -> Any:
        raise AssertionError("each text was asked")

    monkeypatch.setattr(StringDictionary, "table", refuse)
    assert len(collection.query("meta['title'] like '%ä3999%'", output=["id"])) == 1
    assert len(collection.query("meta['title'] ilike 'WORT0001 Ä1 %'", output=["id"])) == 1
