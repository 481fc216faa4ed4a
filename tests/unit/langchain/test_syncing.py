"""A store follows a source: only what is new is embedded, and the rest stays or goes."""

from collections.abc import Iterator

import pytest
from langchain_core.documents import Document

from langchain_elanus import BM25, ElanusVectorStore
from support.langchain_models import TableEmbeddings, WordSparse

TABLE = {text: [float(n), 1.0] for n, text in enumerate(["dimensions", "one", "two", "three"])}


def documents(*parts: tuple[str, str]) -> list[Document]:
    return [Document(text, metadata={"source": source}) for source, text in parts]


@pytest.fixture
def embeddings() -> TableEmbeddings:
    return TableEmbeddings(TABLE)


@pytest.fixture
def store(embeddings: TableEmbeddings) -> Iterator[ElanusVectorStore]:
    with ElanusVectorStore(embeddings, uri=":memory:", sparse=[BM25(), WordSparse()]) as opened:
        yield opened


def test_edits(store: ElanusVectorStore, embeddings: TableEmbeddings) -> None:
    store.add_documents([Document("three", id="mine")])
    embeddings.embedded.clear()
    before = documents(("a.md", "one"), ("a.md", "two"), ("b.md", "one"))
    assert store.sync(before, source="s", dry_run=True).embedded == 3
    assert embeddings.embedded == []
    first = store.sync(before, source="s")
    assert (first.added, first.embedded) == (["a.md", "b.md"], 3)
    assert store.sync(before, source="s").unchanged == ["a.md", "b.md"]
    assert sorted(embeddings.embedded) == ["one", "one", "two"]
    embeddings.embedded.clear()
    report = store.sync(documents(("a.md", "two"), ("a.md", "three")), source="s")
    assert (report.changed, report.deleted) == (["a.md"], ["b.md"])
    assert embeddings.embedded == ["three"]
    found = store.similarity_search("three", k=9)
    assert sorted(d.page_content for d in found) == ["three", "three", "two"]
    store.sync([], source="s")
    assert [d.id for d in store.similarity_search("three", k=9)] == ["mine"]


def test_documents_by_id_or_content(store: ElanusVectorStore) -> None:
    given = [Document("one", id="first"), Document("two")]
    report = store.sync(given, source="s", document_key=None)
    assert (report.added[0], len(report.added)) == ("first", 2)
    assert store.get_by_ids(["first"])[0].page_content == "one"
    assert len(store.sync(given, source="s", document_key=None).unchanged) == 2


def test_the_first_write_makes_the_collection(embeddings: TableEmbeddings) -> None:
    with ElanusVectorStore(embeddings, uri=":memory:", partition_key="owner") as opened:
        view = opened.for_tenant("me")
        view.sync(documents(("a.md", "one")), source="s")
        opened.for_tenant("you").sync(documents(("a.md", "two")), source="s")
        assert [d.page_content for d in view.similarity_search("one", k=5)] == ["one"]
        assert len(opened.similarity_search("one", k=5)) == 2
