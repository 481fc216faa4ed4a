"""How do the chunks of a sync become documents?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from elanus.documents.layout import Layout
from elanus.documents.metadata import metadata_to_json
from elanus.documents.migration import NextModel
from elanus.documents.rows import DenseVectors, SparseVector, dense_matrix, to_pk
from elanus.documents.rows import tenant_of as tenant_of_metadata
from elanus.errors import EntityError
from elanus.plugins import Progress
from elanus.sync import DocumentEntry, Source, as_source
from elanus.sync.lineage import PlacedChunk

NODE_KEY = "$node"
"""Key in the metadata of a chunk under which an adapter hands over what its framework keeps."""

Encoded: TypeAlias = "tuple[DenseVectors | None, Sequence[SparseVector] | None]"
"""Dense vectors and learned sparse ones; None of those that there are none of."""
Encode: TypeAlias = Callable[[Sequence[str], Progress | None], Encoded]
"""Turns texts into vectors."""


@dataclass(frozen=True, slots=True)
class _OwnedSource:
    """A source under the name that it has for one tenant."""

    name: str
    source: Source

    def documents(self) -> Iterable[DocumentEntry]:
        return self.source.documents()


def owned_source(documents: Any, name: str | None, prefix: str) -> Source:
    """Return a tenant's source, which nobody else's of the same name is.

    Raises:
        InvalidArgumentError: It has no name.
    """
    source = as_source(documents, name)
    return _OwnedSource(prefix + source.name, source)


@dataclass(frozen=True, slots=True)
class DocumentRows:
    """Documents as ``elanus.sync`` writes them; see ``elanus.sync.rows.Rows``.

    Attributes:
        layout: What the collection offers.
        tenant: Whose documents they are, or None.
        encode: Makes the vectors.
        model: Which model does, where the collection does not know, or None.
        following: The model that makes vectors too, while one follows another.
    """

    layout: Layout
    tenant: str | None
    encode: Encode
    model: str | None
    following: NextModel | None = None

    @property
    def text_field(self) -> str:
        return self.layout.names.text

    @property
    def vector_fields(self) -> tuple[str, ...]:
        names = self.layout.names
        dense = (names.dense,) if self.layout.dim is not None else ()
        if self._next is not None:
            dense = (*dense, self._next)
        return (*dense, names.sparse) if self.layout.sparse else dense

    @property
    def _next(self) -> str | None:
        return None if self.following is None else self.layout.successor

    def entity(self, chunk: PlacedChunk) -> dict[str, Any]:
        names = self.layout.names
        given = dict(chunk.metadata)
        node = given.pop(NODE_KEY, None)
        metadata = metadata_to_json(given, chunk.lineage.place)
        entity: dict[str, Any] = {names.text: chunk.text, names.metadata: metadata}
        if self.layout.extras:
            entity |= {names.ref_doc_id: chunk.lineage.document, names.node: node}
        key = self.layout.partition_key
        if key is not None:
            owner = tenant_of_metadata(metadata, key, self.tenant, chunk.lineage.place)
            bound = self.tenant is not None
            entity |= {key: owner, names.id: to_pk(str(chunk.key), owner, bound=bound)}
        return entity

    def vectors(
        self, texts: Sequence[str], progress: Progress | None = None
    ) -> Mapping[str, Sequence[Any]]:
        names = self.layout.names
        if not texts or not self.vector_fields:
            return {}
        dense, sparse = self.encode(texts, progress)
        made: dict[str, Sequence[Any]] = {}
        if self.layout.dim is not None:
            made[names.dense] = list(dense_matrix(dense, self.layout.dim, len(texts)))
        if self._next is not None and self.following is not None:
            made[self._next] = list(self.following.vectors_of(texts))
        if self.layout.sparse:
            if sparse is None:
                raise EntityError(
                    "sparse: the collection has learned sparse vectors, got none; open the store "
                    "with the sparse embedder that wrote it",
                    field="sparse",
                )
            made[names.sparse] = [dict(vector) for vector in sparse]
        return made
