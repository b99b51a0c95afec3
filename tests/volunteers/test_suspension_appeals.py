"""An upheld appeal against a suspension ends it by itself, in the append that hears the decision (domain.md §4.3)."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts import orders
from contracts.command import Role
from contracts.ids import uuid7
from contracts.volunteers import VolunteerReinstated, VolunteerSuspended
from tests.volunteers.town import AUDITOR, MANAGER, Town

MEDIATOR = uuid4()


async def suspended(town: Town) -> tuple[UUID, UUID, VolunteerSuspended]:
    """A suspended volunteer, who seconded it, and the event."""
    anna, second = await town.volunteer(), await town.person("社工示例")
    role = {"person_id": str(second), "granted_role": "SOCIAL_WORKER"}
    await town.done("/roles", role, AUDITOR, Role.ADMIN)
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    body = {"reason_code": "investigation", "suspended_until": until, "seconded_by": str(second)}
    await town.done(f"/volunteers/{anna}/suspend", body)
    event = (await town.events(f"volunteer-{anna}"))[-1]
    assert isinstance(event, VolunteerSuspended)
    return anna, second, event


def decided(volunteer_id: UUID, suspension: VolunteerSuspended, **changes: Any) -> orders.DisputeResolved:
    """The decision about what the volunteer said of their suspension, a minute after it was made."""
    fields: dict[str, Any] = {
        "dispute_id": uuid7(),
        "about": "conduct",
        "subject_id": volunteer_id,
        "role": Role.SOCIAL_WORKER,
        "decision": "upheld",
        "raised_by": volunteer_id,
        "raised_at": suspension.suspended_at + timedelta(minutes=1),
        "resolved_by": MEDIATOR,
        "final": False,
        "resolved_at": suspension.suspended_at + timedelta(minutes=2),
    }
    return orders.DisputeResolved(**fields | changes)


async def state(town: Town, volunteer_id: UUID) -> str:
    return str((await town.read(f"/volunteers/{volunteer_id}")).json()["state"])


async def test_an_upheld_appeal_ends_the_suspension_and_heard_again_nothing_follows(town: Town):
    anna, _, suspension = await suspended(town)
    decision = await town.hear(decided(anna, suspension))
    reinstated = (await town.events(f"volunteer-{anna}"))[-1]
    assert isinstance(reinstated, VolunteerReinstated)
    assert (reinstated.reason_code, reinstated.role) == ("appeal_upheld", Role.SYSTEM)
    assert await state(town, anna) == "ACTIVE"
    size = await town.served.size()
    await town.hear_again(decision)
    assert await town.served.size() == size


async def test_a_proxys_appeal_ends_it_as_the_volunteers_own_does_and_a_proxys_complaint_does_not(town: Town):
    anna, _, suspension = await suspended(town)
    proxy = uuid4()
    await town.hear(decided(anna, suspension, raised_by=proxy, raised_for=uuid4()))
    assert await state(town, anna) == "SUSPENDED"
    await town.hear(decided(anna, suspension, raised_by=anna, raised_for=proxy))
    assert await state(town, anna) == "SUSPENDED", "a volunteer who speaks for somebody else appeals for that person"
    await town.hear(decided(anna, suspension, raised_by=proxy, raised_for=anna))
    assert await state(town, anna) == "ACTIVE"


async def test_a_rest_that_was_not_over_goes_on_after_it_in_the_same_append(town: Town):
    anna, second, _ = await suspended(town)
    await town.done(f"/volunteers/{anna}/reinstate", {"reason_code": "mistaken"})
    await town.done(f"/volunteers/{anna}/pause", {}, anna, Role.VOLUNTEER)
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    again = {"reason_code": "conduct", "suspended_until": until, "seconded_by": str(second)}
    await town.done(f"/volunteers/{anna}/suspend", again)
    suspension = (await town.events(f"volunteer-{anna}"))[-1]
    assert isinstance(suspension, VolunteerSuspended)
    await town.hear(decided(anna, suspension))
    recorded = (await town.runtime.log.read(0, 10_000))[-2:]
    assert [one.type for one in recorded] == ["VolunteerReinstated", "VolunteerPaused"]
    assert await state(town, anna) == "PAUSED"


@pytest.mark.parametrize(
    "otherwise",
    [
        {"decision": "rejected"},
        {"decision": "partly_upheld"},
        {"decision": "settled"},
        {"raised_by": uuid4()},
        {"order_id": uuid4()},
        {"about": "hours"},
        {"raised_at": datetime(2026, 1, 1, tzinfo=UTC)},
        {"raised_at": None},
    ],
    ids=["rejected", "in part", "settled", "a complaint", "about an order", "about hours", "before it", "unknown when"],
)
async def test_nothing_else_that_is_decided_ends_a_suspension(town: Town, otherwise: dict[str, Any]):
    anna, _, suspension = await suspended(town)
    await town.hear(decided(anna, suspension, **otherwise))
    assert await state(town, anna) == "SUSPENDED"


async def test_who_suspended_does_not_end_it_by_deciding_about_it(town: Town):
    """orders refuses them; had it not known yet that they suspended, it is a dead letter for people to see."""
    anna, second, suspension = await suspended(town)
    for suspender in (second, MANAGER):
        await town.hear(decided(anna, suspension, resolved_by=suspender))
    assert await state(town, anna) == "SUSPENDED"
    letters = await town.runtime.log.pool.fetch("SELECT handler, error FROM volunteers.dead_letters")
    assert {row["handler"] for row in letters} == {"on_suspension_appeal_upheld"}
    assert all("another_person_required" in row["error"] for row in letters)
    assert len(letters) == 2


async def test_one_who_is_active_again_or_never_was_is_not_reinstated(town: Town):
    anna, _, suspension = await suspended(town)
    await town.done(f"/volunteers/{anna}/reinstate", {})
    size = await town.served.size()
    await town.hear(decided(anna, suspension), decided(uuid4(), suspension))
    assert await town.served.size() == size
