"""What is sent comes out the same, and no bytes lead to anything but a clean error."""

from __future__ import annotations

import datetime as dt
import json
import struct
import uuid
import zoneinfo
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import elanus
from elanus import errors
from elanus.errors import ElanusError, InvalidArgumentError, ProtocolError
from elanus.filter import field, parse
from elanus.remote import ANSWERS, REQUESTS, begun, decode, encode, error_to_json
from elanus.remote.values import error_from_json
from elanus.sync import SyncError
from support.every_type import every_type_schema


def back(value, tags=REQUESTS):
    return decode(encode(value, tags), tags)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=20)
    | st.datetimes(timezones=st.none() | st.just(dt.UTC))
    | st.timedeltas()
    | st.uuids(),
    lambda one: (
        st.lists(one, max_size=12)
        | st.lists(one, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5) | st.integers(), one, max_size=12)
    ),
    max_leaves=30,
)


@settings(max_examples=200, deadline=None)
@given(plain)
def test_plain_values_come_back(value):
    assert repr(back(value)) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        {"$": "array", "b": 0},  # a key of the user's that looks like a tag
        {i: float(i) for i in range(20)},
        {(1, "a"): 2},
        [1, 2.0, True] * 5,
        [2**70, 1, 2, 3, 4, 5, 6, 7],
        [True] * 10,
        "\ud800 lone",
        float("inf"),
        dt.date(2024, 2, 29),
        dt.time(1, 2, 3, 4),
        dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
        uuid.UUID(int=7),
        Decimal("1.50"),
        elanus.INT64,
        elanus.MetricType.COSINE,
        elanus.RRF(k=3, weights=(1.0, 2.0)),
        elanus.Weighted(weights={"a": 1.0}),
        elanus.Decay("year", "gauss", dt.datetime(2024, 1, 1), dt.timedelta(days=3)),
        elanus.FunctionScore([elanus.Boost(field("a") > 3, 2.0, elanus.RandomScore(4))]),
        elanus.MMR(0.3),
        elanus.Highlighter(pre_tags=["<b>"]),
        elanus.Leg("v", [1.0, 2.0], filter="a > 1", limit=7),
        every_type_schema(),
        elanus.Schema(
            [
                elanus.Field("id", elanus.VARCHAR, primary=True),
                elanus.Field("text", elanus.VARCHAR),
                elanus.Field(
                    "v", elanus.FLOAT_VECTOR, dim=4, embedding=elanus.Embedding("text", "minilm")
                ),
                elanus.Field(
                    "parts",
                    elanus.ARRAY,
                    element_type=elanus.STRUCT,
                    struct=[elanus.Field("t", elanus.VARCHAR)],
                    max_capacity=9,
                ),
            ],
            description="ß",
            partitioned=True,
        ),
    ],
    ids=repr,
)
def test_values_come_back(value):
    found = back(value)
    assert type(found) is type(value)
    assert found == value
    assert repr(found) == repr(value)


@pytest.mark.parametrize(
    "text",
    [
        "a > 3 and not (b in [1, 'x', null] or c like 'x%')",
        "meta['tags'][0] == 'eu' and json_contains(meta, 3)",
        "text_match(t, 'some words', minimum_should_match=2) and phrase_match(t, 'a b', 1)",
        "at + INTERVAL 'P1D' > ISO '2024-01-01T00:00:00Z'",
        "st_within(place, 'POLYGON ((0 0, 1 0, 1 1, 0 0))') and a is not null",
        "1 < a <= 3 and array_length(x) == 2 and random_sample(0.5)",
    ],
)
def test_filters_come_back(text):
    tree = parse(text)
    assert back(tree) == tree


def test_arrays_come_back():
    for code in ("?", "i1", "<i2", "i4", "<i8", "u1", "<u2", "<f2", "<f4", "<f8"):
        for shape in ((0,), (3,), (2, 3), (2, 0, 3), ()):
            array = np.ones(shape, dtype=code)
            found = back([b"x", array])[1]
            assert found.dtype == array.dtype
            assert np.array_equal(found, array)
            assert found.shape == array.shape
    assert back(np.array([1.5, 2.0], dtype=">f4")).dtype == np.dtype("<f4")
    assert back(np.arange(12).reshape(3, 4)[:, ::2]).tolist() == [[0, 2], [4, 6], [8, 10]]
    assert back(np.array(["a", None], dtype=object)) == ["a", None]
    assert type(back(np.float32(1.5))) is float
    assert type(back(np.int64(3))) is int


def test_what_lives_in_the_process_is_refused():
    with pytest.raises(InvalidArgumentError, match="a function cannot be sent to a server"):
        encode({"f": test_arrays_come_back}, REQUESTS)
    deep: list = []
    for _ in range(200):
        deep = [deep]
    with pytest.raises(InvalidArgumentError, match="nested deeper than 100"):
        encode(deep, REQUESTS)


def test_a_request_cannot_hold_what_only_answers_hold():
    described = elanus.errors.EntityError("x")
    raw = encode([elanus.Token("a", 0, 1, 0, 1)], ANSWERS)
    assert decode(raw, ANSWERS)[0].token == "a"
    with pytest.raises(ProtocolError, match="no value is tagged 'Token'"):
        decode(raw, REQUESTS)
    assert described.field is None


def test_every_error_comes_back_with_its_attributes():
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, ElanusError)]
    assert len(kinds) > 35
    for kind in kinds:
        error = kind("message")
        for name in vars(error):
            setattr(error, name, 7)
        found = error_from_json(json.loads(json.dumps(error_to_json(error))))
        assert type(found) is kind
        assert str(found) == str(error)
        assert vars(found) == vars(error)
    found = error_from_json(error_to_json(SyncError("s", "d", "reason")))
    assert (type(found), found.document) == (SyncError, "d")
    shown = elanus.errors.FilterError("bad", expression="a >", position=2, hint="b")
    assert str(error_from_json(error_to_json(shown))) == str(shown)


def test_an_error_of_another_class_is_the_nearest_known():
    class OwnError(errors.ProviderError):
        pass

    assert type(error_from_json(error_to_json(OwnError("x")))) is errors.ProviderError


# --- bytes ----------------------------------------------------------------------------------

SEED = encode(
    {
        "a": np.arange(4.0),
        "s": every_type_schema(),
        "f": parse("a > 3 or b == 'x'"),
        "d": {i: float(i) for i in range(9)},
        "n": [elanus.Leg("v", [0.5] * 9), dt.datetime(2024, 1, 1), (1, b"2")],
    },
    REQUESTS,
)


def check_clean(raw: bytes) -> None:
    for tags in (REQUESTS, ANSWERS):
        try:
            decode(raw, tags)
        except ElanusError:
            continue


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_clean_error(raw):
    check_clean(raw)
    check_clean(SEED[:16] + raw)


@settings(max_examples=500, deadline=None)
@given(st.integers(0, len(SEED) - 1), st.binary(min_size=1, max_size=8), st.booleans())
def test_any_change_of_a_message_gives_a_clean_error(place, new, is_cut):
    check_clean(SEED[:place] + new + (b"" if is_cut else SEED[place + len(new) :]))


NAMES = ["v", "b", "s", "t", "k", "z", "f", "m", "fields", "names", "ids", "why"]
tagged = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda one: (
        st.lists(one, max_size=6)
        | st.dictionaries(st.sampled_from(["$", *NAMES]), one)
        | st.builds(
            lambda tag, rest: {**rest, "$": tag},
            st.sampled_from([*sorted(ANSWERS.unpackers), "array", "list", "dict"]),
            st.dictionaries(st.sampled_from(NAMES), one),
        )
    ),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None)
@given(tagged)
def test_any_document_gives_a_clean_error(document):
    text = json.dumps(document).encode()
    check_clean(struct.pack("<4sIQ", b"ELN1", 0, len(text)) + text)


def test_lengths_are_checked():
    for raw, what in (
        (b"", "0 bytes are no message"),
        (b"PICK" + bytes(12), "begins with"),
        (struct.pack("<4sIQ", b"ELN1", 2**31, 4) + b"null", "before it is whole"),
        (struct.pack("<4sIQ", b"ELN1", 0, 2**60), "before it is whole"),
        (struct.pack("<4sIQQ", b"ELN1", 1, 4, 2**63) + b"null", "ends after its message"),
        (SEED + b"x", "1 bytes too many"),
        (struct.pack("<4sIQ", b"ELN1", 0, 200_000) + b"[" * 200_000, "cannot be read"),
    ):
        with pytest.raises(ProtocolError, match=what):
            decode(raw, REQUESTS)


def test_a_document_is_read_from_the_beginning_of_its_message():
    document = {"call": "collection.search", "given": b"x" * 1_000, "name": "ä"}
    raw = encode(document, REQUESTS)
    ends = len(raw) - 1_000
    while begun(raw[: ends - 1]) is not None:
        ends -= 1  # the padding of the buffer
    assert len(raw) - 1_000 - ends < 8
    for size in range(ends):
        assert begun(raw[:size]) is None
    for size in range(ends, len(raw) + 1):
        assert begun(raw[:size])["call"] == "collection.search"
    for other in (b"PICK", b"P", b"ELN2", struct.pack("<4sIQ", b"ELN1", 0, 1) + b"{"):
        with pytest.raises(ProtocolError):
            begun(other)
    deep = struct.pack("<4sIQ", b"ELN1", 0, 200_000) + b"[" * 200_000
    with pytest.raises(ProtocolError, match="cannot be read"):
        begun(deep)


@pytest.mark.parametrize(
    ("shape", "what"),
    [
        ([3], "an array of 24 bytes has a buffer of 16"),
        ([-1], "cannot have the shape"),
        ([2**40], "cannot have the shape"),
        ([1, 1, 1, 1, 2], "no such type or shape"),
        (2, "no such type or shape"),
    ],
)
def test_shapes_are_checked(shape, what):
    text = json.dumps({"$": "array", "b": 0, "t": "<f8", "s": shape}).encode()
    padding = bytes(-(24 + len(text)) % 8)
    raw = struct.pack("<4sIQQ", b"ELN1", 1, len(text), 16) + text + padding + bytes(16)
    with pytest.raises(ProtocolError, match=what):
        decode(raw, REQUESTS)


def test_sparse_matrices_are_sent_as_rows():
    sp = pytest.importorskip("scipy.sparse")
    rows = np.array([[0.0, 2.0], [1.0, 0.0], [0.0, 0.0]])
    for layout in (sp.csr_matrix, sp.csc_matrix, sp.coo_array):
        assert back({"v": layout(rows)}) == {"v": [{1: 2.0}, {0: 1.0}, {}]}
