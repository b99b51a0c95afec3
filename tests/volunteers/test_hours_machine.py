"""Whatever is asked of one volunteer's claims, in whatever order: the caps, the approvals and the intervals hold."""

from datetime import timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from contracts.command import Refused, Role
from contracts.volunteers import HoursAdjusted, HoursVoided
from services.volunteers.commands import hours as commands
from services.volunteers.commands.words import claim_id_of
from services.volunteers.decider import hours
from tests.volunteers.examples import (
    ANNA,
    LEE,
    NOON,
    WANG,
    ZHAO,
    adjust_hours,
    by,
    claim_hours,
    confirm_hours,
    request_correction,
    void_hours,
)

MIDNIGHT = NOON - timedelta(hours=12)
LATER = MIDNIGHT + timedelta(days=3)
"""After the latest end that a claim below can have."""
AFTER_THE_CREDIT = {"CorrectionRequested", "HoursAdjusted", "HoursVoided"}
PEOPLE = [by(ZHAO, Role.HOURS_AUDITOR), by(LEE, Role.STATION_MANAGER), by(ANNA, Role.HOURS_AUDITOR)]


class OneVolunteersHours(RuleBasedStateMachine):
    """All claims lie on one day and belong to Anna; the facts are what a table of the logged ones would say."""

    claims = Bundle("claims")

    def __init__(self):
        super().__init__()
        self.states: dict[UUID, hours.Claim] = {}
        self.logged = []
        self.number = 0
        self.minutes: dict[UUID, int] = {}
        self.corrected = []

    def standing(self):
        """The credited minutes as they stand, by claim."""
        return {event.claim_id: self.minutes.get(event.claim_id, event.minutes) for event, _ in self.logged}

    def ask(self, command):
        state = self.states.get(command.claim_id, hours.initial())
        try:
            events = hours.decide(command, state)
        except Refused:
            return
        for event in events:
            assert state.state is not hours.ClaimState.REJECTED, "a rejected claim moved"
            assert state.state is not hours.ClaimState.VOIDED, "a voided claim moved"
            assert state.state is not hours.ClaimState.LOGGED or event.type in AFTER_THE_CREDIT
            resolves = isinstance(command, commands.ReleaseHours)
            assert resolves or not (state.disputed and event.type in {"HoursLogged", "HoursApproved"})
            state = hours.evolve(state, event)
            if event.type == "HoursLogged":
                self.logged.append((event, state))
            if isinstance(event, HoursAdjusted | HoursVoided):
                self.corrected.append((event, sum(self.standing().values()) - self.standing()[event.claim_id]))
                self.minutes[event.claim_id] = event.minutes if isinstance(event, HoursAdjusted) else 0
        self.states[command.claim_id] = state

    def facts(self, claim_id):
        claimed = self.states[claim_id].interval
        overlapping = [
            event.claim_id
            for event, _ in self.logged
            if event.claim_id != claim_id
            and self.states[event.claim_id].state is hours.ClaimState.LOGGED
            and event.started_at < claimed.finished_at
            and event.finished_at > claimed.started_at
        ]
        total = sum(self.standing().values())
        return commands.DayFacts(logged_minutes=total, overlaps=overlapping[0] if overlapping else None)

    @rule(target=claims, start=st.integers(0, 1439), minutes=st.integers(1, 800), grade=st.sampled_from("AB"))
    def claim(self, start, minutes, grade):
        self.number += 1
        assignment_id = UUID(int=self.number)
        started_at = MIDNIGHT + timedelta(minutes=start)
        claim_id = claim_id_of(assignment_id)
        self.ask(
            claim_hours(minutes, started_at, assignment_id=assignment_id, claim_id=claim_id, grade=grade, at=LATER)
        )
        return claim_id

    @rule(claim_id=claims, presumed=st.booleans(), who=st.sampled_from([WANG, ANNA, LEE]))
    def confirm(self, claim_id, presumed, who):
        confirmed_by = None if presumed else who
        by_recipient = confirmed_by == WANG
        self.ask(
            confirm_hours(claim_id=claim_id, confirmed_by=confirmed_by, presumed=presumed, by_recipient=by_recipient)
        )

    @rule(claim_id=claims)
    def log(self, claim_id):
        self.ask(
            commands.LogHours(
                by=by(None, Role.SYSTEM), at=LATER, claim_id=claim_id, day=self.facts(claim_id), due_at=LATER
            )
        )

    @rule(claim_id=claims, who=st.sampled_from(PEOPLE))
    def approve(self, claim_id, who):
        self.ask(commands.ApproveHours(by=who, at=LATER, claim_id=claim_id, day=self.facts(claim_id)))

    @rule(claim_id=consumes(claims), who=st.sampled_from(PEOPLE))
    def reject(self, claim_id, who):
        self.ask(commands.RejectHours(by=who, at=LATER, claim_id=claim_id, reason_code="not_served"))

    @rule(claim_id=claims)
    def dispute(self, claim_id):
        self.ask(commands.HoldHours(by=by(None, Role.SYSTEM), at=LATER, claim_id=claim_id, due_at=LATER))

    @rule(claim_id=claims)
    def resolve(self, claim_id):
        day = self.facts(claim_id)
        self.ask(commands.ReleaseHours(by=by(None, Role.SYSTEM), at=LATER, claim_id=claim_id, day=day, due_at=LATER))

    @rule(claim_id=claims, who=st.sampled_from(PEOPLE))
    def doubt(self, claim_id, who):
        self.ask(request_correction(who).model_copy(update={"claim_id": claim_id, "at": LATER}))

    @rule(claim_id=claims, who=st.sampled_from(PEOPLE), delta=st.integers(-60, 60))
    def answer(self, claim_id, who, delta):
        day = self.facts(claim_id)
        ask = void_hours(who, day=day) if delta == 60 else adjust_hours(who, delta=delta, day=day)
        self.ask(ask.model_copy(update={"claim_id": claim_id}))

    @invariant()
    def corrections_take_two_persons_and_state_the_day(self):
        for event, others in self.corrected:
            assert event.approved_by not in {ANNA, event.requested_by}
            left = event.minutes if isinstance(event, HoursAdjusted) else 0
            assert event.day_minutes == others + left
        assert 0 <= sum(self.standing().values()) <= 1440

    @invariant()
    def no_two_logged_intervals_overlap(self):
        live = [event for event, _ in self.logged if self.states[event.claim_id].state is hours.ClaimState.LOGGED]
        events = sorted(live, key=lambda event: event.started_at)
        for number, event in enumerate(events[1:]):
            assert events[number].finished_at <= event.started_at

    @invariant()
    def no_claim_is_logged_twice(self):
        assert len({event.claim_id for event, _ in self.logged}) == len(self.logged)

    @invariant()
    def totals_are_stated_and_approved(self):
        for event, state in self.logged:
            total = event.day_minutes
            assert total <= 1440
            assert 5 <= event.minutes <= 720
            approvers = {approval.person_id for approval in event.approvals}
            assert ANNA not in approvers
            assert len(approvers) >= (0 if total <= 480 else 1 if total <= 720 else 2)
            assert total <= 480 or any(approval.role is Role.HOURS_AUDITOR for approval in event.approvals)
            assert state.confirmed


TestOneVolunteersHours = OneVolunteersHours.TestCase
TestOneVolunteersHours.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
