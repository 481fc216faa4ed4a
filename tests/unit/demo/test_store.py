"""Passages in a real collection: where they stand, vectors and scores come back."""

from pathlib import Path

import pytest

from elanus_demo.chunking import chunk_document
from elanus_demo.embedding import TimedEmbedder, load_embedder
from elanus_demo.passages import Document, Section
from elanus_demo.store import open_store
from support.demo_passages import store_passages

TEXT = "Rotate the signing key every month.Copy the folder to move the store."
DOCUMENT = Document(
    TEXT,
    (
        Section(("Keys", "Rotation"), 0, 35, page=2, context="manual keys"),
        Section(("Moving",), 35, len(TEXT)),
    ),
)


@pytest.fixture(scope="module")
def embedder() -> TimedEmbedder:
    return load_embedder("hash")


PASSAGES = chunk_document("a.md", DOCUMENT)


def test_search_returns_lineage_and_both_ranks(tmp_path: Path, embedder: TimedEmbedder) -> None:
    with open_store(tmp_path / "db", embedder, reset=False) as store:
        assert store_passages(store, PASSAGES).embedded == 2
        retrieval = store.search("how do I rotate the signing key", limit=5)
    first = retrieval.passages[0]
    assert (first.number, first.file, first.heading, first.page) == (
        1,
        "a.md",
        ("Keys", "Rotation"),
        2,
    )
    assert first.text == "Rotate the signing key every month."
    assert (first.start, first.end) == (0, 35)
    assert [(leg.name, leg.rank) for leg in first.legs] == [("dense", 1), ("bm25", 1)]
    assert [leg.contribution for leg in first.legs] == pytest.approx([1 / 61, 1 / 61])
    assert first.score == pytest.approx(2 / 61)
    assert retrieval.num_searched == 2
    assert retrieval.embed_s > 0
    assert retrieval.search_s > 0


def test_context_line_is_searched_but_not_shown(tmp_path: Path, embedder: TimedEmbedder) -> None:
    with open_store(tmp_path / "db", embedder, reset=False) as store:
        store_passages(store, PASSAGES)
        found = store.search("manual", limit=2).passages
    bm25_ranks = {passage.heading: passage.legs[1].rank for passage in found}
    assert bm25_ranks == {("Keys", "Rotation"): 1, ("Moving",): None}
    assert all("manual" not in passage.text for passage in found)


def test_files_survive_reopening(tmp_path: Path, embedder: TimedEmbedder) -> None:
    with open_store(tmp_path / "db", embedder, reset=False) as store:
        store_passages(store, PASSAGES)
    with open_store(tmp_path / "db", embedder, reset=False) as store:
        assert list(store.passages_by_file()) == ["a.md"]
        assert store.count() == 2


def test_known_text_keeps_its_vector(tmp_path: Path, embedder: TimedEmbedder) -> None:
    with open_store(tmp_path / "db", embedder, reset=False) as store:
        store_passages(store, PASSAGES)
        before = store.search("signing key", limit=1).passages[0]
        report = store_passages(store, PASSAGES, "2")
        assert (report.changed, report.embedded) == (["a.md"], 0)
        assert store.search("signing key", limit=1).passages[0] == before


def test_a_plan_changes_nothing(tmp_path: Path, embedder: TimedEmbedder) -> None:
    with open_store(tmp_path / "db", embedder, reset=False) as store:
        assert store_passages(store, PASSAGES, dry_run=True).embedded == 2
        assert store.count() == 0


def test_reset_empties_the_store(tmp_path: Path, embedder: TimedEmbedder) -> None:
    with open_store(tmp_path / "db", embedder, reset=False) as store:
        store_passages(store, PASSAGES)
    with open_store(tmp_path / "db", embedder, reset=True) as store:
        assert store.count() == 0
