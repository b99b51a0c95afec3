"""Over HTTP, with the constraints that decide races: merged, redispatched, moved, reopened, contested, amended."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

from contracts.command import Role
from contracts.orders import AssignmentLapsed, OrderRedispatched, OrderRescheduled
from tests.orders.lives import window
from tests.orders.quarter import TOMORROW, Quarter, iso
from tests.orders.samples import ANNA, BO, CHEN, DUAN, RUI, WANG, WANG_SON, ZHAN

RESIDENT, PROXY, VOLUNTEER, DISPATCHER, REVIEWER = (
    Role.RESIDENT,
    Role.PROXY,
    Role.VOLUNTEER,
    Role.DISPATCHER,
    Role.REVIEWER,
)
LATER = TOMORROW + timedelta(days=1)


async def test_a_second_wish_goes_into_the_first(quarter: Quarter) -> None:
    first, second = await quarter.verified(), await quarter.place()
    merge = f"/orders/{second}/merge"
    await quarter.refused(422, "merge_target_unknown", merge, {"into": str(uuid4())}, DUAN, DISPATCHER)
    await quarter.refused(422, "merge_into_itself", merge, {"into": str(second)}, DUAN, DISPATCHER)
    await quarter.done(merge, {"into": str(first)}, DUAN, DISPATCHER)
    shown = await quarter.seen(f"/orders/{second}", WANG, RESIDENT)
    assert (shown["state"], shown["merged_into"]) == ("MERGED", str(first))
    back = f"/orders/{first}/merge"
    third = await quarter.place()
    await quarter.refused(409, "merge_target_ended", back, {"into": str(second)}, DUAN, DISPATCHER)
    await quarter.refused(409, "merged_already", back, {"into": str(third)}, DUAN, DISPATCHER)


async def test_two_orders_merged_into_each_other_at_once_do_not_both_vanish(quarter: Quarter) -> None:
    for _ in range(3):
        one, other = await quarter.verified(), await quarter.verified()
        answers = await asyncio.gather(
            quarter.ask(f"/orders/{one}/merge", {"into": str(other)}, DUAN, DISPATCHER),
            quarter.ask(f"/orders/{other}/merge", {"into": str(one)}, DUAN, DISPATCHER),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        refused = {answer.json()["reason_code"] for answer in answers if answer.status_code == 409}
        assert refused <= {"merged_already", "merge_target_ended"}
        assert sorted([await quarter.state(one), await quarter.state(other)]) == ["MERGED", "VERIFIED"]


async def test_a_redispatch_frees_the_volunteer_and_asks_others_at_once(quarter: Quarter) -> None:
    order_id = await quarter.accepted(ANNA)
    path = f"/orders/{order_id}/redispatch"
    await quarter.refused(422, "name_whom", path, {"reason_code": "ill"}, DUAN, DISPATCHER)
    await quarter.refused(422, "invalid_request", path, {"from_volunteer_id": str(ANNA)}, DUAN, DISPATCHER)
    body = {"from_volunteer_id": str(ANNA), "reason_code": "ill"}
    size = await quarter.served.size()
    await quarter.done(path, body, DUAN, DISPATCHER)
    assert await quarter.served.size() == size + 1
    redispatched = (await quarter.events(order_id))[-1]
    assert isinstance(redispatched, OrderRedispatched)
    assert {offer.volunteer_id for offer in redispatched.offers} == {BO, CHEN}
    await quarter.accepted(ANNA)
    await quarter.done(f"/orders/{order_id}/accept", {}, BO, VOLUNTEER)


async def test_a_moved_order_is_reconfirmed_or_searched_for_again(quarter: Quarter) -> None:
    order_id = await quarter.accepted(ANNA)
    path = f"/orders/{order_id}/reschedule"
    await quarter.refused(403, "forbidden", path, window(LATER), BO, RESIDENT)
    await quarter.done(path, window(LATER, 2), WANG_SON, PROXY)
    mine = await quarter.seen("/orders?mine=assigned", ANNA, VOLUNTEER)
    assert [order["window_start"] for order in mine["orders"]] == [iso(LATER)]
    await quarter.refused(403, "forbidden", f"/orders/{order_id}/reconfirm", {}, BO, VOLUNTEER)
    await quarter.done(f"/orders/{order_id}/reconfirm", {}, ANNA, VOLUNTEER)
    await quarter.done(path, window(LATER + timedelta(days=1), 2), DUAN, DISPATCHER)
    await quarter.later(days=1)
    assert await quarter.fire() == 2
    types = await quarter.types(order_id)
    assert types[-4:] == ["AssignmentReconfirmed", "OrderRescheduled", "AssignmentLapsed", "OrderDispatched"]


async def test_the_new_time_is_promised_and_the_old_one_free(quarter: Quarter) -> None:
    order_id = await quarter.accepted(ANNA)
    await quarter.done(f"/orders/{order_id}/reschedule", window(LATER, 2), WANG, RESIDENT)
    old = await quarter.accepted(ANNA)
    assert await quarter.state(old) == "ACCEPTED"
    new = await quarter.opened(**window(LATER, 1))
    await quarter.refused(409, "time_overlap", f"/orders/{new}/accept", {}, ANNA, VOLUNTEER)


async def test_a_time_that_overlaps_the_old_one_of_the_same_order_keeps_nobody_out(quarter: Quarter) -> None:
    order_id = await quarter.accepted(ANNA)
    await quarter.done(f"/orders/{order_id}/reschedule", window(TOMORROW + timedelta(hours=1), 2), WANG, RESIDENT)
    moved = (await quarter.events(order_id))[-1]
    assert isinstance(moved, OrderRescheduled)
    assert [one.volunteer_id for one in moved.awaiting] == [ANNA]


async def test_who_has_promised_the_new_time_elsewhere_falls_out_also_in_a_race(quarter: Quarter) -> None:
    """Two orders of one volunteer moved to one time at once: the constraint lets one promise stand (I3)."""
    for days in (5, 7, 9):
        starts = TOMORROW + timedelta(days=days)
        one = await quarter.accepted(ANNA, **window(starts, 2))
        other = await quarter.accepted(ANNA, **window(starts + timedelta(hours=3), 2))
        to = window(starts + timedelta(days=1), 2)
        answers = await asyncio.gather(
            *(quarter.ask(f"/orders/{each}/reschedule", to, WANG, RESIDENT) for each in (one, other))
        )
        assert [answer.status_code for answer in answers] == [200, 200]
        events = [(await quarter.events(each))[-1] for each in (one, other)]
        (lapsed,) = (event for event in events if isinstance(event, AssignmentLapsed))
        assert (lapsed.volunteer_id, lapsed.cause) == (ANNA, "time_overlap")


async def test_an_unfulfilled_order_is_reopened_by_the_resident_or_who_calls_back(quarter: Quarter) -> None:
    for actor, role in ((WANG, RESIDENT), (RUI, REVIEWER)):
        starts = quarter.now() + timedelta(hours=1)
        order_id = await quarter.opened(**window(starts))
        await quarter.until(starts + timedelta(hours=1))
        declared = {"reason_code": "nobody_available", "seconded_by": str(ZHAN)}
        await quarter.done(f"/orders/{order_id}/declare-unfulfilled", declared, DUAN, DISPATCHER)
        path = f"/orders/{order_id}/reopen"
        again = {"reason_code": "still_needed", **window(quarter.now() + timedelta(days=2))}
        await quarter.refused(403, "forbidden", path, again, BO, RESIDENT)
        await quarter.done(path, again, actor, role)
        shown = await quarter.seen(f"/orders/{order_id}", DUAN, DISPATCHER)
        assert (shown["state"], shown["level"], shown["ended_at"], shown["end_reason"]) == ("VERIFIED", 0, None, None)
        await quarter.refused(409, "not_unfulfilled", path, again, WANG, RESIDENT)
        await quarter.done(f"/orders/{order_id}/cancel", {}, WANG, RESIDENT)


async def rated(quarter: Quarter, score: int = 5) -> UUID:
    order_id = await quarter.served_order()
    await quarter.done(f"/orders/{order_id}/confirm", {}, WANG, RESIDENT)
    await quarter.done(f"/orders/{order_id}/rate", {"score": score, "comment": "剪得好"}, WANG, RESIDENT)
    return order_id


async def test_the_first_score_and_its_words_stay_readable(quarter: Quarter) -> None:
    order_id = await rated(quarter)
    amended = {"score": 3, "comment": "回家一看，不齐", "tags": ["uneven"]}
    await quarter.refused(403, "forbidden", f"/orders/{order_id}/amend-rating", amended, ANNA, RESIDENT)
    await quarter.done(f"/orders/{order_id}/amend-rating", amended, WANG, RESIDENT)
    shown = await quarter.seen(f"/orders/{order_id}", WANG, RESIDENT)
    assert (shown["score"], shown["first_score"], shown["state"]) == (3, 5, "FOLLOW_UP")
    assert (shown["comment"], shown["first_comment"]) == ("回家一看，不齐", "剪得好")
    await quarter.later(days=7, minutes=1)
    await quarter.refused(409, "amending_over", f"/orders/{order_id}/amend-rating", amended, WANG, RESIDENT)


async def test_a_contested_completion_waits_for_whoever_mediates(quarter: Quarter) -> None:
    order_id = await quarter.served_order()
    path = f"/orders/{order_id}/contest"
    body = {"reason_code": "not_done", "words": "没有来过，我摔倒了"}
    await quarter.refused(403, "forbidden", path, body, BO, VOLUNTEER)
    answer = await quarter.done(path, body, WANG_SON, PROXY)
    assert next(iter(answer)) == "emergency_numbers"
    shown = await quarter.seen(f"/orders/{order_id}", DUAN, DISPATCHER)
    assert (shown["state"], shown["owner_role"], shown["dispute_id"]) == (
        "DISPUTED",
        "SOCIAL_WORKER",
        answer["dispute_id"],
    )
    assert shown["contest_words"] == body["words"]
    await quarter.refused(409, "dispute_open", f"/orders/{order_id}/confirm", {}, WANG, RESIDENT)
    await quarter.later(days=60)
    assert await quarter.fire() == 0


async def test_the_volunteer_contests_too(quarter: Quarter) -> None:
    order_id = await quarter.served_order()
    await quarter.done(f"/orders/{order_id}/contest", {"reason_code": "times_wrong"}, ANNA, VOLUNTEER)
    assert await quarter.state(order_id) == "DISPUTED"
