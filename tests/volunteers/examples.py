"""Named samples: invented people, one finished service, and commands about them. Nobody here lives anywhere."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.command import SYSTEM, By, Channel, Refused, Role
from contracts.volunteers import WeeklySlot
from services.volunteers.commands import helping, hours, people, words

WANG, ANNA, BO, LEE, ZHAO = (UUID(int=(0x0197 << 112) | (7 << 76) | (2 << 62) | number) for number in range(1, 6))
"""Wang the resident, Anna and Bo the volunteers, Lee the station manager, Zhao the auditor; all invented."""
ORDER, ASSIGNMENT, GRANT, RELATION, PROXY, PAPER, CORRECTION, EVENT = (UUID(int=100 + number) for number in range(8))
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
            guardian_consented=False,
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
    }
    return hours.ClaimHours(**asked | changes)


LATER = NOON + timedelta(days=1)


def confirm_hours(**changes: Any) -> hours.ConfirmHours:
    asked: dict[str, Any] = {"by": SYSTEM, "at": LATER, "claim_id": CLAIM, "confirmed_by": WANG}
    return hours.ConfirmHours(**{**asked, "presumed": False, "by_recipient": True} | changes)


def log_hours(logged_minutes: int = 0, overlaps: UUID | None = None, **changes: Any) -> hours.LogHours:
    day = hours.DayFacts(logged_minutes=logged_minutes, overlaps=overlaps)
    asked: dict[str, Any] = {"by": SYSTEM, "at": LATER, "claim_id": CLAIM, "day": day}
    return hours.LogHours(**asked | changes)


def approve_hours(
    approver: By = AUDITOR, logged_minutes: int = 450, overlaps: UUID | None = None
) -> hours.ApproveHours:
    day = hours.DayFacts(logged_minutes=logged_minutes, overlaps=overlaps)
    return hours.ApproveHours(by=approver, at=LATER, claim_id=CLAIM, day=day)


def reject_hours(by: By = AUDITOR) -> hours.RejectHours:
    return hours.RejectHours(by=by, at=LATER, claim_id=CLAIM, reason_code="not_served")


def request_correction() -> hours.RequestCorrection:
    return hours.RequestCorrection(by=SYSTEM, at=LATER, claim_id=CLAIM, correction_id=CORRECTION, cause="overlap")


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
