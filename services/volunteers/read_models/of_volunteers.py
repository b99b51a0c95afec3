"""The fold of volunteers: their state, what they can do and when."""

from typing import Any
from uuid import UUID

from contracts.envelope import Recorded
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
    VolunteerPaused,
    VolunteerRegistered,
    VolunteerReinstated,
    VolunteerRejected,
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
                guardian_id=None,
                until=None,
                reason_code=None,
                statement_ref=None,
            )
            # Who withdrew and came back keeps what they once brought along.
            if event.external is not None:
                rows.update(
                    t.volunteers,
                    event.volunteer_id,
                    external_source=event.external.source_code,
                    external_file_sha256=event.external.file_sha256,
                    external_ref=event.external.records_ref,
                )
        case GuardianConsentRecorded() as event:
            after = {"guardian_id": event.guardian_id, "accompanied_only": event.accompanied_only}
            rows.update(t.volunteers, event.volunteer_id, **after)
        case IdentityVerified() as event:
            rows.update(t.volunteers, event.volunteer_id, verified_by=recorded.actor, verified_at=event.verified_at)
        case VolunteerActivated() | VolunteerResumed() as event:
            _became(rows, event.volunteer_id, "ACTIVE")
        case VolunteerReinstated() as event:
            _became(rows, event.volunteer_id, "ACTIVE", statement_ref=event.statement_ref)
        case VolunteerPaused() as event:
            _became(rows, event.volunteer_id, "PAUSED", until=event.due_at)
        case VolunteerSuspended() as event:
            why = {"reason_code": event.reason_code, "statement_ref": event.statement_ref}
            _became(rows, event.volunteer_id, "SUSPENDED", until=event.due_at, **why)
        case VolunteerRejected() as event:
            _became(rows, event.volunteer_id, "REJECTED", reason_code=event.reason_code)
        case VolunteerWithdrawn() as event:
            _became(rows, event.volunteer_id, "WITHDRAWN", reason_code=event.reason_code)
        case _:
            _ability(recorded, rows)


def _became(rows: Rows, volunteer_id: UUID, state: str, **more: Any) -> None:
    """What is not named belongs to another state, and goes."""
    cleared: dict[str, Any] = {"until": None, "reason_code": None, "statement_ref": None}
    rows.update(t.volunteers, volunteer_id, state=state, **cleared | more)


def _ability(recorded: Recorded, rows: Rows) -> None:
    match recorded.event:
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
                due_at=event.due_at,
                recorded_at=event.recorded_at,
            )
        case LicenceExpired() as event:
            rows.update(t.licences, event.licence_id, expired_at=event.expired_at)
        case TrainingCompleted() as event:
            rows.insert(
                t.trainings,
                training_id=event.training_id,
                volunteer_id=event.volunteer_id,
                training=event.training,
                completed_on=event.completed_on,
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
            pass  # a reader shows what it knows and ignores the rest
