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
    explanation_ref: UUID | None = None
    explanation_commitment: Digest | None = None
    due_at: Instant
    requested_at: Instant


HoursClaimEvent = (
    HoursClaimed | HoursConfirmed | HoursApproved | HoursRejected | HoursHeld | HoursLogged | CorrectionRequested
)
