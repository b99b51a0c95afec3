"""Reviews of what was done with the fund's money: asked for by a decided dispute, carried out by who watches."""

from typing import Annotated
from uuid import UUID, uuid5

from pydantic import Field

from contracts.command import Ask, Command
from contracts.event import Code, Digest
from contracts.ledger import ReviewOutcome, ReviewReason

FUND_REVIEW = "fund_review"
"""The rule under which a review that a dispute asked for stands in the queue."""
_REVIEWS = UUID("018f6a3e-7c00-7000-8000-1ed6e4000003")


def review_id_of(rule: str, *about: object) -> UUID:
    """The id of what a rule found about these things: found again, it is the same."""
    return uuid5(_REVIEWS, " ".join((rule, *map(str, about))))


class ReviewAnomalyAsk(Ask):
    """What it was, and how one knows: words that lie in the vault."""

    outcome: ReviewOutcome
    note: Annotated[str, Field(min_length=1, max_length=500)]


class ReviewCommand(Command):
    """A command decided on a review's stream."""

    review_id: UUID

    @property
    def stream(self) -> str:
        """`review-<uuid>`."""
        return f"review-{self.review_id}"


class RequestFundReview(ReviewCommand):
    """Ask for a review because a dispute about the fund was decided (domain.md §4.9, row 21)."""

    dispute_id: UUID
    source_event_id: UUID
    order_id: UUID | None = None
    subject_id: UUID | None = None
    reason_code: ReviewReason


class ReviewAnomaly(ReviewCommand):
    """Say what something odd was."""

    rule: Code
    outcome: ReviewOutcome
    note_ref: UUID
    note_commitment: Digest
    hands: frozenset[UUID]
    """Who did what is looked at."""


REVIEW_COMMANDS: tuple[type[ReviewCommand], ...] = (RequestFundReview, ReviewAnomaly)
AnyReviewCommand = RequestFundReview | ReviewAnomaly
