"""Which values may a message hold?

``REQUESTS`` is what a server reads, ``SEARCHES`` what it reads of those who may search, since a
ranker may load a model, and ``ANSWERS`` what a client reads: nothing else is ever made of bytes.
Classes are named here one by one; none is looked up by a name that came in.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import uuid
import zoneinfo
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

from elanus import errors
from elanus.analysis.analyzer import Token
from elanus.api.backup import BackupResult
from elanus.api.collection import CollectionDescription
from elanus.api.named_snapshots import SnapshotState
from elanus.api.options import Leg
from elanus.engine.definition.backfill import Coverage
from elanus.engine.stats import (
    CollectionStats,
    DatabaseStats,
    IndexDescription,
    MemoryStats,
    SegmentStats,
)
from elanus.engine.writing.load_request import Conflict
from elanus.errors import ElanusError, InvalidArgumentError, ProtocolError
from elanus.filter import ast
from elanus.filter.operators import ArithmeticOp, CompareOp, Quantifier, Relation
from elanus.plugins import plugin_config, reranker_from_config
from elanus.query.filter_plan import FilterPlan, FilterStep, SourceFilter
from elanus.query.highlighter import Highlighter
from elanus.query.plan import LegPlan, SourceStep
from elanus.query.profile import SearchProfile
from elanus.query.rank_records import RankingSummary, RankRecord, RankStep
from elanus.query.rankers import MMR, Boost, Decay, FunctionScore, RandomScore, Rerank
from elanus.query.requests import DBSF, RRF, ByScore, Weighted
from elanus.query.results import (
    Answer,
    HitExplanation,
    HitReasons,
    LegRanking,
    LegScore,
    SearchExplanation,
    SearchResult,
    TermScore,
)
from elanus.query.verdicts import Cause, GroupVerdict, LegVerdict, WhyNot
from elanus.remote.codec import Decoder, Encoder, Tags, decode, encode
from elanus.schema.batches import ColumnBatch
from elanus.schema.collection import Schema, Successor
from elanus.schema.fields import FIELD_ATTRIBUTES, Field
from elanus.schema.functions import BM25, Embedding, MinHash
from elanus.storage.batch_codec import decode_batch, encode_batch
from elanus.storage.catalog import NamedSnapshot
from elanus.sync.lineage import Lineage, SourceSummary, StoredDocument
from elanus.sync.report import SyncError
from elanus.types import DataType, MetricType

_ENUMS = (DataType, MetricType, CompareOp, ArithmeticOp, Quantifier, Relation)
_ASKED = (
    BM25,
    MinHash,
    Leg,
    RRF,
    Weighted,
    DBSF,
    ByScore,
    Decay,
    Boost,
    RandomScore,
    FunctionScore,
    MMR,
)
_ASKED_TOO = (Highlighter, SearchProfile, Successor)
_RECORDS = (
    *(BackupResult, CollectionDescription, CollectionStats, DatabaseStats, IndexDescription),
    *(MemoryStats, SegmentStats, Coverage, Conflict, NamedSnapshot, SnapshotState, Token),
    *(FilterPlan, FilterStep, SourceFilter, LegPlan, SourceStep),
    *(RankingSummary, RankRecord, RankStep, HitReasons, LegRanking, SearchExplanation),
    *(HitExplanation, LegScore, TermScore, GroupVerdict, LegVerdict, WhyNot),
    *(Lineage, SourceSummary, StoredDocument),
)
"""What only a server tells."""
_NODES = tuple(
    kind
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.Node) and kind is not ast.Node
)
_PYTHON_ERRORS = (TypeError, ValueError, KeyError, OverflowError, NotImplementedError)
_ERRORS: dict[str, type[BaseException]] = {
    kind.__name__: kind
    for kind in (*vars(errors).values(), SyncError, *_PYTHON_ERRORS)
    if isinstance(kind, type) and issubclass(kind, BaseException)
}


class StoredColumns(NamedTuple):
    """Columns as they come over a connection.

    Attributes:
        names: Of the fields, in order.
        raw: The batch, as ``storage.batch_codec`` writes it.
    """

    names: list[str]
    raw: memoryview

    def batch(self, schema: Schema) -> ColumnBatch:
        """Return the columns.

        Raises:
            CorruptionError: They are not those of the schema.
        """
        fields = {field.name: field for field in schema.stored_fields}
        return decode_batch(self.raw, [fields[name] for name in self.names], path="answer")


# --- classes whose attributes say all -------------------------------------------------------


def _attributes(kind: Any) -> tuple[str, ...]:
    if issubclass(kind, ast.Node):
        # Where a node stood in a text is not part of what it says.
        return tuple(kind.__match_args__)
    if dataclasses.is_dataclass(kind):
        return tuple(f.name for f in dataclasses.fields(kind) if f.init)
    return tuple(kind._fields)


def _pack_record(names: tuple[str, ...], encoder: Encoder, value: Any) -> dict[str, Any]:
    return {"v": encoder.values([getattr(value, name) for name in names])}


def _unpack_record(
    kind: Any, names: tuple[str, ...], decoder: Decoder, value: Mapping[str, Any]
) -> Any:
    values = decoder.values(value.get("v"))
    if len(values) > len(names):
        raise ProtocolError(f"{kind.__name__}: {len(values)} values are too many")
    return kind(**dict(zip(names, values, strict=False)))


def _unpack_node(
    kind: Any, names: tuple[str, ...], decoder: Decoder, value: Mapping[str, Any]
) -> Any:
    """Return a node whose parts are of the kinds that it declares."""
    made = _unpack_record(kind, names, decoder, value)
    for name in names:
        fits = _PARTS.get(str(kind.__annotations__[name]))
        if fits is not None and not fits(getattr(made, name)):
            raise ProtocolError(f"{kind.__name__}: {name} is of another kind")
    return made


def _of(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: type(value) in kinds or (ast.Node in kinds and isinstance(value, ast.Node))


def _all_of(*kinds: type) -> Callable[[Any], bool]:
    one = _of(*kinds)
    return lambda value: type(value) is tuple and all(map(one, value))


_NONE = type(None)
_PARTS: dict[str, Callable[[Any], bool]] = {
    "str": _of(str),
    "str | None": _of(str, _NONE),
    "bool": _of(bool),
    "Node": _of(ast.Node),
    "Node | None": _of(ast.Node, _NONE),
    "tuple[Node, ...]": _all_of(ast.Node),
    "tuple[str | int, ...]": _all_of(str, int),
    **{kind.__name__: _of(kind) for kind in _ENUMS},
}
"""What a part of a node may be, by its annotation; a ``Literal`` checks its value itself."""


def _add_record(tags: Tags, kind: type, unpack: Any = _unpack_record) -> None:
    names = _attributes(kind)
    tags.add(kind, kind.__name__, partial(_pack_record, names), partial(unpack, kind, names))


def _add_enum(tags: Tags, kind: type[enum.Enum]) -> None:
    tags.add(
        kind,
        kind.__name__,
        lambda encoder, value: {"v": value.value},
        lambda decoder, value: kind(value.get("v")),
    )


# --- plain classes of Python ----------------------------------------------------------------


def _add_python(tags: Tags) -> None:
    tags.add(
        tuple,
        "tuple",
        lambda encoder, value: {"v": encoder.values(value)},
        lambda decoder, value: tuple(decoder.values(value.get("v"))),
    )
    tags.add(
        bytes,
        "bytes",
        lambda encoder, value: {"b": encoder.buffer(value)},
        lambda decoder, value: bytes(decoder.buffer(value.get("b"))),
    )
    tags.add(dt.datetime, "datetime", _pack_datetime, _unpack_datetime)
    for kind in (dt.date, dt.time):
        tags.add(
            kind,
            kind.__name__,
            lambda encoder, value: {"v": value.isoformat()},
            partial(_unpack_iso, kind),
        )
    tags.add(
        dt.timedelta,
        "timedelta",
        lambda encoder, value: {"v": [value.days, value.seconds, value.microseconds]},
        lambda decoder, value: dt.timedelta(*decoder.values(value.get("v"))),
    )
    for text in (uuid.UUID, decimal.Decimal):
        tags.add(
            text,
            text.__name__,
            lambda encoder, value: {"v": str(value)},
            partial(_unpack_text, text),
        )


def _pack_datetime(encoder: Encoder, value: dt.datetime) -> dict[str, Any]:
    zone = getattr(value.tzinfo, "key", None)
    packed: dict[str, Any] = {"v": value.isoformat()}
    if value.fold:
        packed["f"] = 1
    return packed if zone is None else {**packed, "z": zone}


def _unpack_datetime(decoder: Decoder, value: Mapping[str, Any]) -> dt.datetime:
    made = dt.datetime.fromisoformat(value["v"]).replace(fold=int(bool(value.get("f"))))
    zone = value.get("z")
    try:
        if zone is None:
            return made
        return made.replace(tzinfo=zoneinfo.ZoneInfo(zone))
    except (OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise ProtocolError(f"no time zone {zone!r}: {error}") from None


def _unpack_iso(kind: Any, decoder: Decoder, value: Mapping[str, Any]) -> Any:
    return kind.fromisoformat(value["v"])


def _unpack_text(kind: Any, decoder: Decoder, value: Mapping[str, Any]) -> Any:
    try:
        return kind(str(value["v"]))
    except decimal.InvalidOperation as error:
        raise ProtocolError(f"no number: {error}") from None


# --- what needs more than its attributes ----------------------------------------------------


def _pack_schema(encoder: Encoder, schema: Schema) -> dict[str, Any]:
    return {
        "fields": encoder.values(schema.fields),
        "dynamic": schema.dynamic,
        "description": schema.description,
        "partitioned": schema.partitioned,
        "timezone": schema.timezone,
        "successors": encoder.values(schema.successors),
    }


def _unpack_schema(decoder: Decoder, value: Mapping[str, Any]) -> Schema:
    fields = decoder.values(value.get("fields"))
    successors = decoder.values(value.get("successors"))
    if not _all_of(Field)(tuple(fields)) or not _all_of(Successor)(tuple(successors)):
        raise ProtocolError("a schema holds something else than fields")
    return Schema(
        fields,
        dynamic=bool(value.get("dynamic")),
        description=str(value.get("description", "")),
        partitioned=bool(value.get("partitioned")),
        timezone=decoder.value(value.get("timezone")),
        successors=successors,
    )


def _pack_field(encoder: Encoder, field: Field) -> dict[str, Any]:
    plain = Field.__dataclass_fields__
    given = {name: getattr(field, name) for name in FIELD_ATTRIBUTES}
    return {
        "v": {
            name: encoder.value(value)
            for name, value in given.items()
            if name in ("name", "dtype") or value != plain[name].default
        }
    }


def _unpack_field(decoder: Decoder, value: Mapping[str, Any]) -> Field:
    given = {str(name): decoder.value(one) for name, one in value["v"].items()}
    if not set(given) <= set(FIELD_ATTRIBUTES):
        raise ProtocolError(f"a field has no attributes {sorted(set(given))}")
    functions = (("source", BM25 | MinHash), ("embedding", Embedding))
    if any(not isinstance(given.get(name), kind | None) for name, kind in functions):
        raise ProtocolError("a field is filled by something else than a function")
    return Field(given.pop("name"), given.pop("dtype"), **given)


def _pack_embedding(encoder: Encoder, value: Embedding) -> dict[str, Any]:
    name, params = value.embedder, dict(value.params)
    if not isinstance(name, str):
        config = plugin_config(name)
        name, params = config["name"], _built_again(config, "an embedder")
    return {"v": encoder.values([value.field, name, params, value.fingerprint])}


def _unpack_embedding(decoder: Decoder, value: Mapping[str, Any]) -> Embedding:
    field, name, params, found = decoder.values(value.get("v"))
    if type(name) is not str or type(params) is not dict:
        raise ProtocolError("an embedding has no name of a plug-in")
    return Embedding(field, name, params, found)


def _pack_rerank(encoder: Encoder, value: Rerank) -> dict[str, Any]:
    config = plugin_config(value.model)
    params = _built_again(config, "a reranker")
    # Sorted, so that the same ranker is the same text.
    text = json.dumps({"name": config["name"], "params": params}, sort_keys=True)
    return {"m": text, "v": encoder.values([value.field, value.query, value.top])}


def _unpack_rerank(decoder: Decoder, value: Mapping[str, Any]) -> Rerank:
    return Rerank(_reranker(str(value["m"])), *decoder.values(value.get("v")))


@lru_cache(maxsize=8)
def _reranker(text: str) -> Any:
    """Return the model of a configuration: it may be large, and many searches name it."""
    return reranker_from_config(json.loads(text))


def _built_again(config: Mapping[str, Any], what: str) -> dict[str, Any]:
    params = config["params"]
    if params is None:
        raise InvalidArgumentError(
            f"{what} {config['name']!r} lives in this process and cannot be sent to a server: "
            f"give the name of a plug-in that the server has, or one with a config"
        )
    return dict(params)


def _pack_result(encoder: Encoder, result: SearchResult) -> dict[str, Any]:
    answer = result.answer
    # A message of its own: most programs never look at it.
    why = encode([answer.reasons.of_hits(), result.explanation], ANSWERS)
    return {
        "ids": encoder.value(answer.ids),
        "scores": encoder.value(answer.scores),
        "entities": encoder.values(answer.entities),
        "groups": encoder.value(list(answer.groups)),
        "highlights": encoder.values(answer.highlights),
        "offsets": encoder.value(list(answer.offsets)),
        "why": encoder.buffer(why),
    }


def _unpack_result(decoder: Decoder, value: Mapping[str, Any]) -> SearchResult:
    raw = decoder.buffer(value["why"])
    found: list[Any] = []

    def why(place: int) -> Any:
        if not found:
            found.extend(decode(raw, ANSWERS))
        return found[place]

    ids, scores, entities, groups, highlights, offsets = (
        decoder.value(value[name])
        for name in ("ids", "scores", "entities", "groups", "highlights", "offsets")
    )
    answer = Answer(
        ids, scores, entities, partial(why, 0), tuple(groups), highlights, tuple(offsets)
    )
    return SearchResult(answer, partial(why, 1))


def _pack_batch(encoder: Encoder, batch: ColumnBatch) -> dict[str, Any]:
    raw = b"".join(encode_batch(batch))
    return {"names": list(batch.columns), "b": encoder.buffer(raw)}


def _unpack_batch(decoder: Decoder, value: Mapping[str, Any]) -> StoredColumns:
    return StoredColumns(list(map(str, value["names"])), decoder.buffer(value["b"]))


# --- errors ---------------------------------------------------------------------------------


def error_to_json(error: BaseException) -> dict[str, Any]:
    """Return an error: its class, or the nearest that a client knows, text and attributes."""
    kind = next(one for one in type(error).__mro__ if _ERRORS.get(one.__name__) is one)
    plain = (str, int, float, bool, type(None))
    told = {name: one for name, one in vars(error).items() if type(one) in plain}
    return {"class": kind.__name__, "text": str(error), "attributes": told}


def is_known_error(error: BaseException) -> bool:
    """Whether ``error_to_json`` has a class for an error."""
    return isinstance(error, (ElanusError, *_PYTHON_ERRORS))


def error_from_json(value: Any) -> BaseException:
    """Return the error that ``error_to_json`` wrote."""
    kind = _ERRORS.get(value["class"], ElanusError)
    made = kind.__new__(kind)
    made.args = (value["text"],)
    for name, one in value["attributes"].items():
        setattr(made, str(name), one)
    return made


def _tags(*, models: bool = False, answers: bool = False) -> Tags:
    tags = Tags()
    _add_python(tags)
    for one in (*_ENUMS, *((Cause,) if answers else ())):
        _add_enum(tags, one)
    for kind in (*_ASKED, *_ASKED_TOO, *(_RECORDS if answers else ())):
        _add_record(tags, kind)
    for node in _NODES:
        _add_record(tags, node, _unpack_node)
    tags.add(Schema, "Schema", _pack_schema, _unpack_schema)
    tags.add(Field, "Field", _pack_field, _unpack_field)
    tags.add(Embedding, "Embedding", _pack_embedding, _unpack_embedding)
    if models:
        tags.add(Rerank, "Rerank", _pack_rerank, _unpack_rerank)
    if answers:
        tags.add(SearchResult, "SearchResult", _pack_result, _unpack_result)
        tags.add(ColumnBatch, "ColumnBatch", _pack_batch, _unpack_batch)
    return tags


REQUESTS = _tags()
SEARCHES = _tags(models=True)
ANSWERS = _tags(models=True, answers=True)
