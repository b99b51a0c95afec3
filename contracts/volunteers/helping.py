"""Volunteers: from the offer to help to skills, papers and free time."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Channel, Role
from contracts.event import Code, Digest, Event, Instant, Part, UnitCode

VolunteerNo = Annotated[str, Field(pattern=r"^[0-9]{6,10}$")]
"""Our own number on a card; never the ID-card number."""
MinuteOfDay = Annotated[int, Field(ge=0, le=1440)]


class ExternalRecords(Part):
    """What another app had recorded of a volunteer before they came here: kept as evidence, counted nowhere (0008)."""

    source_code: Code
    """The app or community that the records come from, by its code."""
    file_sha256: Digest
    """Of the file that was imported."""
    records_ref: UUID
    records_commitment: Digest


class VolunteerRegistered(Event, service="volunteers", audience="internal"):
    """志愿者注册 — a person offered to help."""

    volunteer_id: UUID
    volunteer_no: VolunteerNo
    household_id: UUID | None = None
    entrance_id: UnitCode | None = None
    grid_id: UnitCode | None = None
    guardian_required: bool = False
    accompanied_only: bool = False
    external: ExternalRecords | None = None
    role: Role
    channel: Channel
    registered_at: Instant


class IdentityVerified(Event, service="volunteers", audience="partner"):
    """身份核验 — somebody checked who the volunteer is."""

    volunteer_id: UUID
    method: Code
    role: Role
    verified_at: Instant


class VolunteerActivated(Event, service="volunteers", audience="partner"):
    """志愿者生效 — the volunteer may be offered orders."""

    volunteer_id: UUID
    role: Role
    activated_at: Instant


class VolunteerRejected(Event, service="volunteers", audience="partner"):
    """志愿者未通过 — an offer to help was not taken up; the person may offer again."""

    volunteer_id: UUID
    reason_code: Code
    role: Role
    rejected_at: Instant


class GuardianConsentRecorded(Event, service="volunteers", audience="internal"):
    """监护人同意 — a guardian agreed that a child helps others."""

    volunteer_id: UUID
    guardian_id: UUID
    form: Literal["written", "spoken", "web"]
    document_sha256: Digest | None = None
    accompanied_only: bool
    """From this day on; the age itself is nowhere."""
    role: Role
    recorded_at: Instant


class VolunteerPaused(Event, service="volunteers", audience="partner"):
    """志愿者暂停 — the volunteer takes a rest."""

    volunteer_id: UUID
    due_at: Instant | None = None
    """Until when, if said."""
    role: Role
    paused_at: Instant


class VolunteerResumed(Event, service="volunteers", audience="partner"):
    """志愿者恢复 — the volunteer is back from a rest."""

    volunteer_id: UUID
    role: Role
    resumed_at: Instant


class VolunteerSuspended(Event, service="volunteers", audience="partner"):
    """志愿者停止 — the volunteer may not serve until a day."""

    volunteer_id: UUID
    reason_code: Code
    due_at: Instant | None = None
    suspended_by: UUID | None = None
    seconded_by: UUID | None = None
    """The second person who stands for it."""
    statement_ref: UUID | None = None
    """What the volunteer was told: why, and how to appeal."""
    statement_commitment: Digest | None = None
    role: Role
    suspended_at: Instant


class VolunteerReinstated(Event, service="volunteers", audience="partner"):
    """志愿者复原 — a suspension ended."""

    volunteer_id: UUID
    reason_code: Code | None = None
    """Why before its time; absent when it ran out."""
    statement_ref: UUID | None = None
    statement_commitment: Digest | None = None
    role: Role
    reinstated_at: Instant


class VolunteerWithdrawn(Event, service="volunteers", audience="partner"):
    """志愿者退出 — the person stopped volunteering and stays a resident."""

    volunteer_id: UUID
    reason_code: Code | None = None
    role: Role
    withdrawn_at: Instant


class SkillDeclared(Event, service="volunteers", audience="partner"):
    """申报技能 — a volunteer said what they can do."""

    volunteer_id: UUID
    skill: Code
    level: Annotated[int, Field(ge=1, le=3)] = 1
    role: Role
    declared_at: Instant


class SkillVerified(Event, service="volunteers", audience="partner"):
    """技能核实 — somebody checked a volunteer's skill."""

    volunteer_id: UUID
    skill: Code
    level: Annotated[int, Field(ge=1, le=3)]
    role: Role
    verified_at: Instant


class LicenceRecorded(Event, service="volunteers", audience="partner"):
    """登记证照 — a volunteer's licence was seen and recorded."""

    licence_id: UUID
    volunteer_id: UUID
    licence: Code
    expires_on: date
    due_at: Instant
    """The moment after its last day, Asia/Shanghai."""
    document_sha256: Digest | None = None
    role: Role
    recorded_at: Instant


class LicenceExpired(Event, service="volunteers", audience="partner"):
    """证照到期 — the last day of a volunteer's licence is over."""

    licence_id: UUID
    volunteer_id: UUID
    licence: Code
    role: Role
    expired_at: Instant


class TrainingCompleted(Event, service="volunteers", audience="partner"):
    """完成培训 — a volunteer took part in a training to its end."""

    training_id: UUID
    volunteer_id: UUID
    training: Code
    completed_on: date
    expires_on: date | None = None
    """Its last day, where it has to be refreshed."""
    document_sha256: Digest | None = None
    role: Role
    recorded_at: Instant


class InsuranceRecorded(Event, service="volunteers", audience="partner"):
    """登记保险 — a volunteer's accident insurance was recorded."""

    insurance_id: UUID
    volunteer_id: UUID
    insurance: Code
    valid_from: date
    expires_on: date
    role: Role
    recorded_at: Instant


class WeeklySlot(Part):
    """A stretch of every week, Asia/Shanghai. Weekday 1 is Monday."""

    weekday: Annotated[int, Field(ge=1, le=7)]
    from_minute: MinuteOfDay
    to_minute: MinuteOfDay


class AvailabilityException(Part):
    """A day that differs from the weekly grid."""

    on_date: date
    available: bool
    from_minute: MinuteOfDay = 0
    to_minute: MinuteOfDay = 1440


class AvailabilitySet(Event, service="volunteers", audience="internal"):
    """设定空闲时间 — a volunteer said when they can help."""

    volunteer_id: UUID
    weekly: Annotated[tuple[WeeklySlot, ...], Field(max_length=50)]
    exceptions: Annotated[tuple[AvailabilityException, ...], Field(max_length=100)] = ()
    role: Role
    set_at: Instant


VolunteerEvent = (
    VolunteerRegistered
    | IdentityVerified
    | VolunteerActivated
    | VolunteerRejected
    | GuardianConsentRecorded
    | VolunteerPaused
    | VolunteerResumed
    | VolunteerSuspended
    | VolunteerReinstated
    | VolunteerWithdrawn
    | SkillDeclared
    | SkillVerified
    | LicenceRecorded
    | LicenceExpired
    | TrainingCompleted
    | InsuranceRecorded
    | AvailabilitySet
)
