"""Balances as of a position, a time or a day equal what a person would work out by hand, from the events alone."""

from collections import Counter as Tally
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from contracts.command import Role
from contracts.envelope import Recorded
from contracts.ledger import EntryPosted, EntryReversed
from eventstore.executor import Plan
from eventstore.model import Metadata
from services.ledger.commands import day_of
from tests.ledger.counter import AS_AUDITOR, BANK, Counter, logged
from tests.ledger.examples import ANNA, BO, CASHIER, NOON, TELLER, reverse

METHODS = ("bank_transfer", "cash", "cheque", "other")


async def lived(counter: Counter) -> list[Recorded]:
    """A few gifts on several days, minutes of two people, and a correction in each book; all that was recorded."""
    random = Random(20260318)
    today = day_of(counter.runtime.clock.now())
    for number in range(8):
        counted = {
            "method": METHODS[number % 4],
            "amount_fen": random.randint(1, 300_000),
            "counted_by": [str(CASHIER), str(TELLER)],
            "effective_date": (today - timedelta(days=random.randint(0, 5))).isoformat(),
        }
        fund, purpose = (("fund-relief", "illness"), ("fund-public-good", None))[number % 2]
        await counter.given(counted, fund=fund, purpose=purpose)
        start = NOON + timedelta(hours=number)
        await counter.hear(logged(ANNA if number % 3 else BO, start, random.randint(5, 60), grade="ABC"[number % 3]))
    for book in ("fund", "hours"):
        await correct(counter, book)
    return await counter.runtime.log.read(0, 1000)


async def correct(counter: Counter, book: str) -> None:
    """Reverse the second entry of a book."""
    found = [event for event in await counter.events() if isinstance(event, EntryPosted) and event.book == book]
    command = reverse(found[1], at=counter.runtime.clock.now())

    async def build() -> Plan:
        return Plan([command])

    await counter.runtime.executor.execute(build, Metadata("system"))


def worked_out(events: list[Recorded], book: str, position: int, day: date | None = None) -> dict[tuple[str, str], int]:
    """(account, fund) → balance, of entries up to a position and a day; volunteers' accounts in one."""
    balances: Tally[tuple[str, str]] = Tally()
    for recorded in events[:position]:
        event = recorded.event
        if not isinstance(event, EntryPosted | EntryReversed) or event.book != book:
            continue
        if day is not None and event.effective_date > day:
            continue
        for posting in event.postings:
            account = "volunteer:*:minutes" if posting.account.startswith("volunteer:") else posting.account
            balances[account, posting.fund or ""] += posting.amount
    return dict(balances)


async def asked(counter: Counter, book: str, **params: Any) -> dict[tuple[str, str], int]:
    answer = await counter.read("/balances", book=book, **params)
    assert set(answer["totals"].values()) <= {0}, "the trial balance"
    assert all(line["debit"] - line["credit"] == line["balance"] for line in answer["accounts"])
    held: Tally[str] = Tally()
    for line in answer["accounts"]:
        if line["account"].startswith("assets:"):
            held[line["fund"]] += line["balance"]
    assert {fund["fund"]: fund["balance_fen"] for fund in answer["funds"] if fund["balance_fen"]} == dict(held)
    return {(line["account"], line["fund"] or ""): line["balance"] for line in answer["accounts"]}


async def test_balances_as_of_every_position_equal_the_events(counter: Counter):
    events = await lived(counter)
    for book in ("fund", "hours"):
        for position in range(0, len(events) + 1, 3):
            assert await asked(counter, book, as_of_position=position) == worked_out(events, book, position)
        assert await asked(counter, book) == worked_out(events, book, len(events))


async def test_balances_as_of_a_recording_time_are_those_of_its_position(counter: Counter):
    events = await lived(counter)
    for recorded in events[::7]:
        last = max(other.position for other in events if other.recorded_at <= recorded.recorded_at)
        time = recorded.recorded_at.isoformat()
        assert await asked(counter, "fund", as_of_time=time) == worked_out(events, "fund", last)
    assert await asked(counter, "fund", as_of_time=datetime(2000, 1, 1, tzinfo=UTC).isoformat()) == {}


async def test_balances_on_a_business_day_count_what_was_effective_and_known_then(counter: Counter):
    events = await lived(counter)
    today = day_of(counter.runtime.clock.now())
    half = len(events) // 2
    for back in range(7):
        day = today - timedelta(days=back)
        whole = await asked(counter, "fund", effective_on=day.isoformat())
        assert whole == worked_out(events, "fund", len(events), day)
        known = await asked(counter, "fund", effective_on=day.isoformat(), as_of_position=half)
        assert known == worked_out(events, "fund", half, day)


async def test_one_funds_balances_are_its_own(counter: Counter):
    events = await lived(counter)
    answer = await counter.read("/balances", fund="fund-relief")
    assert {line["fund"] for line in answer["accounts"]} == {"fund-relief"}
    assert answer["totals"] == {"fen": 0}
    codes = [line["code"] for line in answer["accounts"]]
    assert codes == sorted(codes)
    held = sum(
        amount
        for (account, fund), amount in worked_out(events, "fund", len(events)).items()
        if fund == "fund-relief" and account.startswith("assets:")
    )
    assert answer["funds"] == [{"fund": "fund-relief", "name": "扶危济困基金", "balance_fen": held}]


async def test_minutes_are_told_by_grade_and_as_of_any_position(counter: Counter):
    events = await lived(counter)
    for position in (0, 10, len(events)):
        by_grade = {"A": 0, "B": 0, "C": 0}
        for recorded in events[:position]:
            event = recorded.event
            if isinstance(event, EntryPosted | EntryReversed) and event.hours and event.hours.volunteer_id == ANNA:
                by_grade[event.hours.grade] += event.postings[0].amount
        answer = await counter.read(f"/volunteers/{ANNA}/minutes", as_of_position=position)
        assert (answer["by_grade"], answer["minutes"]) == (by_grade, sum(by_grade.values()))


async def test_entries_are_read_in_the_order_of_their_numbers_without_gaps(counter: Counter):
    await lived(counter)
    for book in ("fund", "hours"):
        numbers: list[int] = []
        while page := (await counter.read("/entries", book=book, limit=4, after_no=len(numbers)))["entries"]:
            numbers += [entry["entry_no"] for entry in page]
            assert all(sum(line["amount"] for line in entry["postings"]) == 0 for entry in page)
        assert numbers == list(range(1, 10))
    fund = (await counter.read("/entries"))["entries"]
    assert [entry["reversed_by"] for entry in fund][1] == fund[-1]["entry_id"]
    assert fund[-1]["reverses"] == fund[1]["entry_id"]
    bank = (await counter.read("/entries", account="assets:bank", fund="fund-relief"))["entries"]
    assert bank
    assert all("assets:bank" in {line["account"] for line in entry["postings"]} for entry in bank)
    one = (await counter.read("/entries", donation_id=fund[0]["donation_id"]))["entries"]
    assert [entry["entry_id"] for entry in one] == [fund[0]["entry_id"]]
    annas = (await counter.read("/entries", book="hours", volunteer_id=str(ANNA)))["entries"]
    assert {entry["volunteer_id"] for entry in annas} == {str(ANNA)}


async def test_a_reversed_service_can_be_posted_anew(counter: Counter):
    first, second = logged(), logged(start=NOON + timedelta(hours=2))
    await counter.hear(first, second)
    await correct(counter, "hours")
    again = logged(start=second.started_at, claim_id=second.claim_id, assignment_id=second.assignment_id)
    await counter.hear(again)
    assert (await counter.types())[-1] == "EntryPosted"
    assert (await counter.read(f"/volunteers/{ANNA}/minutes"))["minutes"] == 120


async def test_questions_that_make_no_sense_are_refused(counter: Counter):
    await counter.given(BANK)
    size = (await counter.runtime.log.head()).size
    for params, code in (
        ({"as_of_position": size + 1}, "position_unknown"),
        ({"as_of_position": -1}, "invalid_request"),
        ({"as_of_position": 1.5}, "invalid_request"),
        ({"as_of_time": "2026-03-18T12:00:00"}, "invalid_request"),
        ({"as_of_position": 1, "as_of_time": "2026-03-18T12:00:00Z"}, "two_points_in_time"),
        ({"effective_on": "tomorrow"}, "invalid_request"),
        ({"book": "gold"}, "invalid_request"),
        ({"fund": "gold"}, "fund_unknown"),
    ):
        answer = await counter.get("/balances", *AS_AUDITOR, **params)
        assert (answer.status_code, answer.json()["reason_code"]) == (422, code), params


async def test_who_may_read_which_book(counter: Counter):
    assert (await counter.get("/entries", ANNA, Role.RESIDENT)).status_code == 200
    assert (await counter.get("/entries", ANNA, Role.RESIDENT, book="hours")).status_code == 403
    assert (await counter.get(f"/volunteers/{ANNA}/minutes", ANNA, Role.VOLUNTEER)).status_code == 200
    assert (await counter.get(f"/volunteers/{ANNA}/minutes", BO, Role.VOLUNTEER)).status_code == 403
    chart = await counter.read("/accounts", ANNA, Role.RESIDENT)
    assert [account["code"] for account in chart["accounts"]][:2] == ["1001", "1002"]
