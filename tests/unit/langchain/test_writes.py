"""Adding, replacing, reading and deleting documents."""

import copy
import enum
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding

from elanus.errors import EntityError, FilterError
from langchain_elanus import BM25, ElanusVectorStore
from support.langchain_models import TableEmbeddings


@pytest.fixture
def store() -> Iterator[ElanusVectorStore]:
    with ElanusVectorStore(DeterministicFakeEmbedding(size=6), uri=":memory:") as opened:
        yield opened


def document(id: str, text: str, **metadata: Any) -> Document:
    return Document(id=id, page_content=text, metadata=metadata)


@pytest.mark.parametrize("kind", [list, tuple, iter, lambda texts: (t for t in texts)])
def test_add_texts_accepts_any_iterable(store: ElanusVectorStore, kind: Any) -> None:
    ids = store.add_texts(kind(["one", "two"]), ids=["a", "b"])
    assert ids == ["a", "b"]
    assert store.get_by_ids(["b", "a"]) == [document("b", "two"), document("a", "one")]


@pytest.mark.parametrize(
    "arguments",
    [{"metadatas": [{}]}, {"ids": ["a"]}, {"metadatas": [{}, {}, {}]}, {"ids": ["a", "b", "c"]}],
)
def test_add_texts_rejects_unequal_lengths(arguments: dict[str, Any]) -> None:
    embeddings = TableEmbeddings({})
    store = ElanusVectorStore(embeddings, uri=":memory:")
    with pytest.raises(ValueError, match="expected 2, one per text, got"):
        store.add_texts(["one", "two"], **arguments)
    assert embeddings.embedded == []
    assert store.collection is None


async def test_one_value_is_no_list_of_values(store: ElanusVectorStore) -> None:
    one = "expected a list of str, got one str"
    with pytest.raises(ValueError, match=f"texts: {one}"):
        store.add_texts("text")
    with pytest.raises(ValueError, match=f"texts: {one}"):
        await store.aadd_texts("text")
    with pytest.raises(ValueError, match="expected a list of Document, got one"):
        store.add_documents(Document("text"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected Document, got str \(row 1\); add_texts"):
        await store.aadd_documents([Document("text"), "text"])  # type: ignore[list-item]
    assert store.collection is None
    store.add_texts(["one", "two"], ids=["a", "b"])
    with pytest.raises(ValueError, match=f"ids: {one}"):
        store.get_by_ids("ab")
    with pytest.raises(ValueError, match=f"ids: {one}"):
        store.delete("ab")
    assert store.count() == 2


def test_empty_input_writes_nothing(store: ElanusVectorStore) -> None:
    assert store.add_texts([]) == []
    assert store.add_documents([]) == []
    assert store.collection is None


def test_duplicate_ids_in_one_batch(store: ElanusVectorStore) -> None:
    ids = store.add_texts(["first", "other", "last"], [{"n": 1}, {}, {"n": 3}], ids=["a", "b", "a"])
    assert ids == ["a", "b", "a"]
    assert store.count() == 2
    assert store.get_by_ids(["a"]) == [document("a", "last", n=3)]


def test_ids_argument_goes_before_document_ids(store: ElanusVectorStore) -> None:
    assert store.add_documents([document("a", "one")], ids=["z"]) == ["z"]
    assert store.get_by_ids(["a", "z"]) == [document("z", "one")]


def test_missing_ids_become_uuids_and_do_not_change_later_calls(store: ElanusVectorStore) -> None:
    made = store.add_texts(["one", "two"])
    assert [uuid.UUID(i).version for i in made] == [4, 4]
    mixed = store.add_documents([document("a", "three"), Document(page_content="four")])
    assert mixed[0] == "a"
    assert [d.page_content for d in store.get_by_ids([*made, *mixed])] == [
        "one",
        "two",
        "three",
        "four",
    ]


def test_existing_id_is_replaced_with_text_metadata_and_vectors() -> None:
    table = {"red": [1.0, 0.0], "blue": [0.0, 1.0]}
    store = ElanusVectorStore(TableEmbeddings(table), uri=":memory:", sparse=BM25())
    store.add_texts(["red"], [{"colour": "red", "old": True}], ids=["a"])
    store.add_texts(["blue"], [{"colour": "blue"}], ids=["a"])
    assert store.get() == [document("a", "blue", colour="blue")]
    assert store.similarity_search("red", search_mode="bm25") == []
    assert [s for _, s in store.similarity_search_with_score("blue", search_mode="dense")] == [
        pytest.approx(1.0)
    ]


@pytest.mark.parametrize("bad", ["", 5, None])
def test_ids_must_be_non_empty_strings(store: ElanusVectorStore, bad: Any) -> None:
    if bad is None:
        assert len(store.add_texts(["one"], ids=[None])) == 1
        return
    with pytest.raises(EntityError, match="row 1") as failed:
        store.add_texts(["one", "two"], ids=["a", bad])
    assert failed.value.row == 1


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    ["id", "pk", "text", "vector", "metadata", "a.b", "it's", '"', "$eq", "ключ"]
)


@settings(max_examples=40)
@given(st.dictionaries(keys | st.text(max_size=5), json_values, max_size=5))
def test_metadata_round_trip(metadata: dict[str, Any]) -> None:
    kept = copy.deepcopy(metadata)
    with ElanusVectorStore(DeterministicFakeEmbedding(size=3), uri=":memory:") as store:
        given_document = document("a", "text")
        given_document.metadata = metadata
        store.add_documents([given_document])
        assert metadata == kept
        (read,) = store.get_by_ids(["a"])
        (found,) = store.similarity_search("text")
    assert read.metadata == found.metadata == kept
    assert {k: type(v) for k, v in read.metadata.items()} == {k: type(v) for k, v in kept.items()}


class Colour(enum.Enum):
    RED = "red"


def test_metadata_values_are_converted(store: ElanusVectorStore) -> None:
    moment = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
    uid = uuid.UUID(int=7)
    store.add_texts(
        ["text"],
        [
            {
                "moment": moment,
                "day": date(2024, 2, 29),
                "uid": uid,
                "path": PurePosixPath("a/b.txt"),
                "colour": Colour.RED,
                "price": Decimal("1.50"),
                "count": np.int64(3),
                "share": np.float32(0.5),
                "flag": np.bool_(True),
                "pair": (1, 2),
                "deep": {"day": [date(2024, 1, 1)]},
            }
        ],
        ids=["a"],
    )
    assert store.get_by_ids(["a"])[0].metadata == {
        "moment": "2024-02-29T12:30:00+00:00",
        "day": "2024-02-29",
        "uid": str(uid),
        "path": "a/b.txt",
        "colour": "red",
        "price": "1.50",
        "count": 3,
        "share": 0.5,
        "flag": True,
        "pair": [1, 2],
        "deep": {"day": ["2024-01-01"]},
    }


@pytest.mark.parametrize(
    ("metadata", "where"),
    [
        ({"k": object()}, r"metadata\['k'\]: object"),
        ({"k": {"deep": {1, 2}}}, r"metadata\['k'\]\['deep'\]: set"),
        ({"k": [0, b"x"]}, r"metadata\['k'\]\[1\]: bytes"),
        ({5: "x"}, "keys must be str, got 5"),
        ({"k": float("nan")}, "nan has no JSON form"),
    ],
)
def test_metadata_without_json_form_is_refused_before_anything(
    metadata: dict[Any, Any], where: str
) -> None:
    embeddings = TableEmbeddings({"one": [1.0], "two": [1.0]})
    store = ElanusVectorStore(embeddings, uri=":memory:")
    with pytest.raises(EntityError, match=where) as failed:
        store.add_texts(["one", "two"], [{}, metadata])
    assert failed.value.row == 1
    assert embeddings.embedded == []
    assert store.collection is None


def test_documents_need_not_share_their_keys(store: ElanusVectorStore) -> None:
    metadatas = [{"a": 1}, {"b": "x"}, {}, {"a": "now text"}]
    store.add_texts(list("wxyz"), metadatas, ids=list("wxyz"))
    assert [d.metadata for d in store.get_by_ids(list("wxyz"))] == metadatas


def test_long_text() -> None:
    # More than a megabyte, where Milvus ends at 65,535 bytes; its last word is found.
    text = "wörd " * 200_000 + "needle"
    embeddings = DeterministicFakeEmbedding(size=6)
    with ElanusVectorStore(embeddings, uri=":memory:", sparse=BM25("english")) as store:
        store.add_texts([text, "short"], [{"long": text}, {}], ids=["long", "short"])
        expected = document("long", text, long=text)
        assert store.get_by_ids(["long"]) == [expected]
        assert store.similarity_search("needles", search_mode="bm25") == [expected]
        assert store.get({"long": text}) == [expected]


def test_large_batch(store: ElanusVectorStore) -> None:
    texts = [str(i) for i in range(10_000)]
    assert store.add_texts(texts, ids=texts) == texts
    assert store.count() == 10_000
    assert store.similarity_search("4711", k=1) == [document("4711", "4711")]


def test_batch_size_splits_the_calls_of_the_model() -> None:
    calls: list[int] = []

    class Counting(DeterministicFakeEmbedding):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            calls.append(len(texts))
            return super().embed_documents(texts)

    store = ElanusVectorStore(Counting(size=2), uri=":memory:", batch_size=4)
    store.add_texts([str(i) for i in range(10)])
    store.add_documents([Document(page_content="x")] * 3, batch_size=2)
    assert calls == [4, 4, 2, 2, 1]


# --- reading and deleting ---------------------------------------------------------------------


@pytest.fixture
def filled(store: ElanusVectorStore) -> ElanusVectorStore:
    store.add_texts(["one", "two", "three"], [{"n": 1}, {"n": 2}, {"n": 3}], ids=["a", "b", "c"])
    return store


def ids_of(store: ElanusVectorStore) -> list[str | None]:
    return sorted(d.id or "" for d in store.get())


def test_get_by_ids_keeps_order_and_drops_repeats(filled: ElanusVectorStore) -> None:
    found = filled.get_by_ids(["c", "missing", "a", "c"])
    assert [d.id for d in found] == ["c", "a"]


def test_get_filters_and_pages(filled: ElanusVectorStore) -> None:
    assert [d.id for d in filled.get({"n": {"$gte": 2}})] == ["b", "c"]
    assert [d.id for d in filled.get(limit=1, offset=1)] == ["b"]
    assert filled.count({"n": {"$lt": 3}}) == 2


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ({"ids": ["a", "missing"]}, ["b", "c"]),
        ({"ids": []}, ["a", "b", "c"]),
        ({"filter": {"n": {"$gte": 2}}}, ["a"]),
        ({"filter": "n >= 2"}, ["a"]),
        ({"expr": "n == 1"}, ["b", "c"]),
        ({"ids": ["a", "b"], "filter": {"n": 2}}, ["a", "c"]),
        ({"ids": None}, []),
        ({}, []),
    ],
)
def test_delete(filled: ElanusVectorStore, arguments: dict[str, Any], left: list[str]) -> None:
    assert filled.delete(**arguments) is True
    assert ids_of(filled) == left


async def test_adelete(filled: ElanusVectorStore) -> None:
    assert await filled.adelete(filter={"n": 1}) is True
    assert ids_of(filled) == ["b", "c"]


def test_delete_raises_what_goes_wrong(filled: ElanusVectorStore) -> None:
    with pytest.raises(FilterError):
        filled.delete(filter="n >=")
    with pytest.raises(TypeError, match="did you mean 'filter'"):
        filled.delete(filters={"n": 1})
    assert filled.count() == 3


def test_delete_before_the_first_write(store: ElanusVectorStore) -> None:
    assert store.delete(["a"]) is True
    assert store.delete() is True


def test_clear_keeps_the_collection_and_drop_removes_it(filled: ElanusVectorStore) -> None:
    filled.clear()
    assert filled.collection is not None
    assert filled.count() == 0
    filled.add_texts(["again"], ids=["z"])
    assert ids_of(filled) == ["z"]
    filled.drop()
    assert filled.collection is None
    assert filled.similarity_search("again") == []
