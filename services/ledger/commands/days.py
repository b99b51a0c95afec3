"""Days of the books, Asia/Shanghai, and how long vouchers are kept."""

from datetime import UTC, date, datetime, timedelta, timezone

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""Without summer time since 1992, so the offset is the zone, and no time-zone data need be installed."""
ACCOUNTING_BASIS = "accounting_archives_2016"
"""会计档案管理办法 (2016): vouchers and books are kept 30 years from the end of their accounting year."""
ACCOUNTING_YEARS = 30


def day_of(moment: datetime) -> date:
    """The calendar day of a moment, Asia/Shanghai: the day an entry is effective on."""
    return moment.astimezone(SHANGHAI).date()


def kept_until(erased_at: datetime) -> datetime:
    """Until when vouchers of a year must be kept, counted from the end of the year (会计档案管理办法 §14), UTC.

    No gift of an erased person is younger than the erasure, so every voucher's period has ended by then.
    """
    year = day_of(erased_at).year + 1 + ACCOUNTING_YEARS
    return datetime(year, 1, 1, tzinfo=SHANGHAI).astimezone(UTC)
