"""提出异议, 修改评分: what is said again about a service, and what nobody can say any more."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.command import SYSTEM, Channel, Role
from contracts.orders import CompletionContested, FollowUpOpened, OrderRated, OrderRatingAmended, OrderState
from services.orders.commands.serving import CloseOrder
from services.orders.decider.evolve import evolve
from tests.orders.samples import (
    ANNA,
    ANNA_HOME,
    BO,
    DUAN,
    RESIDENT_WANG,
    REVIEWER,
    WANG_SON,
    amending,
    as_volunteer,
    ask,
    by,
    confirming,
    contesting,
    in_state,
    rating,
    uid,
)

CONTESTABLE = (OrderState.SERVED, OrderState.COMPLETED, OrderState.RATED)


@pytest.mark.parametrize("state", CONTESTABLE)
@pytest.mark.parametrize(("who", "side"), [(RESIDENT_WANG, "resident"), (as_volunteer(ANNA), "volunteer")])
def test_either_side_contests_and_somebody_mediates(state: OrderState, who: Any, side: str) -> None:
    story = in_state(state)
    story.do(contesting(story.at, who))
    contested = story.events[-1]
    assert isinstance(contested, CompletionContested)
    assert (contested.side, contested.from_state, contested.dispute_id) == (side, state, uid(800))
    assert [(one.volunteer_id, one.minutes) for one in contested.assignments] == [(ANNA, 35)]
    assert (contested.state, contested.owner_role) == (OrderState.DISPUTED, Role.SOCIAL_WORKER)
    assert contested.next_due_at == story.at + timedelta(days=7)
    assert story.order is not None
    assert story.order.dispute is not None
    assert (story.order.disputed_from, story.order.dispute.dispute_id) == (state, uid(800))


@pytest.mark.parametrize("state", CONTESTABLE)
def test_contesting_ends_after_seven_days(state: OrderState) -> None:
    story = in_state(state)
    assert story.refused(contesting(story.at + timedelta(days=7, minutes=6))).reason_code == "contest_over"
    story.do(contesting(story.at + timedelta(days=6, hours=23)))


def test_a_volunteer_contests_their_own_service() -> None:
    story = in_state(OrderState.SERVED)
    assert story.refused(contesting(story.at, as_volunteer(BO))).reason_code == "not_assigned"


def test_while_it_is_contested_nothing_is_confirmed_rated_or_closed() -> None:
    story = in_state(OrderState.DISPUTED)
    for command in (
        confirming(story.at),
        rating(story.at),
        amending(story.at),
        ask(CloseOrder, SYSTEM, story.at + timedelta(days=60)),
    ):
        assert story.refused(command).reason_code == "dispute_open"
    assert story.refused(contesting(story.at)).reason_code == "contested_already"


def test_a_rating_is_amended_within_a_week_and_the_first_one_stays() -> None:
    story = in_state(OrderState.RATED)
    story.later(days=7).do(amending(story.at, score=2, tags=("late",)))
    amended, opened = story.events[-2:]
    assert isinstance(opened, FollowUpOpened)
    assert isinstance(amended, OrderRatingAmended)
    assert (amended.rating_id, amended.supersedes, amended.first_score, amended.score) == (uid(701), uid(700), 5, 2)
    assert (amended.state, opened.state) == (OrderState.RATED, OrderState.FOLLOW_UP)
    assert (opened.role, opened.owner_role) == (Role.SYSTEM, Role.REVIEWER)
    story.do(amending(story.at, score=3, rating_id=uid(702)))
    again = story.events[-1]
    assert isinstance(again, OrderRatingAmended)
    assert (again.supersedes, again.first_score) == (uid(701), 5)
    assert sum(isinstance(event, OrderRated) for event in story.events) == 1
    assert story.refused(amending(story.at + timedelta(seconds=1))).reason_code == "amending_over"


def test_amending_moves_no_deadline() -> None:
    story = in_state(OrderState.RATED)
    closing = story.events[-1].next_due_at
    story.later(days=3).do(amending(story.at))
    assert story.events[-1].next_due_at == closing


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"by": by(ANNA, Role.RESIDENT)}, "server_judges"),
        ({"by": by(WANG_SON, Role.PROXY), "judge_household_id": ANNA_HOME}, "server_household_judges"),
        ({"by": by(DUAN, Role.REVIEWER, Channel.WEB)}, "by_phone_only"),
        ({"by": by(DUAN, Role.REVIEWER, Channel.PHONE)}, "dispatcher_reviews"),
    ],
)
def test_who_does_not_rate_does_not_amend(changes: dict[str, Any], code: str) -> None:
    story = in_state(OrderState.RATED)
    assert story.refused(amending(story.at, **changes)).reason_code == code
    story.do(amending(story.at, by=REVIEWER, judge_household_id=None))


def test_a_rating_of_the_first_days_is_superseded_by_the_orders_id() -> None:
    story = in_state(OrderState.RATED)
    old = story.events[-1].model_copy(update={"rating_id": None})
    story.order = evolve(in_state(OrderState.COMPLETED).order, old)
    story.do(amending(story.at))
    amended = story.events[-1]
    assert isinstance(amended, OrderRatingAmended)
    assert amended.supersedes == amended.order_id
