"""A block ends promises between the two, and a consent taken back ends what was agreed at the door."""

from uuid import UUID

from contracts.command import Role
from contracts.ids import uuid7
from contracts.volunteers import ConsentWithdrawn, PersonBlocked
from tests.orders.quarter import TOMORROW, Quarter
from tests.orders.samples import ANNA, BO, DUAN, GUO, WANG, ZHAN

VOLUNTEER, DISPATCHER, LEADER = Role.VOLUNTEER, Role.DISPATCHER, Role.TEAM_LEADER


def blocked(quarter: Quarter, one: UUID, other: UUID) -> PersonBlocked:
    return PersonBlocked(block_id=uuid7(), person_id=one, other_id=other, role=Role.RESIDENT, blocked_at=quarter.now())


async def causes(quarter: Quarter, order_id: UUID) -> list[str]:
    events = await quarter.runtime.log.read_stream(f"order-{order_id}")
    return [one.event.cause for one in events if one.type == "AssignmentLapsed"]  # type: ignore[attr-defined]


async def test_a_promise_between_two_who_are_kept_apart_ends_and_others_stand(quarter: Quarter) -> None:
    with_anna, with_bo = await quarter.accepted(ANNA), await quarter.accepted(BO)
    await quarter.hear(blocked(quarter, WANG, ANNA))
    assert await quarter.state(with_anna) == "VERIFIED"
    assert await causes(quarter, with_anna) == ["unfit"]
    assert await quarter.state(with_bo) == "ACCEPTED"
    await quarter.done(f"/orders/{with_anna}/open", {}, DUAN, DISPATCHER)
    await quarter.refused(409, "not_suited", f"/orders/{with_anna}/accept", {}, ANNA, VOLUNTEER)


async def test_it_counts_whoever_of_the_two_asked_for_it(quarter: Quarter) -> None:
    order_id = await quarter.accepted(ANNA)
    await quarter.hear(blocked(quarter, ANNA, WANG))
    assert await quarter.state(order_id) == "VERIFIED"


async def test_who_has_begun_is_not_sent_away(quarter: Quarter) -> None:
    order_id = await quarter.accepted(ANNA)
    await quarter.until(TOMORROW)
    shown = await quarter.seen(f"/orders/{order_id}", WANG, Role.RESIDENT)
    await quarter.done(f"/orders/{order_id}/start", {"qr": shown["qr"]}, ANNA, VOLUNTEER)
    await quarter.hear(blocked(quarter, WANG, ANNA))
    assert await quarter.state(order_id) == "IN_SERVICE"
    assert await causes(quarter, order_id) == []


async def test_an_inquiry_is_no_order_once_the_consent_was_taken_back_and_one_after_it_is(quarter: Quarter) -> None:
    need = {"result": "need", "resident_id": str(WANG), "item_code": "haircut", "consented": True}
    window = {name: quarter.wish()[name] for name in ("window_start", "window_end")}
    body = {**window, "on_absence": "call", "frail_or_minor": False}
    before = await quarter.done("/inquiries", need, GUO, Role.GRID_WORKER)
    await quarter.later(minutes=5)
    taken_back = ConsentWithdrawn(person_id=WANG, purpose="service", role=Role.RESIDENT, withdrawn_at=quarter.now())
    await quarter.hear(taken_back)
    path = f"/inquiries/{before['inquiry_id']}/order"
    await quarter.refused(422, "consent_required", path, body, ZHAN, Role.STATION_MANAGER)
    await quarter.later(minutes=5)
    after = await quarter.done("/inquiries", need, GUO, Role.GRID_WORKER)
    await quarter.done(f"/inquiries/{after['inquiry_id']}/order", body, ZHAN, Role.STATION_MANAGER)
