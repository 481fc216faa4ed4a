"""A plug-in that makes other terms than those that are stored is noticed, and what to do then."""

import importlib
import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import elanus
from elanus.analysis import multi
from elanus.analysis.identity import analyzer_fingerprint, require_same_terms
from elanus.errors import AnalyzerMismatchError, FormatVersionError, SchemaError
from elanus.schema.serialization import schema_from_json, schema_to_json
from support.plugin_package import install

SOURCE = '''
from elanus.plugins import TextToken

END = ""
FINGERPRINT = None


class Words:
    """A tokenizer of words, with an end that another version adds."""

    def __init__(self):
        if FINGERPRINT is not None:
            self.fingerprint = FINGERPRINT

    def tokenize(self, text):
        for place, word in enumerate(text.split()):
            start = text.index(word)
            yield TextToken(word + END, start, start + len(word), place)


class Ends:
    """A filter that adds the end."""

    def apply(self, token):
        return token + END


def chain():
    """A chain of parts that are no plug-ins."""
    return {"tokenizer": "standard", "filter": ["lowercase"] if END else []}
'''
POINTS = """
[elanus.analyzers]
{module}-words = {module}:Words
{module}-ends = {module}:Ends
{module}-chain = {module}:chain
"""


class Package:
    """An installed package of plug-ins whose next version can be tried."""

    def __init__(self, site: Path, name: str) -> None:
        self.name = name
        self._record = site / f"{name}-1.0.dist-info" / "METADATA"
        self._module: ModuleType = importlib.import_module(name)

    def becomes(self, *, version: str = "1.0", end: str = "", fingerprint: object = None) -> None:
        """Be another version from now on, as after an installation and a new start."""
        text = f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {version}\n"
        self._record.write_text(text, encoding="utf-8")
        self._module.END = end  # type: ignore[attr-defined]
        self._module.FINGERPRINT = fingerprint  # type: ignore[attr-defined]
        multi._built.cache_clear()

    @property
    def analyzer(self) -> dict[str, object]:
        return {"tokenizer": f"{self.name}-words", "filter": ["lowercase"]}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    name = f"endings{abs(hash(str(tmp_path)))}"
    site = tmp_path / "site"
    site.mkdir()
    install(site, name, name, SOURCE, POINTS)
    monkeypatch.syspath_prepend(site)
    yield Package(site, name)
    multi._built.cache_clear()
    del sys.modules[name]


def schema(analyzer: object) -> elanus.Schema:
    minhash = elanus.MinHash("text", num_hashes=32, shingle_size=1)
    return elanus.Schema(
        [
            elanus.Field("id", elanus.INT64, primary=True),
            elanus.Field("text", elanus.VARCHAR, analyzer=analyzer, nullable=True),
            elanus.Field("bm25", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text")),
            elanus.Field("shingles", elanus.BINARY_VECTOR, source=minhash),
        ]
    )


TEXTS = ["one two", "two three", "three four"]


def write(path: Path, analyzer: object) -> None:
    """Two rows in a segment, one in the log."""
    with elanus.connect(path) as db:
        texts = db.create_collection("texts", schema(analyzer))
        texts.insert([{"id": i, "text": text} for i, text in enumerate(TEXTS[:2])])
        texts.flush()
        texts.insert([{"id": 2, "text": TEXTS[2]}])


def needing(texts: elanus.Collection) -> list[Callable[[], object]]:
    return [
        lambda: texts.search("three", "bm25"),
        lambda: texts.search("three four", "shingles"),
        lambda: texts.insert([{"id": 9, "text": "nine"}]),
        lambda: texts.upsert([{"id": 0, "text": "zero"}]),
    ]


def test_another_version_that_makes_other_terms_is_refused_by_name(
    tmp_path: Path, package: Package
) -> None:
    write(tmp_path / "db", package.analyzer)
    package.becomes(version="2.0", end="x")
    for _ in range(2):
        with elanus.connect(tmp_path / "db") as db:
            texts = db.collection("texts")
            for call in needing(texts):
                with pytest.raises(AnalyzerMismatchError) as caught:
                    call()
                message = str(caught.value)
                assert f"made by '{package.name}-words' ({package.name} 1.0)" in message
                assert f"installed is '{package.name}-words' ({package.name} 2.0)" in message
                assert "now ['thex', 'quickx'" in message
                assert "rebuild_terms(" in message
                assert json.loads(caught.value.stored) != json.loads(caught.value.given)
            # What is made of the texts at the time it is asked for is right with any version.
            assert texts.count("text_match(text, 'three')") == 2
            assert [row["id"] for row in texts.query("id >= 0")] == [0, 1, 2]
            texts.delete("id == 7")
            texts.flush()
            texts.compact()
    # The terms that are stored are still those of the first version.
    package.becomes()
    with elanus.connect(tmp_path / "db") as db:
        texts = db.collection("texts")
        assert sorted(texts.search("three", "bm25").ids) == [1, 2]
        assert texts.search("three four", "shingles", 1).ids == [2]


def test_terms_made_anew_are_those_of_the_installed_version(
    tmp_path: Path, package: Package
) -> None:
    write(tmp_path / "db", package.analyzer)
    package.becomes(version="2.0", end="x")
    with elanus.connect(tmp_path / "fresh") as db:
        fresh = db.create_collection("texts", schema(package.analyzer))
        fresh.insert([{"id": i, "text": text} for i, text in enumerate(TEXTS)])
        expected = [(h.id, h.score) for h in fresh.search("three", "bm25")]
        signed = [(h.id, h.score) for h in fresh.search("three four", "shingles")]
    with elanus.connect(tmp_path / "db") as db:
        texts = db.collection("texts")
        texts.flush()
        before = [row["shingles"] for row in texts.query("id >= 0", output=["shingles"])]
        for name in ("bm25", "shingles"):
            texts.rebuild_terms(name)
        after = [row["shingles"] for row in texts.query("id >= 0", output=["shingles"])]
        assert all((old != new).any() for old, new in zip(before, after, strict=True))
        assert [(h.id, h.score) for h in texts.search("three four", "shingles")] == signed
        texts.wait_indexed()
    for _ in range(2):
        with elanus.connect(tmp_path / "db") as db:
            texts = db.collection("texts")
            assert [(h.id, h.score) for h in texts.search("three", "bm25")] == expected
            assert [(h.id, h.score) for h in texts.search("three four", "shingles")] == signed
            texts.compact()
    with elanus.connect(tmp_path / "db") as db:
        texts = db.collection("texts")
        texts.insert([{"id": 3, "text": "four"}])
        assert sorted(texts.search("four", "bm25").ids) == [2, 3]


def test_another_version_that_makes_the_same_terms_is_logged_and_works(
    tmp_path: Path, package: Package, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "db", package.analyzer)
    package.becomes(version="1.1")
    with caplog.at_level(logging.WARNING), elanus.connect(tmp_path / "db") as db:
        texts = db.collection("texts")
        assert sorted(texts.search("three", "bm25").ids) == [1, 2]
        assert f"({package.name} 1.1), which makes the same terms" in caplog.text
        caplog.clear()
        texts.rebuild_terms("bm25")
        texts.rebuild_terms("shingles")
    caplog.clear()
    with caplog.at_level(logging.WARNING), elanus.connect(tmp_path / "db") as db:
        assert sorted(db.collection("texts").search("three", "bm25").ids) == [1, 2]
        assert caplog.text == ""


def test_a_fingerprint_of_the_plugin_counts_in_place_of_its_version(
    tmp_path: Path, package: Package, caplog: pytest.LogCaptureFixture
) -> None:
    package.becomes(fingerprint="words:1")
    write(tmp_path / "db", package.analyzer)
    package.becomes(version="3.0", fingerprint="words:1")
    with caplog.at_level(logging.WARNING), elanus.connect(tmp_path / "db") as db:
        assert sorted(db.collection("texts").search("three", "bm25").ids) == [1, 2]
        assert caplog.text == ""
    package.becomes(fingerprint="words:2")
    with (
        elanus.connect(tmp_path / "db") as db,
        pytest.raises(AnalyzerMismatchError, match="is 'words:2', not 'words:1'"),
    ):
        db.collection("texts").search("three", "bm25")


def test_a_fingerprint_that_is_no_string_is_refused(package: Package) -> None:
    package.becomes(fingerprint=3)
    with (
        elanus.connect(":memory:") as db,
        pytest.raises(SchemaError, match="a fingerprint that is no string: 3"),
    ):
        db.create_collection("texts", schema(package.analyzer))


def test_plugins_are_seen_wherever_they_stand(package: Package) -> None:
    words, ends, chain = (f"{package.name}-{part}" for part in ("words", "ends", "chain"))
    by_language = {
        "tokenizer": {
            "type": "language_identifier",
            "analyzers": {"default": "standard", "english": chain},
        }
    }
    for spec, names in (
        ("standard", []),
        ({"tokenizer": "standard", "filter": ["lowercase"]}, []),
        ({"tokenizer": words, "filter": ["lowercase", ends]}, [ends, words]),
        (chain, [chain]),
        ({"by_field": "f", "analyzers": {"default": "english", "own": chain}}, [chain]),
        (by_language, [chain]),
    ):
        found = analyzer_fingerprint(multi.shared_analyzer(spec))  # type: ignore[arg-type]
        known = json.loads(found)["plugins"] if found else []
        assert [one["name"] for one in known] == names


def test_a_chain_that_a_plugin_names_is_known_by_what_it_makes(
    tmp_path: Path, package: Package
) -> None:
    write(tmp_path / "db", f"{package.name}-chain")
    package.becomes(end="x")
    with (
        elanus.connect(tmp_path / "db") as db,
        pytest.raises(AnalyzerMismatchError, match=r"now \['the', 'quick'"),
    ):
        db.collection("texts").search("three", "bm25")


def test_other_weights_and_other_fields_leave_the_fingerprint_alone(
    tmp_path: Path, package: Package
) -> None:
    write(tmp_path / "db", package.analyzer)
    package.becomes(end="x")
    with elanus.connect(tmp_path / "db") as db:
        texts = db.collection("texts")
        texts.alter_field("bm25", source=elanus.BM25("text", k1=2.0))
        texts.add_field(elanus.Field("kind", elanus.INT64, nullable=True))
        with pytest.raises(AnalyzerMismatchError):
            texts.search("three", "bm25")
        # A field that is added has the terms of what is installed.
        texts.add_field(
            elanus.Field("newer", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("text"))
        )
        assert sorted(texts.search("three", "newer").ids) == [1, 2]


def test_what_was_written_without_a_fingerprint_is_read(tmp_path: Path, package: Package) -> None:
    with elanus.connect(tmp_path / "db") as db:
        texts = db.create_collection("texts", schema("standard"))
        assert texts.schema.field("bm25").source == elanus.BM25("text")
    stored = schema_to_json(schema(package.analyzer))
    assert "fingerprint" not in json.dumps(stored)
    assert schema_from_json(stored) == schema(package.analyzer)


def test_a_fingerprint_of_a_newer_elanus_is_refused_by_name(package: Package) -> None:
    analyzer = multi.shared_analyzer(package.analyzer)
    newer = json.dumps({**json.loads(analyzer_fingerprint(analyzer)), "version": 2})
    with pytest.raises(FormatVersionError, match="has version 2, this elanus reads 1"):
        require_same_terms(newer, analyzer, where="field 'bm25'", field="bm25")


def test_only_what_is_made_of_texts_is_made_anew() -> None:
    with elanus.connect(":memory:") as db:
        texts = db.create_collection("texts", schema("standard"))
        with pytest.raises(SchemaError, match="'text': it is not made of the terms of a text"):
            texts.rebuild_terms("text")
