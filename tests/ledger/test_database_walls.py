"""What PostgreSQL itself refuses, whatever the program says; and races that only it can see."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from contracts.command import Refused, Role
from contracts.ledger import BookEvent, EntryReversed
from eventstore.errors import ConstraintBroken
from eventstore.executor import Plan
from eventstore.model import Append, Metadata, StreamAppend
from services.ledger.commands import FUND, HOURS, book_stream
from services.ledger.decider import book
from tests.ledger.counter import AS_CASHIER, BANK, Counter, logged
from tests.ledger.examples import CLERK, NOON, TELLER, post_donation, post_hours, reverse, served
from tests.support.logs import superuser

BY_TEST = Metadata("system")


def entry(**changes):
    (event,) = book.decide(post_donation(entry_id=uuid4()), book.initial())
    return event.model_copy(update=changes)


async def append(counter: Counter, *events, stream: str = book_stream(FUND)) -> None:
    """Past the decider, as a wrong program would."""
    version = len(await counter.runtime.log.read_stream(stream))
    await counter.runtime.log.append(Append([StreamAppend(stream, version, events)], BY_TEST))


async def test_an_entry_out_of_balance_is_refused_at_the_commit(counter: Counter):
    good = entry()
    debit, credit = good.postings
    for postings in (
        (debit, credit.model_copy(update={"amount": -19_999})),
        (debit, debit),
        (debit, credit, debit.model_copy(update={"amount": 1})),
    ):
        with pytest.raises(ConstraintBroken) as broken:
            await append(counter, good.model_copy(update={"postings": postings}))
        assert broken.value.constraint == "postings_sum_to_nothing"
    assert await counter.types() == []
    await append(counter, good)
    assert (await counter.read("/balances"))["totals"] == {"fen": 0}


async def test_the_trigger_watches_every_change_of_postings(counter: Counter):
    await counter.given()
    async with superuser(counter.served.world.database) as connection:
        for statement in (
            "UPDATE ledger_read.postings SET amount = amount + 1 WHERE line = 1",
            "DELETE FROM ledger_read.postings WHERE line = 2",
            """INSERT INTO ledger_read.postings
               SELECT entry_id, 3, book, account, fund, 7, unit, position, effective_date
               FROM ledger_read.postings WHERE line = 1""",
        ):
            with pytest.raises(asyncpg.CheckViolationError) as refused:
                await connection.execute(statement)
            assert refused.value.constraint_name == "postings_sum_to_nothing"
        async with connection.transaction():  # only the end counts
            await connection.execute("UPDATE ledger_read.postings SET amount = amount + 1 WHERE line = 1")
            await connection.execute("UPDATE ledger_read.postings SET amount = amount - 1 WHERE line = 2")


async def test_minutes_are_never_money(counter: Counter):
    good = entry()
    with pytest.raises(ConstraintBroken) as broken:
        await append(counter, good.model_copy(update={"book": "hours"}))
    assert broken.value.constraint == "postings_unit_of_book"


async def test_a_missing_or_doubled_number_is_refused(counter: Counter):
    with pytest.raises(ConstraintBroken) as broken:
        await append(counter, entry(entry_no=2))
    assert broken.value.constraint == "books_without_gaps"
    await append(counter, entry())
    with pytest.raises(ConstraintBroken) as broken:
        await append(counter, entry())
    assert broken.value.constraint in {"books_without_gaps", "entries_one_number"}
    assert await counter.types() == ["EntryPosted"]


def given_for(purpose: str, entry_no: int) -> BookEvent:
    (event,) = book.decide(post_donation(entry_id=uuid4(), purpose=purpose), book.BookState(entry_no - 1))
    return event


def rich(entry_no: int) -> book.BookState:
    """A book that believes to hold more than the tables say."""
    return book.BookState(entry_no, {"fund-relief": 10**9}, {("fund-relief", ""): book.Pot(10**9)})


async def test_money_given_for_a_purpose_is_not_there_for_another(counter: Counter):
    await append(counter, entry(), given_for("illness", 2))
    (drawn,) = book.decide(reverse(entry()), rich(2))
    assert isinstance(drawn, EntryReversed)
    of_both = tuple(posting.model_copy(update={"amount": 2 * posting.amount}) for posting in drawn.postings)
    with pytest.raises(ConstraintBroken) as broken:
        await append(counter, drawn.model_copy(update={"postings": of_both}))
    assert broken.value.constraint == "fund_pots_cover_what_is_held"


async def test_a_fund_below_nothing_is_refused(counter: Counter):
    await append(counter, entry())
    (drawn,) = book.decide(reverse(entry()), rich(1))
    assert isinstance(drawn, EntryReversed)
    too_much = tuple(posting.model_copy(update={"amount": 2 * posting.amount}) for posting in drawn.postings)
    with pytest.raises(ConstraintBroken) as broken:
        await append(counter, drawn.model_copy(update={"postings": too_much}))
    assert broken.value.constraint == "fund_balances_not_negative"


async def test_an_entry_is_reversed_once(counter: Counter):
    posted = entry()
    await append(counter, posted, entry(entry_no=2))
    reversal = book.decide(reverse(posted), rich(2))[0]
    await append(counter, reversal)
    with pytest.raises(ConstraintBroken) as broken:
        await append(counter, reversal.model_copy(update={"entry_id": uuid4(), "entry_no": 4}))
    assert broken.value.constraint == "entries_one_reversal"


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"claim_id": uuid4(), "assignment_id": uuid4()}, "hours_no_overlap"),
        ({"claim_id": uuid4(), "started_at": NOON + timedelta(hours=5)}, "hours_one_per_assignment"),
        ({"assignment_id": uuid4(), "started_at": NOON + timedelta(hours=5)}, "hours_one_per_claim"),
    ],
)
async def test_the_second_wall_of_the_hours_book(counter: Counter, changes, constraint):
    first = book.decide(post_hours(), book.initial())[0]
    await append(counter, first, stream=book_stream(HOURS))
    started_at = changes.pop("started_at", NOON)
    again = post_hours(served(30, started_at, **changes), entry_id=uuid4(), source_event_id=uuid4())
    second = book.decide(again, book.BookState(1))[0]
    with pytest.raises(ConstraintBroken) as broken:
        await append(counter, second, stream=book_stream(HOURS))
    assert broken.value.constraint == constraint


async def test_of_two_receipts_with_one_number_one_is_given(counter: Counter):
    gifts = [await counter.given() for _ in range(4)]
    asked = [
        counter.ask(f"/donations/{gift}/receipt", {"receipt_no": "ONE-1"}, CLERK, Role.FUND_CLERK) for gift in gifts
    ]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert (await counter.types()).count("DonationReceipted") == 1


async def test_many_gifts_at_once_are_all_numbered_without_gaps(counter: Counter):
    gifts = [await counter.pledged(amount_fen=number + 1) for number in range(20)]
    tasks = [counter.ask(f"/donations/{gift}/receive", BANK, *AS_CASHIER) for gift in gifts]
    hearing = asyncio.create_task(counter.hear(*(logged(start=NOON + timedelta(hours=n)) for n in range(10))))
    answers = await asyncio.gather(*tasks)
    await hearing
    assert {answer.status_code for answer in answers} == {200}
    entries = (await counter.read("/entries", limit=200))["entries"]
    assert [entry["entry_no"] for entry in entries] == list(range(1, 21))
    (relief, _) = (await counter.read("/balances"))["funds"]
    assert relief["balance_fen"] == sum(range(1, 21))


async def test_one_gift_taken_in_by_two_cashiers_is_booked_once(counter: Counter):
    gift = await counter.pledged()
    path = f"/donations/{gift}/receive"
    cashiers = [AS_CASHIER, (TELLER, Role.CASHIER)]
    answers = await asyncio.gather(*(counter.ask(path, BANK, *who) for who in cashiers))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert (await counter.types()).count("EntryPosted") == 1


async def test_a_mapped_constraint_is_a_refusal_for_whoever_asks(counter: Counter):
    await counter.hear(logged())
    hours = served(10, volunteer_id=UUID(int=served().volunteer_id.int))
    stale = post_hours(hours, entry_id=uuid4(), source_event_id=uuid4())

    async def build() -> Plan:
        return Plan([stale])

    with pytest.raises(Refused, match="overlap"):
        await counter.runtime.executor.execute(build, BY_TEST)
