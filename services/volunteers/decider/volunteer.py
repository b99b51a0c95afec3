"""What the rules need to know of a volunteer, and how events change it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from contracts.event import Code
from contracts.volunteers import (
    AvailabilitySet,
    GuardianConsentRecorded,
    IdentityVerified,
    InsuranceRecorded,
    LicenceExpired,
    LicenceRecorded,
    SkillDeclared,
    SkillVerified,
    TrainingCompleted,
    VolunteerActivated,
    VolunteerEvent,
    VolunteerNo,
    VolunteerPaused,
    VolunteerRegistered,
    VolunteerReinstated,
    VolunteerRejected,
    VolunteerResumed,
    VolunteerSuspended,
    VolunteerWithdrawn,
)


class VolunteerState(StrEnum):
    """Where volunteering stands."""

    NONE = "NONE"
    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    SUSPENDED = "SUSPENDED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence in force, and the moment after its last day."""

    licence: Code
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Rest:
    """A pause, perhaps until a moment; a suspension on top of it does not end it."""

    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Volunteer:
    """What the rules need to know of a volunteer."""

    state: VolunteerState = VolunteerState.NONE
    volunteer_no: VolunteerNo | None = None
    guardian_required: bool = False
    guardian_id: UUID | None = None
    """Whose consent stands, where one is needed."""
    rest: Rest | None = None
    barred_until: datetime | None = None
    """The end of the last suspension, which a withdrawal does not shorten."""
    suspended_at: datetime | None = None
    suspended_by: frozenset[UUID] = frozenset()
    """The two who stand for the suspension."""
    skills: Mapping[str, int] = field(default_factory=dict)
    """Skill → the level it was verified at; 0: declared only."""
    licences: Mapping[UUID, Licence] = field(default_factory=dict)


LIVE = frozenset({VolunteerState.PENDING, VolunteerState.ACTIVE, VolunteerState.PAUSED, VolunteerState.SUSPENDED})


def initial() -> Volunteer:
    """Somebody who has not offered to help."""
    return Volunteer()


def evolve(volunteer: Volunteer, event: VolunteerEvent) -> Volunteer:
    """The volunteer after an event."""
    match event:
        case VolunteerRegistered():
            return replace(
                volunteer,
                state=VolunteerState.PENDING,
                volunteer_no=event.volunteer_no,
                guardian_required=event.guardian_required,
                guardian_id=None,
                rest=None,
            )
        case GuardianConsentRecorded():
            return replace(volunteer, guardian_id=event.guardian_id)
        case VolunteerActivated() | VolunteerResumed():
            return replace(volunteer, state=VolunteerState.ACTIVE, rest=None)
        case VolunteerPaused():
            return replace(volunteer, state=VolunteerState.PAUSED, rest=Rest(event.due_at))
        case VolunteerSuspended():
            pair = frozenset(one for one in (event.suspended_by, event.seconded_by) if one is not None)
            return replace(
                volunteer,
                state=VolunteerState.SUSPENDED,
                barred_until=event.due_at,
                suspended_at=event.suspended_at,
                suspended_by=pair,
            )
        case VolunteerReinstated():
            return replace(
                volunteer,
                state=VolunteerState.ACTIVE,
                rest=None,
                barred_until=None,
                suspended_at=None,
                suspended_by=frozenset(),
            )
        case VolunteerRejected():
            return replace(volunteer, state=VolunteerState.REJECTED)
        case VolunteerWithdrawn():
            return replace(volunteer, state=VolunteerState.WITHDRAWN)
        case SkillDeclared():
            return replace(volunteer, skills={event.skill: 0, **volunteer.skills})
        case SkillVerified():
            return replace(volunteer, skills={**volunteer.skills, event.skill: event.level})
        case LicenceRecorded():
            licence = Licence(event.licence, event.due_at)
            return replace(volunteer, licences={**volunteer.licences, event.licence_id: licence})
        case LicenceExpired():
            left = {number: held for number, held in volunteer.licences.items() if number != event.licence_id}
            return replace(volunteer, licences=left)
        case IdentityVerified() | InsuranceRecorded() | AvailabilitySet() | TrainingCompleted():
            return volunteer
        case _:
            assert_never(event)
