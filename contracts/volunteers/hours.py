"""Hours: claims of whole minutes, from the claim to the credit and to doubts afterwards."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Role
from contracts.event import Code, Count, Digest, Event, Instant, Minutes, Part

Grade = Literal["A", "B", "C"]
"""Evidence: A code or QR in and out and the recipient's confirmation; B in and out, presumed; C entered by hand."""
HoursSource = Literal["order", "activity", "visit", "manual"]


class HoursFact(Event):
    """What every event of a claim carries."""

    claim_id: UUID
    volunteer_id: UUID


class ServedInterval(HoursFact):
    """A claim's interval, in full."""

    source: HoursSource
    order_id: UUID | None = None
    assignment_id: UUID | None = None
    beneficiary_id: UUID | None = None
    item_code: Code | None = None
    project_code: Code | None = None
    started_at: Instant
    finished_at: Instant
    minutes: Minutes
    service_date: date
    """The day the minutes count for, Asia/Shanghai."""
    grade: Grade


class HoursClaimed(ServedInterval, service="volunteers", audience="partner"):
    """时长申报 — minutes of service were claimed."""

    source_event_id: UUID | None = None
    recorded_by: UUID | None = None
    """Who entered it by hand; never who approves it."""
    attachment_sha256: Digest | None = None
    pair_no: Annotated[int, Field(ge=1, le=9)] | None = None
    """Which pair of coming and going at one project on one day this is; at most three count."""
    claimed_at: Instant


class Approval(Part):
    """One person's approval."""

    person_id: UUID
    role: Role


class HoursConfirmed(HoursFact, service="volunteers", audience="partner"):
    """时长确认 — the service behind a claim was confirmed or presumed."""

    confirmed_by: UUID | None = None
    presumed: bool
    grade: Grade
    source_event_id: UUID | None = None
    confirmed_at: Instant


class HoursApproved(HoursFact, service="volunteers", audience="partner"):
    """时长复核通过 — an auditor approved a claim."""

    approved_by: UUID
    role: Role
    approvals: Count
    approvals_required: Count
    approved_at: Instant


class HoursRejected(HoursFact, service="volunteers", audience="partner"):
    """时长不予认定 — a claim was rejected."""

    reason_code: Code
    role: Role
    rejected_at: Instant


class HoursHeld(HoursFact, service="volunteers", audience="partner"):
    """时长待复核 — a claim waits for an auditor."""

    reason_code: Code
    minutes: Minutes
    day_minutes: Minutes
    """The day's total with this claim."""
    approvals_required: Count
    source_event_id: UUID | None = None
    due_at: Instant
    held_at: Instant


class HoursLogged(ServedInterval, service="volunteers", audience="partner"):
    """时长认定 — minutes were credited, finally; the ledger posts them."""

    minutes: Annotated[int, Field(ge=5, le=720)]
    day_minutes: Minutes
    approvals: tuple[Approval, ...] = ()
    logged_at: Instant


class CorrectionRequested(HoursFact, service="volunteers", audience="partner"):
    """申请更正 — credited minutes are in doubt; two people decide."""

    correction_id: UUID
    cause: Code
    source_event_id: UUID | None = None
    requested_by: UUID | None = None
    """The first of the two persons; absent when a service asked, and a person has to take it up."""
    explanation_ref: UUID | None = None
    explanation_commitment: Digest | None = None
    due_at: Instant
    requested_at: Instant


class CorrectionFields(HoursFact):
    """What every answer to a request for correction carries: who asked, who decided, and the public words."""

    correction_id: UUID
    original_entry: UUID | None = None
    """The entry in the ledger that stands for the claim; absent when the ledger had refused it."""
    day_minutes: Minutes
    """The day's total after the correction."""
    reason_code: Code
    requested_by: UUID
    approved_by: UUID
    explanation_ref: UUID
    explanation_commitment: Digest
    """Of the public words (更正说明), which lie in the vault."""


class HoursAdjusted(CorrectionFields, service="volunteers", audience="partner"):
    """时长更正 — credited minutes were changed, or upheld (delta 0) when nothing was wrong."""

    order_id: UUID | None = None
    assignment_id: UUID | None = None
    started_at: Instant
    finished_at: Instant
    minutes: Annotated[int, Field(ge=5, le=720)]
    """As they stand now."""
    delta: Annotated[int, Field(ge=-720, le=720)]
    service_date: date
    grade: Grade
    adjusted_at: Instant


class HoursVoided(CorrectionFields, service="volunteers", audience="partner"):
    """时长作废 — credited minutes were taken back whole by two persons; the ledger reverses the entry."""

    minutes: Minutes
    """As they had stood."""
    service_date: date
    grade: Grade
    voided_at: Instant


class HoursFlagged(HoursFact, service="volunteers", audience="internal"):
    """时长异常 — something about a claim is unusual; an auditor looks, largest first."""

    flags: Annotated[tuple[Code, ...], Field(min_length=1, max_length=10)]
    minutes: Minutes
    recorded_by: UUID | None = None
    flagged_at: Instant


SampleResult = Literal["drawn", "confirmed", "not_confirmed", "unreachable"]


class HoursSampled(HoursFact, service="volunteers", audience="partner"):
    """时长抽查 — a credited claim was drawn for the month's random check, or the recipient answered the call."""

    month_start: date
    """The first day of the month in which the minutes were credited, Asia/Shanghai."""
    seed: Digest
    """Decides the draw alone: the claims with the smallest SHA-256(seed ‖ claim_id) are drawn."""
    population: Annotated[int, Field(ge=1, le=1_000_000)]
    """How many claims of the month could be drawn."""
    result: SampleResult
    sampled_by: UUID | None = None
    due_at: Instant | None = None
    """By when the recipient is called."""
    sampled_at: Instant


HoursClaimEvent = (
    HoursClaimed
    | HoursConfirmed
    | HoursApproved
    | HoursRejected
    | HoursHeld
    | HoursLogged
    | HoursFlagged
    | HoursSampled
    | CorrectionRequested
    | HoursAdjusted
    | HoursVoided
)
