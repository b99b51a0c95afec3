"""The fold of volunteers: their state, what they can do and when."""

from contracts.envelope import Recorded
from contracts.volunteers import (
    AvailabilitySet,
    IdentityVerified,
    InsuranceRecorded,
    LicenceRecorded,
    SkillDeclared,
    SkillVerified,
    VolunteerActivated,
    VolunteerPaused,
    VolunteerRegistered,
    VolunteerReinstated,
    VolunteerResumed,
    VolunteerSuspended,
    VolunteerWithdrawn,
)
from eventstore.rows import Rows
from services.volunteers.read_models import tables as t


def fold(recorded: Recorded, rows: Rows) -> None:
    """What an event on a volunteer's stream changes."""
    match recorded.event:
        case VolunteerRegistered() as event:
            rows.upsert(
                t.volunteers,
                volunteer_id=event.volunteer_id,
                volunteer_no=event.volunteer_no,
                state="PENDING",
                grid_id=event.grid_id,
                guardian_required=event.guardian_required,
                accompanied_only=event.accompanied_only,
                registered_at=event.registered_at,
                verified_by=None,
                verified_at=None,
                until=None,
            )
        case IdentityVerified() as event:
            rows.update(t.volunteers, event.volunteer_id, verified_by=recorded.actor, verified_at=event.verified_at)
        case VolunteerActivated() | VolunteerResumed() | VolunteerReinstated() as event:
            rows.update(t.volunteers, event.volunteer_id, state="ACTIVE", until=None)
        case VolunteerPaused() as event:
            rows.update(t.volunteers, event.volunteer_id, state="PAUSED", until=event.due_at)
        case VolunteerSuspended() as event:
            rows.update(t.volunteers, event.volunteer_id, state="SUSPENDED", until=event.due_at)
        case VolunteerWithdrawn() as event:
            rows.update(t.volunteers, event.volunteer_id, state="WITHDRAWN", until=None)
        case SkillDeclared() as event:
            rows.upsert(t.skills, volunteer_id=event.volunteer_id, skill=event.skill, declared_level=event.level)
        case SkillVerified() as event:
            rows.upsert(
                t.skills,
                volunteer_id=event.volunteer_id,
                skill=event.skill,
                verified_level=event.level,
                verified_by=recorded.actor,
                verified_at=event.verified_at,
            )
        case LicenceRecorded() as event:
            rows.insert(
                t.licences,
                licence_id=event.licence_id,
                volunteer_id=event.volunteer_id,
                licence=event.licence,
                expires_on=event.expires_on,
                recorded_at=event.recorded_at,
            )
        case InsuranceRecorded() as event:
            rows.insert(
                t.insurances,
                insurance_id=event.insurance_id,
                volunteer_id=event.volunteer_id,
                insurance=event.insurance,
                valid_from=event.valid_from,
                expires_on=event.expires_on,
                recorded_at=event.recorded_at,
            )
        case AvailabilitySet() as event:
            rows.upsert(
                t.availability,
                volunteer_id=event.volunteer_id,
                weekly=[slot.model_dump(mode="json") for slot in event.weekly],
                exceptions=[day.model_dump(mode="json") for day in event.exceptions],
                set_at=event.set_at,
            )
        case _:
            pass
