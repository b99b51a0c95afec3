"""What may be asked about a volunteer: from the offer to help to skills, papers, free time, rest and the end."""

from datetime import date
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from contracts.command import Ask, Command, mistake
from contracts.event import Code, Digest, UnitCode
from contracts.volunteers import AvailabilityException, MinuteOfDay, VolunteerNo, WeeklySlot
from services.volunteers.commands.words import AgePolicy, ConsentForm, SkillLevel, volunteer_stream


class RegisterVolunteerAsk(Ask):
    """A registered person offers to help."""

    person_id: UUID
    consent_form: ConsentForm
    guardian_id: UUID | None = None
    """Below 14 years: who consents."""


class VerifyIdentityAsk(Ask):
    """Somebody saw who the volunteer is; no number of any paper is taken down."""

    method: Code = "id_card_seen"


class DeclareSkillAsk(Ask):
    """Something the volunteer can do; level 1 helps, 2 does it alone, 3 teaches it."""

    skill: Code
    level: SkillLevel = 1


class VerifySkillAsk(Ask):
    """What level a skill was found to have."""

    level: SkillLevel


class RecordLicenceAsk(Ask):
    """A licence that was seen."""

    licence: Code
    expires_on: date
    document_sha256: Digest | None = None


class RecordInsuranceAsk(Ask):
    """An accident insurance (志愿服务条例 §17)."""

    insurance: Code
    valid_from: date
    expires_on: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.expires_on < self.valid_from:
            raise mistake(
                "end_before_start", "到期日不能早于生效日", "expires_on is before valid_from", field="expires_on"
            )
        return self


class WeeklySlotAsk(Ask):
    """A stretch of every week, in minutes of the day, Asia/Shanghai; weekday 1 is Monday."""

    weekday: Annotated[int, Field(ge=1, le=7)]
    from_minute: MinuteOfDay
    to_minute: MinuteOfDay


class AvailabilityExceptionAsk(Ask):
    """A day that differs from the weekly grid."""

    on_date: date
    available: bool
    from_minute: MinuteOfDay = 0
    to_minute: MinuteOfDay = 1440


class SetAvailabilityAsk(Ask):
    """When the volunteer can help, Asia/Shanghai; replaces what was said before."""

    weekly: Annotated[tuple[WeeklySlotAsk, ...], Field(max_length=50)]
    exceptions: Annotated[tuple[AvailabilityExceptionAsk, ...], Field(max_length=100)] = ()


class PauseVolunteerAsk(Ask):
    """A rest, perhaps until a moment."""

    pause_until: AwareDatetime | None = None


class SuspendVolunteerAsk(Ask):
    """A suspension that a second person stands for as well; never for declining (志愿服务条例 §25)."""

    reason_code: Code
    suspended_until: AwareDatetime
    seconded_by: UUID


class WithdrawVolunteerAsk(Ask):
    """The end of volunteering; the person stays a resident."""

    reason_code: Code | None = None


class VolunteerCommand(Command):
    """A command decided on a volunteer's stream."""

    volunteer_id: UUID

    @property
    def stream(self) -> str:
        """`volunteer-<uuid>`."""
        return volunteer_stream(self.volunteer_id)


class RegisterVolunteer(VolunteerCommand):
    """Offer to help."""

    volunteer_no: VolunteerNo
    household_id: UUID | None
    entrance_id: UnitCode | None
    grid_id: UnitCode | None
    age_years: int | None
    """On the day of the offer; None when no birth date is known."""
    guardian_consented: bool
    """A parent or guardian with a declared relation consents in the same request, or did before."""
    ages: AgePolicy = AgePolicy()


class VerifyIdentity(VolunteerCommand):
    """Check who the volunteer is."""

    method: Code


class DeclareSkill(VolunteerCommand):
    """Say what the volunteer can do."""

    skill: Code
    level: SkillLevel


class VerifySkill(VolunteerCommand):
    """Check a declared skill."""

    skill: Code
    level: SkillLevel


class RecordLicence(VolunteerCommand):
    """Record a licence that was seen; `due_at` is the moment after its last day."""

    licence_id: UUID
    licence: Code
    expires_on: date
    document_sha256: Digest | None = None


class RecordInsurance(VolunteerCommand):
    """Record an accident insurance."""

    insurance_id: UUID
    insurance: Code
    valid_from: date
    expires_on: date


class SetAvailability(VolunteerCommand):
    """Say when the volunteer can help."""

    weekly: tuple[WeeklySlot, ...]
    exceptions: tuple[AvailabilityException, ...] = ()


class PauseVolunteer(VolunteerCommand):
    """Take a rest."""

    pause_until: AwareDatetime | None = None


class ResumeVolunteer(VolunteerCommand):
    """Come back from a rest."""


class SuspendVolunteer(VolunteerCommand):
    """Stop a volunteer until a moment; two people."""

    reason_code: Code
    suspended_until: AwareDatetime
    seconded_by: UUID
    seconder_entitled: bool
    """`seconded_by` holds a live SOCIAL_WORKER or STATION_MANAGER role."""


class ReinstateVolunteer(VolunteerCommand):
    """End a suspension."""


class WithdrawVolunteer(VolunteerCommand):
    """End volunteering."""

    reason_code: Code | None = None


VOLUNTEER_COMMANDS: tuple[type[VolunteerCommand], ...] = (
    RegisterVolunteer,
    VerifyIdentity,
    DeclareSkill,
    VerifySkill,
    RecordLicence,
    RecordInsurance,
    SetAvailability,
    PauseVolunteer,
    ResumeVolunteer,
    SuspendVolunteer,
    ReinstateVolunteer,
    WithdrawVolunteer,
)
AnyVolunteerCommand = (
    RegisterVolunteer
    | VerifyIdentity
    | DeclareSkill
    | VerifySkill
    | RecordLicence
    | RecordInsurance
    | SetAvailability
    | PauseVolunteer
    | ResumeVolunteer
    | SuspendVolunteer
    | ReinstateVolunteer
    | WithdrawVolunteer
)
