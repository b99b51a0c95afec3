"""Any sequence of what people and timers may ask of a bad rating: domain.md's invariants hold after every step."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.command import SYSTEM, By, Channel, Refused, Role
from contracts.orders import (
    FollowUpClosed,
    FollowUpContacted,
    FollowUpDismissed,
    FollowUpFact,
    FollowUpOpened,
    FollowUpOverdue,
    FollowUpState,
    OrderRated,
    OrderState,
    RectificationOrdered,
    RectificationReported,
    RectificationVerified,
)
from services.orders.commands.serving import CloseOrder
from services.orders.decider.due import falls_due
from services.orders.decider.follow_up_state import TABLE
from services.orders.policy import working_deadlines
from tests.orders.aside import QIN, close_follow_up, complain, contact, dismiss, rectify, report, verify
from tests.orders.samples import ANNA, DUAN, RESIDENT_WANG, RUI, WANG, amending, ask, by, in_state, rating, uid

PEOPLE = (WANG, ANNA, DUAN, RUI, QIN)
REVIEWERS = st.sampled_from([by(person, Role.REVIEWER, Channel.PHONE) for person in PEOPLE])
ANYBODY = st.sampled_from(PEOPLE)
ENTITLED = {RUI, QIN}
"""Who had no part in the service."""


class FollowUpMachine(RuleBasedStateMachine):
    """One order, rated badly or well, and everybody who might meddle."""

    @initialize(score=st.integers(1, 5), tagged=st.booleans())
    def rated(self, score: int, tagged: bool) -> None:
        self.story = in_state(OrderState.COMPLETED)
        self.first = score
        self._rating = 0
        self.story.do(rating(self.story.at, score=score, tags=("late",) if tagged else ()))

    def ask(self, command: Any) -> None:
        before = len(self.story.events)
        try:
            self.story.do(command)
        except Refused:
            assert len(self.story.events) == before

    @rule(hours=st.sampled_from([1, 20, 49, 200]))
    def time_passes(self, hours: int) -> None:
        self.story.later(hours=hours)

    @rule(score=st.integers(1, 5))
    def amend(self, score: int) -> None:
        self._rating += 1
        self.ask(amending(self.story.at, score=score, rating_id=uid(5_000 + self._rating)))

    @rule()
    def complain(self) -> None:
        self.ask(complain(self.story))

    @rule(reviewer=REVIEWERS)
    def call(self, reviewer: By) -> None:
        self.ask(contact(self.story, reviewer))

    @rule(reviewer=REVIEWERS, second=ANYBODY)
    def dismiss(self, reviewer: By, second: UUID) -> None:
        self.ask(dismiss(self.story, reviewer, seconded_by=second))

    @rule(reviewer=REVIEWERS, responsible=ANYBODY, measure=st.sampled_from(["apology", "redo", "retrain"]))
    def order(self, reviewer: By, responsible: UUID, measure: Any) -> None:
        self.ask(rectify(self.story, measure, reviewer, responsible_id=responsible))

    @rule(who=ANYBODY, fits=st.booleans())
    def report(self, who: UUID, fits: bool) -> None:
        self.ask(report(self.story, by(who, Role.TEAM_LEADER), rework_order_id=uid(9), rework_fits=fits))

    @rule(accepted=st.booleans(), reviewer=st.one_of(st.just(RESIDENT_WANG), REVIEWERS))
    def verify(self, accepted: bool, reviewer: By) -> None:
        self.ask(verify(self.story, accepted, reviewer))

    @rule(reviewer=st.one_of(st.just(SYSTEM), REVIEWERS), score=st.none() | st.integers(1, 5))
    def close(self, reviewer: By, score: int | None) -> None:
        self.ask(close_follow_up(self.story, reviewer, second_score=score))

    @rule()
    def close_order(self) -> None:
        self.ask(ask(CloseOrder, SYSTEM, self.story.at))

    @rule()
    def timer(self) -> None:
        """A deadline fires once: the second firing of the same one is refused."""
        order = self.story.order
        assert order is not None
        due = falls_due(order, self.story.at, self.story.policy, working_deadlines(self.story.at))
        if due is None:
            return
        self.story.do(due)
        assert self.story.order is not None
        if self.story.order.due_at is None or self.story.order.due_at > self.story.at:
            self.story.refused(due)

    @invariant()
    def the_first_score_is_never_changed(self) -> None:
        ratings = [event for event in self.story.events if isinstance(event, OrderRated)]
        assert [event.score for event in ratings] == [self.first]
        assert self.story.order is not None
        assert self.story.order.first_score == self.first
        closed = [event for event in self.story.events if isinstance(event, FollowUpClosed)]
        assert all(event.first_score == self.first for event in closed)

    @invariant()
    def the_order_waits_exactly_while_its_follow_up_is_open(self) -> None:
        order = self.story.order
        assert order is not None
        is_open = order.follow_up is not None and order.follow_up.is_open
        assert (order.state is OrderState.FOLLOW_UP) == is_open
        if is_open:
            assert order.due_at is not None
            assert self.story.events[-1].owner_role is not None
        opened = sum(isinstance(event, FollowUpOpened) for event in self.story.events)
        ended = sum(isinstance(event, FollowUpClosed) for event in self.story.events)
        assert opened - ended == is_open

    @invariant()
    def whoever_had_a_part_in_it_never_reviewed(self) -> None:
        for event in self.story.events:
            if isinstance(event, FollowUpContacted):
                assert event.contacted_by in ENTITLED
            if isinstance(event, FollowUpDismissed):
                assert {event.dismissed_by, event.seconded_by} == ENTITLED
            if isinstance(event, RectificationOrdered):
                assert event.ordered_by in ENTITLED
                assert event.responsible_id != event.ordered_by
                assert event.ordered_at < event.due_at <= event.ordered_at + timedelta(days=16)
            if isinstance(event, RectificationVerified):
                assert event.verified_by in ENTITLED | {WANG}

    @invariant()
    def nothing_is_verified_that_was_not_reported_by_who_was_responsible(self) -> None:
        responsible: UUID | None = None
        reporter: UUID | None = None
        for event in self.story.events:
            if isinstance(event, RectificationOrdered):
                responsible, reporter = event.responsible_id, None
            if isinstance(event, RectificationReported):
                reporter = event.reported_by
                assert reporter == responsible
            if isinstance(event, RectificationVerified):
                assert reporter is not None
                assert event.verified_by != responsible

    @invariant()
    def every_step_is_one_of_the_table(self) -> None:
        ways = {event: line for line in TABLE.lines for event in line.events}
        state: FollowUpState | None = None
        for event in self.story.events:
            if isinstance(event, FollowUpFact):
                line = ways[event.type]
                assert event.follow_up_state in line.ways[state], (state, event.type)
                state = event.follow_up_state

    @invariant()
    def levels_only_rise_while_a_deadline_lasts(self) -> None:
        level = 0
        for event in self.story.events:
            if isinstance(event, FollowUpOverdue):
                assert event.level == level + 1
                level = event.level
            elif isinstance(event, FollowUpFact):
                level = 0


FollowUpMachine.TestCase.settings = settings(
    max_examples=80, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestFollowUps = FollowUpMachine.TestCase
