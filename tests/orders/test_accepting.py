"""From the first yes to the last slot filled, and how an order ends without a service."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.command import SYSTEM, Role
from contracts.orders import OrderAccepted, OrderState
from services.orders.commands.placing import (
    AcceptOrder,
    CancelOrder,
    EscalateOrder,
    ExpireOffer,
    LapseAssignment,
    WithdrawAcceptance,
)
from services.orders.commands.words import Policy
from services.orders.decider.state import Served
from tests.orders.samples import (
    ANNA,
    ANNA_HOME,
    BO,
    CHEN,
    DISPATCHER,
    DUAN,
    MONDAY_NINE,
    RESIDENT_WANG,
    WANG,
    WANG_HOME,
    WINDOW_END,
    WINDOW_START,
    ZHAN,
    Story,
    as_volunteer,
    ask,
    in_state,
    unfulfilled,
)

# 接单


def test_the_first_to_accept_has_the_order_and_the_loser_is_told_kindly() -> None:
    story = in_state(OrderState.OFFERED).accept(ANNA)
    accepted, staffed = story.events[-2:]
    assert isinstance(accepted, OrderAccepted)
    assert (accepted.slots_filled, accepted.slots_required, accepted.busy_from) == (1, 1, WINDOW_START)
    assert accepted.checked == ("active", "other_household", "skill:haircut")
    assert (staffed.type, staffed.owner_role, staffed.next_due_for) == ("OrderStaffed", Role.VOLUNTEER, "start")
    assert story.refused(story.accepting(BO)).reason_code == "already_taken"
    assert story.refused(story.accepting(ANNA)).reason_code == "accepted_already"


def test_two_slots_take_two_and_the_order_is_staffed_by_the_second() -> None:
    story = Story().place().verify(slots=2).dispatch(ANNA, BO, CHEN).accept(ANNA)
    assert (story.state, story.events[-1].type) == (OrderState.OFFERED, "OrderAccepted")
    story.accept(BO)
    assert (story.state, story.events[-1].type) == (OrderState.ACCEPTED, "OrderStaffed")
    assert len(story.events[-1].offers_ended) == 1  # type: ignore[union-attr]


def test_the_last_offer_accepted_with_a_slot_left_leads_back_to_searching() -> None:
    story = Story().place().verify(slots=2).dispatch(ANNA).accept(ANNA)
    assert (story.state, story.events[-1].next_due_for) == (OrderState.VERIFIED, "wave")


def test_an_offer_is_needed_until_the_pool_is_open() -> None:
    story = in_state(OrderState.OFFERED)
    assert story.refused(story.accepting(CHEN)).reason_code == "offer_not_live"
    story.open().accept(CHEN)
    assert story.state is OrderState.ACCEPTED


def test_an_offer_that_ran_out_is_not_accepted_even_before_the_timer_says_so() -> None:
    story = in_state(OrderState.OFFERED).later(hours=2)
    assert story.refused(story.accepting(ANNA)).reason_code == "offer_not_live"


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"state": "SUSPENDED"}, "volunteer_not_active"),
        ({"household_id": WANG_HOME}, "same_household"),
        ({"busy": True}, "time_overlap"),
        ({"skills": {}}, "skill_needed"),
    ],
)
def test_accepting_checks_again(facts: dict[str, Any], code: str) -> None:
    story = in_state(OrderState.OPEN)
    assert story.refused(story.accepting(ANNA, **facts)).reason_code == code


def test_nobody_accepts_their_own_order() -> None:
    story = in_state(OrderState.OPEN)
    own = story.accepting(WANG, household_id=ANNA_HOME)
    assert isinstance(own, AcceptOrder)
    assert story.refused(own).reason_code == "own_order"


def test_the_way_there_and_back_is_promised_time_where_the_policy_counts_it() -> None:
    story = Story(Policy(travel_buffer_minutes=15)).place().verify().open().accept()
    accepted = story.events[-2]
    assert isinstance(accepted, OrderAccepted)
    assert accepted.busy_from == WINDOW_START - timedelta(minutes=15)
    assert accepted.busy_until == WINDOW_END + timedelta(minutes=15)


# 退单, 接单失效


def test_giving_back_a_slot_brings_the_order_to_the_front_and_tells_how_late_it_is() -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_START - timedelta(minutes=90))
    story.do(ask(WithdrawAcceptance, as_volunteer(ANNA), story.at, volunteer_id=ANNA, reason_code="ill"))
    withdrawn = story.events[-1]
    assert (withdrawn.state, withdrawn.next_due_for) == (OrderState.VERIFIED, "wave")
    assert withdrawn.lead_minutes == 90  # type: ignore[union-attr]
    assert story.order is not None
    assert (story.order.returned, story.order.filled) == (True, 0)


def test_losing_one_of_two_keeps_the_other() -> None:
    story = Story().place().verify(slots=2).dispatch(ANNA, BO).accept(ANNA).accept(BO)
    story.do(ask(WithdrawAcceptance, as_volunteer(ANNA), story.at, volunteer_id=ANNA))
    assert story.state is OrderState.VERIFIED
    assert story.events[-1].remaining == (BO,)  # type: ignore[union-attr]
    assert story.order is not None
    assert [one.served for one in story.order.assignments] == [Served.WITHDRAWN, Served.HELD]
    story.dispatch(CHEN).accept(CHEN)
    assert story.events[-1].state is OrderState.ACCEPTED


def test_losing_one_while_the_other_serves_does_not_stop_the_service() -> None:
    story = Story().place().verify(slots=2).open().accept(ANNA).accept(BO).until(WINDOW_START).start(ANNA)
    story.do(ask(WithdrawAcceptance, as_volunteer(BO), story.at, volunteer_id=BO))
    assert story.state is OrderState.IN_SERVICE
    story.later(minutes=30).finish(ANNA)
    assert story.events[-1].state is OrderState.SERVED


def test_when_the_other_is_done_already_losing_one_ends_the_service() -> None:
    story = Story().place().verify(slots=2).open().accept(ANNA).accept(BO).until(WINDOW_START).start(ANNA)
    story.later(minutes=30).finish(ANNA)
    assert story.state is OrderState.IN_SERVICE
    story.do(ask(WithdrawAcceptance, as_volunteer(BO), story.at, volunteer_id=BO))
    assert (story.state, story.events[-1].next_due_for) == (OrderState.SERVED, "confirmation")
    assert story.events[-1].next_due_at == story.at + timedelta(hours=72)


def test_a_pause_ends_what_has_not_begun_and_nothing_else() -> None:
    story = in_state(OrderState.ACCEPTED)
    assert story.order is not None
    lapse = ask(
        LapseAssignment,
        SYSTEM,
        story.at,
        assignment_id=story.order.assignments[0].assignment_id,
        cause="volunteer_paused",
        source_event_id=ZHAN,
    )
    story.do(lapse)
    assert (story.state, story.types[-1]) == (OrderState.VERIFIED, "AssignmentLapsed")
    assert story.refused(lapse).reason_code == "not_assigned"
    assert in_state(OrderState.IN_SERVICE).refused(lapse).reason_code == "not_assigned"


# 升级


def test_an_order_nobody_looks_at_goes_up_level_by_level() -> None:
    story = Story().place(
        window_start=MONDAY_NINE + timedelta(days=8), window_end=MONDAY_NINE + timedelta(days=8, hours=1)
    )
    assert story.refused(ask(EscalateOrder, SYSTEM, story.at)).reason_code == "not_due"
    told = []
    while story.order is not None and story.order.due_for != "decision":
        assert story.order.due_at is not None
        story.until(story.order.due_at).do(ask(EscalateOrder, SYSTEM, story.at))
        escalated = story.events[-1]
        told.append((escalated.level, escalated.to_role, story.at - MONDAY_NINE))  # type: ignore[union-attr]
    assert told == [
        (1, Role.BUILDING_LEAD, timedelta(hours=2)),
        (2, Role.GRID_WORKER, timedelta(hours=24)),
        (3, Role.STREET_OFFICER, timedelta(hours=72)),
    ]
    assert story.refused(ask(EscalateOrder, SYSTEM, story.at + timedelta(days=9))).reason_code == "not_due"


def test_when_the_window_is_over_with_nobody_found_it_is_to_be_decided_at_once() -> None:
    story = in_state(OrderState.OPEN)
    while story.order is not None and story.order.due_for == "staffing":
        assert story.order.due_at is not None
        story.until(story.order.due_at).do(ask(EscalateOrder, SYSTEM, story.at))
    assert story.order is not None
    assert (story.order.due_for, story.order.due_at) == ("window", WINDOW_END)
    story.until(WINDOW_END).do(ask(EscalateOrder, SYSTEM, story.at))
    assert (story.order.level, story.order.due_for) == (3, "decision")


def test_when_nobody_came_by_an_hour_after_the_window_the_dispatcher_phones() -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_END + timedelta(hours=1))
    story.do(ask(EscalateOrder, SYSTEM, story.at))
    escalated = story.events[-1]
    expected = ("not_started", Role.DISPATCHER, 2)
    assert (escalated.cause, escalated.to_role, escalated.level) == expected  # type: ignore[union-attr]
    assert (escalated.owner_role, escalated.next_due_for) == (Role.DISPATCHER, "decision")


def test_a_dispatcher_escalates_upwards_only() -> None:
    story = in_state(OrderState.OPEN)
    story.do(ask(EscalateOrder, DISPATCHER, story.at, level=2))
    assert story.refused(ask(EscalateOrder, DISPATCHER, story.at, level=2)).reason_code == "level_not_higher"


# 取消, 未能满足


@pytest.mark.parametrize(
    "state",
    [OrderState.PLACED, OrderState.VERIFIED, OrderState.OFFERED, OrderState.OPEN, OrderState.ACCEPTED],
)
def test_an_order_can_be_cancelled_at_each_stage_before_the_service(state: OrderState) -> None:
    story = in_state(state)
    story.do(ask(CancelOrder, RESIDENT_WANG, story.at))
    cancelled = story.events[-1]
    assert (story.state, cancelled.stage) == (OrderState.CANCELLED, state)  # type: ignore[union-attr]
    assert cancelled.released == ((ANNA,) if state is OrderState.ACCEPTED else ())  # type: ignore[union-attr]
    assert len(cancelled.offers_ended) == (2 if state is OrderState.OFFERED else 0)  # type: ignore[union-attr]
    assert cancelled.next_due_at is None


def test_a_dispatcher_says_why_an_order_is_cancelled() -> None:
    story = in_state(OrderState.OPEN)
    assert story.refused(ask(CancelOrder, DISPATCHER, story.at)).reason_code == "reason_needed"


def test_an_order_is_unfulfilled_only_after_three_waves_or_the_window_by_two_people() -> None:
    story = in_state(OrderState.OPEN)
    assert story.refused(unfulfilled(story.at)).reason_code == "search_not_over"
    assert story.refused(unfulfilled(WINDOW_END, seconded_by=DUAN)).reason_code == "second_person_required"
    assert story.refused(unfulfilled(WINDOW_END, seconder_entitled=False)).reason_code == "seconder_not_entitled"
    story.dispatch(CHEN)
    story.later(hours=2).do(ask(ExpireOffer, SYSTEM, story.at))
    story.open()
    story.do(unfulfilled(story.at))
    declared = story.events[-1]
    assert (story.state, declared.waves) == (OrderState.UNFULFILLED, 3)  # type: ignore[union-attr]
    assert declared.reopen_until == story.at + timedelta(days=30)  # type: ignore[union-attr]
