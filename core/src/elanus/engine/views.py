"""Which derived structures does each field of a schema need?"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field

from elanus.analysis.multi import FieldAnalyzer, MultiAnalyzer, shared_analyzer
from elanus.engine.definition.terms import same_analyzer
from elanus.engine.writing.embedding import Embedders
from elanus.errors import (
    AnalyzerMismatchError,
    InternalError,
    PluginError,
    PluginNotInstalledError,
    SchemaError,
)
from elanus.index.sparse.growing_bm25 import GrowingBM25
from elanus.schema.batches import Column
from elanus.schema.collection import Schema
from elanus.schema.evolution import as_given
from elanus.types import DataType, MetricType


@dataclass(frozen=True, slots=True)
class FieldViews:
    """What the engine keeps besides the columns.

    Attributes:
        schema: The fields.
        analyzers: Analyzer of each BM25 field that has one here.
        lacking: Why the other BM25 fields have none, such as a plug-in that is not installed, or
            is another one than that which made the terms.
            Everything else of the collection can be used.
        text_of: Field whose text each BM25 field analyzes.
        language_of: Field that names the analyzer of each row, for BM25 fields that have several.
        sparse: Sparse fields that entities carry.
        dense: Dense fields.
        cosine: Fields that need the lengths of their vectors: dense ones, and lists of them.
        embedders: Models of fields that are made of texts.
        given: What entities must fit as they are given.
        lists: Lists of dense vectors, by the names of their columns.
        json: JSON fields.
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
    json: tuple[str, ...]
    lists: tuple[str, ...] = ()
    lacking: Mapping[str, PluginError] = field(default_factory=dict)

    @property
    def indexed(self) -> tuple[str, ...]:
        """Fields that may have a vector index: dense ones, and lists of vectors."""
        return (*self.dense, *self.lists)

    def growing_bm25(self, name: str) -> GrowingBM25:
        """Return an empty keyword index for a BM25 field."""
        function = self.schema.field(name).bm25
        if function is None:
            raise InternalError(f"field {name!r} is no BM25 field")
        return GrowingBM25(self.analyzer(name), function.k1, function.b)

    def analyzer(self, name: str) -> FieldAnalyzer:
        """Return the analyzer of a BM25 field.

        Raises:
            PluginError: The field has none here.
        """
        if name in self.lacking:
            # A copy: an error that is raised twice drags along where it was raised before.
            raise copy.copy(self.lacking[name])
        return self.analyzers[name]

    def check_texts(self, columns: Mapping[str, Column]) -> None:
        """Raise unless texts can be analyzed; what reaches the log has to be.

        Args:
            columns: Of entities; those of texts may be missing.

        Raises:
            PluginError: A BM25 field has no analyzer here, or a plug-in fails on a text.
        """
        for name in self.text_of:
            analyzer = self.analyzer(name)
            texts = columns.get(self.text_of[name])
            if texts is None or not analyzer.runs_plugins:
                continue
            given = columns.get(self.language_of.get(name, ""))
            names = None if given is None else given.to_pylist()
            analyzer.check(texts.to_pylist(), names)

    def has(self, name: str) -> bool:
        """Whether there is a field of that name, the dynamic one included."""
        return name in self.schema or name in self.json

    @classmethod
    def of(cls, schema: Schema) -> FieldViews:
        """Derive them from a schema that ``check_analyzers`` has passed, here or elsewhere."""
        text_of = {f.name: f.bm25.field for f in schema.fields if f.bm25 is not None}
        analyzers: dict[str, FieldAnalyzer] = {}
        lacking: dict[str, PluginError] = {}
        for name, text in text_of.items():
            try:
                analyzers[name] = same_analyzer(schema, schema.field(name))
            except (PluginError, SchemaError) as error:
                lacking[name] = _lacking(text, error)
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
            tuple(f.name for f in schema.stored_fields if f.dtype is DataType.JSON),
            tuple(f.name for f in schema.vector_lists),
            lacking,
        )


def _lacking(text: str, error: PluginError | SchemaError) -> PluginError:
    """Return what is said when the analyzer of a field is asked for that was there once."""
    if isinstance(error, AnalyzerMismatchError):
        return error
    message = f"field {text!r} cannot be analyzed here: {error}"
    if isinstance(error, PluginNotInstalledError):
        return PluginNotInstalledError(message, name=error.name, extra=error.extra)
    return PluginError(message)


def check_analyzers(schema: Schema, before: Schema | None = None) -> None:
    """Raise unless every analyzer of a schema can be made here.

    Args:
        schema: As it is to be.
        before: As it was; analyzers that it has are not asked for again.

    Raises:
        SchemaError: An analyzer is unknown, or does not take its parameters.
        PluginError: It needs what is not installed, or cannot be made.
    """
    known = [] if before is None else [f.analyzer for f in before.fields]
    for one in schema.fields:
        if one.analyzer is not None and one.analyzer not in known:
            shared_analyzer(one.analyzer)
