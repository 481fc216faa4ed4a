"""A store follows a source: unchanged documents are neither cut nor embedded, and the rest is
stored as the framework would."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from llama_index.core.node_parser.node_utils import build_nodes_from_splits
from llama_index.core.schema import (
    BaseNode,
    Document,
    MetadataMode,
    NodeRelationship,
    TransformComponent,
)
from llama_index.core.vector_stores.types import VectorStoreQuery

from llama_index.vector_stores.elanus import ElanusVectorStore
from support.llamaindex_models import LengthEmbedding, WordSparse, make_node


class Counting(LengthEmbedding):
    """Keeps what it embedded."""

    asked: list[str] = []  # noqa: RUF012 - a pydantic field, copied for each object

    def _get_text_embedding(self, text: str) -> list[float]:
        self.asked.append(text)
        return super()._get_text_embedding(text)


class Paragraphs(TransformComponent):
    """Cuts at empty lines, and says which paragraph comes next."""

    def __call__(self, nodes: Sequence[BaseNode], **_: Any) -> Sequence[BaseNode]:
        made: list[BaseNode] = []
        for node in nodes:
            parts = build_nodes_from_splits(node.get_content().split("\n\n"), node)
            for one, following in itertools.pairwise(parts):
                one.relationships[NodeRelationship.NEXT] = following.as_related_node_info()
            for part in parts:
                part.metadata = dict(node.metadata)
            made += parts
        return made


@pytest.fixture
def model() -> Counting:
    return Counting()


@pytest.fixture
def store() -> Iterator[ElanusVectorStore]:
    with ElanusVectorStore(":memory:", dim=2) as opened:
        yield opened


def document(id_: str, text: str, **metadata: Any) -> Document:
    return Document(id_=id_, text=text, metadata=metadata)


def test_edits(store: ElanusVectorStore, model: Counting) -> None:
    store.add([make_node("mine", "mine")])
    paragraphs = [f"Paragraph number {n}." for n in range(3)]

    def sync(*documents: Document, **options: Any) -> Any:
        model.asked.clear()
        return store.sync(
            documents, source="s", embed_model=model, transformations=[Paragraphs()], **options
        )

    long = document("long", "\n\n".join(paragraphs), page=1)
    report = sync(long, document("short", "A text."))
    assert (report.added, report.embedded) == (["long", "short"], len(model.asked))
    nodes = store.get_nodes()
    assert {node.ref_doc_id for node in nodes} == {None, "long", "short"}
    for node in nodes:
        if node.node_id != "mine":
            embedded = node.get_content(metadata_mode=MetadataMode.EMBED)
            assert node.embedding in (None, [float(len(embedded)), 1.0])
        following = node.relationships.get(NodeRelationship.NEXT)
        assert following is None or following.node_id in {other.node_id for other in nodes}
    again = sync(document("long", "\n\n".join(paragraphs), page=1), document("short", "A text."))
    assert (again.unchanged, again.read, model.asked) == (["long", "short"], 0, [])
    paragraphs[1] = "Another one."
    report = sync(document("long", "\n\n".join(paragraphs), page=1))
    assert (report.changed, report.deleted) == (["long"], ["short"])
    assert (report.chunks, model.asked) == (3, ["page: 1\n\nAnother one."])
    # The metadata are embedded with the text, so all of it is another text.
    report = sync(document("long", "\n\n".join(paragraphs), page=2))
    assert len(model.asked) == report.chunks
    sync()
    assert [node.node_id for node in store.get_nodes()] == ["mine"]


def test_sparse_models_and_dry_runs(model: Counting) -> None:
    with ElanusVectorStore(":memory:", sparse=WordSparse(), search_mode="sparse") as store:
        documents = [document("a", "alpha beta"), document("b", "gamma")]
        options: dict[str, Any] = {"source": "s", "embed_model": model}
        assert store.sync(documents, dry_run=True, **options).embedded == 2
        assert store.sync(documents, **options).embedded == 2
        found = store.query(VectorStoreQuery(query_str="gamma", similarity_top_k=1)).nodes or []
        assert [node.node_id for node in found] == ["b"]
