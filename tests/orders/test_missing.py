"""爽约, 扑空, 补录: who did not come, who was not there, and what is entered from paper."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.command import SYSTEM, Refused, Role
from contracts.orders import (
    OrderState,
    ResidentAbsentRecorded,
    ServiceRecordedAfterwards,
    VolunteerNoShowRecorded,
    WelfareCheckRaised,
)
from services.orders.commands.missing import RecordResidentAbsent
from services.orders.commands.placing import CancelOrder
from services.orders.commands.serving import CloseOrder
from services.orders.commands.welfare import RaiseWelfareCheck
from services.orders.decider import welfare_check
from services.orders.decider.due import falls_due
from services.orders.decider.state import Served
from services.orders.policy import working_deadlines
from tests.orders.samples import (
    ANNA,
    BO,
    CHEN,
    DISPATCHER,
    LEADER,
    ORDER,
    POLICY,
    RESIDENT_WANG,
    RUI,
    WANG,
    WANG_HOME,
    WINDOW_END,
    WINDOW_START,
    Story,
    as_volunteer,
    ask,
    by,
    confirming,
    in_state,
    no_show,
    past,
    recording,
    uid,
    unfulfilled,
    volunteer,
)


def absent(story: Story, reporter: Any = None) -> RecordResidentAbsent:
    asked: RecordResidentAbsent = ask(RecordResidentAbsent, reporter or as_volunteer(ANNA), story.at, check_id=uid(901))
    return asked


def two_accepted(**verified: Any) -> Story:
    return Story().place().verify(slots=2, **verified).open().accept(ANNA).accept(BO)


# 爽约


@pytest.mark.parametrize(("minutes", "code"), [(14, "not_late_yet"), (15, None), (600, None)])
def test_a_no_show_is_recorded_a_quarter_of_an_hour_into_the_window_at_the_earliest(
    minutes: int, code: str | None
) -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_START + timedelta(minutes=minutes))
    if code is not None:
        assert story.refused(no_show(story.at)).reason_code == code
        return
    story.do(no_show(story.at))
    recorded = story.events[-1]
    assert isinstance(recorded, VolunteerNoShowRecorded)
    assert (recorded.volunteer_id, recorded.reported_by, recorded.late_minutes) == (ANNA, WANG, minutes)
    assert recorded.contest_until == story.at + timedelta(days=7)
    assert (recorded.state, recorded.slots_filled) == (OrderState.VERIFIED, 0)


def test_after_a_no_show_the_order_is_first_in_the_queue_and_others_are_asked() -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_START + timedelta(minutes=20))
    story.do(no_show(story.at))
    assert story.order is not None
    assert (story.order.returned, story.order.due_for) == (True, "wave")
    assert ANNA in story.order.answered
    assert story.order.assignments[0].served is Served.NO_SHOW


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"by": by(ANNA, Role.DISPATCHER)}, "reports_themselves"),
        ({"volunteer_id": BO}, "volunteer_not_assigned"),
    ],
)
def test_a_no_show_is_reported_by_others_of_who_holds_a_slot(changes: dict[str, Any], code: str) -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_END)
    assert story.refused(no_show(story.at, **changes)).reason_code == code


def test_who_checked_in_came() -> None:
    story = in_state(OrderState.IN_SERVICE).until(WINDOW_END)
    assert story.refused(no_show(story.at)).reason_code == "service_begun"


def test_of_two_the_one_who_came_goes_on() -> None:
    story = two_accepted().until(WINDOW_START).start(ANNA).later(minutes=20)
    story.do(no_show(story.at, BO))
    assert story.state is OrderState.IN_SERVICE
    story.later(minutes=20).finish(ANNA)
    assert story.events[-1].state is OrderState.SERVED


def test_when_the_other_is_done_already_the_order_is_served() -> None:
    story = two_accepted().until(WINDOW_START).start(ANNA).later(minutes=20).finish(ANNA)
    story.do(no_show(story.at, BO))
    assert (story.state, story.events[-1].next_due_for) == (OrderState.SERVED, "confirmation")


# 扑空


def test_an_absence_releases_who_came_and_a_person_decides_how_to_go_on() -> None:
    story = two_accepted().until(WINDOW_START + timedelta(minutes=10))
    story.do(absent(story))
    recorded = story.events[-1]
    assert isinstance(recorded, ResidentAbsentRecorded)
    assert (recorded.came, recorded.check_id, recorded.on_absence) == ((ANNA, BO), None, "call")
    assert (recorded.state, recorded.owner_role, recorded.next_due_for) == (
        OrderState.VERIFIED,
        Role.DISPATCHER,
        "dispatch",
    )
    assert story.order is not None
    assert [one.served for one in story.order.assignments] == [Served.RELEASED, Served.RELEASED]
    assert falls_due(story.order, story.at, POLICY, working_deadlines(story.at)) is None


def test_nobody_is_sent_to_a_closed_door_until_a_dispatcher_says_so() -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_START + timedelta(minutes=5))
    story.do(absent(story))
    story.until(WINDOW_END + timedelta(minutes=1))
    assert story.order is not None
    assert story.order.due_for == "dispatch"
    again = in_state(OrderState.ACCEPTED).until(WINDOW_START + timedelta(minutes=5))
    again.do(absent(again))
    again.dispatch(CHEN)
    assert again.order is not None
    assert (again.order.absent, again.state) == (False, OrderState.OFFERED)


def test_an_absence_is_found_out_at_the_door_not_before() -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_START - timedelta(minutes=31))
    assert story.refused(absent(story)).reason_code == "too_early"
    story.later(minutes=1).do(absent(story, DISPATCHER))
    assert story.events[-1].role is Role.DISPATCHER


def test_where_it_was_agreed_a_welfare_check_is_named() -> None:
    story = Story().place().verify(on_absence="welfare_check")
    story.open().accept().until(WINDOW_START)
    story.do(absent(story))
    recorded = story.events[-1]
    assert isinstance(recorded, ResidentAbsentRecorded)
    assert (recorded.on_absence, recorded.check_id) == ("welfare_check", uid(901))


def test_a_welfare_check_is_the_grid_workers_and_due_in_half_an_hour() -> None:
    raise_it = RaiseWelfareCheck(
        by=as_volunteer(ANNA),
        at=WINDOW_START,
        check_id=uid(901),
        beneficiary_id=WANG,
        cause="resident_absent",
        grid_id="grid-01",
        order_id=ORDER,
    )
    assert raise_it.stream == f"welfare_check-{uid(901)}"
    (raised,) = welfare_check.decide(raise_it, welfare_check.initial())
    assert isinstance(raised, WelfareCheckRaised)
    assert (raised.owner_role, raised.due_at) == (Role.GRID_WORKER, WINDOW_START + timedelta(minutes=30))
    with pytest.raises(Refused, match="check_raised_already"):
        welfare_check.decide(raise_it, welfare_check.evolve(None, raised))


def test_no_order_ends_while_its_welfare_check_is_open() -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_END)
    cancel = ask(CancelOrder, RESIDENT_WANG, story.at, checks_open=1)
    assert story.refused(cancel).reason_code == "welfare_check_open"
    verified = in_state(OrderState.VERIFIED).until(WINDOW_END)
    assert verified.refused(unfulfilled(verified.at, checks_open=1)).reason_code == "welfare_check_open"
    rated = in_state(OrderState.RATED).later(days=8)
    assert rated.refused(ask(CloseOrder, SYSTEM, rated.at, checks_open=1)).reason_code == "welfare_check_open"
    # Whoever is to be forgotten is forgotten: there is no door any more at which anybody could look.
    story.do(ask(CancelOrder, SYSTEM, story.at, checks_open=1, reason_code="person_erased"))
    assert story.state is OrderState.CANCELLED


# 补录


def test_a_service_on_paper_is_entered_by_somebody_else_and_confirmed_as_usual() -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_END + timedelta(days=2))
    story.do(recording(story.at, story))
    recorded = story.events[-1]
    assert isinstance(recorded, ServiceRecordedAfterwards)
    assert story.order is not None
    assert recorded.assignment_id == story.order.assignments[0].assignment_id
    assert (recorded.minutes, recorded.recorded_by, recorded.attachment_hash) == (30, RUI, "a" * 64)
    assert (recorded.new_assignment, recorded.served, recorded.state) == (False, True, OrderState.SERVED)
    assert recorded.next_due_at == story.at + timedelta(hours=72)
    story.do(confirming(story.at))
    confirmed: Any = story.events[-1]
    assert [(one.volunteer_id, one.minutes) for one in confirmed.assignments] == [(ANNA, 30)]


def test_who_was_asked_by_phone_takes_the_slot_with_the_record() -> None:
    story = in_state(OrderState.VERIFIED).until(WINDOW_END)
    story.do(recording(story.at, story, past(story, BO)))
    recorded = story.events[-1]
    assert isinstance(recorded, ServiceRecordedAfterwards)
    assert (recorded.new_assignment, recorded.slots_filled, recorded.volunteer_id) == (True, 1, BO)
    assert story.order is not None
    assert story.order.servers == (BO,)


def test_both_of_two_are_entered_from_one_sheet() -> None:
    story = two_accepted().until(WINDOW_END)
    story.do(recording(story.at, story, past(story, ANNA), past(story, BO)))
    first, second = story.events[-2:]
    assert (first.state, second.state) == (OrderState.IN_SERVICE, OrderState.SERVED)


def test_one_of_two_may_be_entered_first() -> None:
    story = two_accepted().until(WINDOW_END)
    story.do(recording(story.at, story, past(story, ANNA)))
    assert (story.state, story.events[-1].next_due_for) == (OrderState.IN_SERVICE, "checkout")
    story.do(recording(story.at, story, past(story, BO)))
    assert story.events[-1].state is OrderState.SERVED
    assert story.refused(recording(story.at, story, past(story, BO))).reason_code == "service_over"


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("changes", "recorder", "code"),
    [
        ({}, by(ANNA, Role.TEAM_LEADER), "recorder_is_server"),
        ({"finished_at": WINDOW_START}, LEADER, "end_before_start"),
        ({"finished_at": WINDOW_END + HOUR}, LEADER, "not_over_yet"),
        ({"started_at": WINDOW_START - timedelta(days=2)}, LEADER, "before_verification"),
    ],
)
def test_what_a_record_must_be(changes: dict[str, Any], recorder: Any, code: str) -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_END)
    assert story.refused(recording(story.at, story, past(story, **changes), by=recorder)).reason_code == code


def test_a_record_comes_within_seven_days() -> None:
    story = in_state(OrderState.ACCEPTED)
    ended = WINDOW_START + timedelta(minutes=30)
    late = recording(ended + timedelta(days=7, seconds=1), story)
    assert story.refused(late).reason_code == "record_too_late"
    story.do(recording(ended + timedelta(days=7), story))


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"state": None}, "volunteer_not_active"),
        ({"state": "SUSPENDED"}, "volunteer_not_active"),
        ({"state": "PAUSED"}, None),
        ({"household_id": WANG_HOME}, "same_household"),
        ({"busy": True, "available": False}, None),
    ],
)
def test_a_record_makes_good_what_it_can(facts: dict[str, Any], code: str | None) -> None:
    story = in_state(OrderState.VERIFIED).until(WINDOW_END)
    asked = recording(story.at, story, past(story, BO, volunteer=volunteer(BO, **facts)))
    if code is None:
        story.do(asked)
    else:
        assert story.refused(asked).reason_code == code


def test_nobody_enters_a_service_that_a_check_in_shows_or_that_has_no_slot() -> None:
    story = in_state(OrderState.IN_SERVICE).until(WINDOW_END)
    assert story.refused(recording(story.at, story)).reason_code == "started_already"
    full = in_state(OrderState.ACCEPTED).until(WINDOW_END)
    assert full.refused(recording(full.at, full, past(full, CHEN))).reason_code == "staffed_already"
    twice = recording(full.at, full, past(full), past(full))
    assert full.refused(twice).reason_code == "finished_already"
