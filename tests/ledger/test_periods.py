"""Months of a book: two people close one that is over; then nothing takes effect in it, and nothing is edited."""

from datetime import date, timedelta
from typing import Any

import pytest

from contracts.command import Role
from contracts.ledger import EntryPosted, PeriodClosed
from services.ledger.commands import ClosePeriod
from services.ledger.decider import book
from tests.ledger.counter import Counter, logged
from tests.ledger.examples import BO, CLERK, NOON, TODAY, Story, by, post_donation, post_hours, reverse
from tests.ledger.office import AS_CASHIER, AS_CLERK, AS_SUPERVISOR, Office

FEBRUARY, LAST = "2026-02", date(2026, 2, 28)


def close(person: Any = CLERK, **changes: Any) -> ClosePeriod:
    asked: dict[str, Any] = {"by": by(person, Role.FUND_CLERK), "at": NOON, "book": "fund", "period": FEBRUARY}
    return ClosePeriod(**asked | changes)


def test_one_proposes_and_another_closes():
    story = Story(book, post_donation(effective_date=LAST), close())
    assert story.state.closed_through is None
    story.refuses(close(), "closed_by_you")
    closed = story.when(close(BO)).then("PeriodClosed")
    assert (closed.step, closed.closed_through, closed.last_entry_no) == (2, LAST, 1)
    assert [(one.fund, one.balance_fen) for one in closed.balances] == [("fund-relief", 20_000)]
    story.refuses(close(BO), "closed_already")
    story.refuses(close(period="2026-01"), "closed_already")


def test_another_month_proposed_meanwhile_begins_anew():
    story = Story(book, close(), close(BO, period="2026-01"))
    assert story.when(close(BO)).then("PeriodClosed").step == 1


@pytest.mark.parametrize(("period", "over"), [("2026-02", True), ("2026-03", False), ("2027-01", False)])
def test_a_month_is_closed_once_it_is_over(period: str, over: bool):
    story = Story(book)
    if over:
        story.when(close(period=period)).then("PeriodClosed")
    else:
        story.refuses(close(period=period), "month_not_over")


CLOSED = (close(), close(BO))


def test_nothing_takes_effect_in_a_closed_month_and_a_correction_stands_in_the_open_one():
    story = Story(book, post_donation(effective_date=LAST), *CLOSED)
    story.refuses(post_donation(effective_date=LAST), "period_closed")
    posted = Story(book, post_donation(effective_date=LAST)).then("EntryPosted")
    story.refuses(reverse(posted, effective_date=LAST), "period_closed")
    assert story.when(reverse(posted, effective_date=TODAY)).then("EntryReversed").effective_date == TODAY
    story.when(post_donation(effective_date=LAST + timedelta(days=1))).then("EntryPosted")


def test_minutes_credited_late_count_from_the_first_open_day():
    story = Story(book, close(book="hours"), close(BO, book="hours"))
    assert story.when(post_hours(effective_date=LAST)).then("EntryPosted").effective_date == date(2026, 3, 1)
    assert story.when(post_hours(effective_date=TODAY)).then("EntryPosted").effective_date == TODAY


async def test_over_http_two_people_close_and_the_page_says_so(office: Office):
    counter = office.counter
    body = {"period": FEBRUARY}
    await counter.done("/books/fund/close", body, *AS_CLERK)
    assert (await counter.read("/books/fund"))["closing"] == FEBRUARY
    await counter.refused(409, "closed_by_you", "/books/fund/close", body, *AS_CLERK)
    await counter.done("/books/fund/close", body, *AS_SUPERVISOR)
    read = await counter.read("/books/fund")
    assert (read["closed_through"], read["closing"], read["last_entry_no"]) == ("2026-02-28", None, 1)
    donation_id = await counter.pledged()
    late = {"method": "bank_transfer", "effective_date": "2026-02-27"}
    before = await counter.runtime.log.read(0, 10_000)
    await counter.refused(409, "period_closed", f"/donations/{donation_id}/receive", late, *AS_CASHIER)
    assert await counter.runtime.log.read(0, 10_000) == before
    await counter.done(f"/donations/{donation_id}/receive", {"method": "bank_transfer"}, *AS_CASHIER)


async def test_hours_that_come_late_are_posted_and_not_lost(office: Office):
    counter: Counter = office.counter
    for who in (AS_CLERK, AS_SUPERVISOR):
        await counter.done("/books/hours/close", {"period": FEBRUARY}, *who)
    await counter.hear(logged(start=NOON - timedelta(days=25)))
    posted = (await counter.events())[-1]
    assert isinstance(posted, EntryPosted)
    assert posted.effective_date == date(2026, 3, 1)
    assert sum(isinstance(event, PeriodClosed) for event in await counter.events()) == 2


async def test_a_month_of_no_calendar_is_refused(office: Office):
    for period in ("0000-01", "2026-13", "2026-1", "26-01"):
        body = {"period": period}
        await office.counter.refused(422, "invalid_request", "/books/fund/close", body, *AS_CLERK)
