"""What is a moment: as a number, as text, and as Python has it?

A moment is stored as int64 microseconds since 1970-01-01 00:00 UTC. What names no offset from UTC
is read in a time zone, as the clock on a wall there shows it. Moments lie in the years 1 to 9999,
as those of ``datetime`` do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from elanus.errors import SchemaError
from elanus.types import BoolArray, Int64Array

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
MIN_TIME: Final = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // _MICROSECOND
MAX_TIME: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
_DAY: Final = 86_400 * 10**6
MAX_MONTHS: Final = 12 * 9_999
"""Most months of an interval: more leads out of the years 1 to 9999 from everywhere."""

_ISO: Final = re.compile(r"\d{4}(?:-\d\d-\d\d|\d{4}|-?W\d\d(?:-?\d)?)(?:[Tt ].*)?", re.ASCII)
INTERVAL_FORM: Final = "an ISO 8601 duration, such as 'P1D', 'P1Y2M' or 'PT36H'"


@lru_cache(maxsize=64)
def zone_of(name: str | None) -> tzinfo:
    """Return the time zone with a name of the IANA data base; UTC for None.

    Raises:
        SchemaError: There is none with this name.
    """
    if name is None or name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    # The name is looked up as a path, which may be malformed or one of a folder.
    except (KeyError, ValueError, OSError):
        raise SchemaError(
            f"timezone {name!r} is not known; expected a name of the IANA data base such as "
            f"'Europe/Berlin', or 'UTC'. Where the system has no such data, `pip install tzdata`"
        ) from None


def time_of(value: datetime | str, zone: tzinfo) -> int:
    """Return a moment in microseconds.

    Args:
        value: A ``datetime``, or text in the form of ISO 8601.
        zone: What is meant where there is no offset from UTC.

    Raises:
        ValueError: The text is no moment, or it lies outside of the years 1 to 9999.
    """
    if isinstance(value, str):
        # Python takes any character between date and time, even a digit.
        if _ISO.fullmatch(value) is None:
            raise ValueError("expected a date and a time of ISO 8601")
        moment = datetime.fromisoformat(value)
    else:
        moment = value
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    micros = (moment - EPOCH) // _MICROSECOND
    if not MIN_TIME <= micros <= MAX_TIME:
        raise ValueError(f"{moment} is outside of the years 1 to 9999 in UTC")
    return micros


def all_times(values: Int64Array) -> bool:
    """Whether all microseconds are moments of the years 1 to 9999."""
    return not len(values) or bool(values.min() >= MIN_TIME and values.max() <= MAX_TIME)


def to_datetimes(times: Int64Array, zone: tzinfo) -> list[datetime]:
    """Return moments as aware ``datetime`` objects in a time zone."""
    # NumPy makes naive objects of UTC; at the ends of time another zone may have no such year.
    found: list[datetime] = times.view("M8[us]").tolist()
    moments = [moment.replace(tzinfo=UTC) for moment in found]
    if zone is UTC:
        return moments
    return [_in_zone(moment, zone) for moment in moments]


def _in_zone(moment: datetime, zone: tzinfo) -> datetime:
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment


def to_iso(times: Int64Array) -> list[str]:
    """Return moments as text, such as ``2025-01-31T08:00:00+00:00``."""
    return [moment.isoformat() for moment in to_datetimes(times, UTC)]


@dataclass(frozen=True, slots=True)
class Interval:
    """A length of time: months of the calendar, and microseconds.

    A day is 24 hours: moments have no time zone of their own in which one could be longer.
    """

    months: int
    micros: int

    def after(self, times: Int64Array, sign: int) -> tuple[Int64Array, BoolArray]:
        """Return the moments that are so much later, and where they lie in the years 1 to 9999.

        Months come first; a day that the month does not have becomes its last one.

        Args:
            times: Moments, int64.
            sign: 1, or -1 for earlier ones.
        """
        made = _add_months(times, sign * self.months) if self.months else times
        inside = (made >= MIN_TIME) & (made <= MAX_TIME)
        # Inside of these years nothing overflows, whatever an interval is added to.
        made = np.where(inside, made, 0) + sign * self.micros
        return made, inside & (made >= MIN_TIME) & (made <= MAX_TIME)


def _add_months(times: Int64Array, months: int) -> Int64Array:
    days = np.floor_divide(times, _DAY)
    month_of = days.view("M8[D]").astype("M8[M]")
    day_of_month = days - month_of.astype("M8[D]").view(np.int64)
    target = month_of + months
    first = target.astype("M8[D]").view(np.int64)
    length = (target + 1).astype("M8[D]").view(np.int64) - first
    moved: Int64Array = first + np.minimum(day_of_month, length - 1) - days
    return times + moved * _DAY


_NUMBER = r"(\d{1,12}(?:[.,]\d{1,9})?)"
_DURATION = re.compile(
    rf"(-)?P(?=.)(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:T(?=.)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?",
    re.ASCII,
)
_SECONDS: Final = (7 * 86_400, 86_400, 3_600, 60, 1)


def parse_interval(text: str) -> Interval:
    """Return what an ISO 8601 duration says; only weeks and smaller units may have fractions.

    Raises:
        ValueError: It is none, or longer than all the years that there are.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"expected {INTERVAL_FORM}")
    sign, years, months, *units = match.groups()
    if any(not (part or "0").isdigit() for part in (years, months)):
        raise ValueError("years and months have no fractions; give days")
    total = 12 * int(years or 0) + int(months or 0)
    micros = sum(
        _micros(part, seconds) for part, seconds in zip(units, _SECONDS, strict=True) if part
    )
    if total > MAX_MONTHS or micros > MAX_TIME - MIN_TIME:
        raise ValueError("the interval is longer than 9998 years")
    return Interval(-total, -micros) if sign else Interval(total, micros)


def _micros(number: str, seconds: int) -> int:
    """Return microseconds, cut off behind the last whole one."""
    whole, _, fraction = number.replace(",", ".").partition(".")
    scaled = int(whole + fraction) * seconds * 10**6
    return int(scaled // 10 ** len(fraction))


def interval_text(length: timedelta) -> str:
    """Return a ``timedelta`` as an ISO 8601 duration."""
    micros = length // _MICROSECOND
    seconds, rest = divmod(abs(micros), 10**6)
    fraction = f".{rest:06}" if rest else ""
    return f"{'-' if micros < 0 else ''}PT{seconds}{fraction}S"
