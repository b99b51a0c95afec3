"""Two people who each see nothing wrong never both get what only one can have."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from contracts.command import Role
from contracts.orders import OrderRescheduled
from services.orders.decider.deadlines import SHANGHAI
from services.orders.decider.fitness import Need
from services.orders.read_models import facts
from tests.orders.lives import window
from tests.orders.quarter import TOMORROW, Quarter, iso
from tests.orders.samples import ANNA, BO, CHEN, DUAN, WANG

VOLUNTEER = Role.VOLUNTEER


async def test_of_many_who_take_the_last_slot_one_gets_it_and_the_others_are_thanked(quarter: Quarter) -> None:
    for _ in range(3):
        order_id = await quarter.opened()
        accept = f"/orders/{order_id}/accept"
        asked = [quarter.ask(accept, {}, who, VOLUNTEER) for who in (ANNA, BO, CHEN)]
        answers = await asyncio.gather(*asked)
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        refused = {answer.json()["reason_code"] for answer in answers if answer.status_code == 409}
        assert refused == {"already_taken"}
        assert (await quarter.types(order_id)).count("OrderAccepted") == 1
        await quarter.done(f"/orders/{order_id}/cancel", {}, WANG, Role.RESIDENT)


async def test_two_slots_are_taken_by_exactly_two(quarter: Quarter) -> None:
    order_id = await quarter.opened(slots=2)
    answers = await asyncio.gather(
        *(quarter.ask(f"/orders/{order_id}/accept", {}, who, VOLUNTEER) for who in (ANNA, BO, CHEN))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 409]
    assert (await quarter.types(order_id))[3:] == ["OrderAccepted", "OrderAccepted", "OrderStaffed"]


async def test_one_volunteer_never_promises_the_same_time_twice(quarter: Quarter) -> None:
    """Orders of their own streams, accepted at once: only the constraint can tell (I3)."""
    for _ in range(3):
        orders = [await quarter.opened() for _ in range(4)]
        answers = await asyncio.gather(
            *(quarter.ask(f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER) for order_id in orders)
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
        refused = {answer.json()["reason_code"] for answer in answers if answer.status_code == 409}
        assert refused == {"time_overlap"}
        for order_id in orders:
            await quarter.done(f"/orders/{order_id}/cancel", {}, WANG, Role.RESIDENT)


async def test_times_that_touch_do_not_overlap_and_a_slot_given_back_is_free_again(quarter: Quarter) -> None:
    ends = TOMORROW + timedelta(hours=2)
    first = await quarter.accepted()
    await quarter.accepted(window_start=iso(ends), window_end=iso(ends + timedelta(hours=1)))
    third = await quarter.opened()
    await quarter.refused(409, "time_overlap", f"/orders/{third}/accept", {}, ANNA, VOLUNTEER)
    await quarter.done(f"/orders/{first}/withdraw", {}, ANNA, VOLUNTEER)
    await quarter.done(f"/orders/{third}/accept", {}, ANNA, VOLUNTEER)


async def test_a_repeated_acceptance_under_one_key_is_one_acceptance(quarter: Quarter) -> None:
    order_id = await quarter.opened()
    asked = [
        quarter.ask(f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER, Idempotency_Key="accept-once-0001")
        for _ in range(4)
    ]
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert (await quarter.types(order_id)).count("OrderAccepted") == 1


async def test_cancelling_and_accepting_at_once_leave_no_live_slot_behind(quarter: Quarter) -> None:
    for _ in range(3):
        order_id = await quarter.opened()
        await asyncio.gather(
            quarter.ask(f"/orders/{order_id}/cancel", {}, WANG, Role.RESIDENT),
            quarter.ask(f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER),
        )
        assert await quarter.state(order_id) == "CANCELLED"
        shown = await quarter.seen(f"/orders/{order_id}", DUAN, Role.DISPATCHER)
        assert not any(one["live"] for one in shown["assignments"])


async def test_dispatches_at_once_never_ask_anybody_more_than_twice_a_day(quarter: Quarter) -> None:
    """Orders of their own streams: only the numbering of a day's offers can tell."""
    orders = [await quarter.verified() for _ in range(6)]
    body = {"volunteer_ids": [str(ANNA)]}
    answers = await asyncio.gather(
        *(quarter.ask(f"/orders/{order_id}/dispatch", body, DUAN, Role.DISPATCHER) for order_id in orders)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 409, 409, 409, 409]
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    assert {(one["reason_code"], one["facts"]["why"]) for one in refused} == {
        ("candidate_unfit", "offers_today_reached")
    }
    offers = [
        offer
        for order_id in orders
        for event in await quarter.events(order_id)
        if event.type == "OrderDispatched"
        for offer in event.offers  # type: ignore[attr-defined]
    ]
    assert sorted(offer.number_today for offer in offers) == [1, 2]
    midnight = quarter.now().astimezone(SHANGHAI).replace(hour=0, minute=0, second=0) + timedelta(days=1)
    await quarter.until(midnight)
    noon = midnight + timedelta(hours=36)
    again = await quarter.verified(window_start=iso(noon), window_end=iso(noon + timedelta(hours=1)))
    await quarter.done(f"/orders/{again}/dispatch", body, DUAN, Role.DISPATCHER)


async def test_waves_sent_at_once_ask_others_instead(quarter: Quarter) -> None:
    """Two dispatchers who send to the best ranked at once do not fail each other: the second is decided again."""
    orders = [await quarter.verified() for _ in range(4)]
    answers = await asyncio.gather(
        *(quarter.ask(f"/orders/{order_id}/dispatch", {}, DUAN, Role.DISPATCHER) for order_id in orders)
    )
    assert {answer.status_code for answer in answers} <= {200, 409}
    asked = [
        (offer.volunteer_id, offer.number_today)
        for order_id in orders
        for event in await quarter.events(order_id)
        if event.type == "OrderDispatched"
        for offer in event.offers  # type: ignore[attr-defined]
    ]
    assert len(asked) == len(set(asked)) == 6
    assert {number for _, number in asked} == {1, 2}


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Awaitable[Any]]], list[Need]]:
    """Have something happen after an order was read for a command, before that is decided; what was asked of whom."""
    volunteers = facts.volunteers

    def happens(what: Callable[[], Awaitable[Any]]) -> list[Need]:
        asked: list[Need] = []

        async def read(connection: Any, need: Need, *more: Any) -> Any:
            asked.append(need)
            if len(asked) == 1:
                await what()
            return await volunteers(connection, need, *more)

        monkeypatch.setattr(facts, "volunteers", read)
        return asked

    return happens


async def test_who_accepts_while_the_order_is_being_moved_keeps_their_slot(quarter: Quarter, meanwhile: Any) -> None:
    order_id = await quarter.opened(slots=2)
    accept = f"/orders/{order_id}/accept"
    await quarter.done(accept, {}, ANNA, VOLUNTEER)
    meanwhile(lambda: quarter.done(accept, {}, BO, VOLUNTEER))
    to = window(TOMORROW + timedelta(days=1), 2)
    await quarter.done(f"/orders/{order_id}/reschedule", to, WANG, Role.RESIDENT)
    moved = (await quarter.events(order_id))[-1]
    assert isinstance(moved, OrderRescheduled)
    assert {one.volunteer_id for one in moved.awaiting} == {ANNA, BO}


async def test_a_wave_that_is_due_while_the_order_is_moved_asks_for_the_new_time(
    quarter: Quarter, meanwhile: Any
) -> None:
    order_id = await quarter.accepted(ANNA)
    await quarter.done(f"/orders/{order_id}/withdraw", {"reason_code": "ill"}, ANNA, VOLUNTEER)
    starts = TOMORROW + timedelta(days=1)
    asked = meanwhile(lambda: quarter.done(f"/orders/{order_id}/reschedule", window(starts, 2), WANG, Role.RESIDENT))
    await quarter.fire()
    assert (asked[0].window_start, asked[-1].window_start) == (TOMORROW, starts)
    assert (await quarter.types(order_id))[-2:] == ["OrderRescheduled", "OrderDispatched"]
