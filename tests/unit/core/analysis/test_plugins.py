"""Analyzers, tokenizers and filters of others, from really installed distributions."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import elanus
from elanus.analysis import multi
from elanus.errors import (
    AnalyzerNotFoundError,
    PluginError,
    PluginNotInstalledError,
    SchemaError,
)
from elanus.plugins import installed_analyzers
from support.plugin_package import install_analyzers


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    install_analyzers(folder)
    return folder


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(site)
    return site


def chain(tokenizer: object, *filters: object) -> dict[str, object]:
    return {"tokenizer": tokenizer, "filter": list(filters)}


def texts_of(analyzer: object) -> elanus.Schema:
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR, analyzer=analyzer),
            elanus.Field("vector", elanus.FLOAT_VECTOR, dim=2),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
        ]
    )


def entity(key: int, text: str) -> dict[str, Any]:
    return {"id": key, "text": text, "vector": [1.0, float(key)]}


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("analyzer", "terms"),
    [
        (chain("acme-words"), ["Parts", "AB", "12", "of", "houses"]),
        (chain({"type": "acme-words", "pattern": "[a-z]+"}), ["arts", "of", "houses"]),
        (chain("standard", "lowercase", "acme-turn"), ["strap", "ba", "21", "fo", "sesuoh"]),
        (chain("standard", {"type": "acme-turn", "drop": ["of", "12"]}), ["straP", "BA", "sesuoh"]),
        (
            chain("standard", "acme-halves", "lowercase"),
            ["parts", "pa", "ab", "a", "12", "1", "of", "o", "houses", "hou"],
        ),
        ({"type": "acme-codes"}, ["ab-12", "ab12"]),
        ("acme-codes", ["ab-12", "ab12"]),
        ({"type": "acme-house", "stop": ["of"]}, ["parts", "ab", "12", "houses"]),
        ({"by_field": "f", "analyzers": {"default": "acme-codes"}}, ["ab-12", "ab12"]),
    ],
)
def test_plugins_take_part_wherever_a_name_stands(analyzer: object, terms: list[str]) -> None:
    assert elanus.run_analyzer("Parts AB-12 of houses", analyzer) == terms  # type: ignore[arg-type]


@pytest.mark.usefixtures("installed")
def test_tokens_of_a_plugin_say_where_they_stand() -> None:
    tokens = elanus.run_analyzer("see AB-12, CD-3", "acme-codes", with_detail=True)
    assert [tuple(token)[:4] for token in tokens] == [
        ("ab-12", 4, 9, 0),
        ("ab12", 4, 9, 0),
        ("cd-3", 11, 15, 1),
        ("cd3", 11, 15, 1),
    ]


@pytest.mark.usefixtures("installed")
def test_the_names_of_installed_plugins_are_listed() -> None:
    assert {"acme-words", "acme-turn", "acme-codes"} <= set(installed_analyzers())


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("analyzer", "error", "message"),
    [
        (chain("acme-word"), AnalyzerNotFoundError, "did you mean 'acme-words'"),
        (chain("standard", "acme-turns"), AnalyzerNotFoundError, "did you mean 'acme-turn'"),
        ("standart", AnalyzerNotFoundError, "did you mean 'standard'.*elanus.analyzers"),
        (chain({"type": "acme-words", "patern": "x"}), SchemaError, "its options are: pattern"),
        (chain("acme-turn"), SchemaError, "makes no tokenizer: Turn lacks 'tokenize'"),
        (chain("standard", "acme-words"), SchemaError, "makes no filter: Words lacks 'apply' or"),
        ("acme-turn", SchemaError, "makes no analyzer: Turn lacks 'analyze'"),
        (chain({"type": "acme-words", "pattern": "("}), PluginError, "cannot be made.*'pattern'"),
        (chain({"type": "acme-words", "api_key": "x"}), SchemaError, "'api_key' is a secret"),
    ],
)
def test_what_does_not_fit_is_refused_when_the_collection_is_made(
    analyzer: object, error: type[Exception], message: str
) -> None:
    with elanus.connect(":memory:") as db:
        with pytest.raises(error, match=message):
            db.create_collection("texts", texts_of(analyzer))
        assert not db.has_collection("texts")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("made", "message"),
    [
        (["word"], r"expected \(text, start, end, place\), got 'word'"),
        ([["x", 0]], r"expected \(text, start, end, place\)"),
        ([[1, 0, 1]], "the text of a token is no string"),
        ([["x", 1, 9]], "does not stand in a text of 4 characters"),
        ([["x", 2, 1]], "does not stand in a text"),
        ([["x", 0, 1, 2], ["y", 1, 2, 1]], "lies before that of the last token"),
        (3, "failed on 'some': TypeError"),
    ],
)
def test_a_tokenizer_that_returns_something_else_is_named(made: object, message: str) -> None:
    with pytest.raises(PluginError, match=f"'acme-wrong'.*{message}|'acme-wrong': {message}"):
        elanus.run_analyzer("some", chain({"type": "acme-wrong", "made": made}))


@pytest.mark.usefixtures("installed")
def test_a_text_that_a_plugin_fails_on_is_refused_before_it_is_logged(tmp_path: Path) -> None:
    picky = chain("standard", "acme-picky")
    with elanus.connect(tmp_path / "db") as db:
        texts = db.create_collection("texts", texts_of(picky))
        texts.insert([entity(1, "fine words")])
        for write in (texts.insert, texts.upsert):
            with pytest.raises(PluginError, match="'acme-picky' failed on 'boom': ZeroDivision"):
                write([entity(2, "fine"), entity(3, "then boom")])
        with pytest.raises(PluginError, match="'acme-picky'"):
            texts.upsert([{"id": 1, "text": "boom"}], partial=True)
        with pytest.raises(PluginError, match="'acme-picky'"):
            texts.search("boom")
        assert texts.count() == 1
        assert texts.search("fine").ids == [1]
    with elanus.connect(tmp_path / "db") as db:
        assert db.collection("texts").search("words").ids == [1]


@pytest.mark.usefixtures("installed")
def test_a_new_version_that_fails_on_stored_texts_takes_nothing_but_their_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with elanus.connect(tmp_path / "db") as db:
        texts = db.create_collection("texts", texts_of(chain("whitespace", "acme-picky")))
        texts.insert([entity(1, "calm")])
        texts.flush()
        texts.insert([entity(2, "new words")])
    picky = importlib.import_module("acme_analyzers").Picky
    with monkeypatch.context() as newer:
        newer.setattr(picky, "word", "new")
        multi._built.cache_clear()
        for _ in range(2):
            with elanus.connect(tmp_path / "db") as db:
                texts = db.collection("texts")
                assert texts.search([1.0, 2.0], "vector").ids == [2, 1]
                with pytest.raises(PluginError, match="'acme-picky' failed on 'new'"):
                    texts.search("words")
                # Log, then segment, then a segment merged of one with postings and one without.
                texts.flush()
                texts.compact()
    multi._built.cache_clear()
    with elanus.connect(tmp_path / "db") as db:
        assert db.collection("texts").search("words").ids == [2]
        assert db.collection("texts").search("calm").ids == [1]


_WRITER = """
import json, os, sys
import elanus

db = elanus.connect(sys.argv[1])
fields = json.loads(sys.argv[2])
schema = elanus.Schema([
    elanus.Field("id", elanus.INT64, primary=True),
    elanus.Field("text", elanus.VARCHAR, analyzer=fields),
    elanus.Field("vector", elanus.FLOAT_VECTOR, dim=2),
    elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
])
texts = db.create_collection("texts", schema)
texts.insert([{"id": 1, "text": "Part AB-12", "vector": [1.0, 1.0]}])
texts.flush()
texts.insert([{"id": 2, "text": "Part CD-3", "vector": [1.0, 2.0]}])
os._exit(0)  # the second row is in the log alone
"""


@pytest.fixture
def written(site: Path, tmp_path: Path) -> Path:
    """Return a database that a process wrote that has a plug-in which this one lacks."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    # What was built once in this process stays built, plug-in or not: a setting of its own.
    spec = json.dumps({"type": "acme-codes", "series": tmp_path.name})
    command = [sys.executable, "-c", _WRITER, str(tmp_path / "db"), spec]
    subprocess.run(command, check=True, env=environment)
    return tmp_path / "db"


def test_without_the_plugin_all_that_does_not_need_it_works(written: Path) -> None:
    with elanus.connect(written) as db:
        texts = db.collection("texts")
        assert texts.search([1.0, 2.0], "vector").ids == [2, 1]
        assert [row["text"] for row in texts.query("id > 0")] == ["Part AB-12", "Part CD-3"]
        needs_it = [
            lambda: texts.search("AB-12"),
            lambda: texts.insert([entity(3, "EF-4")]),
            lambda: texts.upsert([{"id": 1, "vector": [0.0, 1.0]}], partial=True),
            lambda: texts.run_analyzer("AB-12", "text"),
            lambda: texts.query("text_match(text, 'AB-12')"),
        ]
        for call in needs_it:
            with pytest.raises(PluginNotInstalledError, match="acme-codes") as caught:
                call()
            assert caught.value.name == "acme-codes"
        texts.delete("id == 7")
        texts.flush()
        texts.compact()
        assert texts.count() == 2


def test_once_the_plugin_is_back_every_row_is_found(
    written: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with elanus.connect(written) as db:
        db.collection("texts").flush()
        db.collection("texts").compact()
    monkeypatch.syspath_prepend(site)
    with elanus.connect(written) as db:
        texts = db.collection("texts")
        assert texts.search("cd3").ids == []
        assert texts.search("CD-3").ids == [2]
        assert texts.search("AB-12").ids == [1]
        texts.insert([entity(3, "EF-4 and AB-12")])
        marked = texts.search("AB-12", highlight=elanus.Highlighter(num_of_fragments=None))
        assert sorted(marked.ids) == [1, 3]
        assert {h.highlights["text"][0] for h in marked[:2]} == {
            "Part <em>AB-12</em>",
            "EF-4 and <em>AB-12</em>",
        }
