"""Named samples: invented people, one finished service, and commands about them. Nobody here lives anywhere."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.command import SYSTEM, By, Channel, Refused, Role
from contracts.volunteers import WeeklySlot
from services.volunteers.commands import helping, hours, people, teams, words

WANG, ANNA, BO, LEE, ZHAO, SUN = (UUID(int=(0x0197 << 112) | (7 << 76) | (2 << 62) | number) for number in range(1, 7))
"""Wang the resident, Anna and Bo the volunteers, Lee the manager, Zhao the auditor, Sun the supervisor: invented."""
ORDER, ASSIGNMENT, GRANT, RELATION, PROXY, PAPER, CORRECTION, EVENT = (UUID(int=100 + number) for number in range(8))
BLOCK, LICENCE = UUID(int=120), UUID(int=121)
EXPIRED = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)
"""The moment after 31 December 2026 in Shanghai."""
CLAIM = words.claim_id_of(ASSIGNMENT)
HOUSEHOLD = UUID(int=50)
NOON = datetime(2026, 3, 18, 4, 0, tzinfo=UTC)
"""12:00 in Shanghai."""
DIGEST = "ab" * 32


def by(person: UUID | None, role: Role) -> By:
    return SYSTEM if person is None else By(actor_id=person, role=role, channel=Channel.WEB)


MANAGER = by(LEE, Role.STATION_MANAGER)
AUDITOR = by(ZHAO, Role.HOURS_AUDITOR)
ADMIN = by(LEE, Role.ADMIN)


def register_person(**changes: Any) -> people.RegisterPerson:
    asked: dict[str, Any] = {
        "by": MANAGER,
        "at": NOON,
        "person_id": WANG,
        "household_id": HOUSEHOLD,
        "entrance_id": "entrance-001",
        "grid_id": "grid-01",
        "profile_ref": EVENT,
        "profile_commitment": DIGEST,
        "consents": ("personal_data", "service"),
        "consent_form": "spoken",
        "age_years": 71,
    }
    return people.RegisterPerson(**asked | changes)


def person_commands() -> dict[str, Any]:
    """One good command of each kind about Wang, whose story `known_wang` tells."""
    about: dict[str, Any] = {"by": MANAGER, "at": NOON, "person_id": WANG}
    admin: dict[str, Any] = {**about, "by": ADMIN}
    return {
        "RegisterPerson": register_person(),
        "MovePerson": people.MovePerson(**about, household_id=HOUSEHOLD, entrance_id="entrance-002", grid_id="grid-01"),
        "BlockPerson": people.BlockPerson(**about, block_id=UUID(int=6), other_id=BO, other_known=True),
        "UnblockPerson": people.UnblockPerson(**about, block_id=BLOCK),
        "GiveConsent": people.GiveConsent(**about, purpose="contact", form="spoken"),
        "WithdrawConsent": people.WithdrawConsent(**about, purpose="service"),
        "BootstrapAdmin": people.BootstrapAdmin(**about, grant_id=GRANT, admin_ever=False),
        "GrantRole": people.GrantRole(
            **admin, grant_id=UUID(int=9), granted_role=Role.DISPATCHER, scope="community", scope_id="chaoyangli"
        ),
        "RevokeRole": people.RevokeRole(**admin, grant_id=GRANT),
        "DeclareRelation": people.DeclareRelation(
            **about, relation_id=UUID(int=8), person_b_id=BO, kind="parent", other_known=True
        ),
        "EndRelation": people.EndRelation(**about, relation_id=RELATION),
        "AuthoriseProxy": people.AuthoriseProxy(
            **about, proxy_authorisation_id=UUID(int=7), proxy_id=BO, scope=("all",), other_known=True
        ),
        "EndProxy": people.EndProxy(**about, proxy_authorisation_id=PROXY),
        "ErasePerson": people.ErasePerson(**admin, purposes_erased=("profile",)),
    }


def volunteer_commands() -> dict[str, Any]:
    """One good command of each kind about Anna."""
    own: dict[str, Any] = {"by": by(ANNA, Role.VOLUNTEER), "at": NOON, "volunteer_id": ANNA}
    checked: dict[str, Any] = {**own, "by": MANAGER}
    return {
        "RegisterVolunteer": helping.RegisterVolunteer(
            **own,
            volunteer_no="1234567890",
            household_id=HOUSEHOLD,
            entrance_id="entrance-001",
            grid_id="grid-01",
            age_years=64,
        ),
        "RecordGuardianConsent": helping.RecordGuardianConsent(
            **own, guardian_id=WANG, guardian_related=True, form="written", age_years=8
        ),
        "RejectVolunteer": helping.RejectVolunteer(**checked, reason_code="not_shown"),
        "ExpireLicence": helping.ExpireLicence(**checked | {"by": SYSTEM, "at": EXPIRED}, licence_id=LICENCE),
        "RecordTraining": helping.RecordTraining(
            **checked, training_id=PAPER, training="safety", completed_on=date(2026, 3, 17)
        ),
        "VerifyIdentity": helping.VerifyIdentity(**checked, method="id_card_seen"),
        "DeclareSkill": helping.DeclareSkill(**own, skill="plumbing", level=1),
        "VerifySkill": helping.VerifySkill(**checked, skill="haircut", level=2),
        "RecordLicence": helping.RecordLicence(
            **checked, licence_id=PAPER, licence="nurse", expires_on=date(2026, 12, 31)
        ),
        "RecordInsurance": helping.RecordInsurance(
            **checked,
            insurance_id=PAPER,
            insurance="accident",
            valid_from=date(2026, 1, 1),
            expires_on=date(2026, 12, 31),
        ),
        "SetAvailability": helping.SetAvailability(
            **own, weekly=(WeeklySlot(weekday=2, from_minute=540, to_minute=720),)
        ),
        "PauseVolunteer": helping.PauseVolunteer(**own, pause_until=NOON + timedelta(days=9)),
        "ResumeVolunteer": helping.ResumeVolunteer(**own),
        "SuspendVolunteer": helping.SuspendVolunteer(
            **checked,
            reason_code="money_taken",
            suspended_until=NOON + timedelta(days=30),
            seconded_by=ZHAO,
            seconder_entitled=True,
        ),
        "ReinstateVolunteer": helping.ReinstateVolunteer(**checked),
        "WithdrawVolunteer": helping.WithdrawVolunteer(**own),
    }


TEAM = "haircut-team"


def team_commands() -> dict[str, Any]:
    """One good command of each kind about the barbers' team, which Anna, Bo and Wang are in."""
    about: dict[str, Any] = {"by": MANAGER, "at": NOON, "team_code": TEAM}
    return {
        "FoundTeam": teams.FoundTeam(**about | {"by": by(ANNA, Role.VOLUNTEER)}, founder_id=ANNA, active=True),
        "JoinTeam": teams.JoinTeam(**about, volunteer_id=ZHAO, active=True),
        "LeaveTeam": teams.LeaveTeam(**about, volunteer_id=BO),
        "AppointLeader": teams.AppointLeader(**about, leader_id=BO),
        "RegisterTeam": teams.RegisterTeam(**about),
        "MarkTeamDormant": teams.MarkTeamDormant(
            **about | {"by": SYSTEM, "at": NOON + timedelta(days=90)}, last_activity_at=NOON
        ),
        "DissolveTeam": teams.DissolveTeam(**about, reason_code="members_wish"),
    }


def claim_hours(minutes: int = 60, started_at: datetime = NOON, **changes: Any) -> hours.ClaimHours:
    finished_at = started_at + timedelta(minutes=minutes)
    asked: dict[str, Any] = {
        "by": SYSTEM,
        "at": finished_at,
        "claim_id": CLAIM,
        "volunteer_id": ANNA,
        "order_id": ORDER,
        "assignment_id": ASSIGNMENT,
        "beneficiary_id": WANG,
        "item_code": "haircut",
        "project_code": None,
        "started_at": started_at,
        "finished_at": finished_at,
        "minutes": minutes,
        "grade": "A",
        "source_event_id": EVENT,
        "due_at": finished_at + timedelta(days=7),
    }
    return hours.ClaimHours(**asked | changes)


LATER = NOON + timedelta(days=1)
DUE = NOON + timedelta(days=15)
ENTRY = UUID(int=300)


def confirm_hours(**changes: Any) -> hours.ConfirmHours:
    asked: dict[str, Any] = {"by": SYSTEM, "at": LATER, "claim_id": CLAIM, "confirmed_by": WANG}
    return hours.ConfirmHours(**{**asked, "presumed": False, "by_recipient": True} | changes)


def log_hours(logged_minutes: int = 0, overlaps: UUID | None = None, **changes: Any) -> hours.LogHours:
    day = hours.DayFacts(logged_minutes=logged_minutes, overlaps=overlaps)
    asked: dict[str, Any] = {"by": SYSTEM, "at": LATER, "claim_id": CLAIM, "day": day, "due_at": DUE}
    return hours.LogHours(**asked | changes)


def approve_hours(
    approver: By = AUDITOR, logged_minutes: int = 450, overlaps: UUID | None = None
) -> hours.ApproveHours:
    day = hours.DayFacts(logged_minutes=logged_minutes, overlaps=overlaps)
    return hours.ApproveHours(by=approver, at=LATER, claim_id=CLAIM, day=day)


def reject_hours(by: By = AUDITOR) -> hours.RejectHours:
    return hours.RejectHours(by=by, at=LATER, claim_id=CLAIM, reason_code="not_served")


def request_correction(by: By = SYSTEM, **changes: Any) -> hours.RequestCorrection:
    asked: dict[str, Any] = {"correction_id": CORRECTION, "cause": "overlap", "due_at": DUE}
    return hours.RequestCorrection(by=by, at=LATER, claim_id=CLAIM, **asked | changes)


def claim_by_hand(by: By = by(ANNA, Role.VOLUNTEER), minutes: int = 60, **changes: Any) -> hours.ClaimHoursManually:
    finished_at = NOON + timedelta(minutes=minutes)
    asked: dict[str, Any] = {
        "at": LATER,
        "claim_id": CLAIM,
        "volunteer_id": ANNA,
        "volunteer_active": True,
        "same_household": False,
        "beneficiary_id": WANG,
        "item_code": "haircut",
        "project_code": "neighbours_watch",
        "started_at": NOON,
        "finished_at": finished_at,
        "attachment_sha256": DIGEST,
        "due_at": DUE,
    }
    return hours.ClaimHoursManually(by=by, **asked | changes)


def hold_hours() -> hours.HoldHours:
    return hours.HoldHours(by=SYSTEM, at=LATER, claim_id=CLAIM, due_at=DUE)


def release_hours(logged_minutes: int = 0, overlaps: UUID | None = None) -> hours.ReleaseHours:
    day = hours.DayFacts(logged_minutes=logged_minutes, overlaps=overlaps)
    return hours.ReleaseHours(by=SYSTEM, at=LATER, claim_id=CLAIM, day=day, due_at=DUE)


def _answering(logged_minutes: int, entry: UUID | None, **changes: Any) -> dict[str, Any]:
    return {
        "at": LATER,
        "claim_id": CLAIM,
        "correction_id": CORRECTION,
        "explanation_ref": EVENT,
        "explanation_commitment": DIGEST,
        "day": hours.DayFacts(logged_minutes=logged_minutes),
        "entry": hours.EntryFacts(answered=True, standing=entry),
    } | changes


def adjust_hours(by: By = AUDITOR, delta: int = -10, logged_minutes: int = 60, **changes: Any) -> hours.AdjustHours:
    reason_code = "minutes_wrong" if delta else "upheld"
    fields: dict[str, Any] = {"delta": delta, "reason_code": reason_code} | _answering(logged_minutes, ENTRY) | changes
    return hours.AdjustHours(by=by, **fields)


def void_hours(by: By = AUDITOR, logged_minutes: int = 60, **changes: Any) -> hours.VoidHours:
    return hours.VoidHours(by=by, **{"reason_code": "not_served"} | _answering(logged_minutes, ENTRY) | changes)


def draw_sample() -> hours.DrawSample:
    month = date(2026, 3, 1)
    return hours.DrawSample(
        by=SYSTEM, at=LATER, claim_id=CLAIM, month_start=month, seed=DIGEST, population=20, due_at=DUE
    )


def record_sample(by: By = by(SUN, Role.SUPERVISOR), result: Any = "confirmed") -> hours.RecordSample:
    return hours.RecordSample(
        by=by, at=LATER, claim_id=CLAIM, result=result, correction_id=CORRECTION, correction_due_at=DUE
    )


class Story:
    """given(commands that happened).when(command).then(events) or .is_refused(code), on a decider's module."""

    def __init__(self, decider: Any, *happened: Any) -> None:
        self.decider = decider
        self.state = decider.initial()
        for command in happened:
            self.when(command)
        self.events: Sequence[Any] = ()

    def when(self, command: Any) -> "Story":
        self.events = self.decider.decide(command, self.state)
        for event in self.events:
            self.state = self.decider.evolve(self.state, event)
        return self

    def then(self, *types: str) -> Any:
        """The events are of these types; returns the last one."""
        assert [event.type for event in self.events] == list(types)
        return self.events[-1] if self.events else None

    def refuses(self, command: Any, reason_code: str) -> dict[str, Any]:
        """The command is refused with this code; returns the facts."""
        before = self.state
        with pytest.raises(Refused) as refused:
            self.decider.decide(command, self.state)
        assert refused.value.reason_code == reason_code
        assert self.state == before
        return refused.value.facts
