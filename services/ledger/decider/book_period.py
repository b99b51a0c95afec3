"""Months of a book: closed by two people once they are over. A close forbids late days and edits nothing."""

from calendar import monthrange
from collections.abc import Sequence
from datetime import date, timedelta

from contracts.command import Refused
from contracts.ledger import BookEvent, EntryPosted, EntryReversed, FundBalance, PeriodClosed
from services.ledger.commands import HOURS, ClosePeriod, day_of
from services.ledger.decider.book_state import BookState

Events = Sequence[BookEvent]


def last_day(period: str) -> date:
    """The last day of a month written `2026-10`."""
    year, month = int(period[:4]), int(period[5:])
    return date(year, month, monthrange(year, month)[1])


def close(command: ClosePeriod, book: BookState) -> Events:
    """Propose a close, or as another person carry it out. Raises Refused."""
    person_id, through = command.by.actor_id, last_day(command.period)
    if person_id is None:
        raise Refused("person_needed")
    if book.closed_through is not None and through <= book.closed_through:
        raise Refused("closed_already", closed_through=book.closed_through.isoformat())
    if through >= day_of(command.at):
        raise Refused("month_not_over", last_day=through.isoformat())
    # Somebody may propose another month meanwhile: the latest proposal stands.
    second = book.closing is not None and book.closing.period == command.period
    if second and book.closing is not None and book.closing.closed_by == person_id:
        raise Refused("closed_by_you")
    closed = PeriodClosed(
        book=command.book,
        period=command.period,
        closed_through=through,
        step=2 if second else 1,
        closed_by=person_id,
        last_entry_no=book.entry_no,
        balances=tuple(FundBalance(fund=fund, balance_fen=held) for fund, held in sorted(book.funds.items())),
        role=command.by.role,
        closed_at=command.at,
    )
    return [closed]


def in_open_month(event: BookEvent, book: BookState) -> BookEvent:
    """The event as it may be recorded. Raises Refused("period_closed") for an entry of the fund.

    Minutes that are credited late are not refused for it: they count from the first open day on.
    """
    closed = book.closed_through
    if closed is None or not isinstance(event, EntryPosted | EntryReversed) or event.effective_date > closed:
        return event
    if event.book == HOURS:
        return event.model_copy(update={"effective_date": closed + timedelta(days=1)})
    raise Refused("period_closed", closed_through=closed.isoformat())
