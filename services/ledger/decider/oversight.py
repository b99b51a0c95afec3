"""A review: asked for once a dispute, looked at by somebody who had no hand in it (会计法 §25, §35)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from contracts.command import Refused
from contracts.ledger import AnomalyReviewed, FundReviewRequested, ReviewEvent, ReviewOutcome
from services.ledger.commands import AnyReviewCommand, RequestFundReview, ReviewAnomaly

Events = Sequence[ReviewEvent]


@dataclass(frozen=True, slots=True)
class Review:
    """What the rules need to know of a review."""

    is_requested: bool = False
    outcome: ReviewOutcome | None = None


def initial() -> Review:
    """Nobody asked, nobody looked."""
    return Review()


def decide(command: AnyReviewCommand, review: Review) -> Events:
    """The events that a command comes to; nothing when a review was asked for before. Raises Refused."""
    match command:
        case RequestFundReview():
            return [] if review.is_requested else [_requested(command)]
        case ReviewAnomaly():
            return [_reviewed(command, review)]
        case _:
            assert_never(command)


def _requested(command: RequestFundReview) -> FundReviewRequested:
    return FundReviewRequested(
        review_id=command.review_id,
        dispute_id=command.dispute_id,
        source_event_id=command.source_event_id,
        order_id=command.order_id,
        subject_id=command.subject_id,
        reason_code=command.reason_code,
        requested_at=command.at,
    )


def _reviewed(command: ReviewAnomaly, review: Review) -> AnomalyReviewed:
    if command.by.actor_id is None:
        raise Refused("person_needed")
    if command.by.actor_id in command.hands:
        raise Refused("reviewed_by_hand")
    if review.outcome == command.outcome:
        raise Refused("reviewed_already", outcome=command.outcome)
    return AnomalyReviewed(
        review_id=command.review_id,
        rule=command.rule,
        role=command.by.role,
        outcome=command.outcome,
        note_ref=command.note_ref,
        note_commitment=command.note_commitment,
        reviewed_by=command.by.actor_id,
        reviewed_at=command.at,
    )


def evolve(review: Review, event: ReviewEvent) -> Review:
    """The review after an event."""
    match event:
        case FundReviewRequested():
            return replace(review, is_requested=True)
        case AnomalyReviewed():
            return replace(review, outcome=event.outcome)
        case _:
            assert_never(event)
