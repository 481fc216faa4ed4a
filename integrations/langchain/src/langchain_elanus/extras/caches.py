"""Was this prompt answered before? By the same words, or by words that mean the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import Any, Unpack

from langchain_core.caches import BaseCache
from langchain_core.embeddings import Embeddings
from langchain_core.outputs import Generation

import elanus
from elanus.documents import DocumentCollection, PlaceOptions, check_options
from langchain_elanus.extras.messages import generations_to_text, text_to_generations
from langchain_elanus.extras.table import TableUser
from langchain_elanus.lifecycle import DatabaseUser
from langchain_elanus.options import StoreOptions
from langchain_elanus.vectorstore import ElanusVectorStore


class ElanusCache(TableUser, BaseCache):
    """Answers of models by prompt, durable: ``set_llm_cache(ElanusCache(uri="./cache_db"))``.

    Args:
        ttl_s: Seconds that an answer of a new collection counts; None: for ever.
            ``collection.set_ttl`` changes it later.
        collection_name: Name of the collection.
        uri: A folder, ``":memory:"``, or the URL of a server.
        **options: ``token``, ``database``, ``several_processes``, ``wait_s``; see ``PlaceOptions``.

    Raises:
        DatabaseLockedError: Another process has ``uri`` open for writing.
        SchemaError: The collection exists and holds something else.
    """

    def __init__(
        self,
        *,
        ttl_s: float | None = None,
        collection_name: str = "langchain_cache",
        uri: str | os.PathLike[str] = "./elanus_data",
        **options: Unpack[PlaceOptions],
    ) -> None:
        fields = [
            elanus.Field("key", elanus.VARCHAR, primary=True),
            elanus.Field("llm", elanus.VARCHAR),
            elanus.Field("prompt", elanus.VARCHAR),
            elanus.Field("generations", elanus.VARCHAR),
        ]
        TableUser.__init__(self, fields, collection_name, uri, ttl_s=ttl_s, **options)

    def lookup(self, prompt: str, llm_string: str) -> list[Generation] | None:
        """Return what the model answered to exactly this prompt, or None."""
        key = _digest(prompt, llm_string)
        row = self._table.get([key], ["generations"]).get(key)
        return None if row is None else text_to_generations(row["generations"])

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Keep what a model answered, in place of an earlier answer.

        Raises:
            ValueError: The answer has no JSON form.
        """
        row = {
            "key": _digest(prompt, llm_string),
            "llm": _digest(llm_string),
            "prompt": prompt,
            "generations": generations_to_text(return_val),
        }
        self._table.upsert([row])

    def clear(self, **kwargs: Any) -> None:
        """Forget everything, or with ``llm_string=`` what one model answered."""
        check_options(kwargs, ("llm_string",), "clear")
        if "llm_string" in kwargs:
            self._table.delete_where({"llm": _digest(kwargs["llm_string"])})
        else:
            self._table.truncate()


class ElanusSemanticCache(DatabaseUser, BaseCache):
    """Answers of models by the meaning of the prompt.

    Args:
        embedding: Makes the vectors of the prompts.
        score_threshold: Least relevance, in [0, 1], of an earlier prompt whose answer counts; of
            the cosine ``s`` it is ``(1 + s) / 2``. Too low a threshold answers other questions.
        collection_name: Name of the collection.
        uri: A folder, ``":memory:"``, or the URL of a server.
        token: Credentials for a server.
        **options: See ``StoreOptions``.

    Raises:
        ValueError: ``score_threshold`` is not in [0, 1].
    """

    def __init__(
        self,
        embedding: Embeddings,
        *,
        score_threshold: float = 0.95,
        collection_name: str = "langchain_semantic_cache",
        uri: str | os.PathLike[str] = "./elanus_data",
        token: str | None = None,
        **options: Unpack[StoreOptions],
    ) -> None:
        if not 0 <= score_threshold <= 1:
            raise ValueError(f"score_threshold: expected 0 to 1, got {score_threshold}")
        self._threshold = score_threshold
        DatabaseUser.__init__(self, uri, token, options.get("database"))
        options["database"] = self._database
        try:
            self._store = ElanusVectorStore(embedding, collection_name=collection_name, **options)
        except BaseException:
            self.close()
            raise

    @property
    def collection(self) -> DocumentCollection | None:
        """The elanus collection of prompts and answers, or None before the first write."""
        return self._store.collection

    def lookup(self, prompt: str, llm_string: str) -> list[Generation] | None:
        """Return what the model answered to the nearest prompt, or None when none is near."""
        return _answer(self._store.similarity_search(prompt, **self._search(llm_string)))

    async def alookup(self, prompt: str, llm_string: str) -> list[Generation] | None:
        """Do what ``lookup`` does, without blocking the event loop."""
        return _answer(await self._store.asimilarity_search(prompt, **self._search(llm_string)))

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Keep what a model answered, in place of an earlier answer to the same prompt.

        Raises:
            ValueError: The answer has no JSON form.
        """
        self._store.add_texts([prompt], **_kept(prompt, llm_string, return_val))

    async def aupdate(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Do what ``update`` does, without blocking the event loop."""
        await self._store.aadd_texts([prompt], **_kept(prompt, llm_string, return_val))

    def clear(self, **kwargs: Any) -> None:
        """Forget everything, or with ``llm_string=`` what one model answered."""
        check_options(kwargs, ("llm_string",), "clear")
        if "llm_string" in kwargs:
            self._store.delete(filter={"llm": _digest(kwargs["llm_string"])})
        else:
            self._store.clear()

    def _search(self, llm_string: str) -> dict[str, Any]:
        condition = {"llm": _digest(llm_string)}
        return {"k": 1, "filter": condition, "score_threshold": self._threshold}


def _digest(*parts: str) -> str:
    """Return a key that also depends on where each part ends."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode()
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()


def _kept(prompt: str, llm_string: str, answer: Sequence[Generation]) -> dict[str, Any]:
    metadata = {"llm": _digest(llm_string), "generations": generations_to_text(answer)}
    return {"metadatas": [metadata], "ids": [_digest(prompt, llm_string)]}


def _answer(found: Sequence[Any]) -> list[Generation] | None:
    return text_to_generations(found[0].metadata["generations"]) if found else None
