"""What a volunteer can do and when: skills, licences, trainings, insurance, free time."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

from contracts.command import Refused
from contracts.volunteers import (
    AvailabilitySet,
    InsuranceRecorded,
    LicenceExpired,
    LicenceRecorded,
    SkillDeclared,
    SkillVerified,
    TrainingCompleted,
    VolunteerEvent,
)
from services.volunteers.commands.helping import (
    DeclareSkill,
    ExpireLicence,
    RecordInsurance,
    RecordLicence,
    RecordTraining,
    SetAvailability,
    VerifySkill,
)
from services.volunteers.commands.hours import SHANGHAI
from services.volunteers.decider.volunteer import Volunteer

Events = Sequence[VolunteerEvent]


def skill(command: DeclareSkill | VerifySkill, volunteer: Volunteer) -> Events:
    """What a volunteer says they can do, and what somebody else found."""
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


def paper(command: RecordLicence | RecordInsurance) -> Events:
    """A licence or an insurance that somebody else saw; it counts through its last day in Shanghai."""
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


def availability(command: SetAvailability) -> Events:
    """Free time, sorted; no stretch is empty, and none of the week overlaps another."""
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


def expire(command: ExpireLicence, volunteer: Volunteer) -> Events:
    """Once its last day is over, and once only."""
    held = volunteer.licences.get(command.licence_id)
    if held is None:
        raise Refused("licence_unknown")
    if command.at < held.due_at:
        raise Refused("not_due", due_at=held.due_at)
    expired = LicenceExpired(
        licence_id=command.licence_id,
        volunteer_id=command.volunteer_id,
        licence=held.licence,
        role=command.by.role,
        expired_at=command.at,
    )
    return [expired]


def training(command: RecordTraining) -> Events:
    """A training that is over, seen by somebody else."""
    if command.by.actor_id == command.volunteer_id:
        raise Refused("self_verification")
    today = command.at.astimezone(SHANGHAI).date()
    if command.completed_on > today:
        raise Refused("training_to_come", completed_on=command.completed_on.isoformat())
    if command.expires_on is not None and command.expires_on < today:
        raise Refused("paper_expired", expires_on=command.expires_on.isoformat())
    completed = TrainingCompleted(
        training_id=command.training_id,
        volunteer_id=command.volunteer_id,
        training=command.training,
        completed_on=command.completed_on,
        expires_on=command.expires_on,
        document_sha256=command.document_sha256,
        role=command.by.role,
        recorded_at=command.at,
    )
    return [completed]
