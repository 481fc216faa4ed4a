"""Moments and intervals, against Python's own calendar."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import elanus
from elanus.errors import EntityError, SchemaError
from elanus.schema.converters import convert_column
from elanus.schema.times import (
    EPOCH,
    MAX_TIME,
    MIN_TIME,
    Interval,
    interval_text,
    parse_interval,
    time_of,
    to_datetimes,
    to_iso,
    zone_of,
)

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3_600 * 10**6
DAY = 24 * HOUR
MOMENTS = st.datetimes(timezones=st.just(UTC))


def micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-02", DAY),
        ("1969-12-31 23:59:59.999999", -1),
        ("19700101T000000.000001Z", 1),
        (datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), 0),
        (datetime(1970, 1, 1), 0),
        ("0001-01-01T00:00:00Z", MIN_TIME),
        ("9999-12-31T23:59:59.999999Z", MAX_TIME),
    ],
)
def test_moments_are_microseconds_of_utc(value, expected):
    assert time_of(value, UTC) == expected


def test_what_names_no_offset_is_read_on_the_clock_of_the_zone():
    assert time_of("2024-07-01T12:00:00", BERLIN) == micros(datetime(2024, 7, 1, 10, tzinfo=UTC))
    assert time_of(datetime(2024, 1, 1, 12), BERLIN) == micros(datetime(2024, 1, 1, 11, tzinfo=UTC))
    assert time_of("2024-07-01T12:00:00Z", BERLIN) == micros(datetime(2024, 7, 1, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    "value",
    ["", "yesterday", "2024-02-30", "2024-01-01T25:00Z", "0001-01-01T00:00:00+01:00", "1" * 17],
)
def test_what_is_no_moment_is_refused(value):
    with pytest.raises(ValueError):
        time_of(value, UTC)


@given(MOMENTS)
def test_moments_come_back(moment):
    times = np.array([time_of(moment, UTC)], dtype=np.int64)
    assert to_datetimes(times, UTC) == [moment]
    assert time_of(to_iso(times)[0], BERLIN) == times[0]
    (local,) = to_datetimes(times, BERLIN)
    assert local.astimezone(UTC) == moment


def test_an_hour_that_a_clock_shows_twice_stays_two_moments():
    times = np.array([time_of(f"2024-10-27T0{h}:30:00Z", UTC) for h in (0, 1)], dtype=np.int64)
    first, second = to_datetimes(times, BERLIN)
    assert (first.isoformat(), second.isoformat()) == (
        "2024-10-27T02:30:00+02:00",
        "2024-10-27T02:30:00+01:00",
    )


@pytest.mark.parametrize(
    ("text", "months", "length"),
    [
        ("P1D", 0, DAY),
        ("P0D", 0, 0),
        ("P1Y2M", 14, 0),
        ("-P1M", -1, 0),
        ("P2W", 0, 14 * DAY),
        ("PT36H", 0, 36 * HOUR),
        ("PT0.5S", 0, 500_000),
        ("PT1,5M", 0, 90_000_000),
        ("P1Y2M3DT1H2M3S", 14, 3 * DAY + HOUR + 123_000_000),
        ("PT0.0000019S", 0, 1),
    ],
)
def test_intervals_are_durations_of_iso_8601(text, months, length):
    assert parse_interval(text) == Interval(months, length)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1",
        "1D",
        "P1H",
        "PT1D",
        "P1.5M",
        "P1D ",
        "p1d",
        "P10000Y",
        "P9999999D",
        "P-1D",
    ],
)
def test_what_is_no_interval_is_refused(text):
    with pytest.raises(ValueError):
        parse_interval(text)


@given(st.timedeltas(min_value=timedelta(days=-9999), max_value=timedelta(days=9999)))
def test_lengths_of_time_become_durations(length):
    assert parse_interval(interval_text(length)).micros == length // timedelta(microseconds=1)


def later(moment: datetime, months: int, rest: timedelta) -> datetime | None:
    """Add months by the calendar, then the rest; None outside of the years of ``datetime``."""
    years, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if not 1 <= years <= 9999:
        return None
    day = min(moment.day, calendar.monthrange(years, month + 1)[1])
    try:
        return moment.replace(year=years, month=month + 1, day=day) + rest
    except OverflowError:
        return None


@given(
    st.lists(MOMENTS, min_size=1, max_size=5),
    st.integers(-30_000, 30_000),
    st.timedeltas(min_value=timedelta(days=-3_652_000), max_value=timedelta(days=3_652_000)),
    st.sampled_from([1, -1]),
)
def test_intervals_are_added_by_the_calendar(moments, months, rest, sign):
    interval = Interval(months, rest // timedelta(microseconds=1))
    times = np.array([micros(m) for m in moments], dtype=np.int64)
    made, inside = interval.after(times, sign)
    expected = [later(m, sign * months, sign * rest) for m in moments]
    assert inside.tolist() == [e is not None for e in expected]
    assert to_datetimes(made[inside], UTC) == [e for e in expected if e is not None]


def test_a_day_that_the_month_does_not_have_is_its_last_one():
    start = np.array([micros(datetime(2024, 1, 31, 8, tzinfo=UTC))], dtype=np.int64)
    assert to_iso(Interval(1, 0).after(start, 1)[0]) == ["2024-02-29T08:00:00+00:00"]
    assert to_iso(Interval(2, 0).after(start, -1)[0]) == ["2023-11-30T08:00:00+00:00"]


# --- fields -----------------------------------------------------------------------------------

AT = elanus.Field("at", elanus.TIMESTAMPTZ, nullable=True)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1970-01-02", None, datetime(1970, 1, 1, tzinfo=UTC)], [DAY, None, 0]),
        (np.array(["1970-01-02", "NaT"], dtype="M8[D]"), [DAY, None]),
        (np.array(["1970-01-02", "1969-12-31"], dtype="M8[ns]"), [DAY, -DAY]),
        (np.array(["1970-01-02T00:00:00Z"]), [DAY]),
    ],
)
def test_columns_of_moments(values, expected):
    assert convert_column(AT, values, len(values)).to_pylist() == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0], "expected a datetime or a text of ISO 8601, got int 0.*row 0"),
        (["1970-01-01", "soon"], "expected a moment, got str 'soon'.*row 1"),
        ([date(2024, 1, 1)], "expected a datetime"),
        (np.array([0]), "expected a datetime"),
        (np.array(["-20000-01-01"], dtype="M8[s]"), "outside of the years 1 to 9999"),
    ],
)
def test_values_that_are_no_moments_are_refused(values, message):
    with pytest.raises(EntityError, match=message):
        convert_column(AT, values, len(values))


def test_a_schema_has_one_time_zone():
    key = elanus.Field("id", elanus.INT64, primary=True)
    schema = elanus.Schema([key, AT], timezone="Asia/Shanghai")
    assert schema.field("at").timezone == "Asia/Shanghai"
    assert schema.zone is zone_of("Asia/Shanghai")
    other = elanus.Field("other", elanus.TIMESTAMPTZ, timezone="Europe/Berlin")
    with pytest.raises(SchemaError, match="share a timezone, got Asia/Shanghai, Europe/Berlin"):
        elanus.Schema([key, AT, other], timezone="Asia/Shanghai")


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "", "Europe"])
def test_unknown_time_zones_are_refused(name):
    with pytest.raises(SchemaError, match=r"timezone .* is not known"):
        elanus.Field("at", elanus.TIMESTAMPTZ, timezone=name)


def test_only_moments_have_a_time_zone():
    with pytest.raises(SchemaError, match="timezone is only for TIMESTAMPTZ"):
        elanus.Field("n", elanus.INT64, timezone="UTC")


def test_elements_of_arrays_are_no_moments():
    with pytest.raises(SchemaError, match=r"ARRAY needs element_type=, one of BOOL.*VARCHAR"):
        elanus.Field("a", elanus.ARRAY, element_type=elanus.TIMESTAMPTZ)
