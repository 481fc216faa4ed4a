"""What is each field asked for a judged query?

A text is asked as it is of a BM25 field, and embedded for a field of vectors: all queries at once,
so that neither a model nor a service is asked for each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from elanus.errors import InvalidArgumentError
from elanus.evaluation.judgements import Judged
from elanus.plugins import Embedder, get_embedder
from elanus.plugins.batching import Role, embed_texts
from elanus.schema.collection import Schema
from elanus.schema.fields import Field
from elanus.types import DataType


class Asked(NamedTuple):
    """Queries by field.

    Attributes:
        values: A query in the form that the field takes, for each judged query, by field.
        embedding_ms: How long embedding took.
    """

    values: dict[str, list[Any]]
    embedding_ms: float

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that are asked."""
        return tuple(self.values)


def ask(
    schema: Schema,
    judged: Judged,
    fields: Sequence[str] | str | None,
    embedder: str | Embedder | None,
    embed: Callable[[str, list[str]], Any],
) -> Asked:
    """Return what each field is asked.

    Args:
        schema: Of the collection.
        judged: The queries: texts, vectors, or dicts of one for each field.
        fields: Which to search; None: all that such queries can search.
        embedder: Embeds texts for fields of vectors that were declared without a model.
        embed: Embeds texts for a field that was declared with one.

    Raises:
        InvalidArgumentError: A query has nothing for a field; names it.
    """
    names = [fields] if isinstance(fields, str) else fields
    if names is None:
        names = _askable(schema, judged, has_embedder=embedder is not None)
    if not names or len(set(names)) != len(names):
        raise InvalidArgumentError(
            f"fields: expected different fields, at least one, got {list(names)}"
        )
    values, started = {}, time.perf_counter()
    spent = 0.0
    for name in names:
        field = schema.answering(name)
        given = [_given(query, judged.ids[i], name) for i, query in enumerate(judged.queries)]
        texts = [one for one in given if isinstance(one, str)]
        if field.dtype.is_dense_vector and texts:
            started = time.perf_counter()
            vectors = iter(_embedded(field, texts, embedder, embed))
            given = [next(vectors) if isinstance(one, str) else one for one in given]
            spent += time.perf_counter() - started
        values[name] = given
    return Asked(values, spent * 1e3)


def _askable(schema: Schema, judged: Judged, *, has_embedder: bool) -> list[str]:
    """Return the fields that queries like the first one can search."""
    query = judged.queries[0]
    vector_fields = [f for f in schema.vector_fields if f.name not in schema.waiting]
    if isinstance(query, Mapping) and all(isinstance(name, str) for name in query):
        return list(query)
    if isinstance(query, str):
        return [
            schema.role_of(f.name)
            for f in vector_fields
            if f.bm25 is not None
            or f.embedding is not None
            or (has_embedder and f.dtype is DataType.FLOAT_VECTOR)
        ]
    dense = [schema.role_of(f.name) for f in vector_fields if f.dtype.is_dense_vector]
    if len(dense) == 1:
        return dense
    raise InvalidArgumentError(
        f"fields: expected the field that vectors are searched in, one of {', '.join(dense)}"
    )


def _given(query: Any, of: str, name: str) -> Any:
    if not isinstance(query, Mapping) or not all(isinstance(key, str) for key in query):
        return query
    if name in query:
        return query[name]
    raise InvalidArgumentError(
        f"queries: {of!r} has nothing for field {name!r}; got {', '.join(query)}"
    )


def _embedded(
    field: Field,
    texts: list[str],
    embedder: str | Embedder | None,
    embed: Callable[[str, list[str]], Any],
) -> Any:
    if field.embedding is not None:
        return embed(field.name, texts)
    if embedder is None:
        raise InvalidArgumentError(
            f"field {field.name!r} is searched by vectors of dim {field.dim}, and the queries are "
            f"texts; pass embedder=, or leave the field out of fields="
        )
    return embed_texts(get_embedder(embedder), texts, role=Role.QUERY)
