"""A volunteer: –registered→ PENDING –verified→ ACTIVE ↔ PAUSED, SUSPENDED, and WITHDRAWN (domain.md §4.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import assert_never

from contracts.command import Refused
from contracts.volunteers import (
    AvailabilitySet,
    IdentityVerified,
    InsuranceRecorded,
    LicenceRecorded,
    SkillDeclared,
    SkillVerified,
    VolunteerActivated,
    VolunteerEvent,
    VolunteerNo,
    VolunteerPaused,
    VolunteerRegistered,
    VolunteerReinstated,
    VolunteerResumed,
    VolunteerSuspended,
    VolunteerWithdrawn,
)
from services.volunteers.commands.helping import (
    AnyVolunteerCommand,
    DeclareSkill,
    PauseVolunteer,
    RecordInsurance,
    RecordLicence,
    RegisterVolunteer,
    ReinstateVolunteer,
    ResumeVolunteer,
    SetAvailability,
    SuspendVolunteer,
    VerifyIdentity,
    VerifySkill,
    WithdrawVolunteer,
)
from services.volunteers.commands.hours import SHANGHAI

NEVER_A_CAUSE = frozenset({"declined", "offer_declined"})
"""Declining an offer costs nothing, so nobody can be suspended for it (志愿服务条例 §25)."""


class VolunteerState(StrEnum):
    """Where volunteering stands."""

    NONE = "NONE"
    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    SUSPENDED = "SUSPENDED"
    WITHDRAWN = "WITHDRAWN"


@dataclass(frozen=True, slots=True)
class Volunteer:
    """What the rules need to know of a volunteer."""

    state: VolunteerState = VolunteerState.NONE
    volunteer_no: VolunteerNo | None = None
    barred_until: datetime | None = None
    """The end of the last suspension, which a withdrawal does not shorten."""
    skills: Mapping[str, int] = field(default_factory=dict)
    """Skill → the level it was verified at; 0: declared only."""


Events = Sequence[VolunteerEvent]
LIVE = frozenset({VolunteerState.PENDING, VolunteerState.ACTIVE, VolunteerState.PAUSED, VolunteerState.SUSPENDED})


def initial() -> Volunteer:
    """Somebody who has not offered to help."""
    return Volunteer()


def decide(command: AnyVolunteerCommand, volunteer: Volunteer) -> Events:
    """The events that a command comes to. Raises Refused."""
    if not isinstance(command, RegisterVolunteer):
        if volunteer.state is VolunteerState.NONE:
            raise Refused("volunteer_unknown")
        if volunteer.state is VolunteerState.WITHDRAWN:
            raise Refused("volunteer_withdrawn")
    match command:
        case RegisterVolunteer():
            return _register(command, volunteer)
        case VerifyIdentity():
            return _verify_identity(command, volunteer)
        case DeclareSkill() | VerifySkill():
            return _skill(command, volunteer)
        case RecordLicence() | RecordInsurance():
            return _paper(command)
        case SetAvailability():
            return _availability(command)
        case PauseVolunteer() | ResumeVolunteer():
            return _rest(command, volunteer)
        case SuspendVolunteer():
            return _suspend(command, volunteer)
        case ReinstateVolunteer():
            return _reinstate(command, volunteer)
        case WithdrawVolunteer():
            withdrawn = VolunteerWithdrawn(
                volunteer_id=command.volunteer_id,
                reason_code=command.reason_code,
                role=command.by.role,
                withdrawn_at=command.at,
            )
            return [withdrawn]
        case _:
            assert_never(command)


def _register(command: RegisterVolunteer, volunteer: Volunteer) -> Events:
    """One person, one number, for life: who withdrew may come back under it, and is verified again (domain.md §4.3)."""
    if volunteer.state in LIVE:
        raise Refused("volunteer_registered_already")
    if volunteer.barred_until is not None and command.at < volunteer.barred_until:
        raise Refused("suspended_until", until=volunteer.barred_until)
    ages = command.ages
    if command.age_years is None:
        raise Refused("birth_date_required")
    if command.age_years < ages.volunteer_years_min:
        raise Refused("too_young", years_min=ages.volunteer_years_min)
    guardian_required = command.age_years < ages.guardian_below_years
    if guardian_required and not command.guardian_consented:
        raise Refused("guardian_consent_required", age_below=ages.guardian_below_years)
    registered = VolunteerRegistered(
        volunteer_id=command.volunteer_id,
        volunteer_no=volunteer.volunteer_no or command.volunteer_no,
        household_id=command.household_id,
        entrance_id=command.entrance_id,
        grid_id=command.grid_id,
        guardian_required=guardian_required,
        accompanied_only=command.age_years < ages.accompanied_below_years,
        role=command.by.role,
        channel=command.by.channel,
        registered_at=command.at,
    )
    return [registered]


def _verify_identity(command: VerifyIdentity, volunteer: Volunteer) -> Events:
    if command.by.actor_id == command.volunteer_id:
        raise Refused("self_verification")
    if volunteer.state is not VolunteerState.PENDING:
        raise Refused("identity_verified_already", state=volunteer.state.value)
    volunteer_id, role, at = command.volunteer_id, command.by.role, command.at
    return [
        IdentityVerified(volunteer_id=volunteer_id, method=command.method, role=role, verified_at=at),
        VolunteerActivated(volunteer_id=volunteer_id, role=role, activated_at=at),
    ]


def _skill(command: DeclareSkill | VerifySkill, volunteer: Volunteer) -> Events:
    volunteer_id, role, at = command.volunteer_id, command.by.role, command.at
    verified_level = volunteer.skills.get(command.skill)
    if isinstance(command, DeclareSkill):
        if verified_level is not None and verified_level >= command.level:
            raise Refused("skill_verified_already", level=verified_level)
        declared = SkillDeclared(
            volunteer_id=volunteer_id, skill=command.skill, level=command.level, role=role, declared_at=at
        )
        return [declared]
    if command.by.actor_id == volunteer_id:
        raise Refused("self_verification")
    if verified_level is None:
        raise Refused("skill_not_declared", skill=command.skill)
    if verified_level == command.level:
        raise Refused("skill_verified_already", level=verified_level)
    verified = SkillVerified(
        volunteer_id=volunteer_id, skill=command.skill, level=command.level, role=role, verified_at=at
    )
    return [verified]


def _paper(command: RecordLicence | RecordInsurance) -> Events:
    if command.by.actor_id == command.volunteer_id:
        raise Refused("self_verification")
    ends_at = datetime.combine(command.expires_on, time(), SHANGHAI) + timedelta(days=1)
    if ends_at <= command.at:
        raise Refused("paper_expired", expires_on=command.expires_on.isoformat())
    if isinstance(command, RecordLicence):
        licence = LicenceRecorded(
            licence_id=command.licence_id,
            volunteer_id=command.volunteer_id,
            licence=command.licence,
            expires_on=command.expires_on,
            due_at=ends_at.astimezone(UTC),
            document_sha256=command.document_sha256,
            role=command.by.role,
            recorded_at=command.at,
        )
        return [licence]
    insurance = InsuranceRecorded(
        insurance_id=command.insurance_id,
        volunteer_id=command.volunteer_id,
        insurance=command.insurance,
        valid_from=command.valid_from,
        expires_on=command.expires_on,
        role=command.by.role,
        recorded_at=command.at,
    )
    return [insurance]


def _availability(command: SetAvailability) -> Events:
    slots = sorted(command.weekly, key=lambda slot: (slot.weekday, slot.from_minute))
    stretches = [(part.from_minute, part.to_minute) for part in slots]
    stretches += [(part.from_minute, part.to_minute) for part in command.exceptions]
    if any(begin >= end for begin, end in stretches):
        raise Refused("slot_empty")
    for earlier, later in pairwise(slots):
        if earlier.weekday == later.weekday and later.from_minute < earlier.to_minute:
            raise Refused("slots_overlap", weekday=later.weekday, from_minute=later.from_minute)
    said = AvailabilitySet(
        volunteer_id=command.volunteer_id,
        weekly=tuple(slots),
        exceptions=command.exceptions,
        role=command.by.role,
        set_at=command.at,
    )
    return [said]


def _rest(command: PauseVolunteer | ResumeVolunteer, volunteer: Volunteer) -> Events:
    if isinstance(command, PauseVolunteer):
        if volunteer.state is not VolunteerState.ACTIVE:
            raise Refused("not_active", state=volunteer.state.value)
        if command.pause_until is not None and command.pause_until <= command.at:
            raise Refused("time_impossible", field="pause_until")
        paused = VolunteerPaused(
            volunteer_id=command.volunteer_id, due_at=command.pause_until, role=command.by.role, paused_at=command.at
        )
        return [paused]
    if volunteer.state is not VolunteerState.PAUSED:
        raise Refused("not_paused", state=volunteer.state.value)
    return [VolunteerResumed(volunteer_id=command.volunteer_id, role=command.by.role, resumed_at=command.at)]


def _suspend(command: SuspendVolunteer, volunteer: Volunteer) -> Events:
    if volunteer.state not in {VolunteerState.ACTIVE, VolunteerState.PAUSED}:
        raise Refused("not_suspendable", state=volunteer.state.value)
    if command.volunteer_id in {command.by.actor_id, command.seconded_by}:
        raise Refused("self_verification")
    if command.by.actor_id == command.seconded_by:
        raise Refused("second_person_required")
    if not command.seconder_entitled:
        raise Refused("seconder_not_entitled")
    if command.suspended_until <= command.at:
        raise Refused("time_impossible", field="suspended_until")
    if command.reason_code in NEVER_A_CAUSE:
        raise Refused("declining_is_free")
    suspended = VolunteerSuspended(
        volunteer_id=command.volunteer_id,
        reason_code=command.reason_code,
        due_at=command.suspended_until,
        seconded_by=command.seconded_by,
        role=command.by.role,
        suspended_at=command.at,
    )
    return [suspended]


def _reinstate(command: ReinstateVolunteer, volunteer: Volunteer) -> Events:
    if volunteer.state is not VolunteerState.SUSPENDED:
        raise Refused("not_suspended", state=volunteer.state.value)
    if command.by.actor_id == command.volunteer_id:
        raise Refused("self_verification")
    return [VolunteerReinstated(volunteer_id=command.volunteer_id, role=command.by.role, reinstated_at=command.at)]


def evolve(volunteer: Volunteer, event: VolunteerEvent) -> Volunteer:
    """The volunteer after an event."""
    match event:
        case VolunteerRegistered():
            return replace(volunteer, state=VolunteerState.PENDING, volunteer_no=event.volunteer_no)
        case VolunteerActivated() | VolunteerResumed():
            return replace(volunteer, state=VolunteerState.ACTIVE)
        case VolunteerPaused():
            return replace(volunteer, state=VolunteerState.PAUSED)
        case VolunteerSuspended():
            return replace(volunteer, state=VolunteerState.SUSPENDED, barred_until=event.due_at)
        case VolunteerReinstated():
            return replace(volunteer, state=VolunteerState.ACTIVE, barred_until=None)
        case VolunteerWithdrawn():
            return replace(volunteer, state=VolunteerState.WITHDRAWN)
        case SkillDeclared():
            return replace(volunteer, skills={event.skill: 0, **volunteer.skills})
        case SkillVerified():
            return replace(volunteer, skills={**volunteer.skills, event.skill: event.level})
        case IdentityVerified() | LicenceRecorded() | InsuranceRecorded() | AvailabilitySet():
            return volunteer
        case _:
            assert_never(event)
