"""Rows that one framework wrote are read by the other and by elanus itself."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

import elanus
from langchain_elanus import ElanusVectorStore as LangChainStore
from llama_index.vector_stores.elanus import BM25, ElanusVectorStore

EMBEDDINGS = DeterministicFakeEmbedding(size=4)


@pytest.fixture
def database() -> Iterator[elanus.Database]:
    with elanus.connect(":memory:") as opened:
        yield opened


def node(id_: str, text: str, **metadata: Any) -> TextNode:
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="manual")}
    vector = EMBEDDINGS.embed_query(text)
    return TextNode(id_=id_, text=text, metadata=metadata, embedding=vector, relationships=source)


def test_cross_framework_read(database: elanus.Database) -> None:
    langchain = LangChainStore(
        EMBEDDINGS, database=database, collection_name="kb", sparse=BM25("english")
    )
    langchain.add_texts(["rotating keys"], [{"n": 1, "deep": {"k": [1, None]}}], ids=["from-lc"])
    llama = ElanusVectorStore(database=database, collection_name="kb", sparse=BM25("english"))
    written = node("from-li", "rotated images", n=2)
    llama.add([written])

    first, second = llama.get_nodes(["from-lc", "from-li"])
    expected = TextNode(
        id_="from-lc",
        text="rotating keys",
        metadata={"n": 1, "deep": {"k": [1, None]}},
        embedding=first.embedding,
    )
    assert first == expected
    assert first.embedding == pytest.approx(EMBEDDINGS.embed_query("rotating keys"))
    assert second.model_dump() | {"embedding": None} == written.model_dump() | {"embedding": None}
    query = VectorStoreQuery(query_str="rotate", mode=VectorStoreQueryMode.TEXT_SEARCH)
    query.similarity_top_k = 5
    assert sorted(llama.query(query).ids or []) == ["from-lc", "from-li"]
    query.filters = MetadataFilters(filters=[MetadataFilter(key="n", value=1)])
    assert llama.query(query).ids == ["from-lc"]

    assert langchain.get_by_ids(["from-li"]) == [
        Document(id="from-li", page_content="rotated images", metadata={"n": 2})
    ]
    found = langchain.similarity_search("rotate", filter={"n": 2}, search_mode="bm25")
    assert [d.id for d in found] == ["from-li"]

    rows = database.collection("kb").query("metadata['n'] >= 1", output=["id", "text", "metadata"])
    assert rows == [
        {"id": "from-lc", "text": "rotating keys", "metadata": {"n": 1, "deep": {"k": [1, None]}}},
        {"id": "from-li", "text": "rotated images", "metadata": {"n": 2}},
    ]
    documents = database.documents("kb", language="english")
    assert [(h.id, h.metadata) for h in documents.search("image", mode="bm25")] == [
        ("from-li", {"n": 2})
    ]


def test_rows_of_core_are_read_by_both(database: elanus.Database) -> None:
    documents = database.documents("kb", embedder="hash", language="english")
    documents.add(["rotating keys"], ids=["core"], metadata=[{"n": 1}])
    vector = documents.embedder.embed_queries(["keys"])[0].tolist() if documents.embedder else []
    llama = ElanusVectorStore(database=database, collection_name="kb")
    assert llama.query(VectorStoreQuery(query_embedding=vector)).ids == ["core"]
    langchain = LangChainStore(database=database, collection_name="kb")
    assert langchain.similarity_search("rotate") == [
        Document(id="core", page_content="rotating keys", metadata={"n": 1})
    ]


def test_tenants_are_the_same_in_both(database: elanus.Database) -> None:
    langchain = LangChainStore(
        EMBEDDINGS, database=database, collection_name="kb", partition_key="tenant"
    )
    langchain.for_tenant("acme").add_texts(["x"], ids=["1"])
    llama = ElanusVectorStore(database=database, collection_name="kb", partition_key="tenant")
    llama.for_tenant("other").add([node("1", "y")])
    assert [n.get_content() for n in llama.for_tenant("acme").get_nodes(["1"])] == ["x"]
    assert [d.page_content for d in langchain.for_tenant("other").get()] == ["y"]


def test_both_import_together_and_load_no_model(tmp_path: Path) -> None:
    code = (
        "import sys, langchain_elanus, llama_index.vector_stores.elanus; "
        "import llama_index.storage.docstore.elanus, llama_index.storage.index_store.elanus; "
        "import llama_index.storage.kvstore.elanus, llama_index.storage.chat_store.elanus; "
        "print(sorted({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_packages_are_shared_with_other_distributions(tmp_path: Path) -> None:
    names = [
        "vector_stores",
        *(f"storage.{kind}" for kind in ("kvstore", "docstore", "chat_store")),
    ]
    for name in names:
        folder = tmp_path.joinpath("llama_index", *name.split("."), "other")
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
        assert importlib.import_module(f"llama_index.{name}").__file__ is None
    modules = [f"llama_index.{name}.{kind}" for name in names for kind in ("other", "elanus")]
    code = f"import sys; sys.path.append(sys.argv[1]); import {', '.join(modules)}"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
