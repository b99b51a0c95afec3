"""Two processes of the ledger work on one case: what one has read of it is what it decides on, or it reads anew."""

from collections.abc import AsyncIterator, Awaitable, Callable
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from contracts.command import Role
from services.ledger.api import aid, aid_paying
from services.ledger.app import definition
from tests.ledger.aid_examples import APPROVER, SECOND
from tests.ledger.counter import Counter
from tests.ledger.office import AS_CASHIER, AS_CLERK, PAID, WORDS, Office
from tests.servicekit.world import served

Meanwhile = Callable[[], Awaitable[object]]


@pytest.fixture
async def other(office: Office) -> AsyncIterator[Counter]:
    """Another process of the service on the same database: nothing in it waits for the first one."""
    async with served(office.counter.served.world, definition, clock_file=office.clock_file) as running:
        yield Counter(running)


@pytest.fixture
def once_it_is_read(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType, Meanwhile], None]:
    """Let something happen, once, after a request has read the case and before its commands are decided."""

    def arrange(module: ModuleType, meanwhile: Meanwhile) -> None:
        facts, waiting = module.facts, [meanwhile]

        async def read_and_then(*arguments: Any) -> Any:
            found = await facts(*arguments)
            while waiting:
                await waiting.pop()()
            return found

        monkeypatch.setattr(module, "facts", read_and_then)

    return arrange


async def approval(office: Office, case_id: str, approver: UUID, other: Counter) -> Meanwhile:
    """An approval as it comes to the other process."""
    body = await office.signature(case_id, approver)

    async def approve() -> None:
        await other.done(f"/aid-cases/{case_id}/approve", body, approver, Role.FUND_APPROVER)

    return approve


async def test_a_payment_asked_for_as_the_last_approval_comes_is_posted_with_its_entry(
    office: Office, other: Counter, once_it_is_read: Any
):
    case_id = await office.ready()
    await office.approved(case_id, APPROVER)
    once_it_is_read(aid_paying, await approval(office, case_id, SECOND, other))
    await office.counter.done(f"/aid-cases/{case_id}/disburse", PAID, *AS_CASHIER)
    assert (await office.counter.types())[-3:] == ["AidDisbursed", "HoldReleased", "EntryPosted"]
    assert await office.pots() == {"": (20_000, 0)}


@pytest.mark.parametrize(
    ("asked", "body", "who"),
    [
        ("amend", {"amount_fen": 60_000}, AS_CLERK),
        ("reject", {"reason_code": "other_support"}, (APPROVER, Role.FUND_APPROVER)),
    ],
)
async def test_money_that_the_last_approval_sets_aside_is_set_free_by_what_was_asked_before_it(
    office: Office, other: Counter, once_it_is_read: Any, asked: str, body: dict[str, Any], who: Any
):
    case_id = await office.ready()
    await office.approved(case_id, APPROVER)
    once_it_is_read(aid, await approval(office, case_id, SECOND, other))
    await office.counter.done(f"/aid-cases/{case_id}/{asked}", body, *who)
    assert await office.pots() == {"": (100_000, 0)}


async def test_two_who_approve_at_once_have_both_approved(office: Office, other: Counter, once_it_is_read: Any):
    case_id = await office.ready()
    once_it_is_read(aid, await approval(office, case_id, APPROVER, other))
    await office.approved(case_id, SECOND)
    assert (await office.counter.read(f"/aid-cases/{case_id}"))["state"] == "APPROVED_2"
    assert await office.pots() == {"": (100_000, 80_000)}


async def test_two_who_reverse_at_once_have_both_signed(office: Office, other: Counter, once_it_is_read: Any):
    case_id = await office.paid()
    words = {"reason_code": "paid_wrongly", "explanation": WORDS}
    signed = await office.signature(case_id, APPROVER, "reversal-request", reason_code="paid_wrongly")

    async def reverse() -> None:
        await other.done(f"/aid-cases/{case_id}/reverse", {**signed, **words}, APPROVER, Role.FUND_APPROVER)

    once_it_is_read(aid_paying, reverse)
    await office.reversing(case_id, SECOND, explanation=WORDS)
    assert (await office.counter.types())[-2:] == ["AidReversed", "EntryReversed"]
    assert await office.pots() == {"": (100_000, 0)}
