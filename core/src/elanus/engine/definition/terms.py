"""What makes the terms of BM25 and MinHash fields, and is it still the same?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from elanus.analysis.identity import analyzer_fingerprint, require_same_terms
from elanus.analysis.multi import FieldAnalyzer, shared_analyzer
from elanus.errors import InternalError, SchemaError
from elanus.schema.collection import Schema
from elanus.schema.evolution import with_other_fields
from elanus.schema.fields import Field


def has_terms(field: Field) -> bool:
    """Whether what a field holds is made of terms; signatures of characters are not."""
    function = field.minhash
    return field.bm25 is not None or (function is not None and function.token_level == "word")


def made_of_terms(schema: Schema, name: str) -> tuple[str]:
    """Return the name of a field that a function fills from a text.

    Raises:
        FieldNotFoundError: No such field.
        SchemaError: No function fills it.
    """
    if schema.field(name).source is None:
        raise SchemaError(
            f"field {name!r}: it is not made of the terms of a text; expected one with "
            f"source=BM25(...) or MinHash(...)"
        )
    return (name,)


def same_analyzer(schema: Schema, field: Field) -> FieldAnalyzer:
    """Return what makes the terms of a field.

    Raises:
        AnalyzerMismatchError: What is installed makes other terms than those that are stored.
        PluginError: It needs what is not installed, or cannot be made.
        SchemaError: It does not take its parameters.
    """
    analyzer = _analyzer(schema, field)
    stored = "" if field.source is None else field.source.fingerprint
    require_same_terms(stored, analyzer, where=f"field {field.name!r}", field=field.name)
    return analyzer


def with_fingerprints(
    schema: Schema, before: Schema | None = None, renewed: Collection[str] = ()
) -> Schema:
    """Return a schema whose BM25 and MinHash fields say what makes their terms.

    Args:
        schema: As it is to be.
        before: As it was; what its fields hold was made by what they say.
        renewed: Fields whose terms are made anew.

    Raises:
        PluginError: An analyzer needs what is not installed, or cannot be made.
        SchemaError: An analyzer is unknown, or does not take its parameters.
    """
    known = {} if before is None else {f.name: f.source for f in before.fields}
    made = []
    for field in schema.fields:
        if field.source is None:
            continue
        stored = None if field.name in renewed else known.get(field.name)
        if stored is not None:
            found = stored.fingerprint
        else:
            found = analyzer_fingerprint(_analyzer(schema, field)) if has_terms(field) else ""
        if field.source.fingerprint != found:
            made.append(replace(field, source=replace(field.source, fingerprint=found)))
    return with_other_fields(schema, made) if made else schema


def _analyzer(schema: Schema, field: Field) -> FieldAnalyzer:
    if field.source is None:
        raise InternalError(f"field {field.name!r} is made of no text")
    return shared_analyzer(schema.field(field.source.field).analyzer or "standard")
