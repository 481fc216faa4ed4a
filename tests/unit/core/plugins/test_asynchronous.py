"""Embedders from an event loop."""

import asyncio
import threading
from collections.abc import Sequence

from elanus.plugins import ModelInfo, SparseVectors, VectorKind
from elanus.plugins.asynchronous import aembed_documents, aembed_queries


class Plain:
    info = ModelInfo(name="plain", kind=VectorKind.SPARSE)

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    def embed_documents(self, texts: Sequence[str]) -> SparseVectors:
        self.threads.append(threading.current_thread())
        return SparseVectors.from_dicts([{len(text): 1.0} for text in texts])

    embed_queries = embed_documents


class Own(Plain):
    async def aembed_documents(self, texts: Sequence[str]) -> SparseVectors:
        return self.embed_documents(texts)

    aembed_queries = aembed_documents


def test_without_methods_of_its_own_an_embedder_is_asked_in_a_thread() -> None:
    plain = Plain()
    assert asyncio.run(aembed_documents(plain, ["ab", "a"])).to_dicts() == [{2: 1.0}, {1: 1.0}]
    assert asyncio.run(aembed_queries(plain, ["abc"])).to_dicts() == [{3: 1.0}]
    assert threading.main_thread() not in plain.threads


def test_methods_of_its_own_are_awaited() -> None:
    own = Own()
    assert asyncio.run(aembed_documents(own, ["ab"])).to_dicts() == [{2: 1.0}]
    assert asyncio.run(aembed_queries(own, ["a"])).to_dicts() == [{1: 1.0}]
    assert own.threads == [threading.main_thread()] * 2
