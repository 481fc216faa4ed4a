"""Which derived structures does each field of a schema need?"""

from __future__ import annotations

from dataclasses import dataclass

from elanus.analysis.multi import FieldAnalyzer, MultiAnalyzer, shared_analyzer
from elanus.engine.embedding import Embedders
from elanus.errors import InternalError
from elanus.index.sparse.growing_bm25 import GrowingBM25
from elanus.schema.collection import Schema
from elanus.schema.evolution import as_given
from elanus.types import DataType, MetricType


@dataclass(frozen=True, slots=True)
class FieldViews:
    """What the engine keeps besides the columns.

    Attributes:
        schema: The fields.
        analyzers: Analyzer of each BM25 field.
        text_of: Field whose text each BM25 field analyzes.
        language_of: Field that names the analyzer of each row, for BM25 fields that have several.
        sparse: Sparse fields that entities carry.
        dense: Dense fields.
        cosine: Fields that need the lengths of their vectors: dense ones, and lists of them.
        embedders: Models of fields that are made of texts.
        given: What entities must fit as they are given.
        lists: Lists of dense vectors, by the names of their columns.
    """

    schema: Schema
    analyzers: dict[str, FieldAnalyzer]
    text_of: dict[str, str]
    language_of: dict[str, str]
    sparse: tuple[str, ...]
    dense: tuple[str, ...]
    cosine: tuple[str, ...]
    embedders: Embedders
    given: Schema
    lists: tuple[str, ...] = ()

    @property
    def indexed(self) -> tuple[str, ...]:
        """Fields that may have a vector index: dense ones, and lists of vectors."""
        return (*self.dense, *self.lists)

    def growing_bm25(self, name: str) -> GrowingBM25:
        """Return an empty keyword index for a BM25 field."""
        function = self.schema.field(name).source
        if function is None:
            raise InternalError(f"field {name!r} is no BM25 field")
        return GrowingBM25(self.analyzers[name], function.k1, function.b)

    @classmethod
    def of(cls, schema: Schema) -> FieldViews:
        """Derive them from a schema.

        Raises:
            SchemaError: An analyzer is unknown.
        """
        text_of = {f.name: f.source.field for f in schema.fields if f.source is not None}
        analyzers = {
            name: shared_analyzer(schema.field(text).analyzer or "standard")
            for name, text in text_of.items()
        }
        dense = [f for f in schema.vector_fields if f.dtype.is_dense_vector]
        return cls(
            schema,
            analyzers,
            text_of,
            {n: a.by_field for n, a in analyzers.items() if isinstance(a, MultiAnalyzer)},
            tuple(
                f.name
                for f in schema.vector_fields
                if f.dtype is DataType.SPARSE_FLOAT_VECTOR and f.source is None
            ),
            tuple(f.name for f in dense),
            tuple(
                f.name
                for f in (*dense, *schema.vector_lists)
                if f.metric_type.of_vectors is MetricType.COSINE
            ),
            Embedders(schema),
            as_given(schema),
            tuple(f.name for f in schema.vector_lists),
        )
