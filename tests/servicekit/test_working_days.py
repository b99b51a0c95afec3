"""Working days: the State Council's notices for 2025 and 2026, deadlines over them, and years without a notice."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.working_days import (
    due_after,
    is_announced,
    is_working_day,
    working_day_after,
    working_days_between,
)

# 国办发明电〔2025〕7号, for 2026: (first day off, last day off), and the weekend days worked instead.
OFF = (
    ("2026-01-01", "2026-01-03"),
    ("2026-02-15", "2026-02-23"),
    ("2026-04-04", "2026-04-06"),
    ("2026-05-01", "2026-05-05"),
    ("2026-06-19", "2026-06-21"),
    ("2026-09-25", "2026-09-27"),
    ("2026-10-01", "2026-10-07"),
)
WORKED = ("2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10")
FIRST = datetime(2024, 1, 1)  # noqa: DTZ001 — the strategy adds the zone
DAYS = st.dates(date(2020, 1, 1), date(2027, 12, 31))


def days_off() -> set[date]:
    off = set()
    for first, last in OFF:
        day = date.fromisoformat(first)
        while day <= date.fromisoformat(last):
            off.add(day)
            day += timedelta(days=1)
    return off


def test_every_day_of_2026_is_as_the_notice_says():
    worked = {date.fromisoformat(day) for day in WORKED}
    off = days_off()
    for number in range(365):
        day = date(2026, 1, 1) + timedelta(days=number)
        assert is_working_day(day) == (day in worked or (day.weekday() < 5 and day not in off)), day


def test_five_working_days_from_before_the_national_day_end_after_it_with_the_made_up_saturday():
    # Wednesday 30 September: 8, 9, 10 (made up), 12, 13 October.
    assert working_day_after(date(2026, 9, 30), 5) == date(2026, 10, 13)
    at = datetime(2026, 9, 30, 1, 0, tzinfo=UTC)
    assert due_after(at, 5) == datetime(2026, 10, 13, 16, 0, tzinfo=UTC)


def test_the_day_is_shanghais():
    # 16:30 UTC on Monday is already Tuesday: one working day later is Wednesday, over at 16:00 UTC.
    assert due_after(datetime(2026, 3, 16, 16, 30, tzinfo=UTC), 1) == datetime(2026, 3, 18, 16, 0, tzinfo=UTC)


def test_a_year_without_a_notice_has_the_holidays_of_the_law():
    assert is_announced(2026)
    assert not is_announced(2090)
    assert not is_working_day(date(2090, 10, 2))
    assert is_working_day(date(2090, 10, 9))


@given(DAYS, st.integers(1, 15))
def test_the_last_day_of_a_period_is_a_working_day_and_the_period_has_as_many_as_asked(day, count):
    last = working_day_after(day, count)
    assert is_working_day(last)
    assert working_days_between(day, last) == count
    assert working_days_between(day, last - timedelta(days=1)) == count - 1


@given(st.datetimes(FIRST, FIRST + timedelta(days=1_100), timezones=st.just(UTC)), st.integers(1, 10))
def test_a_later_start_is_never_due_earlier(at, count):
    assert due_after(at, count) <= due_after(at + timedelta(hours=5), count)
    assert due_after(at, count) < due_after(at, count + 1)
    assert at < due_after(at, count)


def test_periods_that_are_none_are_refused():
    with pytest.raises(ValueError, match="count from 1"):
        working_day_after(date(2026, 3, 1), 0)
    with pytest.raises(ValueError, match="zone"):
        due_after(datetime(2026, 3, 1), 1)  # noqa: DTZ001
    assert working_days_between(date(2026, 3, 2), date(2026, 3, 1)) == 0
