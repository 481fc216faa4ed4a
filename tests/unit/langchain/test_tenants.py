"""Views of one tenant: nothing gets in or out."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding

from elanus.errors import EntityError, InvalidArgumentError, SchemaError
from langchain_elanus import BM25, ElanusVectorStore

TENANTS = ["acme", "acme/", "a%2Fb", "Ümlaut"]


def make_store(**options: Any) -> ElanusVectorStore:
    embeddings = DeterministicFakeEmbedding(size=3)
    return ElanusVectorStore(embeddings, uri=":memory:", partition_key="tenant", **options)


def contents(store: ElanusVectorStore) -> dict[str | None, str]:
    return {d.id: d.page_content for d in store.get()}


ids = st.sampled_from(["1", "2", "acme/1", "/"])
steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "delete", "delete_filter", "delete_all"]),
        st.sampled_from(TENANTS),
        ids,
        st.text(max_size=3),
    ),
    max_size=12,
)


@settings(max_examples=30)
@given(steps)
def test_tenant_isolation(actions: list[tuple[str, str, str, str]]) -> None:
    with make_store(sparse=BM25()) as store:
        store.for_tenant("zero").add_texts(["never touched"], ids=["1"])
        model: dict[str, dict[str, str]] = {t: {} for t in TENANTS} | {
            "zero": {"1": "never touched"}
        }
        for action, tenant, id_, text in actions:
            view = store.for_tenant(tenant)
            if action == "add":
                assert view.add_texts([text], ids=[id_]) == [id_]
                model[tenant][id_] = text
            elif action == "delete":
                view.delete([id_])
                model[tenant].pop(id_, None)
            elif action == "delete_filter":
                view.delete(filter={"missing": None})
                model[tenant].clear()
            else:
                view.delete()
                model[tenant].clear()
        for tenant, rows in model.items():
            view = store.for_tenant(tenant)
            assert contents(view) == rows
            assert view.count() == len(rows)
            assert {d.id for d in view.get_by_ids(["1", "2", "acme/1", "/"])} == set(rows)
            assert {d.id for d in view.similarity_search("x", k=50)} == set(rows)
            anyone = {"$or": [{"tenant": {"$exists": True}}, {"tenant": None}]}
            assert view.count(anyone) == len(rows)
        assert store.count() == sum(map(len, model.values()))


def test_view_in_every_search() -> None:
    store = make_store(sparse=BM25())
    store.add_texts(["shared words"] * 2, [{"tenant": "acme"}, {"tenant": "other"}], ids=["a", "b"])
    acme = store.for_tenant("acme")
    expected = [Document(id="a", page_content="shared words", metadata={"tenant": "acme"})]
    for mode in ("dense", "bm25", "hybrid"):
        assert acme.similarity_search("shared", search_mode=mode) == expected
    assert acme.max_marginal_relevance_search("shared") == expected
    assert acme.as_retriever().invoke("shared") == expected
    assert acme.similarity_search("shared", tenant="acme") == expected
    assert [d.id for d in store.similarity_search("shared", tenant="other")] == ["b"]
    with pytest.raises(InvalidArgumentError, match="bound to 'acme'"):
        acme.similarity_search("shared", tenant="other")
    with pytest.raises(InvalidArgumentError, match="bound to 'acme'"):
        acme.for_tenant("other")


def test_ids_outside_a_view_carry_their_tenant() -> None:
    store = make_store()
    assert store.add_texts(["x"], [{"tenant": "a/b"}], ids=["1"]) == ["a%2Fb/1"]
    assert [d.id for d in store.get_by_ids(["a%2Fb/1"])] == ["a%2Fb/1"]
    (document,) = store.get()
    assert store.add_documents([document]) == ["a%2Fb/1"]
    assert store.count() == 1
    assert [d.id for d in store.for_tenant("a/b").get()] == ["1"]
    with pytest.raises(InvalidArgumentError, match="for_tenant"):
        store.get_by_ids(["1"])


@pytest.mark.parametrize(
    ("metadata", "tenant", "message"),
    [
        ({}, None, "partitioned by it, got none"),
        ({"tenant": 5}, None, "expected a non-empty str"),
        ({"tenant": "other"}, "acme", "bound to 'acme', got 'other'"),
    ],
)
def test_writes_of_nobody_or_somebody_else(
    metadata: dict[str, Any], tenant: str | None, message: str
) -> None:
    store = make_store()
    view = store if tenant is None else store.for_tenant(tenant)
    with pytest.raises(EntityError, match=message) as failed:
        view.add_texts(["one"], [metadata])
    assert failed.value.row == 0
    assert store.collection is None


def test_a_view_cannot_drop_the_collection() -> None:
    store = make_store()
    acme = store.for_tenant("acme")
    acme.add_texts(["x"])
    with pytest.raises(InvalidArgumentError, match="bound to tenant 'acme'"):
        acme.drop()
    acme.close()
    assert store.count() == 1


def test_stored_partition_key_holds_for_a_store_that_does_not_name_it(tmp_path: Any) -> None:
    embeddings = DeterministicFakeEmbedding(size=3)
    with ElanusVectorStore(embeddings, uri=tmp_path, partition_key="tenant") as store:
        store.for_tenant("acme").add_texts(["x"], ids=["1"])
        with ElanusVectorStore(embeddings, uri=tmp_path) as second:
            assert [d.id for d in second.for_tenant("acme").get()] == ["1"]
            assert second.for_tenant("other").get() == []
        with pytest.raises(SchemaError, match="partition key"):
            ElanusVectorStore(embeddings, uri=tmp_path, partition_key="owner")


def test_store_without_partition_key_has_no_tenants() -> None:
    store = ElanusVectorStore(DeterministicFakeEmbedding(size=3), uri=":memory:")
    with pytest.raises(InvalidArgumentError, match="no partition key"):
        store.for_tenant("acme")
