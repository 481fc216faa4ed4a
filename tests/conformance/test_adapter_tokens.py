"""Credentials of a server work through both adapters, and are shown and kept nowhere."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from elanus.errors import AuthenticationError
from elanus_server import Settings
from langchain_elanus import ElanusVectorStore as LangChainStore
from llama_index.vector_stores.elanus import ElanusVectorStore
from support.llamaindex_models import make_node
from support.running_server import Running

PASSWORD = "hunter2-Password"
TOKEN = f"root:{PASSWORD}"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path: Path = tmp_path_factory.mktemp("secure") / "kb"
    settings = Settings(str(path), port=0, metrics_port=None, auth=True, root_password=PASSWORD)
    with Running(settings) as server:
        yield f"http://127.0.0.1:{server.ports.grpc}"


def test_langchain(address: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    embeddings = DeterministicFakeEmbedding(size=2)
    with LangChainStore(embeddings, uri=address, token=TOKEN) as store:
        store.add_texts(["x"], ids=["a"])
        assert [d.id for d in store.similarity_search("x")] == ["a"]
        stored = pickle.dumps(store)
        shown = [repr(store), str(store), repr(store.as_retriever()), caplog.text]
    assert not any(PASSWORD in text for text in shown)
    assert PASSWORD.encode() not in stored
    with pytest.raises(AuthenticationError) as failed:
        pickle.loads(stored)
    assert PASSWORD not in str(failed.value)
    with pytest.raises(AuthenticationError) as failed:
        LangChainStore(embeddings, uri=address, token=TOKEN + "x")
    assert PASSWORD not in str(failed.value)


def test_llamaindex(address: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ElanusVectorStore(address, token=TOKEN) as store:
        store.add([make_node("a")])
        assert [n.node_id for n in store.get_nodes()] == ["a"]
        stored = pickle.dumps(store)
        data = json.dumps(store.to_dict())
        shown = [repr(store), str(store), store.to_json(), store.model_dump_json(), caplog.text]
    assert not any(PASSWORD in text for text in [data, *shown])
    assert PASSWORD.encode() not in stored
    with pytest.raises(AuthenticationError) as failed:
        ElanusVectorStore.from_dict(json.loads(data))
    assert PASSWORD not in str(failed.value)
