"""Working days of the mainland: weekdays less public holidays, plus the weekend days worked instead (调休).

A period of n working days begins on the day after and ends with its last day, at 24:00 (民法典 §201, §203). The
days come from the `holidays` package, which repeats the State Council's yearly notice. A year whose notice it does
not know yet has the holidays that the law fixes (全国年节及纪念日放假办法) and no make-up days: see `is_announced`.
Events carry the `due_at` that was computed, so a later notice moves no deadline that was given.
"""

from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holidays import HolidayBase

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""Without summer time since 1992, so the offset is the zone."""
_ONE_DAY = timedelta(days=1)


@cache
def _calendar() -> "HolidayBase":
    # Only whoever counts working days pays for the package.
    from holidays import country_holidays

    return country_holidays("CN")


def is_working_day(day: date) -> bool:
    """Whether public offices work on this day: 2026-10-07 (Wednesday, 国庆节) no, 2026-10-10 (Saturday, 调休) yes."""
    return _calendar().is_working_day(day)


def is_announced(year: int) -> bool:
    """Whether the year's make-up days are known: every notice since 2000 names some."""
    calendar = _calendar()
    first = date(year, 1, 1)
    is_working_day(first)
    return any(
        calendar.is_working_day(day) and day.weekday() >= 5
        for day in (first + timedelta(days=number) for number in range(366))
        if day.year == year
    )


def working_day_after(day: date, count: int) -> date:
    """The `count`-th working day after `day`, which itself does not count. Raises ValueError for a count below 1."""
    if count < 1:
        raise ValueError(f"{count} working days: count from 1")
    while count:
        day += _ONE_DAY
        count -= is_working_day(day)
    return day


def working_days_between(start: date, end: date) -> int:
    """How many working days lie after `start`, up to and with `end`; 0 when `end` is not later."""
    return sum(is_working_day(start + timedelta(days=number)) for number in range(1, (end - start).days + 1))


def due_after(at: datetime, count: int) -> datetime:
    """The end, 24:00 in Shanghai, of the `count`-th working day after the Shanghai day of `at`; in UTC.

    Raises ValueError for a count below 1 and for a time without a zone.
    """
    if at.tzinfo is None:
        raise ValueError("a deadline needs a time with a zone")
    last = working_day_after(at.astimezone(SHANGHAI).date(), count)
    return datetime.combine(last + _ONE_DAY, time(), SHANGHAI).astimezone(UTC)
