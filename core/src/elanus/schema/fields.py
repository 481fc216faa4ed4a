"""What can one field of a collection be?

A ``Field`` is checked when it is made: a schema never holds a field that no entity could fill.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from datetime import datetime, tzinfo

from elanus.errors import SchemaError
from elanus.schema.functions import (
    BM25,
    DEFAULT_NUM_HASHES,
    MINHASH_ELEMENT_BITS,
    Embedding,
    MinHash,
)
from elanus.schema.times import zone_of
from elanus.types import (
    BINARY_METRICS,
    DENSE_METRICS,
    MAX_SIM,
    MINHASH_METRICS,
    NUMPY_DTYPES,
    DataType,
    MetricType,
)

NAME_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
PARTITION_PATTERN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\Z")
"""Partitions are often called after days or tenants."""
MAX_NAME_LENGTH = 255
MAX_DIM = 32_768
"""Milvus' limit on the dimensions of a dense vector."""
MAX_BITS = 8 * MAX_DIM
"""Milvus' limit on the dimensions of a binary vector."""
MAX_ARRAY_CAPACITY = 4_096
"""Milvus' limit on the elements of an ARRAY."""

ELEMENT_TYPES = (
    *(dtype for dtype in NUMPY_DTYPES if dtype is not DataType.TIMESTAMPTZ),
    DataType.VARCHAR,
)
"""Types that the elements of an ARRAY may have."""

AnalyzerSpec = str | Mapping[str, object]
"""Name of an analyzer, or its parameters in Milvus' form: ``analyzer_params``, or
``multi_analyzer_params`` with ``by_field``, ``analyzers`` and ``alias``."""


def check_name(name: object, what: str, pattern: re.Pattern[str] = NAME_PATTERN) -> str:
    """Return ``name`` if a field or collection may have it.

    Raises:
        SchemaError: Not a string, too long, or not of the pattern.
    """
    if not isinstance(name, str) or len(name) > MAX_NAME_LENGTH or not pattern.match(name):
        expected = "a letter or underscore followed by letters, digits or underscores"
        if pattern is not NAME_PATTERN:
            expected = "letters, digits, underscores and, but for the first, hyphens"
        raise SchemaError(
            f"{what} name {name!r} is not valid: expected {expected}, at most {MAX_NAME_LENGTH} "
            f"characters"
        )
    return name


@dataclass(frozen=True, slots=True)
class Field:
    """One typed column of a collection.

    Attributes:
        name: Letters, digits and underscores, at most 255 characters.
        dtype: Type of the values.
        primary: True for the one field that identifies entities; INT64 or VARCHAR.
        auto_id: The engine makes the primary keys.
        nullable: None may be stored. Not for primary keys and BM25 fields. An entity without a
            vector is not found by searching that field.
        default: Value of entities that do not give one.
        max_length: Longest VARCHAR (or VARCHAR array element) in UTF-8 bytes; None: no limit.
        element_type: Type of the elements of an ARRAY: a scalar type, a type of dense vectors, or
            STRUCT.
        struct: What each element of an ARRAY of STRUCT holds: fields of scalars and dense vectors.
        max_capacity: Most elements of an ARRAY, 1 to 4096; None: 4096.
        dim: Dimensions of a dense vector, also as the element of an ARRAY, 1 to 32768; of a
            BINARY_VECTOR its bits, a multiple of 8 up to 262144; of signatures that a MinHash makes
            it may be left out.
        metric: COSINE (default), IP or L2 for dense vectors of numbers, HAMMING (default), JACCARD
            or MHJACCARD (elements of 32 bits; MHJACCARD_8, _16 or _64) for binary ones, IP for
            sparse ones, BM25 or MHJACCARD for a field with a ``source``. Vectors in an ARRAY also
            take MAX_SIM_COSINE, MAX_SIM_IP, MAX_SIM_L2, MAX_SIM_HAMMING and MAX_SIM_JACCARD, which
            compare whole lists; with another metric an entity is as near as the nearest of its
            vectors, and MHJACCARD is not taken.
        analyzer: How a VARCHAR field becomes terms: ``"standard"``, ``"english"`` and so on, or
            parameters; with ``by_field`` each row has the analyzer that another field of it names.
        timezone: In which zone a TIMESTAMPTZ comes back and is read where it has no offset from
            UTC: a name of the IANA data base; None: that of the schema, else UTC.
        source: Function that fills this field: ``BM25("title")`` a SPARSE_FLOAT_VECTOR,
            ``MinHash("title")`` a BINARY_VECTOR.
        embedding: Function that fills this FLOAT_VECTOR where no vector is given, such as
            ``Embedding("title", "minilm")``; ``dim`` may be left out then.
        partition_key: Entities of one value belong together, such as those of a tenant: rows are
            kept in its order, and an index of it is built. INT64 or VARCHAR, not nullable.
        clustering_key: Rows are kept in its order, so that a filter on it reads few of them. A
            number, text or bool.
        description: Free text.

    Raises:
        SchemaError: The attributes contradict each other.
    """

    name: str
    dtype: DataType
    _: KW_ONLY
    primary: bool = False
    auto_id: bool = False
    nullable: bool = False
    default: object = None
    max_length: int | None = None
    element_type: DataType | None = None
    struct: Sequence[Field] | None = None
    max_capacity: int | None = None
    dim: int | None = None
    metric: MetricType | str | None = None
    analyzer: AnalyzerSpec | None = None
    source: BM25 | MinHash | None = None
    embedding: Embedding | None = None
    partition_key: bool = False
    clustering_key: bool = False
    timezone: str | None = None
    description: str = ""

    def __post_init__(self) -> None:
        check_name(self.name, "field")
        object.__setattr__(self, "dtype", _parse_enum(DataType, self.dtype, self, "dtype"))
        if self.element_type is not None:
            parsed = _parse_enum(DataType, self.element_type, self, "element_type")
            object.__setattr__(self, "element_type", parsed)
        if self.struct is not None:
            object.__setattr__(self, "struct", tuple(self.struct))
        object.__setattr__(self, "metric", _resolve_metric(self))
        if isinstance(self.source, MinHash) and self.dtype is DataType.BINARY_VECTOR:
            object.__setattr__(self, "dim", _signature_bits(self, self.source))
        _check_key(self)
        _check_sizes(self)
        _check_array(self)
        _check_text(self)
        _check_time(self)
        if self.nullable and (self.primary or not self.is_stored):
            raise _error(self, "primary keys and BM25 fields cannot be nullable")
        if self.default is not None and (self.primary or self.dtype.is_vector):
            raise _error(self, "primary keys and vectors cannot have a default")

    @property
    def is_stored(self) -> bool:
        """Whether entities carry a value of this field; that of a BM25 field is an index alone."""
        return not isinstance(self.source, BM25)

    @property
    def bm25(self) -> BM25 | None:
        """The function of a BM25 field; None for all others."""
        return self.source if isinstance(self.source, BM25) else None

    @property
    def minhash(self) -> MinHash | None:
        """The function that makes the signatures of this field; None for all others."""
        return self.source if isinstance(self.source, MinHash) else None

    @property
    def may_be_absent(self) -> bool:
        """Whether entities that were written without the field can be read with it."""
        return self.nullable or self.default is not None

    @property
    def language_field(self) -> str | None:
        """The field that names the analyzer of each row; None when all rows have the same."""
        name = self.analyzer.get("by_field") if isinstance(self.analyzer, Mapping) else None
        return name if isinstance(name, str) else None

    @property
    def zone(self) -> tzinfo:
        """The time zone of a TIMESTAMPTZ field."""
        return zone_of(self.timezone)

    @property
    def vector_type(self) -> DataType:
        """Type of the values, or of the elements of an ARRAY: which vectors the field holds."""
        return self.dtype if self.element_type is None else self.element_type

    @property
    def is_vector_list(self) -> bool:
        """Whether each value is a list of dense vectors."""
        return self.element_type is not None and self.element_type.is_dense_vector

    @property
    def metric_type(self) -> MetricType:
        """The metric of a vector field."""
        if not isinstance(self.metric, MetricType):
            raise _error(self, f"{self.dtype.name} has no metric")
        return self.metric


def _parse_enum(kind: type[DataType], value: object, field: Field, what: str) -> DataType:
    try:
        return kind[value.upper()] if isinstance(value, str) else kind(value)  # type: ignore[arg-type]
    except (KeyError, ValueError):
        names = ", ".join(t.name for t in kind)
        raise _error(
            field, f"{what} {value!r} is not a data type; expected one of {names}"
        ) from None


def _resolve_metric(field: Field) -> MetricType | None:
    held = field.vector_type
    if not held.is_vector:
        if field.metric is not None:
            raise _error(field, f"{field.dtype.name} takes no metric")
        return None
    if held is DataType.SPARSE_FLOAT_VECTOR:
        allowed: tuple[MetricType, ...] = (MetricType.BM25 if field.source else MetricType.IP,)
    elif isinstance(field.source, MinHash):
        allowed = (MetricType.MHJACCARD,)
    elif held is DataType.BINARY_VECTOR:
        allowed = _METRICS_OF_LISTS if field.dtype is DataType.ARRAY else _METRICS_OF_BITS
    else:
        allowed = (MetricType.COSINE, MetricType.IP, MetricType.L2, *_MAX_SIM_METRICS)
    if field.metric is None:
        return allowed[0]
    name = str(field.metric).upper()
    if name == MAX_SIM:
        name = f"{MAX_SIM}_{allowed[0]}"
    if name not in allowed:
        names = ", ".join(allowed)
        raise _error(
            field,
            f"metric {field.metric!r} does not fit a {held.name}; expected one of {names}",
        )
    return MetricType(name)


_METRICS_OF_LISTS = (*BINARY_METRICS, MetricType.MAX_SIM_HAMMING, MetricType.MAX_SIM_JACCARD)
_METRICS_OF_BITS = (*_METRICS_OF_LISTS, *MINHASH_METRICS)


def _signature_bits(field: Field, function: MinHash) -> int:
    """Return the dimensions of the signatures that a function makes."""
    made = function.num_hashes
    if made is None:
        made = (
            DEFAULT_NUM_HASHES if field.dim is None else max(1, field.dim // MINHASH_ELEMENT_BITS)
        )
    bits = made * MINHASH_ELEMENT_BITS
    if field.dim not in (None, bits):
        raise _error(
            field,
            f"MinHash makes {made} elements of {MINHASH_ELEMENT_BITS} bits, so dim must be {bits}, "
            f"got {field.dim!r}; leave it out",
        )
    return bits


_PARTITION_KEY_TYPES = (DataType.INT64, DataType.VARCHAR)
_TEXTS = (DataType.VARCHAR,)
_MAX_SIM_METRICS = (MetricType.MAX_SIM_COSINE, MetricType.MAX_SIM_IP, MetricType.MAX_SIM_L2)


def _check_key(field: Field) -> None:
    if field.primary and field.dtype not in (DataType.INT64, DataType.VARCHAR):
        raise _error(field, f"a primary key is INT64 or VARCHAR, got {field.dtype.name}")
    if field.auto_id and not field.primary:
        raise _error(field, "auto_id is only for the primary key")
    is_key = not field.primary and not field.nullable and field.dtype in _PARTITION_KEY_TYPES
    if field.partition_key and not is_key:
        raise _error(
            field, "a partition key is INT64 or VARCHAR, not nullable and not the primary key"
        )
    if field.clustering_key and not (field.dtype in NUMPY_DTYPES or field.dtype in _TEXTS):
        raise _error(field, f"a clustering key is a number, text or bool, not {field.dtype.name}")


def _check_sizes(field: Field) -> None:
    held = field.vector_type
    if held is DataType.BINARY_VECTOR:
        if not isinstance(field.dim, int) or not 8 <= field.dim <= MAX_BITS or field.dim % 8:
            raise _error(
                field,
                f"BINARY_VECTOR needs dim=8..{MAX_BITS} bits, a multiple of 8, got {field.dim!r}",
            )
        element = field.metric_type.element_bits
        if element and field.dim % element:
            raise _error(
                field,
                f"{field.metric} compares elements of {element} bits, dim must be a multiple of "
                f"that, got {field.dim}",
            )
    elif held.is_dense_vector:
        is_model_known = field.embedding is None or bool(field.embedding.fingerprint)
        if field.dim is None and not is_model_known:
            return  # that of the model
        if not isinstance(field.dim, int) or not 1 <= field.dim <= MAX_DIM:
            raise _error(field, f"{held.name} needs dim=1..{MAX_DIM}, got {field.dim!r}")
    elif field.dim is not None:
        raise _error(field, f"{field.dtype.name} takes no dim")
    if field.max_length is not None:
        if DataType.VARCHAR not in (field.dtype, field.element_type):
            raise _error(field, "max_length is only for VARCHAR")
        if field.max_length < 1:
            raise _error(field, f"max_length must be at least 1 byte, got {field.max_length!r}")


def _check_array(field: Field) -> None:
    element = field.element_type
    if field.dtype is DataType.STRUCT:
        raise _error(field, "a STRUCT is only an element; declare ARRAY with element_type=STRUCT")
    if field.dtype is not DataType.ARRAY:
        if element is not None or field.max_capacity is not None or field.struct is not None:
            raise _error(field, "element_type, max_capacity and struct are only for ARRAY")
        return
    if element is None or not (_is_scalar(element) or element.is_dense_vector or field.struct):
        raise _error(
            field,
            f"ARRAY needs element_type=, one of {', '.join(t.name for t in ELEMENT_TYPES)}, a type "
            f"of dense vectors, or STRUCT with struct=[Field(...), ...]",
        )
    capacity = field.max_capacity
    if capacity is not None and not 1 <= capacity <= MAX_ARRAY_CAPACITY:
        raise _error(field, f"max_capacity must be 1..{MAX_ARRAY_CAPACITY}, got {capacity!r}")
    if field.struct is not None:
        if element is not DataType.STRUCT:
            raise _error(field, "struct is only for element_type=STRUCT")
        _check_struct(field, field.struct)


def _check_struct(field: Field, parts: Sequence[Field]) -> None:
    for part in parts:
        if not isinstance(part, Field):
            raise _error(field, f"struct holds Field objects, got {type(part).__name__}")
        where = f"field {part.name!r} of the struct"
        if not (_is_scalar(part.dtype) or part.dtype.is_dense_vector):
            raise _error(
                field,
                f"{where}: expected a scalar type but JSON, or dense vectors, got "
                f"{part.dtype.name}",
            )
        given = [name for name in _NOT_IN_STRUCTS if getattr(part, name)]
        if given or part.default is not None:
            raise _error(field, f"{where} cannot have {(given or ['default'])[0]}")
    names = [part.name for part in parts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _error(field, f"names in a struct must be unique, used twice: {', '.join(twice)}")


_NOT_IN_STRUCTS = (
    "primary",
    "auto_id",
    "nullable",
    "analyzer",
    "source",
    "embedding",
    "partition_key",
    "clustering_key",
)


def _is_scalar(dtype: DataType) -> bool:
    return dtype in ELEMENT_TYPES


def _check_text(field: Field) -> None:
    if field.analyzer is not None and field.dtype is not DataType.VARCHAR:
        raise _error(field, "analyzer is only for VARCHAR")
    if field.embedding is not None and field.dtype is not DataType.FLOAT_VECTOR:
        raise _error(field, f"an embedding fills a FLOAT_VECTOR, not a {field.dtype.name}")
    if field.source is not None and field.dtype is not _FILLED[type(field.source)]:
        filled = _FILLED[type(field.source)].name
        name = type(field.source).__name__
        raise _error(field, f"{name} fills a {filled}, not a {field.dtype.name}")


_FILLED = {BM25: DataType.SPARSE_FLOAT_VECTOR, MinHash: DataType.BINARY_VECTOR}


def _check_time(field: Field) -> None:
    if field.timezone is not None:
        if field.dtype is not DataType.TIMESTAMPTZ:
            raise _error(field, "timezone is only for TIMESTAMPTZ")
        zone_of(field.timezone)
    if isinstance(field.default, datetime):
        # Schemas are written as JSON.
        object.__setattr__(field, "default", field.default.isoformat())


def _error(field: Field, message: str) -> SchemaError:
    return SchemaError(f"field {field.name!r}: {message}")


FIELD_ATTRIBUTES = tuple(f.name for f in fields(Field) if f.name != "_")
"""Attribute names of ``Field`` in declaration order, for serialization."""

__all__ = ["DENSE_METRICS", "FIELD_ATTRIBUTES", "AnalyzerSpec", "Field", "check_name"]
