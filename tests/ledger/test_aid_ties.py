"""Who lives together does not decide together, whether or not they declared how they are related."""

from typing import Any
from uuid import UUID

import pytest

from contracts.command import Role
from contracts.ids import uuid7
from contracts.volunteers import PersonMoved, ProxyAuthorised
from tests.ledger.aid_examples import APPROVER, CARER, NEIGHBOUR, SECOND, VISITOR
from tests.ledger.examples import CASHIER, NOON
from tests.ledger.office import AS_CASHIER, NEED, PAID, Office


async def share_a_home(office: Office, *people: UUID) -> None:
    home = uuid7()
    moved = (PersonMoved(person_id=one, household_id=home, role=Role.GRID_WORKER, moved_at=NOON) for one in people)
    await office.counter.hear(*moved)


async def stands_aside(office: Office, case_id: str, asked: str, body: Any, *who: Any) -> None:
    document = await office.counter.refused(403, "not_independent", f"/aid-cases/{case_id}/{asked}", body, *who)
    assert "household" in document["detail"]


@pytest.mark.parametrize("other", [VISITOR, SECOND])
async def test_who_lives_with_somebody_who_had_another_hand_or_approved_stands_aside(office: Office, other: UUID):
    await share_a_home(office, APPROVER, other)
    case_id = await office.ready()
    if other == SECOND:
        await office.approved(case_id, SECOND)
    body = await office.signature(case_id, APPROVER)
    await stands_aside(office, case_id, "approve", body, APPROVER, Role.FUND_APPROVER)


async def test_the_cashier_does_not_pay_what_was_approved_at_home(office: Office):
    await share_a_home(office, CASHIER, SECOND)
    case_id = await office.ready()
    await office.approved(case_id)
    await stands_aside(office, case_id, "disburse", PAID, *AS_CASHIER)


async def test_who_lives_with_who_asks_for_another_stands_aside(office: Office):
    await share_a_home(office, VISITOR, CARER)
    authorised = ProxyAuthorised(
        proxy_authorisation_id=uuid7(), principal_id=NEIGHBOUR, proxy_id=CARER, scope=("fund",), role=Role.RESIDENT,
        valid_until=None, authorised_at=NOON,
    )  # fmt: skip
    await office.counter.hear(authorised)
    token = office.counter.served.world.token(Role.PROXY, actor_id=CARER, on_behalf_of=NEIGHBOUR)
    speaking = {"Authorization": f"Bearer {token}"}
    case_id = (await office.counter.done("/aid-cases", NEED, CARER, Role.PROXY, **speaking))["case_id"]
    saw = {"finding": "confirmed", "report": "我看过了。"}
    await stands_aside(office, case_id, "verify", saw, VISITOR, Role.GRID_WORKER)
