"""回访整改: every state × command, who may do it, and the deadlines in working days."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.command import SYSTEM, Channel, Refused, Role
from contracts.orders import (
    FollowUpClosed,
    FollowUpDismissed,
    FollowUpOpened,
    FollowUpOverdue,
    FollowUpState,
    OrderRated,
    OrderState,
    RectificationOrdered,
    RectificationRejected,
)
from services.orders.commands.follow_up import AnyFollowUpCommand
from services.orders.commands.serving import CloseOrder
from services.orders.commands.words import Policy
from services.orders.decider.follow_up import cause_of
from services.orders.decider.follow_up_state import TABLE
from services.orders.decider.tables import Line
from tests.orders.aside import (
    QIN,
    SECOND_REVIEWER,
    close_follow_up,
    complain,
    contact,
    dismiss,
    followed_up,
    of_follow_up,
    overdue,
    rectify,
    report,
    verify,
)
from tests.orders.samples import (
    ANNA,
    ANNA_HOME,
    BO,
    DUAN,
    POLICY,
    RUI,
    WANG,
    Story,
    amending,
    ask,
    by,
    in_state,
    rating,
    uid,
)

S = FollowUpState
CELLS = [(line, state) for line in TABLE.lines for state in (None, *TABLE.states)]


@pytest.mark.parametrize(("line", "state"), CELLS, ids=[f"{line.command.__name__}-{state}" for line, state in CELLS])
def test_a_command_is_taken_or_refused_with_its_code(line: Line[FollowUpState], state: FollowUpState | None) -> None:
    story = followed_up(state)
    expected = line.refusal(state)
    command = of_follow_up(line.command, story)  # type: ignore[arg-type]
    assert story.order is not None
    if expected is not None:
        assert story.refused(command).reason_code in {expected, "no_follow_up", "not_due"}
        with pytest.raises(Refused, match=expected):
            TABLE.require(command, story.order.follow_up.state if story.order.follow_up is not None else None)
        return
    events = story.do(command)
    assert {event.type for event in events} <= set(line.events)
    assert story.order.follow_up is not None
    assert story.order.follow_up.state in line.ways[state]
    assert (story.state is OrderState.FOLLOW_UP) == story.order.follow_up.is_open


def test_the_table_has_every_command_once() -> None:
    assert sorted(line.command.__name__ for line in TABLE.lines) == sorted(
        one.__name__ for one in AnyFollowUpCommand.__args__
    )


@pytest.mark.parametrize(
    ("score", "tags", "cause"),
    [
        (1, (), "low_rating"),
        (2, (), "low_rating"),
        (3, (), None),
        (3, ("late",), "tagged_rating"),
        (4, ("late",), None),
        (5, ("complaint",), "complaint"),
        (5, (), None),
    ],
)
def test_two_stars_three_with_a_tag_or_a_complaint_are_looked_into(
    score: int, tags: tuple[str, ...], cause: str | None
) -> None:
    assert cause_of(score, tags, POLICY) == cause
    story = in_state(OrderState.COMPLETED)
    story.do(rating(story.at, score=score, tags=tags))
    opened = [event for event in story.events if isinstance(event, FollowUpOpened)]
    assert [event.cause for event in opened] == ([cause] if cause is not None else [])
    assert story.state is (OrderState.FOLLOW_UP if cause is not None else OrderState.RATED)


def test_the_first_call_is_due_at_the_end_of_the_next_working_day() -> None:
    story = in_state(OrderState.COMPLETED)
    assert story.at.date() == datetime(2026, 3, 4, tzinfo=UTC).date()
    story.rate(1)
    opened = story.events[-1]
    assert isinstance(opened, FollowUpOpened)
    assert opened.due_at == datetime(2026, 3, 5, 16, 0, tzinfo=UTC)
    assert (opened.owner_role, opened.next_due_at, opened.next_due_for) == (Role.REVIEWER, opened.due_at, "contact")


def test_an_amendment_to_two_stars_opens_one_and_a_second_amendment_no_other() -> None:
    story = in_state(OrderState.RATED)
    story.do(amending(story.at, score=2))
    assert story.state is OrderState.FOLLOW_UP
    story.do(amending(story.at, score=1, rating_id=uid(702)))
    assert sum(isinstance(event, FollowUpOpened) for event in story.events) == 1


def test_whoever_had_a_part_in_it_does_not_review() -> None:
    story = followed_up(S.OPENED)
    dispatcher = by(DUAN, Role.REVIEWER, Channel.PHONE)
    assert story.refused(contact(story, dispatcher)).reason_code == "dispatcher_reviews"
    for person in (ANNA, WANG):
        assert story.refused(contact(story, by(person, Role.REVIEWER))).reason_code == "reviewer_involved"
    lives_there = contact(story, reviewer_household_id=ANNA_HOME)
    assert story.refused(lives_there).reason_code == "reviewer_involved"
    story.do(contact(story))


def test_a_rating_is_found_mistaken_by_two_reviewers_and_the_score_stays() -> None:
    story = followed_up(S.CONTACTED)
    assert story.refused(dismiss(story, seconded_by=RUI)).reason_code == "second_person_required"
    assert story.refused(dismiss(story, seconder_entitled=False)).reason_code == "seconder_not_entitled"
    assert story.refused(dismiss(story, seconded_by=DUAN)).reason_code == "dispatcher_reviews"
    story.do(dismiss(story))
    dismissed = story.events[-1]
    assert isinstance(dismissed, FollowUpDismissed)
    assert (dismissed.dismissed_by, dismissed.seconded_by, dismissed.volunteers) == (RUI, QIN, (ANNA,))
    assert story.refused(close_follow_up(story, second_score=5)).reason_code == "second_score_without_rectification"
    story.do(close_follow_up(story))
    closed = story.events[-1]
    assert isinstance(closed, FollowUpClosed)
    assert (closed.outcome, closed.first_score, story.order and story.order.score) == ("dismissed", 2, 2)


def test_a_rectification_takes_five_working_days_at_most_over_the_national_day() -> None:
    story = Story()
    story.at = datetime(2026, 9, 30, 2, 0, tzinfo=UTC)  # Wednesday before 国庆节; 10-10 is worked instead
    mine = followed_up(S.CONTACTED)
    story.order = mine.order
    ordered_by = rectify(story)
    assert ordered_by.deadlines.rectify_by == datetime(2026, 10, 13, 16, 0, tzinfo=UTC)
    late = rectify(story, due_at=ordered_by.deadlines.rectify_by + timedelta(seconds=1))
    assert story.refused(late).reason_code == "rectification_too_long"
    assert story.refused(rectify(story, due_at=story.at)).reason_code == "rectification_too_long"
    story.do(ordered_by)
    ordered = story.events[-1]
    assert isinstance(ordered, RectificationOrdered)
    assert (ordered.next_due_at, ordered.next_due_for, ordered.owner_role) == (
        ordered.due_at,
        "rectification",
        Role.VOLUNTEER,
    )


def test_nobody_puts_right_what_they_review_and_nobody_verifies_their_own() -> None:
    story = followed_up(S.CONTACTED)
    assert story.refused(rectify(story, responsible_id=RUI)).reason_code == "reviewer_responsible"
    stranger = rectify(story, responsible_id=BO, responsible_role=None)
    assert story.refused(stranger).reason_code == "responsible_not_entitled"
    story.do(rectify(story, responsible_id=QIN, responsible_role=Role.TEAM_LEADER))
    assert story.refused(report(story)).reason_code == "not_responsible"
    story.do(report(story, by(QIN, Role.TEAM_LEADER)))
    assert story.refused(verify(story, by=SECOND_REVIEWER)).reason_code == "responsible_verifies"
    assert story.refused(verify(story, by=by(ANNA, Role.PROXY))).reason_code == "server_judges"


def test_what_is_to_be_done_again_names_the_order_in_which_it_was() -> None:
    story = followed_up(S.CONTACTED)
    story.do(rectify(story, "redo"))
    assert story.refused(report(story)).reason_code == "rework_needed"
    assert story.refused(report(story, rework_order_id=uid(9))).reason_code == "rework_needed"
    story.do(report(story, rework_order_id=uid(9), rework_fits=True))


def test_a_rejected_rectification_goes_back_with_a_new_deadline() -> None:
    story = followed_up(S.RECTIFIED)
    story.do(verify(story, accepted=False))
    rejected = story.events[-1]
    assert isinstance(rejected, RectificationRejected)
    assert (rejected.rejections, rejected.follow_up_state) == (1, S.RECTIFYING)
    story.do(report(story))
    story.do(verify(story))
    story.do(close_follow_up(story, second_score=4))
    closed = story.events[-1]
    assert isinstance(closed, FollowUpClosed)
    assert (closed.first_score, closed.second_score, closed.state) == (2, 4, OrderState.RATED)
    (rated,) = [event for event in story.events if isinstance(event, OrderRated)]
    assert rated.score == 2


def test_what_is_late_rises_a_level_a_working_day_and_no_further_than_the_street() -> None:
    story = followed_up(S.OPENED)
    assert story.refused(ask(type(overdue(story)), SYSTEM, story.at, deadlines=overdue(story).deadlines)).facts
    levels = []
    for _ in range(3):
        escalate = overdue(story)
        story.at = escalate.at
        story.do(escalate)
        event = story.events[-1]
        assert isinstance(event, FollowUpOverdue)
        levels.append((event.level, event.to_role, event.stage))
    assert levels == [
        (1, Role.SOCIAL_WORKER, "contact"),
        (2, Role.STATION_MANAGER, "contact"),
        (3, Role.STREET_OFFICER, "contact"),
    ]
    assert story.events[-1].next_due_for == "decision"
    assert story.refused(overdue(story)).reason_code == "not_due"
    story.do(contact(story))
    assert story.order is not None
    assert story.order.follow_up is not None
    assert (story.order.follow_up.level, story.events[-1].next_due_for) == (0, "measure")


def test_no_order_closes_while_its_follow_up_is_open_and_closes_after_it() -> None:
    story = followed_up(S.VERIFIED)
    story.later(days=30)
    assert story.refused(ask(CloseOrder, SYSTEM, story.at)).reason_code == "follow_up_open"
    story.do(close_follow_up(story, SYSTEM))
    assert story.events[-1].state is OrderState.RATED
    story.do(ask(CloseOrder, SYSTEM, story.at))
    assert story.state is OrderState.CLOSED


def test_system_closes_without_a_second_score_when_its_time_is_over() -> None:
    story = followed_up(S.VERIFIED)
    assert story.refused(close_follow_up(story, SYSTEM)).reason_code == "not_due"
    story.later(hours=48).do(close_follow_up(story, SYSTEM))
    closed = story.events[-1]
    assert isinstance(closed, FollowUpClosed)
    assert (closed.second_score, closed.closed_by) == (None, None)


def test_a_complaint_after_a_closed_follow_up_opens_another() -> None:
    story = followed_up(S.CLOSED)
    story.do(complain(story))
    opened = story.events[-1]
    assert isinstance(opened, FollowUpOpened)
    assert (opened.cause, opened.opened_by, opened.follow_up_id) == ("complaint", WANG, uid(760))


def test_the_community_sets_what_is_looked_into() -> None:
    assert cause_of(3, (), Policy(follow_up_score_max=3)) == "low_rating"
