"""From the first check-in to the close: evidence, judges, ratings and what happens when nobody says anything."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.command import SYSTEM, Channel, Role
from contracts.orders import CompletionConfirmed, OrderRated, OrderState, ServiceFinished
from services.orders.commands.placing import EscalateOrder
from services.orders.commands.serving import AutoCloseService, CloseOrder, PresumeCompletion
from services.orders.decider.state import Served
from tests.orders.samples import (
    ANNA,
    ANNA_HOME,
    BO,
    DISPATCHER,
    DUAN,
    REVIEWER,
    RUI,
    WANG,
    WANG_SON,
    WINDOW_END,
    WINDOW_START,
    Story,
    ask,
    by,
    confirming,
    finishing,
    in_state,
    rating,
    starting,
)

# 签到, 签退


@pytest.mark.parametrize(
    ("minutes_from_start", "code"), [(-31, "too_early"), (-30, None), (180, None), (181, "too_late")]
)
def test_check_in_is_from_half_an_hour_before_until_an_hour_after_the_window(
    minutes_from_start: int, code: str | None
) -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_START + timedelta(minutes=minutes_from_start))
    if code is None:
        story.start()
        assert (story.state, story.events[-1].next_due_for) == (OrderState.IN_SERVICE, "checkout")
        assert story.events[-1].next_due_at == WINDOW_END + timedelta(hours=4)
    else:
        assert story.refused(starting(story.at)).reason_code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"evidence_holds": False}, "code_wrong"),
        ({"evidence_holds": None}, "code_wrong"),
        ({"evidence": "qr", "evidence_holds": False}, "qr_wrong"),
        ({"evidence": "leader", "evidence_holds": None}, "leader_is_server"),
    ],
)
def test_presence_needs_evidence(changes: dict[str, Any], code: str) -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_START)
    assert story.refused(starting(story.at, **changes)).reason_code == code
    story.start().later(minutes=30)
    assert story.refused(finishing(story.at, **changes)).reason_code == code


def test_a_leader_vouches_for_a_volunteer() -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_START)
    leader = by(RUI, Role.TEAM_LEADER)
    story.do(starting(story.at, by=leader, evidence="leader", evidence_holds=None))
    story.later(minutes=31).do(finishing(story.at, by=leader, evidence="leader", evidence_holds=None))
    finished = story.events[-1]
    assert isinstance(finished, ServiceFinished)
    assert (finished.start_evidence, finished.finish_evidence, finished.minutes) == ("leader", "leader", 31)


def test_minutes_are_whole_and_never_rounded_up() -> None:
    story = in_state(OrderState.IN_SERVICE)
    story.do(finishing(story.at + timedelta(minutes=42, seconds=59)))
    finished = story.events[-1]
    assert isinstance(finished, ServiceFinished)
    assert (finished.minutes, finished.served, finished.state) == (42, True, OrderState.SERVED)


def test_a_service_ends_after_it_began() -> None:
    story = in_state(OrderState.IN_SERVICE)
    assert story.refused(finishing(story.at)).reason_code == "end_before_start"


def test_nobody_else_checks_in_or_out_for_a_volunteer() -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_START)
    assert story.refused(starting(story.at, BO)).reason_code == "not_assigned"
    assert in_state(OrderState.IN_SERVICE).refused(finishing(story.at, BO)).reason_code == "not_assigned"


def test_the_order_is_served_when_both_are_done() -> None:
    story = Story().place().verify(slots=2).open().accept(ANNA).accept(BO).until(WINDOW_START).start(ANNA).start(BO)
    story.later(minutes=30).finish(ANNA)
    assert story.state is OrderState.IN_SERVICE
    assert story.refused(finishing(story.at + timedelta(minutes=1), ANNA)).reason_code == "finished_already"
    story.later(minutes=10).finish(BO, "partly")
    assert story.events[-1].state is OrderState.SERVED


def test_without_a_check_out_no_minutes_are_assumed_and_who_never_came_falls_out() -> None:
    story = Story().place().verify(slots=2).open().accept(ANNA).accept(BO).until(WINDOW_START).start(ANNA)
    too_soon = ask(AutoCloseService, SYSTEM, WINDOW_END + timedelta(hours=4) - timedelta(seconds=1))
    assert story.refused(too_soon).reason_code == "not_due"
    story.until(WINDOW_END + timedelta(hours=4)).do(ask(AutoCloseService, SYSTEM, story.at))
    assert story.types[-2:] == ["AssignmentLapsed", "ServiceAutoClosed"]
    assert story.state is OrderState.SERVED
    assert story.order is not None
    assert [(one.served, one.minutes) for one in story.order.assignments] == [
        (Served.AUTO_CLOSED, None),
        (Served.LAPSED, None),
    ]
    story.confirm()
    confirmed = story.events[-1]
    assert isinstance(confirmed, CompletionConfirmed)
    assert [(one.volunteer_id, one.minutes) for one in confirmed.assignments] == [(ANNA, None)]


def test_who_never_came_falls_out_also_when_the_other_is_done() -> None:
    story = Story().place().verify(slots=2).open().accept(ANNA).accept(BO).until(WINDOW_START).start(ANNA)
    story.later(minutes=30).finish(ANNA)
    story.until(WINDOW_END + timedelta(hours=4)).do(ask(AutoCloseService, SYSTEM, story.at))
    assert (story.types[-1], story.state) == ("AssignmentLapsed", OrderState.SERVED)


# 确认


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"by": by(ANNA, Role.RESIDENT)}, "server_judges"),
        ({"by": by(ANNA, Role.PROXY)}, "server_judges"),
        ({"by": by(WANG_SON, Role.PROXY), "judge_household_id": ANNA_HOME}, "server_household_judges"),
    ],
)
def test_whoever_served_does_not_judge_the_service(changes: dict[str, Any], code: str) -> None:
    assert (story := in_state(OrderState.SERVED)).refused(confirming(story.at, **changes)).reason_code == code
    assert (story := in_state(OrderState.COMPLETED)).refused(rating(story.at, **changes)).reason_code == code


def test_confirmation_names_who_served_and_their_minutes() -> None:
    story = in_state(OrderState.COMPLETED)
    confirmed = story.events[-1]
    assert isinstance(confirmed, CompletionConfirmed)
    assert (confirmed.confirmed_by, [one.minutes for one in confirmed.assignments]) == (WANG, [35])
    assert (confirmed.next_due_for, confirmed.owner_role) == ("closing", Role.RESIDENT)


def test_after_72_hours_of_silence_completion_is_presumed_and_the_rating_stays_empty() -> None:
    story = in_state(OrderState.SERVED)
    served_at = story.at
    assert story.refused(ask(PresumeCompletion, SYSTEM, story.at + timedelta(hours=71))).reason_code == "not_due"
    story.later(hours=72).do(ask(PresumeCompletion, SYSTEM, story.at))
    assert (story.state, story.at - served_at) == (OrderState.COMPLETED, timedelta(hours=72))
    story.later(days=30).do(ask(CloseOrder, SYSTEM, story.at))
    assert story.events[-1].rated is False  # type: ignore[union-attr]


# 评单, 办结


def test_an_order_is_rated_once() -> None:
    story = in_state(OrderState.RATED)
    rated = story.events[-1]
    assert isinstance(rated, OrderRated)
    assert (rated.score, rated.rater_kind, rated.volunteers) == (5, "resident", (ANNA,))
    assert story.refused(rating(story.at)).reason_code == "rated_already"


@pytest.mark.parametrize("score", [0, 6])
def test_a_score_is_1_to_5(score: int) -> None:
    with pytest.raises(ValueError, match="score"):
        rating(WINDOW_END, score=score)


def test_rating_ends_after_thirty_days() -> None:
    story = in_state(OrderState.COMPLETED).later(days=30, seconds=1)
    assert story.refused(rating(story.at)).reason_code == "rating_over"


def test_a_reviewer_rates_by_phone_unless_they_dispatched_it() -> None:
    story = in_state(OrderState.COMPLETED)
    online = by(RUI, Role.REVIEWER, Channel.WEB)
    assert story.refused(rating(story.at, by=online)).reason_code == "by_phone_only"
    dispatched_it = by(DUAN, Role.REVIEWER, Channel.PHONE)
    assert story.refused(rating(story.at, by=dispatched_it)).reason_code == "dispatcher_reviews"
    story.do(rating(story.at, by=REVIEWER, judge_household_id=None, score=2))
    rated, opened = story.events[-2:]
    assert isinstance(rated, OrderRated)
    assert (rated.rater_kind, rated.rater_id, rated.channel.value) == ("reviewer", RUI, "phone")
    assert opened.owner_role is Role.REVIEWER


def test_a_rated_order_closes_after_a_week() -> None:
    story = in_state(OrderState.RATED)
    early = ask(CloseOrder, DISPATCHER, story.at + timedelta(days=6))
    assert story.refused(early).reason_code == "not_due"
    story.later(days=7).do(ask(CloseOrder, SYSTEM, story.at))
    closed = story.events[-1]
    assert (closed.rated, closed.owner_role, closed.next_due_at) == (True, None, None)  # type: ignore[union-attr]


def test_a_service_that_runs_is_escalated_only_by_a_person() -> None:
    story = in_state(OrderState.IN_SERVICE)
    assert story.refused(ask(EscalateOrder, SYSTEM, WINDOW_END + timedelta(days=9))).reason_code == "not_due"
