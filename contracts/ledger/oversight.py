"""Who looks whether the fund's money went right: reviews that a dispute asked for, and a look at what seemed odd."""

from typing import Literal
from uuid import UUID

from contracts.command import Role
from contracts.event import Code, Digest, Event, Instant

ReviewReason = Literal["dispute_upheld", "dispute_partly_upheld", "dispute_settled"]
ReviewOutcome = Literal["in_order", "corrected", "passed_on"]
"""没有问题, 已更正, 已移交."""


class ReviewFact(Event):
    """What every event of a review carries: of an oddity's id, or of the review that a dispute asked for."""

    review_id: UUID


class FundReviewRequested(ReviewFact, service="ledger", audience="internal"):
    """基金复核 — a dispute about the fund was decided, and what was done with the money is to be looked at."""

    dispute_id: UUID
    source_event_id: UUID
    order_id: UUID | None = None
    subject_id: UUID | None = None
    """What it is about: a gift or a case, by its ref."""
    reason_code: ReviewReason
    requested_at: Instant


class AnomalyReviewed(ReviewFact, service="ledger", audience="internal"):
    """异常核查 — somebody looked at what seemed odd in the fund's book, and said what it was."""

    rule: Code
    role: Role
    outcome: ReviewOutcome
    note_ref: UUID
    note_commitment: Digest
    reviewed_by: UUID
    reviewed_at: Instant


ReviewEvent = FundReviewRequested | AnomalyReviewed
