"""要求补充, 补充信息: while the resident is asked, the clock of triage stands still."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.command import SYSTEM, Role
from contracts.orders import OrderEscalated, OrderInfoProvided, OrderInfoRequested
from services.orders.commands.info import ProvideInfo, RequestInfo
from services.orders.commands.placing import EscalateOrder
from services.orders.commands.words import Policy
from services.orders.decider.deadlines import office_minutes_after, office_time_between
from tests.orders.fittings import fitting
from tests.orders.samples import DISPATCHER, MONDAY_NINE, POLICY, Story, ask


def asking(story: Story) -> Any:
    return fitting(RequestInfo, story)


def answering(story: Story) -> Any:
    return fitting(ProvideInfo, story)


def test_the_clock_stands_still_and_goes_on_with_what_was_left() -> None:
    story = Story().place().later(minutes=30)
    story.do(asking(story))
    requested = story.events[-1]
    assert isinstance(requested, OrderInfoRequested)
    assert (requested.left_minutes, requested.owner_role, requested.next_due_for) == (90, Role.RESIDENT, "info")
    assert requested.next_due_at == story.at + timedelta(days=3)
    story.later(hours=26).do(answering(story))
    provided = story.events[-1]
    assert isinstance(provided, OrderInfoProvided)
    assert (provided.paused_minutes, provided.owner_role, provided.next_due_for) == (26 * 60, Role.DISPATCHER, "triage")
    assert provided.next_due_at == story.at + timedelta(minutes=90)


def test_what_is_left_is_counted_in_office_hours() -> None:
    """Asked for an hour before the office closes, with two hours to go: one is left for the next morning."""
    story = Story().until(MONDAY_NINE + timedelta(hours=7, minutes=30)).place()
    story.later(minutes=60).do(asking(story))
    requested = story.events[-1]
    assert isinstance(requested, OrderInfoRequested)
    assert requested.left_minutes == 60
    story.later(hours=5).do(answering(story))  # at half past ten at night
    assert story.events[-1].next_due_at == MONDAY_NINE + timedelta(hours=24, minutes=30)


def test_an_urgent_order_keeps_its_plain_minutes() -> None:
    story = Story().place(urgent=True).later(minutes=5)
    story.do(asking(story))
    story.later(hours=10).do(answering(story))
    assert story.events[-1].next_due_at == story.at + timedelta(minutes=10)


def test_an_escalated_order_gains_the_time_that_it_stood_still() -> None:
    story = Story().place().later(hours=2)
    story.do(ask(EscalateOrder, SYSTEM, story.at))
    assert story.events[-1].next_due_at == MONDAY_NINE + timedelta(hours=24)
    story.later(minutes=30).do(asking(story))
    story.later(hours=8).do(answering(story))
    assert story.events[-1].next_due_at == MONDAY_NINE + timedelta(hours=32)


def test_who_does_not_answer_is_looked_after_and_then_a_dispatcher_decides() -> None:
    story = Story().place().later(minutes=30)
    story.do(asking(story))
    assert story.refused(ask(EscalateOrder, SYSTEM, story.at + timedelta(days=2))).reason_code == "not_due"
    story.later(days=3).do(ask(EscalateOrder, SYSTEM, story.at))
    escalated = story.events[-1]
    assert isinstance(escalated, OrderEscalated)
    assert (escalated.cause, escalated.level, escalated.to_role) == ("info_overdue", 1, Role.BUILDING_LEAD)
    assert (escalated.owner_role, escalated.next_due_for) == (Role.DISPATCHER, "decision")
    story.later(hours=1).do(answering(story))
    assert story.events[-1].next_due_for == "triage"


def test_one_question_at_a_time_and_no_answer_without_one() -> None:
    story = Story().place()
    assert story.refused(answering(story)).reason_code == "info_not_requested"
    story.do(asking(story))
    assert story.refused(asking(story)).reason_code == "info_requested_already"
    story.later(minutes=5).do(answering(story))
    story.later(minutes=5).do(asking(story))
    assert story.types == ["OrderPlaced", "OrderInfoRequested", "OrderInfoProvided", "OrderInfoRequested"]


def test_who_found_out_otherwise_need_not_wait_for_the_answer() -> None:
    story = Story().place()
    story.do(asking(story))
    story.later(minutes=5).verify()
    assert story.events[-1].next_due_for == "dispatch"
    assert story.refused(answering(story)).reason_code == "verified_already"


@pytest.mark.parametrize("minutes", [0, 1, 59, 480, 1_000])
@pytest.mark.parametrize("begins", [0, 7, 30, 100])
def test_office_time_is_counted_there_as_back(minutes: int, begins: int) -> None:
    moment = MONDAY_NINE + timedelta(hours=begins)
    until = office_minutes_after(moment, minutes, POLICY)
    assert office_time_between(moment, until, POLICY) == timedelta(minutes=minutes)


def test_nothing_is_left_of_what_has_passed() -> None:
    assert office_time_between(MONDAY_NINE, MONDAY_NINE - timedelta(hours=5), POLICY) == timedelta()
    with pytest.raises(ValueError, match="no office hours"):
        office_time_between(MONDAY_NINE, MONDAY_NINE, POLICY.model_copy(update={"office_weekdays": ()}))


def test_how_long_the_resident_has_is_the_communitys_to_say() -> None:
    story = Story(Policy(info_minutes=60)).place()
    story.do(ask(RequestInfo, DISPATCHER, story.at, asked_for=("time",)))
    assert story.events[-1].next_due_at == MONDAY_NINE + timedelta(hours=1)
