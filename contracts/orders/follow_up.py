"""回访整改: what follows a bad rating or a complaint, in the order's own stream (domain.md §4.2)."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Channel, Role
from contracts.event import Code, Count, Digest, Instant
from contracts.orders.facts import OrderNotice


class FollowUpState(StrEnum):
    """The states of a follow-up (domain.md §4.2)."""

    OPENED = "OPENED"
    CONTACTED = "CONTACTED"
    DISMISSED = "DISMISSED"
    RECTIFYING = "RECTIFYING"
    RECTIFIED = "RECTIFIED"
    VERIFIED = "VERIFIED"
    CLOSED = "CLOSED"


FollowUpCause = Literal["low_rating", "tagged_rating", "complaint"]
"""2★ or less, a middling score with a tag, or somebody complained."""

Measure = Literal["apology", "redo", "retrain", "change_volunteer", "suspend", "refer"]
"""What is to be put right: redo is a new order with `rework_of`; suspend and retrain are volunteers' to do."""

FollowUpStage = Literal["contact", "measure", "rectification", "recall"]
"""What a follow-up waits for: the first call, what is to be done, that it is done, and the call that asks about it."""

Score = Annotated[int, Field(ge=1, le=5)]


class FollowUpFact(OrderNotice):
    """What every event of a follow-up carries beside the order's."""

    follow_up_id: UUID
    follow_up_state: FollowUpState
    """The follow-up's state after this event."""


class FollowUpOpened(FollowUpFact, service="orders", audience="partner"):
    """回访立案 — a bad rating or a complaint is looked into: a reviewer calls within a working day."""

    cause: FollowUpCause
    score: Score
    tags: tuple[Code, ...] = ()
    volunteers: tuple[UUID, ...] = ()
    """Who served."""
    opened_by: UUID | None = None
    """Who complained; absent when the rating itself opened it."""
    words_ref: UUID | None = None
    words_commitment: Digest | None = None
    due_at: Instant
    """By when the resident is called."""
    opened_at: Instant


class FollowUpContacted(FollowUpFact, service="orders", audience="partner"):
    """回访登记 — a reviewer who had no part in the service spoke with the resident."""

    contacted_by: UUID
    channel: Channel
    words_ref: UUID | None = None
    words_commitment: Digest | None = None
    due_at: Instant
    """By when it is decided what is to be done."""
    contacted_at: Instant


class FollowUpDismissed(FollowUpFact, service="orders", audience="partner"):
    """误评申诉成立 — two reviewers found the rating mistaken: it stays, and does not count for the volunteer's mean."""

    reason_code: Code
    dismissed_by: UUID
    seconded_by: UUID
    volunteers: tuple[UUID, ...] = ()
    due_at: Instant
    """By when the follow-up closes by itself."""
    dismissed_at: Instant


class RectificationOrdered(FollowUpFact, service="orders", audience="partner"):
    """责令整改 — a reviewer laid down what is to be put right, by whom and until when."""

    measure: Measure
    responsible_id: UUID
    """Who has to do it and to report."""
    responsible_role: Role
    volunteers: tuple[UUID, ...] = ()
    ordered_by: UUID
    due_at: Instant
    ordered_at: Instant


class RectificationReported(FollowUpFact, service="orders", audience="partner"):
    """整改反馈 — whoever was responsible said that it is done."""

    measure: Measure
    reported_by: UUID
    rework_order_id: UUID | None = None
    """The new order, where the measure is redo."""
    words_ref: UUID | None = None
    words_commitment: Digest | None = None
    due_at: Instant
    """By when the resident is asked again."""
    reported_at: Instant


class RectificationVerified(FollowUpFact, service="orders", audience="partner"):
    """整改复核通过 — the resident or a reviewer found it put right."""

    measure: Measure
    verified_by: UUID
    channel: Channel
    due_at: Instant
    """By when the follow-up closes by itself, with or without a second score."""
    verified_at: Instant


class RectificationRejected(FollowUpFact, service="orders", audience="partner"):
    """整改复核不通过 — it was not put right, and goes back to whoever is responsible."""

    measure: Measure
    responsible_id: UUID
    rejected_by: UUID
    channel: Channel
    rejections: Count
    reason_code: Code
    due_at: Instant
    rejected_at: Instant


class FollowUpOverdue(FollowUpFact, service="orders", audience="partner"):
    """回访超时 — a deadline of a follow-up passed, so it went up to the next role."""

    stage: FollowUpStage
    level: Annotated[int, Field(ge=1, le=3)]
    to_role: Role
    responsible_id: UUID | None = None
    was_due_at: Instant
    due_at: Instant | None = None
    """When it rises again; absent at the top, where only people act."""
    overdue_at: Instant


class FollowUpClosed(FollowUpFact, service="orders", audience="partner"):
    """回访办结 — the follow-up came to its end; the first score stands as it was given."""

    outcome: Literal["dismissed", "rectified"]
    measure: Measure | None = None
    first_score: Score
    second_score: Score | None = None
    """What the resident says after it was put right; beside the first one, never in its place."""
    closed_by: UUID | None = None
    closed_at: Instant
