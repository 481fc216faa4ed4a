"""How does a batch of documents become columns, and a stored entity a document?

Ids of a collection with a partition key are stored as ``tenant/id``, so that two tenants may use
the same id without ever touching each other's documents. A view bound to a tenant neither shows
nor takes the prefix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from elanus.documents.layout import Layout
from elanus.documents.metadata import JsonObject, check_lengths, metadata_to_json
from elanus.errors import EntityError, InvalidArgumentError
from elanus.sync.lineage import LINEAGE_FIELD, Lineage
from elanus.types import Float32Array

DenseVectors = Float32Array | Sequence[Sequence[float]]
SparseVector = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class DocumentBatch:
    """Documents to write, one per position of each column.

    Everything but the vectors is checked at once, so that a caller can make a batch, then embed
    its texts, then add the vectors with ``dataclasses.replace``.

    Attributes:
        ids: Non-empty strings. Inside one batch the last of equal ids wins.
        texts: What is stored, embedded and searched by BM25.
        metadatas: One mapping each; None means empty. Kept as JSON, as a copy.
        dense: float32, shape ``(n, dim)``, or a list of lists; None without dense vectors.
        sparse: ``{index: value}`` each; None without learned sparse vectors.
        ref_doc_ids: Id of the source document of each, or None.
        nodes: JSON of what a framework keeps beside text and metadata, or None.
        lineages: From which source each is; None where they are from none.

    Raises:
        EntityError: Columns differ in length, an id is not a non-empty string, or metadata has no
            JSON form; names the row.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    metadatas: Sequence[Mapping[str, Any] | None] | None = None
    dense: DenseVectors | None = None
    sparse: Sequence[SparseVector] | None = None
    ref_doc_ids: Sequence[str | None] | None = None
    nodes: Sequence[Mapping[str, Any] | None] | None = None
    lineages: Sequence[Lineage] | None = None

    def __post_init__(self) -> None:
        for name in ("ids", "texts"):
            if isinstance(getattr(self, name), str):
                raise EntityError(
                    f"{name}: expected a list of str, got one str; write [{name[:-1]}]"
                )
        check_lengths(
            len(self.texts),
            ids=self.ids,
            metadatas=self.metadatas,
            dense=self.dense,
            sparse=self.sparse,
            ref_doc_ids=self.ref_doc_ids,
            nodes=self.nodes,
            lineages=self.lineages,
        )
        metadatas = self.metadatas or [None] * len(self.texts)
        converted = [metadata_to_json(m, row) for row, m in enumerate(metadatas)]
        object.__setattr__(self, "metadatas", converted)
        for row, (id_, text) in enumerate(zip(self.ids, self.texts, strict=True)):
            if not isinstance(id_, str) or not id_:
                raise EntityError(
                    f"ids: expected non-empty strings, got {id_!r} (row {row})", field="id", row=row
                )
            if not isinstance(text, str):
                raise EntityError(
                    f"texts: expected str, got {type(text).__name__} (row {row})",
                    field="text",
                    row=row,
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocument:
    """A document as it is stored.

    Attributes:
        id: Its id.
        text: Its text.
        metadata: Its metadata, exactly as it was stored.
        vector: float32, shape ``(dim,)``, when it was asked for; else None.
        ref_doc_id: Id of its source document, or None.
        node: What a framework keeps beside text and metadata, or None.
    """

    id: str
    text: str
    metadata: JsonObject
    vector: Float32Array | None = field(default=None, compare=False)
    ref_doc_id: str | None = None
    node: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentHit(StoredDocument):
    """A document that a search found.

    Attributes:
        score: What the search reports: cosine, inner product, squared distance for L2, BM25 score
            or fused score; of a reranked search the score of the reranker.
        relevance: The same in [0, 1], larger is more relevant, whatever the mode.
        explanation: How the score came about, when it was asked for; else None.
        highlights: Fragments of the text in which words of the query are marked, the first one
            first; of a search with ``highlight``, empty otherwise.
    """

    score: float
    relevance: float
    explanation: Any = None
    highlights: tuple[str, ...] = ()


def batch_to_columns(batch: DocumentBatch, layout: Layout, tenant: str | None) -> dict[str, Any]:
    """Return the columns of the collection's entities.

    Raises:
        EntityError: The vectors do not fit, or the tenant of a document is missing or another one;
            names the row.
    """
    names = layout.names
    metadatas = [dict(m or {}) for m in batch.metadatas or ()]
    columns: dict[str, Any] = {
        names.id: list(batch.ids),
        names.text: list(batch.texts),
        names.metadata: metadatas,
    }
    if layout.extras:
        nothing: list[None] = [None] * len(batch.texts)
        columns[names.ref_doc_id] = list(batch.ref_doc_ids or nothing)
        columns[names.node] = list(batch.nodes or nothing)
    if batch.lineages is not None:
        columns[LINEAGE_FIELD] = [lineage.to_json() for lineage in batch.lineages]
    if layout.partition_key is not None:
        tenants = [
            tenant_of(m, layout.partition_key, tenant, row) for row, m in enumerate(metadatas)
        ]
        columns[layout.partition_key] = tenants
        columns[names.id] = [
            to_pk(i, t, bound=tenant is not None) for i, t in zip(batch.ids, tenants, strict=True)
        ]
    if layout.dim is not None:
        columns[names.dense] = dense_matrix(batch.dense, layout.dim, len(batch.texts))
    elif batch.dense is not None:
        raise EntityError("dense: the collection has no dense vectors", field="dense")
    if layout.sparse:
        if batch.sparse is None:
            raise EntityError(
                "sparse: the collection has learned sparse vectors, got none; open the store with "
                "the sparse embedder that wrote it",
                field="sparse",
            )
        columns[names.sparse] = [dict(vector) for vector in batch.sparse]
    return columns


def dense_matrix(vectors: DenseVectors | None, dim: int, count: int) -> Float32Array:
    """Return vectors as one array of the collection's shape.

    Raises:
        EntityError: They are missing or have another dim; names both.
    """
    if vectors is None:
        raise EntityError(
            f"dense: the collection has dense vectors of dim {dim}, got none; open the store with "
            f"the embedding model that wrote it",
            field="dense",
        )
    if isinstance(vectors, np.ndarray) and vectors.shape == (count, dim):
        return np.ascontiguousarray(vectors, dtype=np.float32)
    row = next((i for i, v in enumerate(vectors) if len(v) != dim), None)
    if row is not None:
        raise EntityError(
            f"dense: the collection has dim {dim}, got {len(vectors[row])} (row {row}); it was "
            f"written with another embedding model",
            field="dense",
            row=row,
        )
    return np.asarray(vectors, dtype=np.float32).reshape(count, dim)


def query_vector(vector: Sequence[float] | Float32Array, dim: int) -> Float32Array:
    """Return the vector of a query as an array.

    Raises:
        InvalidArgumentError: It has another dim than the collection; names both.
    """
    array = np.asarray(vector, dtype=np.float32)
    if array.shape != (dim,):
        raise InvalidArgumentError(
            f"query vector: the collection has dim {dim}, got shape {array.shape}; it was written "
            f"with another embedding model"
        )
    return array


def entity_to_fields(
    entity: Mapping[str, Any], layout: Layout, tenant: str | None
) -> dict[str, Any]:
    """Return the arguments of ``StoredDocument`` for a stored entity."""
    names = layout.names
    vector = entity.get(layout.answers)
    return {
        "id": from_pk(entity[names.id], tenant if layout.partition_key else None),
        "text": entity[names.text],
        "metadata": entity[names.metadata] or {},
        "vector": None if vector is None else np.asarray(vector, dtype=np.float32),
        "ref_doc_id": entity.get(names.ref_doc_id),
        "node": entity.get(names.node),
    }


def output_fields(layout: Layout, with_vectors: bool) -> list[str]:
    """Return the names of the fields to read for a document."""
    names = layout.names
    output = [names.id, names.text, names.metadata]
    if layout.extras:
        output += [names.ref_doc_id, names.node]
    if with_vectors and layout.dim is not None:
        output.append(layout.answers)
    return output


def to_pk(id_: str, tenant: str, *, bound: bool) -> str:
    """Return the stored key of a document of ``tenant``.

    Args:
        id_: The document's id. Outside a view it may carry the prefix already.
        tenant: Whose document it is.
        bound: The caller is a view bound to ``tenant``; every id is the tenant's own.
    """
    prefix = tenant_prefix(tenant)
    return id_ if not bound and id_.startswith(prefix) else prefix + id_


def from_pk(pk: str, tenant: str | None) -> str:
    """Return the id that a view bound to ``tenant`` shows; None shows the stored key."""
    return pk if tenant is None else pk.removeprefix(tenant_prefix(tenant))


def tenant_prefix(tenant: str) -> str:
    """Return what the stored keys of a tenant start with; no tenant's is a prefix of another's."""
    return tenant.replace("%", "%25").replace("/", "%2F") + "/"


def tenant_of(metadata: JsonObject, key: str, tenant: str | None, row: int) -> str:
    """Return whose document it is: what its metadata say, or the tenant that the view is bound to.

    Raises:
        EntityError: They say nothing and the view is bound to nobody, or they differ.
    """
    given = metadata.get(key)
    if given is None:
        if tenant is None:
            raise EntityError(
                f"metadata[{key!r}]: the collection is partitioned by it, got none (row {row}); "
                f"set it, or write through for_tenant(...)",
                field=key,
                row=row,
            )
        return tenant
    if not isinstance(given, str) or not given:
        raise EntityError(
            f"metadata[{key!r}]: expected a non-empty str, got {given!r} (row {row})",
            field=key,
            row=row,
        )
    if tenant is not None and given != tenant:
        raise EntityError(
            f"metadata[{key!r}]: this view is bound to {tenant!r}, got {given!r} (row {row})",
            field=key,
            row=row,
        )
    return given
