"""What may be asked about a claim of hours. Presence is recorded in orders only; here it becomes credited minutes."""

from datetime import date, timedelta, timezone
from hashlib import sha256
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from contracts.command import Ask, Command
from contracts.event import Code, Digest
from contracts.volunteers import Grade
from services.volunteers.commands.words import HoursPolicy, claim_stream

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""Without summer time since 1992, so the offset is the zone, and no time-zone data need be installed."""
Words = Annotated[str, Field(min_length=4, max_length=300)]
"""The public words of a correction: they go to the vault, a commitment to the event."""


def day_of(moment: AwareDatetime) -> date:
    """The calendar day of a moment, Asia/Shanghai."""
    return moment.astimezone(SHANGHAI).date()


class RejectHoursAsk(Ask):
    """A claim that will not be credited, and why."""

    reason_code: Literal["not_served", "wrong_person", "overlap", "over_cap", "not_loggable", "interval_wrong", "other"]


class ClaimHoursManuallyAsk(Ask):
    """Minutes entered by hand (补录), from a paper: of a service that was closed without check-out, or another."""

    volunteer_id: UUID
    assignment_id: UUID | None = None
    """The assignment that orders closed by itself; then what was served, and for whom, is taken from there."""
    beneficiary_id: UUID | None = None
    item_code: Code | None = None
    project_code: Code | None = None
    started_at: AwareDatetime
    finished_at: AwareDatetime
    attachment_sha256: Digest
    """Of the scanned paper, which stays in the station's files."""


class RequestCorrectionAsk(Ask):
    """A doubt about credited minutes."""

    cause: Literal["minutes_wrong", "not_served", "wrong_person", "interval_wrong", "entered_twice", "other"]
    explanation: Words | None = None


class AdjustHoursAsk(Ask):
    """The answer to a request for correction: other minutes, or the same ones upheld."""

    correction_id: UUID
    delta: Annotated[int, Field(ge=-720, le=720)]
    """Whole minutes more or fewer; 0 with the reason `upheld`."""
    reason_code: Literal["minutes_wrong", "interval_wrong", "upheld", "other"]
    explanation: Words


class VoidHoursAsk(Ask):
    """The answer to a request for correction: all minutes are taken back."""

    correction_id: UUID
    reason_code: Literal["not_served", "wrong_person", "entered_twice", "not_loggable", "other"]
    explanation: Words


class RecordSampleAsk(Ask):
    """What the recipient of a drawn service said on the telephone."""

    result: Literal["confirmed", "not_confirmed", "unreachable"]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DayFacts(_Facts):
    """What the volunteer's other logged claims come to, read just before the decision and guarded at the commit."""

    logged_minutes: int
    """Minutes logged for the claim's day so far; its own with them, once it is logged."""
    overlaps: UUID | None = None
    """A logged claim of the same volunteer whose interval overlaps this one."""
    others_took_part: bool = True
    """Somebody other than the volunteer had a hand in the order, as orders tells."""


class PresenceFacts(_Facts):
    """What orders recorded of an assignment that was closed without check-out."""

    volunteer_id: UUID
    order_id: UUID
    beneficiary_id: UUID | None
    item_code: Code | None
    project_code: Code | None
    closed_by_itself: bool
    started_at: AwareDatetime
    closed_at: AwareDatetime | None


class UnusualFacts(_Facts):
    """What makes a claim unusual, as far as the tables know."""

    entries_within_minute: int = 0
    """The recorder's other entries by hand within one minute before this one."""
    entries_that_day: int = 0
    """The recorder's other entries by hand on this day."""
    order_placed_at: AwareDatetime | None = None
    pair_days: int = 0
    """On how many days just before, without a gap, the same volunteer served the same recipient."""
    recorder_is_kin: bool = False
    """Recorder and volunteer live together or have declared a relation."""


class EntryFacts(_Facts):
    """How the ledger answered the credit."""

    answered: bool
    standing: UUID | None = None
    """The entry that stands for the claim; None when the ledger refused it."""


class ClaimCommand(Command):
    """A command decided on a claim's stream."""

    claim_id: UUID
    policy: HoursPolicy = HoursPolicy()

    @property
    def stream(self) -> str:
        """`claim-<uuid>`."""
        return claim_stream(self.claim_id)


class ClaimHours(ClaimCommand):
    """Claim the minutes of a finished service, or of one that was recorded afterwards."""

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
    recorded_by: UUID | None = None
    attachment_sha256: Digest | None = None
    due_at: AwareDatetime
    """By when an auditor looks, should it be held."""
    unusual: UnusualFacts = UnusualFacts()

    @property
    def service_date(self) -> date:
        """The day the minutes count for: the one on which the service began, Asia/Shanghai."""
        return day_of(self.started_at)


class ClaimHoursManually(ClaimCommand):
    """Claim minutes by hand, grade C. Somebody who was there confirms, somebody else again approves."""

    volunteer_id: UUID
    volunteer_active: bool
    same_household: bool
    """The recipient lives with the volunteer."""
    assignment_id: UUID | None = None
    presence: PresenceFacts | None = None
    beneficiary_id: UUID | None = None
    item_code: Code | None = None
    project_code: Code | None = None
    started_at: AwareDatetime
    finished_at: AwareDatetime
    attachment_sha256: Digest
    pairs_taken: tuple[int, ...] = ()
    """The numbers of the volunteer's other pairs at this project on this day."""
    due_at: AwareDatetime
    """By when an auditor looks."""
    unusual: UnusualFacts = UnusualFacts()

    @property
    def service_date(self) -> date:
        """As of ClaimHours."""
        return day_of(self.started_at)


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
    due_at: AwareDatetime
    """By when an auditor looks, should it be held."""


class HoldHours(ClaimCommand):
    """Hold a claim that is not credited yet, because its service is disputed."""

    source_event_id: UUID | None = None
    due_at: AwareDatetime


class ReleaseHours(ClaimCommand):
    """End the hold of a dispute that was resolved for the volunteer: credit it, or let it wait as the rules say."""

    day: DayFacts
    source_event_id: UUID | None = None
    due_at: AwareDatetime


class ApproveHours(ClaimCommand):
    """Approve a held claim."""

    day: DayFacts


class RejectHours(ClaimCommand):
    """Refuse a claim that is not logged."""

    reason_code: Code


class RequestCorrection(ClaimCommand):
    """Doubt credited minutes; two people decide, the one who asks and the one who answers."""

    correction_id: UUID
    cause: Code
    source_event_id: UUID | None = None
    explanation_ref: UUID | None = None
    explanation_commitment: Digest | None = None
    due_at: AwareDatetime
    """Ten working days."""


class AnswerCorrection(ClaimCommand):
    """What both answers to a request for correction hold."""

    correction_id: UUID
    reason_code: Code
    explanation_ref: UUID
    explanation_commitment: Digest
    day: DayFacts
    entry: EntryFacts


class AdjustHours(AnswerCorrection):
    """Change credited minutes by `delta`, or uphold them (0)."""

    delta: int


class VoidHours(AnswerCorrection):
    """Take credited minutes back whole."""


class DrawSample(ClaimCommand):
    """Draw a credited claim for the month's random check."""

    month_start: date
    seed: Digest
    population: int
    due_at: AwareDatetime


class RecordSample(ClaimCommand):
    """Say what the recipient of a drawn service answered."""

    result: Literal["confirmed", "not_confirmed", "unreachable"]
    correction_id: UUID
    """The request for correction that follows when they did not confirm."""
    correction_due_at: AwareDatetime


def drawn(seed: str, claim_ids: tuple[UUID, ...], percent: int) -> tuple[UUID, ...]:
    """The claims that a seed draws, at least one of any: those with the smallest SHA-256(seed ‖ claim_id).

    Whoever knows the claims of a month can draw again and compare (random checks are published, domain.md §2).
    """
    count = -(-len(claim_ids) * percent // 100)
    return tuple(sorted(claim_ids, key=lambda claim_id: sha256(f"{seed}{claim_id}".encode()).digest())[:count])


CLAIM_COMMANDS: tuple[type[ClaimCommand], ...] = (
    ClaimHours,
    ClaimHoursManually,
    ConfirmHours,
    LogHours,
    HoldHours,
    ReleaseHours,
    ApproveHours,
    RejectHours,
    RequestCorrection,
    AdjustHours,
    VoidHours,
    DrawSample,
    RecordSample,
)
AnyClaimCommand = (
    ClaimHours
    | ClaimHoursManually
    | ConfirmHours
    | LogHours
    | HoldHours
    | ReleaseHours
    | ApproveHours
    | RejectHours
    | RequestCorrection
    | AdjustHours
    | VoidHours
    | DrawSample
    | RecordSample
)
