"""合并, 改派, 改期, 重开: an order takes another turn, and whoever had promised time is asked, released and told."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.command import SYSTEM, Role
from contracts.orders import (
    AssignmentLapsed,
    AssignmentReconfirmed,
    OrderEscalated,
    OrderMerged,
    OrderRedispatched,
    OrderReopened,
    OrderRescheduled,
    OrderState,
)
from services.orders.commands.missing import RecordResidentAbsent
from services.orders.commands.placing import DeclineOffer, EscalateOrder, LapseAssignment
from services.orders.commands.turning import ReconfirmAssignment, RedispatchOrder, ReopenOrder, RescheduleOrder
from services.orders.commands.words import Policy
from services.orders.decider.due import falls_due
from services.orders.decider.fitness import need_of
from services.orders.decider.state import Served
from services.orders.policy import working_deadlines
from tests.orders.samples import (
    ANNA,
    BO,
    CHEN,
    DISPATCHER,
    GUO,
    ORDER,
    POLICY,
    RESIDENT_WANG,
    REVIEWER,
    WINDOW_END,
    WINDOW_START,
    Story,
    as_volunteer,
    ask,
    in_state,
    merging,
    proposal,
    uid,
    unfulfilled,
    volunteer,
)

LATER_START = WINDOW_START + timedelta(days=1)


def redispatching(story: Story, taken_from: Any = ANNA, *to: Any) -> RedispatchOrder:
    proposals = tuple(proposal(one, 80 + number) for number, one in enumerate(to or (CHEN,)))
    asked: RedispatchOrder = ask(
        RedispatchOrder, DISPATCHER, story.at, from_volunteer_id=taken_from, proposals=proposals, reason_code="ill"
    )
    return asked


def moving(story: Story, starts: datetime = LATER_START, *known: Any, **changes: Any) -> RescheduleOrder:
    assert story.order is not None
    facts = known or tuple(volunteer(one.volunteer_id) for one in story.order.held)
    asked: RescheduleOrder = ask(
        RescheduleOrder,
        changes.pop("by", RESIDENT_WANG),
        story.at,
        **({"window_start": starts, "window_end": starts + timedelta(hours=2), "volunteers": facts} | changes),
    )
    return asked


def reconfirming(story: Story, volunteer_id: Any = ANNA) -> ReconfirmAssignment:
    asked: ReconfirmAssignment = ask(
        ReconfirmAssignment, as_volunteer(volunteer_id), story.at, volunteer_id=volunteer_id
    )
    return asked


def reopening(story: Story, **changes: Any) -> ReopenOrder:
    starts = story.at + timedelta(days=1)
    said = {"consented": True, "reason_code": "still_needed", "window_start": starts}
    asked: ReopenOrder = ask(
        ReopenOrder,
        changes.pop("by", RESIDENT_WANG),
        story.at,
        **(said | {"window_end": starts + timedelta(hours=2)} | changes),
    )
    return asked


def two_accepted() -> Story:
    return Story().place().verify(slots=2).open().accept(ANNA).accept(BO).later(minutes=10)


# 合并


def test_an_order_goes_into_another_one_of_the_household() -> None:
    story = in_state(OrderState.PLACED)
    story.do(merging(story.at))
    merged = story.events[-1]
    assert isinstance(merged, OrderMerged)
    assert (merged.into, merged.into_order_no, merged.owner_role, merged.next_due_at) == (
        uid(3),
        "20260303",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"into": ORDER}, "merge_into_itself"),
        ({"into_state": None}, "merge_target_unknown"),
        ({"into_state": OrderState.CANCELLED}, "merge_target_ended"),
        ({"into_household_id": uid(999), "into_beneficiary_id": BO}, "other_household"),
        ({"into_household_id": None, "into_beneficiary_id": BO}, "other_household"),
        ({"checks_open": 1}, "welfare_check_open"),
    ],
)
def test_what_an_order_is_merged_into_is_open_and_of_the_same_household(changes: dict[str, Any], code: str) -> None:
    story = in_state(OrderState.VERIFIED)
    assert story.refused(merging(story.at, **changes)).reason_code == code


def test_who_still_held_a_slot_is_released_by_a_merge() -> None:
    story = two_accepted()
    story.do(ask(LapseAssignment, SYSTEM, story.at, assignment_id=slot_of(story, ANNA), cause="volunteer_paused"))
    story.do(merging(story.at))
    merged = story.events[-1]
    assert isinstance(merged, OrderMerged)
    assert merged.released == (BO,)


def slot_of(story: Story, volunteer_id: Any) -> Any:
    assert story.order is not None
    held = story.order.holds(volunteer_id)
    assert held is not None
    return held.assignment_id


# 改派


def test_the_old_slot_is_released_in_the_same_append_and_others_are_asked() -> None:
    story = in_state(OrderState.ACCEPTED)
    slot = slot_of(story, ANNA)
    story.do(redispatching(story, ANNA, CHEN, GUO))
    (redispatched,) = story.events[-1:]
    assert isinstance(redispatched, OrderRedispatched)
    assert (redispatched.from_volunteer_id, redispatched.from_assignment_id) == (ANNA, slot)
    assert (redispatched.slots_filled, redispatched.state) == (0, OrderState.OFFERED)
    assert story.order is not None
    assert [one.served for one in story.order.assignments] == [Served.RELEASED]
    assert ANNA in need_of(story.order).answered
    story.accept(CHEN)
    assert story.events[-1].state is OrderState.ACCEPTED


def test_offers_that_are_out_end_with_a_redispatch() -> None:
    story = in_state(OrderState.OFFERED)
    assert story.order is not None
    before = tuple(offer.offer_id for offer in story.order.offers)
    story.do(redispatching(story, None, CHEN))
    redispatched = story.events[-1]
    assert isinstance(redispatched, OrderRedispatched)
    assert (redispatched.offers_ended, redispatched.from_volunteer_id) == (before, None)
    assert story.refused(story.accepting(ANNA)).reason_code == "offer_not_live"


def test_of_two_one_is_replaced_and_the_other_stays() -> None:
    story = two_accepted()
    story.do(redispatching(story, ANNA, CHEN))
    redispatched = story.events[-1]
    assert isinstance(redispatched, OrderRedispatched)
    assert (redispatched.slots_filled, redispatched.remaining) == (1, (BO,))


@pytest.mark.parametrize(
    ("taken_from", "to", "code"),
    [
        (None, CHEN, "name_whom"),
        (CHEN, GUO, "volunteer_not_assigned"),
        (ANNA, ANNA, "candidate_unfit"),
    ],
)
def test_a_redispatch_names_who_has_the_slot_and_asks_others(taken_from: Any, to: Any, code: str) -> None:
    story = in_state(OrderState.ACCEPTED)
    assert story.refused(redispatching(story, taken_from, to)).reason_code == code


def test_what_is_not_sent_out_is_dispatched() -> None:
    story = in_state(OrderState.VERIFIED)
    assert story.refused(redispatching(story, None)).reason_code == "not_dispatched"


# 改期


def test_everybody_who_accepted_is_asked_whether_they_also_come_at_the_new_time() -> None:
    story = two_accepted()
    story.do(moving(story))
    moved = story.events[-1]
    assert isinstance(moved, OrderRescheduled)
    assert (moved.from_window_start, moved.window_start, moved.busy_from) == (WINDOW_START, LATER_START, LATER_START)
    assert {one.volunteer_id for one in moved.awaiting} == {ANNA, BO}
    assert moved.reconfirm_until == story.at + timedelta(days=1)
    assert (moved.owner_role, moved.next_due_for) == (Role.VOLUNTEER, "reconfirmation")
    story.later(hours=1).do(reconfirming(story, ANNA))
    first = story.events[-1]
    assert isinstance(first, AssignmentReconfirmed)
    assert (first.awaiting_left, first.next_due_for) == (1, "reconfirmation")
    story.do(reconfirming(story, BO))
    assert (story.events[-1].next_due_for, story.state) == ("start", OrderState.ACCEPTED)
    assert story.events[-1].next_due_at == LATER_START + timedelta(hours=3)
    assert story.refused(reconfirming(story, BO)).reason_code == "nothing_to_reconfirm"


def test_who_does_not_answer_in_time_loses_the_slot_one_after_the_other() -> None:
    story = two_accepted()
    story.do(moving(story))
    assert story.order is not None
    early = falls_due(story.order, story.at + timedelta(hours=23), POLICY, working_deadlines(story.at))
    assert early is None
    story.later(days=1)
    for _ in range(2):
        due = falls_due(story.order, story.at, POLICY, working_deadlines(story.at))
        assert isinstance(due, LapseAssignment)
        story.do(due)
        lapsed = story.events[-1]
        assert isinstance(lapsed, AssignmentLapsed)
        assert lapsed.cause == "not_reconfirmed"
    assert story.order.filled == 0
    assert (story.state, story.order.due_for) == (OrderState.VERIFIED, "wave")


def test_nobody_is_lapsed_before_they_had_their_time() -> None:
    story = in_state(OrderState.ACCEPTED)
    slot = slot_of(story, ANNA)
    unasked = ask(LapseAssignment, SYSTEM, story.at, assignment_id=slot, cause="not_reconfirmed")
    assert story.refused(unasked).reason_code == "not_due"
    story.do(moving(story))
    soon = ask(LapseAssignment, SYSTEM, story.at + timedelta(hours=1), assignment_id=slot, cause="not_reconfirmed")
    assert story.refused(soon).reason_code == "not_due"


def test_at_most_half_of_what_is_left_goes_by_with_waiting() -> None:
    story = in_state(OrderState.ACCEPTED)
    story.do(moving(story, story.at + timedelta(hours=4)))
    moved = story.events[-1]
    assert isinstance(moved, OrderRescheduled)
    assert moved.reconfirm_until == story.at + timedelta(hours=2)


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ({"busy": True}, "time_overlap"),
        ({"state": "SUSPENDED"}, "volunteer_paused"),
        ({"household_id": uid(200)}, "unfit"),
    ],
)
def test_who_cannot_at_the_new_time_falls_out_in_the_same_append(facts: dict[str, Any], cause: str) -> None:
    story = two_accepted()
    said = story.do(moving(story, LATER_START, volunteer(ANNA, **facts), volunteer(BO)))
    moved, lapsed = said
    assert isinstance(moved, OrderRescheduled)
    assert isinstance(lapsed, AssignmentLapsed)
    assert [one.volunteer_id for one in moved.awaiting] == [BO]
    assert (lapsed.volunteer_id, lapsed.cause, lapsed.remaining) == (ANNA, cause, (BO,))
    assert story.state is OrderState.VERIFIED


def test_offers_for_the_old_time_end_and_who_said_no_is_asked_again() -> None:
    story = in_state(OrderState.VERIFIED)
    story.dispatch(ANNA, BO).later(minutes=5)
    story.do(ask(DeclineOffer, as_volunteer(ANNA), story.at, volunteer_id=ANNA))
    story.do(moving(story))
    moved = story.events[-1]
    assert isinstance(moved, OrderRescheduled)
    assert (len(moved.offers_ended), moved.state, moved.next_due_for) == (1, OrderState.VERIFIED, "wave")
    assert story.order is not None
    assert need_of(story.order).answered == frozenset()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"window_start": WINDOW_START, "window_end": WINDOW_END}, "same_window"),
        ({"window_start": WINDOW_START - timedelta(days=9)}, "window_not_in_future"),
        ({"window_end": LATER_START + timedelta(minutes=10)}, "window_too_short"),
        ({"window_end": LATER_START + timedelta(hours=13)}, "window_too_long"),
    ],
)
def test_a_new_time_is_a_possible_one(changes: dict[str, Any], code: str) -> None:
    story = in_state(OrderState.ACCEPTED)
    assert story.refused(moving(story, **changes)).reason_code == code


def test_an_order_whose_time_passed_unstaffed_is_searched_for_anew() -> None:
    story = in_state(OrderState.OPEN).until(WINDOW_END)
    story.do(ask(EscalateOrder, SYSTEM, story.at))
    story.later(hours=1).do(moving(story, by=DISPATCHER))
    assert story.order is not None
    assert "window_over" not in story.order.escalated_for
    story.accept(ANNA)
    assert story.state is OrderState.ACCEPTED


def test_after_a_closed_door_a_new_time_lets_the_search_go_on() -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_START)
    story.do(ask(RecordResidentAbsent, as_volunteer(ANNA), story.at, check_id=uid(901)))
    story.later(minutes=10).do(moving(story, by=DISPATCHER))
    assert (story.events[-1].next_due_for, story.events[-1].next_due_at) == ("wave", story.at)


def test_who_comes_early_has_confirmed_by_coming() -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_START - timedelta(hours=2))
    story.do(moving(story, story.at + timedelta(minutes=30)))
    story.later(minutes=5).start(ANNA)
    assert story.order is not None
    assert story.order.awaiting == ()


# 重开


def test_an_unfulfilled_order_is_searched_for_again_at_another_time() -> None:
    story = in_state(OrderState.UNFULFILLED).later(days=5)
    story.do(reopening(story))
    reopened = story.events[-1]
    assert isinstance(reopened, OrderReopened)
    assert (reopened.state, reopened.from_window_start) == (OrderState.VERIFIED, WINDOW_START)
    assert (reopened.owner_role, reopened.next_due_for) == (Role.DISPATCHER, "dispatch")
    assert reopened.next_due_at == story.at + timedelta(hours=4)


def test_a_reopened_order_has_levels_and_waves_of_its_own() -> None:
    story = in_state(OrderState.OPEN).later(hours=1)
    story.do(ask(EscalateOrder, DISPATCHER, story.at, level=3))
    story.until(WINDOW_END).do(unfulfilled(story.at))
    story.later(days=1).do(reopening(story, by=REVIEWER))
    assert story.refused(unfulfilled(story.at)).reason_code == "search_not_over"
    story.later(hours=4).do(ask(EscalateOrder, SYSTEM, story.at))
    escalated = story.events[-1]
    assert isinstance(escalated, OrderEscalated)
    assert (escalated.level, escalated.to_role) == (1, Role.BUILDING_LEAD)


@pytest.mark.parametrize(("days", "code"), [(30, None), (31, "reopening_over")])
def test_reopening_ends_after_thirty_days(days: int, code: str | None) -> None:
    story = in_state(OrderState.UNFULFILLED).later(days=days)
    if code is None:
        story.do(reopening(story))
    else:
        assert story.refused(reopening(story)).reason_code == code


def test_only_who_still_wants_it_is_searched_for() -> None:
    story = in_state(OrderState.UNFULFILLED)
    assert story.refused(reopening(story, consented=False)).reason_code == "consent_required"
    for state in (OrderState.CANCELLED, OrderState.CLOSED, OrderState.MERGED, OrderState.REFUSED):
        ended = in_state(state)
        assert ended.refused(reopening(ended)).reason_code == "order_ended"


def test_the_figures_are_the_communitys() -> None:
    story = Story(Policy(reconfirm_minutes=60)).place().verify().open().accept().later(minutes=1)
    story.do(moving(story))
    assert story.events[-1].next_due_at == story.at + timedelta(hours=1)
