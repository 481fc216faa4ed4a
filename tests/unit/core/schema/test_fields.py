"""A field or schema that no entity could fill is refused when it is made."""

import pytest

import elanus
from elanus.errors import FieldNotFoundError, SchemaError
from elanus.schema.serialization import schema_from_json, schema_to_json

ID = elanus.Field("id", elanus.INT64, primary=True)


@pytest.mark.parametrize(
    ("name", "dtype", "options", "message"),
    [
        ("9lives", elanus.INT64, {}, "field name '9lives' is not valid"),
        ("a" * 256, elanus.INT64, {}, "is not valid"),
        ("v", elanus.FLOAT_VECTOR, {}, "FLOAT_VECTOR needs dim=1..32768, got None"),
        ("v", elanus.FLOAT_VECTOR, {"dim": 0}, "got 0"),
        ("v", elanus.FLOAT_VECTOR, {"dim": 4, "metric": "BM25"}, "COSINE, IP, L2"),
        (
            "v",
            elanus.SPARSE_FLOAT_VECTOR,
            {"source": elanus.BM25("t"), "nullable": True},
            "BM25 fields cannot be nullable",
        ),
        ("n", elanus.INT8, {"metric": "L2"}, "INT8 takes no metric"),
        ("n", elanus.INT8, {"dim": 3}, "INT8 takes no dim"),
        ("n", elanus.INT8, {"primary": True}, "a primary key is INT64 or VARCHAR, got INT8"),
        ("n", elanus.INT8, {"auto_id": True}, "auto_id is only for the primary key"),
        ("n", elanus.INT8, {"analyzer": "english"}, "analyzer is only for VARCHAR"),
        ("a", elanus.ARRAY, {}, "ARRAY needs element_type="),
        ("a", elanus.ARRAY, {"element_type": elanus.JSON}, "ARRAY needs element_type="),
        ("a", elanus.INT8, {"element_type": elanus.INT8}, "only for ARRAY"),
        ("s", elanus.VARCHAR, {"max_length": 0}, "at least 1 byte"),
        ("s", elanus.INT8, {"max_length": 5}, "max_length is only for VARCHAR"),
        ("s", elanus.VARCHAR, {"source": elanus.BM25("t")}, "BM25 fills a SPARSE_FLOAT_VECTOR"),
        ("s", "TEXTY", {}, "is not a data type; expected one of BOOL"),
    ],
)
def test_impossible_field_is_refused(name, dtype, options, message):
    with pytest.raises(SchemaError) as caught:
        elanus.Field(name, dtype, **options)
    assert message in str(caught.value)


def test_metric_has_a_default_for_each_kind_of_vector():
    dense = elanus.Field("v", elanus.FLOAT_VECTOR, dim=4)
    sparse = elanus.Field("s", elanus.SPARSE_FLOAT_VECTOR)
    text = elanus.Field("b", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("t"))
    assert [f.metric for f in (dense, sparse, text)] == ["COSINE", "IP", "BM25"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([elanus.Field("a", elanus.INT64)], "exactly one primary key, got none"),
        ([ID, elanus.Field("k", elanus.VARCHAR, primary=True)], "got id, k"),
        ([ID, elanus.Field("id", elanus.INT8)], "used twice: id"),
        (
            [ID, elanus.Field("b", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("t"))],
            "needs a VARCHAR field named 't'",
        ),
        (
            [
                ID,
                elanus.Field("t", elanus.VARCHAR),
                elanus.Field("b", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("t")),
            ],
            "'t' has no analyzer",
        ),
    ],
)
def test_impossible_schema_is_refused(fields, message):
    with pytest.raises(SchemaError) as caught:
        elanus.Schema(fields)
    assert message in str(caught.value)


@pytest.mark.parametrize(("k1", "b"), [(-1, 0.5), (1.2, 1.5), (float("nan"), 0.5)])
def test_bm25_parameters_out_of_range_are_refused(k1, b):
    with pytest.raises(SchemaError):
        elanus.BM25("t", k1=k1, b=b)


def test_unknown_field_names_the_nearest():
    schema = elanus.Schema([ID, elanus.Field("title", elanus.VARCHAR)])
    with pytest.raises(FieldNotFoundError) as caught:
        schema.field("titel")
    assert str(caught.value) == "no field 'titel'; did you mean 'title'?"
    assert caught.value.name == "titel"


def test_schema_survives_its_stored_form():
    schema = elanus.Schema(
        [
            elanus.Field("id", elanus.VARCHAR, primary=True, auto_id=True, max_length=64),
            elanus.Field("t", elanus.VARCHAR, analyzer={"type": "english"}, nullable=True),
            elanus.Field("n", elanus.DOUBLE, default=1.5, description="a number"),
            elanus.Field("a", elanus.ARRAY, element_type=elanus.INT8, max_capacity=3),
            elanus.Field("v", elanus.FLOAT_VECTOR, dim=4, metric="L2"),
            elanus.Field("b", elanus.SPARSE_FLOAT_VECTOR, source=elanus.BM25("t", k1=0.9, b=0.4)),
        ],
        dynamic=True,
        description="all kinds",
    )
    assert schema_from_json(schema_to_json(schema)) == schema


def test_newer_stored_schema_is_refused_by_name():
    stored = {**schema_to_json(elanus.Schema([ID])), "version": 99}
    with pytest.raises(elanus.ElanusError, match="schema version 99 cannot be read"):
        schema_from_json(stored)
