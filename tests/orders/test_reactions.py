"""What volunteers says, and what becomes of promises then; each effect once, however often it is heard."""

from uuid import uuid4

from contracts.command import Role
from contracts.orders import AssignmentLapsed, OrderCancelled, PersonDataErased
from contracts.volunteers import RoleRevoked, VolunteerResumed, VolunteerSuspended, VolunteerWithdrawn
from eventstore.executor import Plan
from eventstore.model import Metadata
from eventstore.vault import ErasureList
from services.orders.app import list_erasures
from services.orders.commands.placing import AcceptOrder
from services.orders.commands.words import VolunteerFacts
from tests.orders.quarter import TOMORROW, Quarter
from tests.orders.samples import ANNA, BO, CHEN, DUAN, WANG, as_volunteer

VOLUNTEER, DISPATCHER = Role.VOLUNTEER, Role.DISPATCHER


async def test_a_pause_frees_the_slot_and_hearing_it_twice_does_nothing_more(quarter: Quarter) -> None:
    order_id = await quarter.accepted()
    messages = await quarter.hear(quarter.paused(ANNA))
    lapsed = (await quarter.events(order_id))[-1]
    assert isinstance(lapsed, AssignmentLapsed)
    assert (lapsed.cause, lapsed.state.value, lapsed.slots_filled) == ("volunteer_paused", "VERIFIED", 0)
    size = await quarter.served.size()
    await quarter.hear_again(messages)
    assert await quarter.served.size() == size
    named = {"volunteer_ids": [str(ANNA)]}
    await quarter.refused(409, "candidate_unfit", f"/orders/{order_id}/dispatch", named, DUAN, DISPATCHER)


async def test_suspension_and_withdrawal_free_every_slot_that_has_not_begun(quarter: Quarter) -> None:
    cases = {
        ANNA: VolunteerSuspended(volunteer_id=ANNA, reason_code="money_taken", role=Role.ADMIN, suspended_at=TOMORROW),
        BO: VolunteerWithdrawn(volunteer_id=BO, role=VOLUNTEER, withdrawn_at=TOMORROW),
    }
    for volunteer_id, event in cases.items():
        order_id = await quarter.accepted(volunteer_id)
        await quarter.hear(event)
        assert await quarter.state(order_id) == "VERIFIED"


async def test_a_service_that_has_begun_is_never_taken_away(quarter: Quarter) -> None:
    order_id = await quarter.accepted()
    code = (await quarter.seen(f"/orders/{order_id}", WANG, Role.RESIDENT))["service_code"]
    await quarter.until(TOMORROW)
    await quarter.done(f"/orders/{order_id}/start", {"service_code": code}, ANNA, VOLUNTEER)
    await quarter.hear(quarter.paused(ANNA))
    assert await quarter.state(order_id) == "IN_SERVICE"


async def test_a_slot_taken_while_the_news_was_under_way_is_freed_by_the_timer(quarter: Quarter) -> None:
    order_id = await quarter.opened()
    await quarter.hear(quarter.paused(ANNA))
    # As a command decided on what was known a moment before the pause was heard.
    known = VolunteerFacts(volunteer_id=ANNA, state="ACTIVE", skills={"haircut": 2})
    accept = AcceptOrder(
        by=as_volunteer(ANNA), at=quarter.now(), order_id=order_id, assignment_id=uuid4(), volunteer=known
    )

    async def build() -> Plan:
        return Plan([accept])

    await quarter.runtime.executor.execute(build, Metadata(str(ANNA)))
    assert await quarter.state(order_id) == "ACCEPTED"
    assert await quarter.fire() >= 1
    assert "AssignmentLapsed" in await quarter.types(order_id)


async def test_an_erased_person_leaves_nothing_readable_and_no_order_behind(quarter: Quarter) -> None:
    theirs, served_by_anna = await quarter.opened(), await quarter.accepted()
    done = await quarter.place()
    await quarter.done(f"/orders/{done}/refuse", {"reason_code": "unsafe", "words": "电话里说过"}, DUAN, DISPATCHER)
    messages = await quarter.hear(quarter.erased(WANG))
    for order_id in (theirs, served_by_anna):
        cancelled = (await quarter.events(order_id))[-1]
        assert isinstance(cancelled, OrderCancelled)
        assert cancelled.reason_code == "person_erased"
    shown = await quarter.seen(f"/orders/{done}", DUAN, DISPATCHER)
    assert (shown["details"], shown["refusal_words"]) == ("已删除", "已删除")
    assert "service_code" not in shown
    said = [recorded.event for recorded in await quarter.runtime.log.read_stream(f"erasure-{WANG}")]
    assert [type(event) for event in said] == [PersonDataErased]
    await quarter.hear_again(messages)
    assert len(await quarter.runtime.log.read_stream(f"erasure-{WANG}")) == 1
    await quarter.refused(422, "person_unknown", "/orders", quarter.wish(), WANG, Role.RESIDENT)
    await list_erasures(quarter.runtime)
    assert ErasureList(quarter.runtime.settings.erasures_path).persons() == [WANG]


async def test_a_role_that_was_taken_back_covers_nothing_any_more(quarter: Quarter) -> None:
    order_id = await quarter.place()
    grant = quarter.granted(CHEN, Role.GRID_WORKER, "grid", "grid-01")
    await quarter.hear(grant)
    assert (await quarter.read(f"/orders/{order_id}", CHEN, Role.GRID_WORKER)).status_code == 200
    revoked = RoleRevoked(
        grant_id=grant.grant_id,  # type: ignore[attr-defined]
        person_id=CHEN,
        revoked_role=Role.GRID_WORKER,
        scope="grid",
        scope_id="grid-01",
        role=Role.ADMIN,
        revoked_at=quarter.now(),
    )
    await quarter.hear(revoked)
    assert (await quarter.read(f"/orders/{order_id}", CHEN, Role.GRID_WORKER)).status_code == 403


async def test_a_volunteer_who_is_back_may_be_asked_again(quarter: Quarter) -> None:
    order_id = await quarter.verified()
    named = {"volunteer_ids": [str(ANNA)]}
    await quarter.hear(quarter.paused(ANNA))
    await quarter.refused(409, "candidate_unfit", f"/orders/{order_id}/dispatch", named, DUAN, DISPATCHER)
    await quarter.hear(VolunteerResumed(volunteer_id=ANNA, role=VOLUNTEER, resumed_at=quarter.now()))
    await quarter.done(f"/orders/{order_id}/dispatch", named, DUAN, DISPATCHER)
