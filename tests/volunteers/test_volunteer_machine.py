"""Whatever is asked of volunteers and of a team, by whomever and in whatever order: what must hold, holds."""

from datetime import timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from contracts.command import Refused, Role
from services.volunteers.commands import helping as ask
from services.volunteers.commands import teams as team_ask
from services.volunteers.decider import helping, teams
from services.volunteers.decider.lifecycle import TEAM_LIFECYCLE, VOLUNTEER_LIFECYCLE
from services.volunteers.decider.volunteer import LIVE
from tests.volunteers.examples import ANNA, BO, LEE, NOON, TEAM, WANG, ZHAO, by

WHO = st.sampled_from([ANNA, BO, LEE, ZHAO])
CAUSES = st.sampled_from(["safety", "conduct", "declined", "offer_declined", "unfriendly"])
DAYS = st.integers(1, 40)


class OneVolunteer(RuleBasedStateMachine):
    """Anna, of an age that is drawn; time only goes forward. Facts are as the tables would say them."""

    def __init__(self):
        super().__init__()
        self.volunteer, self.now = helping.initial(), NOON
        self.events = []
        self.licences = []

    def ask(self, command_class, who=ANNA, role=Role.STATION_MANAGER, **fields):
        command = command_class(by=by(who, role), at=self.now, volunteer_id=ANNA, **fields)
        before = self.volunteer
        answer = VOLUNTEER_LIFECYCLE.refusal(command_class, before.state)
        assert answer != "wrong_state", "a row that does not say what it answers"
        try:
            events = helping.decide(command, before)
        except Refused:
            return []
        assert answer is None, "an event where the table has none"
        row = VOLUNTEER_LIFECYCLE.row(command_class)
        for event in events:
            assert event.type in row.events
            self.volunteer = helping.evolve(self.volunteer, event)
        self.events += [(self.now, who, role, event) for event in events]
        moved = self.volunteer.state
        assert moved == before.state or moved in row.leads_to, (before.state, command_class.__name__, moved)
        return events

    @rule(days=DAYS)
    def wait(self, days):
        self.now += timedelta(days=days)

    @rule(
        age=st.integers(3, 80), guardian=st.sampled_from([None, WANG]), number=st.integers(1_000_000_000, 9_999_999_999)
    )
    def register(self, age, guardian, number):
        places = {"household_id": None, "entrance_id": None, "grid_id": None}
        facts = {"age_years": age, "consenting_guardian_id": guardian}
        self.ask(ask.RegisterVolunteer, role=Role.RESIDENT, volunteer_no=str(number), **places, **facts)

    @rule(age=st.integers(6, 15), related=st.booleans())
    def guardian_consents(self, age, related):
        fields = {"guardian_id": WANG, "guardian_related": related, "form": "written", "age_years": age}
        self.ask(ask.RecordGuardianConsent, WANG, Role.RESIDENT, **fields)

    @rule(who=WHO)
    def verify(self, who):
        self.ask(ask.VerifyIdentity, who, method="id_card_seen")

    @rule(who=WHO)
    def reject(self, who):
        self.ask(ask.RejectVolunteer, who, reason_code="not_shown")

    @rule(days=st.one_of(st.none(), st.integers(-1, 40)))
    def pause(self, days):
        until = None if days is None else self.now + timedelta(days=days)
        self.ask(ask.PauseVolunteer, role=Role.VOLUNTEER, pause_until=until)

    @rule(timer=st.booleans())
    def resume(self, timer):
        self.ask(ask.ResumeVolunteer, None if timer else ANNA, Role.SYSTEM if timer else Role.VOLUNTEER)

    @rule(who=WHO, second=WHO, cause=CAUSES, days=st.integers(-1, 60), entitled=st.booleans())
    def suspend(self, who, second, cause, days, entitled):
        fields = {"seconded_by": second, "seconder_entitled": entitled, "reason_code": cause}
        self.ask(ask.SuspendVolunteer, who, suspended_until=self.now + timedelta(days=days), **fields)

    @rule(who=WHO, why=st.sampled_from(["appeal_upheld", "cause_gone"]))
    def reinstate(self, who, why):
        before = self.volunteer
        if self.ask(ask.ReinstateVolunteer, who, reason_code=why):
            assert why != "appeal_upheld" or who not in before.suspended_by

    @rule()
    def reinstate_by_timer(self):
        before = self.volunteer
        if self.ask(ask.ReinstateVolunteer, None, Role.SYSTEM):
            assert before.barred_until is not None
            assert before.barred_until <= self.now

    @rule(days=st.integers(-1, 30))
    def record_licence(self, days):
        licence_id = UUID(int=7000 + len(self.licences))
        expires_on = (self.now + timedelta(days=days)).date()
        fields = {"licence_id": licence_id, "licence": "medical", "expires_on": expires_on}
        if self.ask(ask.RecordLicence, LEE, **fields):
            self.licences.append(licence_id)

    @precondition(lambda self: self.licences)
    @rule(data=st.data())
    def expire_licence(self, data):
        licence_id = data.draw(st.sampled_from(self.licences))
        held = self.volunteer.licences.get(licence_id)
        if self.ask(ask.ExpireLicence, None, Role.SYSTEM, licence_id=licence_id):
            assert held is not None
            assert held.due_at <= self.now

    @rule()
    def withdraw(self):
        self.ask(ask.WithdrawVolunteer, role=Role.VOLUNTEER)

    @invariant()
    def one_person_has_one_number(self):
        numbers = {event.volunteer_no for *_, event in self.events if event.type == "VolunteerRegistered"}
        assert len(numbers) <= 1

    @invariant()
    def nobody_active_is_too_young_or_without_a_guardian(self):
        for *_, event in self.events:
            assert event.type != "VolunteerRegistered" or not (event.accompanied_only and not event.guardian_required)
        if self.volunteer.state in {"ACTIVE", "PAUSED", "SUSPENDED"}:
            assert not self.volunteer.guardian_required or self.volunteer.guardian_id is not None

    @invariant()
    def a_suspension_has_two_people_a_cause_and_an_end(self):
        for at, who, _, event in self.events:
            if event.type == "VolunteerSuspended":
                assert len({who, event.seconded_by, ANNA}) == 3
                assert event.reason_code in helping.SUSPENSION_CAUSES
                assert event.due_at > at

    @invariant()
    def who_is_barred_does_not_come_back_before(self):
        barred = None
        for at, *_, event in self.events:
            if event.type == "VolunteerSuspended":
                barred = event.due_at
            elif event.type == "VolunteerReinstated":
                barred = None
            elif event.type == "VolunteerRegistered":
                assert barred is None or at >= barred

    @invariant()
    def folding_again_gives_the_same(self):
        again = helping.initial()
        for *_, event in self.events:
            again = helping.evolve(again, event)
        assert again == self.volunteer
        assert (self.volunteer.state in LIVE) == (self.volunteer.state not in {"NONE", "REJECTED", "WITHDRAWN"})


class OneTeam(RuleBasedStateMachine):
    """The barbers' team; facts are as the tables would say them."""

    PEOPLE = (ANNA, BO, LEE, WANG, ZHAO)

    def __init__(self):
        super().__init__()
        self.team, self.now = teams.initial(), NOON
        self.events = []

    def ask(self, command_class, who=LEE, role=Role.STATION_MANAGER, **fields):
        command = command_class(by=by(who, role), at=self.now, team_code=TEAM, **fields)
        before = self.team
        answer = TEAM_LIFECYCLE.refusal(command_class, before.state)
        assert answer != "wrong_state", "a row that does not say what it answers"
        try:
            events = teams.decide(command, before)
        except Refused:
            return []
        assert answer is None, "an event where the table has none"
        row = TEAM_LIFECYCLE.row(command_class)
        for event in events:
            assert event.type in row.events
            self.team = teams.evolve(self.team, event)
        self.events += events
        assert self.team.state == before.state or self.team.state in row.leads_to
        return events

    @rule(days=DAYS)
    def wait(self, days):
        self.now += timedelta(days=days)

    @rule(who=st.sampled_from(PEOPLE), active=st.booleans())
    def found(self, who, active):
        self.ask(team_ask.FoundTeam, who, Role.VOLUNTEER, founder_id=who, active=active)

    @rule(who=st.sampled_from(PEOPLE), active=st.booleans())
    def join(self, who, active):
        self.ask(team_ask.JoinTeam, who, Role.VOLUNTEER, volunteer_id=who, active=active)

    @rule(who=st.sampled_from(PEOPLE))
    def leave(self, who):
        self.ask(team_ask.LeaveTeam, who, Role.VOLUNTEER, volunteer_id=who)

    @rule(who=st.sampled_from(PEOPLE), leader=st.sampled_from(PEOPLE), days=st.integers(-1, 1_200))
    def appoint(self, who, leader, days):
        until = self.now + timedelta(days=days)
        if self.ask(team_ask.AppointLeader, who, leader_id=leader, term_until=until):
            assert who != leader

    @rule()
    def register(self):
        if self.ask(team_ask.RegisterTeam):
            assert len(self.team.members) >= 3
            assert self.team.led_by(self.now) is not None

    @precondition(lambda self: self.team.members)
    @rule(days=st.integers(0, 200))
    def fall_asleep(self, days):
        last = max([*self.team.members.values(), self.now - timedelta(days=days)])
        if self.ask(team_ask.MarkTeamDormant, None, Role.SYSTEM, last_activity_at=last):
            assert self.now - last >= timedelta(days=90)

    @rule()
    def dissolve(self):
        self.ask(team_ask.DissolveTeam, reason_code="members_wish")

    @invariant()
    def the_leader_is_a_member(self):
        assert self.team.leader_id is None or self.team.leader_id in self.team.members

    @invariant()
    def an_ended_team_has_nobody(self):
        if self.team.state in {"NONE", "DISSOLVED"}:
            assert not self.team.members
            assert self.team.led_by(self.now) is None

    @invariant()
    def every_event_says_how_many_there_are(self):
        members: set[UUID] = set()
        for event in self.events:
            if event.type in {"TeamFounded", "TeamDissolved"}:
                assert event.type == "TeamFounded" or event.members == len(members)
                members = set()
            elif event.type == "MemberJoined":
                assert event.volunteer_id not in members
                members.add(event.volunteer_id)
                assert event.members == len(members)
            elif event.type == "MemberLeft":
                members.remove(event.volunteer_id)
                assert event.members == len(members)
        assert members == set(self.team.members)

    @invariant()
    def folding_again_gives_the_same(self):
        again = teams.initial()
        for event in self.events:
            again = teams.evolve(again, event)
        assert again == self.team


TestOneVolunteer = OneVolunteer.TestCase
TestOneVolunteer.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestOneTeam = OneTeam.TestCase
TestOneTeam.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
