"""How does a LangChain store change its embedding model, while the old one answers?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from langchain_core.embeddings import Embeddings

from elanus.documents import DocumentStore, NextModel, model_record
from langchain_elanus.encoders import Encoders, model_name, plugin_of
from langchain_elanus.options import StoreSettings


class Migrating:
    """The part of the store that replaces its embedding model."""

    _store: DocumentStore
    _encoders: Encoders
    _settings: StoreSettings

    def migrate_embeddings(self, embedding: Embeddings, *, background: bool = True) -> Any:
        """Have another model embed all texts, while the old one answers.

        Documents that are written meanwhile through this store and its views get vectors of both
        models. ``switch`` lets the new model answer, with one commit, and ``rollback`` the old one
        again; ``finish`` drops the old vectors, and from then on the store is opened with the new
        model. Called again for the same model, also after a crash, it goes on where it was.

        Args:
            embedding: The new model.
            background: Fill in a thread; False: return when that is done.

        Returns:
            The migration, with ``progress``, ``wait``, ``switch``, ``rollback``, ``finish`` and
            ``abandon``.

        Raises:
            ValueError: There are no dense vectors yet, or the store is bound to one tenant.
            StateError: Yet another model is on its way.
        """
        size = self._settings.batch_size

        def encode(texts: Any) -> list[list[float]]:
            parts = [list(texts[i : i + size]) for i in range(0, len(texts), size)]
            return [vector for part in parts for vector in embedding.embed_documents(part)]

        dim = len(embedding.embed_query("dimensions"))
        record = model_record(plugin_of(embedding), model_name(embedding))
        model = NextModel(embedding, dim, encode, record=record)
        return self._store.migrate(model, background=background)

    @property
    def _query_encoders(self) -> Encoders:
        """The models that queries are for."""
        other = self._store.answering_model
        return self._encoders if other is None else replace(self._encoders, embedding=other)

    @property
    def _document_encoders(self) -> Encoders:
        """The models that documents need; those of a migration under way come on top."""
        other = self._store.writing_model
        return self._encoders if other is None else replace(self._encoders, embedding=other)
