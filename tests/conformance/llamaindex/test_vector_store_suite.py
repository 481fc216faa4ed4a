"""One suite for every configuration of the store: place, what it searches, metric.

A configuration says how to open a store, how to make a node and how to ask; the cases know nothing
else.
"""

import asyncio
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core import MockEmbedding, StorageContext, VectorStoreIndex
from llama_index.core.schema import BaseNode, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    FilterCondition,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from llama_index.vector_stores.elanus import BM25, ElanusVectorStore
from support.llamaindex_models import WordSparse

Mode = VectorStoreQueryMode
PLACES = ("path", "memory", "server")
KINDS = [
    *[(kind, metric) for kind in ("dense", "hybrid") for metric in ("COSINE", "IP", "L2")],
    ("bm25", None),
    ("sparse", None),
]
MODES = {
    "dense": Mode.DEFAULT,
    "hybrid": Mode.HYBRID,
    "bm25": Mode.TEXT_SEARCH,
    "sparse": Mode.SPARSE,
}
DIM = 8


@dataclass(frozen=True)
class Config:
    """One configuration, and stores that were opened with it."""

    kind: str
    metric: str | None
    uri: str
    opened: list[ElanusVectorStore] = field(default_factory=list)
    model: WordSparse = field(default_factory=WordSparse)

    @property
    def has_vectors(self) -> bool:
        return self.kind in ("dense", "hybrid")

    def open(self, **options: Any) -> ElanusVectorStore:
        sparse = {"dense": None, "hybrid": BM25(), "bm25": BM25(), "sparse": self.model}
        settings: dict[str, Any] = {"sparse": sparse[self.kind], "search_mode": self.kind}
        if self.metric is not None:
            settings["metric"] = self.metric
        self.opened.append(ElanusVectorStore(self.uri, **(settings | options)))
        return self.opened[-1]

    def vector(self, text: str) -> list[float] | None:
        """Return the vector of a text: of unit length, and its own for every text."""
        if not self.has_vectors:
            return None
        vector = np.random.default_rng(list(text.encode())).normal(size=DIM)
        return (vector / np.linalg.norm(vector)).astype(np.float32).tolist()

    def node(self, id_: str, text: str, source: str | None = None, **metadata: Any) -> TextNode:
        node = TextNode(id_=id_, text=text, embedding=self.vector(text), metadata=metadata)
        if source is not None:
            node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=source)
        return node

    def query(self, text: str, top_k: int = 10, **arguments: Any) -> VectorStoreQuery:
        settings: dict[str, Any] = {"mode": MODES[self.kind], **arguments}
        return VectorStoreQuery(
            query_str=text, query_embedding=self.vector(text), similarity_top_k=top_k, **settings
        )


@pytest.fixture(params=PLACES)
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "server":
        url: str = request.getfixturevalue("server_url")
        return url
    return str(tmp_path / "db") if request.param == "path" else ":memory:"


@pytest.fixture(params=KINDS, ids=lambda k: "-".join(filter(None, k)))
def config(request: pytest.FixtureRequest, uri: str) -> Iterator[Config]:
    made = Config(*request.param, uri)
    yield made
    for store in made.opened:
        store.close()


@pytest.fixture
def on_disk(config: Config) -> Config:
    if config.uri == ":memory:":
        pytest.skip("nothing to open again")
    return config


WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]


def fill(store: ElanusVectorStore, config: Config) -> list[TextNode]:
    """Add a node for each word; every text has "all" in it and its own word."""
    nodes = [
        config.node(f"n{i}", f"all {word}", source=f"doc{i % 2}", n=i, word=word)
        for i, word in enumerate(WORDS)
    ]
    assert store.add(nodes) == [node.node_id for node in nodes]
    return nodes


def check_shape(result: VectorStoreQueryResult) -> list[str]:
    """Check what holds for every result, and return its ids."""
    assert result.ids is not None
    assert result.similarities is not None
    assert result.nodes is not None
    assert [node.node_id for node in result.nodes] == result.ids
    assert len(result.similarities) == len(result.ids)
    assert result.similarities == sorted(result.similarities, reverse=True)
    return result.ids


def ids(nodes: list[BaseNode]) -> list[str]:
    return [node.node_id for node in nodes]


def where(key: str, value: Any, operator: str = "==") -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key=key, value=value, operator=operator)])


def test_empty_store(config: Config) -> None:
    store = config.open()
    assert check_shape(store.query(config.query("all alpha"))) == []
    assert store.get_nodes() == []
    assert store.add([]) == []
    store.delete("nobody")
    store.delete_nodes(["nobody"])
    store.clear()
    assert check_shape(store.query(config.query("all alpha", filters=where("n", 1)))) == []


def test_nearest_come_first_and_nodes_are_whole(config: Config) -> None:
    store = config.open()
    nodes = fill(store, config)
    for node in nodes:
        result = store.query(config.query(node.get_content()))
        assert check_shape(result)[0] == node.node_id
        assert (result.nodes or [])[0] == node.model_copy(update={"embedding": None})
        assert len(result.ids or []) == len(nodes)


@pytest.mark.parametrize("top_k", [1, 3, 50])
def test_top_k(config: Config, top_k: int) -> None:
    store = config.open()
    fill(store, config)
    found = check_shape(store.query(config.query("all gamma", top_k)))
    assert len(found) == min(top_k, len(WORDS))
    assert found[0] == "n2"
    assert check_shape(store.query(config.query("all gamma", 50)))[:1] == found[:1]


def test_repeated_query_is_equal(config: Config) -> None:
    store = config.open()
    fill(store, config)
    query = config.query("all delta")
    first = store.query(query)
    for _ in range(3):
        again = store.query(query)
        assert (again.ids, again.similarities) == (first.ids, first.similarities)


def test_adding_replaces_text_metadata_and_vectors(config: Config) -> None:
    store = config.open()
    fill(store, config)
    changed = config.node("n0", "all omega", source="other", fresh=True)
    assert store.add([config.node("n0", "all first"), changed]) == ["n0", "n0"]
    assert store.get_nodes(["n0"]) == [changed]
    assert check_shape(store.query(config.query("all omega")))[0] == "n0"
    assert len(store.get_nodes()) == len(WORDS)


def test_deleting(config: Config) -> None:
    store = config.open()
    fill(store, config)
    store.delete("doc0")
    assert sorted(check_shape(store.query(config.query("all alpha")))) == ["n1", "n3", "n5"]
    store.delete_nodes(["n1", "n5", "missing"], where("n", 2, ">"))
    assert sorted(ids(store.get_nodes())) == ["n1", "n3"]
    store.delete_nodes([])
    store.delete_nodes(filters=where("word", "delta"))
    assert ids(store.get_nodes()) == ["n1"]
    with pytest.raises(ValueError, match="clear"):
        store.delete_nodes()
    store.delete_nodes(["n1"])
    assert check_shape(store.query(config.query("all beta"))) == []


def test_getting(config: Config) -> None:
    store = config.open()
    nodes = fill(store, config)
    assert store.get_nodes(["n4", "missing", "n1", "n4"]) == [nodes[4], nodes[1]]
    assert sorted(ids(store.get_nodes())) == [node.node_id for node in nodes]
    assert sorted(ids(store.get_nodes(filters=where("n", 3, ">=")))) == ["n3", "n4", "n5"]
    assert store.get_nodes(["n5", "n0", "n4"], where("n", 3, ">=")) == [nodes[5], nodes[4]]


def test_clear_keeps_collection(config: Config) -> None:
    store = config.open()
    fill(store, config)
    store.clear()
    assert store.collection is not None
    assert check_shape(store.query(config.query("all alpha"))) == []
    fill(store, config)
    assert len(check_shape(store.query(config.query("all alpha")))) == len(WORDS)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (where("n", 4, ">="), {"n4", "n5"}),
        (where("word", ["alpha", "zeta"], "in"), {"n0", "n5"}),
        (where("missing", 1, "!="), {"n0", "n1", "n2", "n3", "n4", "n5"}),
        (
            MetadataFilters(filters=[where("n", 1, ">")], condition=FilterCondition.NOT),
            {"n0", "n1"},
        ),
        (
            MetadataFilters(
                filters=[where("n", 0), where("word", "TA", "text_match_insensitive")],
                condition=FilterCondition.OR,
            ),
            {"n0", "n1", "n3", "n5"},
        ),
        (MetadataFilters(filters=[]), {"n0", "n1", "n2", "n3", "n4", "n5"}),
    ],
)
def test_filters(config: Config, filters: MetadataFilters, expected: set[str]) -> None:
    store = config.open()
    fill(store, config)
    found = check_shape(store.query(config.query("all alpha", filters=filters)))
    assert set(found) == expected
    # Filters choose before the ranking: a small result is still full.
    assert len(check_shape(store.query(config.query("all alpha", 2, filters=filters)))) == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"node_ids": ["n1", "n3", "it's"]}, {"n1", "n3"}),
        ({"doc_ids": ["doc1"]}, {"n1", "n3", "n5"}),
        ({"doc_ids": ["doc1", 'quo"te'], "node_ids": ["n0", "n5"]}, {"n5"}),
        ({"doc_ids": []}, set()),
        ({"doc_ids": ["doc1"], "filters": where("n", 3, "<")}, {"n1"}),
    ],
)
def test_restrictions(config: Config, arguments: dict[str, Any], expected: set[str]) -> None:
    store = config.open()
    fill(store, config)
    result = store.query(config.query("all alpha", **arguments))
    assert set(check_shape(result)) == expected


def test_output_fields(config: Config) -> None:
    store = config.open()
    fill(store, config)
    (found,) = store.query(config.query("all beta", 1, output_fields=["n", "x"])).nodes or []
    assert found.metadata == {"n": 1}


def test_any_ids_and_keys(config: Config) -> None:
    store = config.open()
    hard = ["it's", 'quo"te', "back\\slash", "a b", "ключ", "1", "%", "x" * 500]
    keys = {"id": 1, "pk": 2, "text": "t", "vector": [1], "a.b": {"c": None}, 'it\'s "q"': "ключ"}
    nodes = [config.node(i, f"all {i}", source=f"doc {i}") for i in hard]
    store.add([node.model_copy(update={"metadata": dict(keys)}) for node in nodes])
    assert sorted(ids(store.get_nodes(hard))) == sorted(hard)
    assert all(n.metadata == keys for n in store.get_nodes())
    for one in hard:
        query = config.query("all", doc_ids=[f"doc {one}"])
        assert check_shape(store.query(query)) == [one]
    for one in hard:
        store.delete(f"doc {one}")
    assert store.get_nodes() == []


def test_unsupported_modes(config: Config) -> None:
    store = config.open()
    fill(store, config)
    wrong = {Mode.SVM, Mode.LOGISTIC_REGRESSION, Mode.LINEAR_REGRESSION, Mode.SEMANTIC_HYBRID}
    if config.kind != "hybrid":
        wrong |= {Mode.HYBRID}
    if config.kind == "dense":
        wrong |= {Mode.SPARSE, Mode.TEXT_SEARCH}
    for mode in wrong:
        query = config.query("all alpha")
        query.mode, query.query_embedding = mode, [1.0] * DIM
        with pytest.raises(ValueError, match=f"query mode '{mode.value}'"):
            store.query(query)


def test_unknown_option(config: Config) -> None:
    store = config.open()
    with pytest.raises(TypeError, match="did you mean 'filter'"):
        store.query(config.query("all"), filtre={"n": 1})
    with pytest.raises(TypeError, match="did you mean 'batch_size'"):
        config.open(batchsize=3)


async def test_async_methods_answer_alike(config: Config) -> None:
    store, other = config.open(collection_name="one"), config.open(collection_name="two")
    nodes = fill(store, config)
    assert await other.async_add(nodes) == [node.node_id for node in nodes]
    assert await other.aget_nodes() == store.get_nodes()
    results = await asyncio.gather(
        *(other.aquery(config.query(n.get_content(), filters=where("n", 5, "<"))) for n in nodes)
    )
    for node, result in zip(nodes, results, strict=True):
        same = store.query(config.query(node.get_content(), filters=where("n", 5, "<")))
        assert check_shape(result) == same.ids
        assert result.similarities == same.similarities
    await other.adelete("doc0")
    await other.adelete_nodes(["n1", "n3"], where("n", 2, ">"))
    assert sorted(ids(await other.aget_nodes())) == ["n1", "n5"]
    await other.aclear()
    assert check_shape(await other.aquery(config.query("all alpha"))) == []


def test_tenants(config: Config) -> None:
    store = config.open(partition_key="tenant")
    acme, other = store.for_tenant("acme"), store.for_tenant("it's")
    acme.add([config.node("1", "all acme", source="d")])
    other.add([config.node("1", "all other", source="d"), config.node("2", "all two")])
    assert check_shape(acme.query(config.query("all"))) == ["1"]
    assert [n.get_content() for n in acme.get_nodes()] == ["all acme"]
    assert sorted(check_shape(store.query(config.query("all"), tenant="it's"))) == ["1", "2"]
    acme.delete("d")
    acme.clear()
    assert sorted(ids(other.get_nodes())) == ["1", "2"]


def test_persist_writes_nothing(config: Config, tmp_path: Path) -> None:
    store = config.open()
    fill(store, config)
    store.persist(str(tmp_path / "out" / "x.json"), fs=None)
    assert not (tmp_path / "out").exists()


def test_index_over_the_store(config: Config) -> None:
    store = config.open()
    embedding = MockEmbedding(embed_dim=DIM)
    context = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex([], storage_context=context, embed_model=embedding)
    index.insert_nodes([config.node("a", "all alpha"), config.node("b", "all beta")])
    again = VectorStoreIndex.from_vector_store(store, embed_model=embedding)
    mode = MODES[config.kind].value
    found = again.as_retriever(vector_store_query_mode=mode, similarity_top_k=5).retrieve("all")
    assert sorted(n.node.node_id for n in found) == ["a", "b"]


# --- what stays on disk -----------------------------------------------------------------------


def test_reopen(on_disk: Config) -> None:
    with on_disk.open() as store:
        nodes = fill(store, on_disk)
        before = store.query(on_disk.query("all beta"))
    with on_disk.open() as store:
        after = store.query(on_disk.query("all beta"))
        assert after.ids == before.ids
        assert after.similarities == pytest.approx(before.similarities)
        assert store.get_nodes([n.node_id for n in nodes]) == nodes
        store.add([on_disk.node("more", "all more")])
        assert check_shape(store.query(on_disk.query("all more")))[0] == "more"


def test_two_stores_share_path(on_disk: Config) -> None:
    first, second = on_disk.open(), on_disk.open()
    fill(first, on_disk)
    assert check_shape(second.query(on_disk.query("all zeta")))[0] == "n5"
    second.delete_nodes(["n5"])
    assert "n5" not in check_shape(first.query(on_disk.query("all zeta")))


def test_pickle_reopens(on_disk: Config) -> None:
    store = on_disk.open()
    fill(store, on_disk)
    again = pickle.loads(pickle.dumps(store))
    on_disk.opened.append(again)
    assert again.to_dict() == store.to_dict()
    assert len(again.get_nodes()) == len(WORDS)


def test_dim_mismatch_message(on_disk: Config) -> None:
    if not on_disk.has_vectors:
        pytest.skip("no vectors")
    fill(on_disk.open(), on_disk)
    with pytest.raises(ValueError, match=f"dim is {DIM}, but the store was opened with 3"):
        on_disk.open(dim=3)
