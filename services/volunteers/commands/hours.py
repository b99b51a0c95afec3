"""What may be asked about a claim of hours. Presence is recorded in orders only; here it becomes credited minutes."""

from datetime import date, timedelta, timezone
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts.command import Ask, Command
from contracts.event import Code
from contracts.volunteers import Grade
from services.volunteers.commands.words import HoursPolicy, claim_stream

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""Without summer time since 1992, so the offset is the zone, and no time-zone data need be installed."""


class RejectHoursAsk(Ask):
    """A claim that will not be credited, and why."""

    reason_code: Literal["not_served", "wrong_person", "overlap", "over_cap", "not_loggable", "interval_wrong", "other"]


class DayFacts(BaseModel):
    """What the volunteer's other logged claims come to, read just before the decision and guarded at the commit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    logged_minutes: int
    """Minutes logged for the claim's day so far."""
    overlaps: UUID | None = None
    """A logged claim of the same volunteer whose interval overlaps this one."""


class ClaimCommand(Command):
    """A command decided on a claim's stream."""

    claim_id: UUID
    policy: HoursPolicy = HoursPolicy()

    @property
    def stream(self) -> str:
        """`claim-<uuid>`."""
        return claim_stream(self.claim_id)


class ClaimHours(ClaimCommand):
    """Claim the minutes of a finished service."""

    volunteer_id: UUID
    order_id: UUID
    assignment_id: UUID
    beneficiary_id: UUID
    item_code: Code | None
    project_code: Code | None
    started_at: AwareDatetime
    finished_at: AwareDatetime
    minutes: int
    """As orders counted them; never more than the whole minutes between the two times."""
    grade: Grade
    source_event_id: UUID

    @property
    def service_date(self) -> date:
        """The day the minutes count for: the one on which the service began, Asia/Shanghai."""
        return self.started_at.astimezone(SHANGHAI).date()


class ConfirmHours(ClaimCommand):
    """Say that the service behind a claim was confirmed, or is presumed."""

    confirmed_by: UUID | None
    presumed: bool
    by_recipient: bool
    """The beneficiary or their proxy confirmed; else the grade falls to B."""
    source_event_id: UUID | None = None


class LogHours(ClaimCommand):
    """Credit a confirmed claim, or hold it when a rule asks for a person's look."""

    day: DayFacts


class ApproveHours(ClaimCommand):
    """Approve a held claim."""

    day: DayFacts


class RejectHours(ClaimCommand):
    """Refuse a claim that is not logged."""

    reason_code: Code


class RequestCorrection(ClaimCommand):
    """Doubt credited minutes; two people decide."""

    correction_id: UUID
    cause: Code
    source_event_id: UUID | None = None


CLAIM_COMMANDS: tuple[type[ClaimCommand], ...] = (
    ClaimHours,
    ConfirmHours,
    LogHours,
    ApproveHours,
    RejectHours,
    RequestCorrection,
)
AnyClaimCommand = ClaimHours | ConfirmHours | LogHours | ApproveHours | RejectHours | RequestCorrection
