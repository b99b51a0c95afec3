"""What happens by itself: deadlines fire once, in business time, and lead every order to somebody or to an end."""

from datetime import timedelta
from typing import Any

from contracts.command import Role
from contracts.orders import CompletionPresumed, OrderDispatched, OrderEscalated, OrderOpened, ServiceAutoClosed
from tests.orders.quarter import TOMORROW, Quarter
from tests.orders.samples import ANNA, BO, CHEN, DUAN, MONDAY_NINE, WANG, uid

VOLUNTEER, DISPATCHER, RESIDENT = Role.VOLUNTEER, Role.DISPATCHER, Role.RESIDENT


async def test_offers_that_nobody_answers_go_in_waves_and_then_to_the_pool(quarter: Quarter) -> None:
    more = [uid(600 + n) for n in range(3)]
    for volunteer_id in more:
        await quarter.hear(quarter.registered(volunteer_id), *quarter.volunteering(volunteer_id))
    order_id = await quarter.verified()
    await quarter.done(f"/orders/{order_id}/dispatch", {}, DUAN, DISPATCHER)
    assert await quarter.fire() == 0
    await quarter.later(hours=2)
    assert await quarter.fire() == 2
    assert (await quarter.types(order_id))[2:] == ["OrderDispatched", "OfferExpired", "OrderDispatched"]
    first, _, second = (await quarter.events(order_id))[2:]
    assert isinstance(first, OrderDispatched)
    assert isinstance(second, OrderDispatched)
    asked = [{offer.volunteer_id for offer in wave.offers} for wave in (first, second)]
    assert (len(asked[0]), asked[0] | asked[1], asked[0] & asked[1]) == (3, {ANNA, BO, CHEN, *more}, set())
    await quarter.later(hours=2)
    await quarter.fire()
    opened = next(event for event in await quarter.events(order_id) if isinstance(event, OrderOpened))
    assert opened.role is Role.SYSTEM
    await quarter.done(f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER)


async def test_the_last_offer_declined_sends_the_next_wave_at_once(quarter: Quarter) -> None:
    order_id = await quarter.verified()
    await quarter.done(f"/orders/{order_id}/dispatch", {"volunteer_ids": [str(ANNA)]}, DUAN, DISPATCHER)
    await quarter.done(f"/orders/{order_id}/decline", {"reason_code": "busy"}, ANNA, VOLUNTEER)
    assert await quarter.fire() == 1
    offered = (await quarter.events(order_id))[-1]
    assert isinstance(offered, OrderDispatched)
    assert {offer.volunteer_id for offer in offered.offers} == {BO, CHEN}


async def test_a_slot_given_back_is_offered_again_at_once_to_others(quarter: Quarter) -> None:
    order_id = await quarter.accepted()
    await quarter.done(f"/orders/{order_id}/withdraw", {"reason_code": "ill"}, ANNA, VOLUNTEER)
    assert await quarter.fire() == 1
    again = (await quarter.events(order_id))[-1]
    assert isinstance(again, OrderDispatched)
    assert {offer.volunteer_id for offer in again.offers} == {BO, CHEN}
    shown = await quarter.seen(f"/orders/{order_id}", DUAN, DISPATCHER)
    assert shown["returned"] is True


async def test_an_order_that_nobody_looks_at_goes_up_and_waits_for_a_decision(quarter: Quarter) -> None:
    order_id = await quarter.place()
    for hours in (2, 24, 72, 200):
        await quarter.until(MONDAY_NINE + timedelta(hours=hours))
        await quarter.fire()
    levels = [event.level for event in await quarter.events(order_id) if isinstance(event, OrderEscalated)]
    assert levels == [1, 2, 3]
    shown = await quarter.seen(f"/orders/{order_id}", DUAN, DISPATCHER)
    assert (shown["state"], shown["level"], shown["next_due_for"]) == ("PLACED", 3, "decision")


async def test_when_nobody_comes_the_dispatcher_is_told_to_phone(quarter: Quarter) -> None:
    order_id = await quarter.accepted()
    await quarter.until(TOMORROW + timedelta(hours=3))
    await quarter.fire()
    escalated = (await quarter.events(order_id))[-1]
    assert isinstance(escalated, OrderEscalated)
    assert (escalated.cause, escalated.to_role) == ("not_started", DISPATCHER)
    await quarter.done(f"/orders/{order_id}/cancel", {"reason_code": "nobody_came"}, DUAN, DISPATCHER)


async def test_without_a_check_out_the_service_ends_by_itself(quarter: Quarter) -> None:
    order_id = await quarter.accepted()
    code = (await quarter.seen(f"/orders/{order_id}", WANG, RESIDENT))["service_code"]
    await quarter.until(TOMORROW)
    await quarter.done(f"/orders/{order_id}/start", {"service_code": code}, ANNA, VOLUNTEER)
    await quarter.until(TOMORROW + timedelta(hours=6))
    await quarter.fire()
    closed = (await quarter.events(order_id))[-1]
    assert isinstance(closed, ServiceAutoClosed)
    shown = await quarter.seen(f"/orders/{order_id}", DUAN, DISPATCHER)
    assert (shown["state"], shown["assignments"][0]["minutes"]) == ("SERVED", None)


async def test_silence_completes_and_closes_an_order_unrated(quarter: Quarter) -> None:
    order_id = await quarter.served_order()
    await quarter.later(hours=72)
    await quarter.fire()
    presumed = (await quarter.events(order_id))[-1]
    assert isinstance(presumed, CompletionPresumed)
    assert [one.minutes for one in presumed.assignments] == [35]
    await quarter.later(days=30)
    await quarter.fire()
    assert (await quarter.types(order_id))[-1] == "OrderClosed"
    assert await quarter.fire() == 0


async def test_a_rated_order_closes_after_a_week_and_work_done_over_names_it(quarter: Quarter) -> None:
    order_id = await quarter.served_order()
    await quarter.done(f"/orders/{order_id}/confirm", {}, WANG, RESIDENT)
    await quarter.done(f"/orders/{order_id}/rate", {"score": 4, "tags": ["late"]}, WANG, RESIDENT)
    await quarter.refused(409, "rated_already", f"/orders/{order_id}/rate", {"score": 5}, WANG, RESIDENT)
    await quarter.later(days=7)
    await quarter.fire()
    assert await quarter.state(order_id) == "CLOSED"
    starts = quarter.now() + timedelta(days=1)
    window: dict[str, Any] = {
        "window_start": starts.isoformat(),
        "window_end": (starts + timedelta(hours=1)).isoformat(),
    }
    await quarter.place(rework_of=str(order_id), **window)


async def test_after_a_long_silence_everything_that_fell_due_is_caught_up(quarter: Quarter) -> None:
    """As after a week with the process stopped: no deadline is stuck behind another."""
    waiting = [await quarter.place(), await quarter.verified(), await quarter.opened(), await quarter.accepted()]
    offered = await quarter.verified()
    await quarter.done(f"/orders/{offered}/dispatch", {"volunteer_ids": [str(BO)]}, DUAN, DISPATCHER)
    await quarter.later(days=7)
    await quarter.fire()
    for order_id in (*waiting, offered):
        shown = await quarter.seen(f"/orders/{order_id}", DUAN, DISPATCHER)
        assert (shown["next_due_for"], shown["owner_role"]) == ("decision", "DISPATCHER"), shown["state"]
