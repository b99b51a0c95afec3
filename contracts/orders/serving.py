"""服务—评单: an order from the first check-in to its close."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Channel
from contracts.event import Code, Digest, Instant, Minutes
from contracts.orders.facts import OrderFact, OrderNotice, OrderState, PresenceEvidence, ServiceOutcome, Staffing


class ServiceStarted(OrderFact, service="orders", audience="partner"):
    """签到 — a volunteer began the service."""

    assignment_id: UUID
    volunteer_id: UUID
    evidence: PresenceEvidence
    started_at: Instant


class ServiceFinished(OrderNotice, service="orders", audience="partner"):
    """签退 — a volunteer finished the service."""

    assignment_id: UUID
    volunteer_id: UUID
    project_code: Code | None = None
    outcome: ServiceOutcome
    started_at: Instant
    finished_at: Instant
    minutes: Minutes
    """Whole minutes between the two, without travel; never rounded up."""
    start_evidence: PresenceEvidence
    finish_evidence: PresenceEvidence
    served: bool
    """True when no slot is held or in service any more: the order waits for confirmation."""


class ServiceAutoClosed(OrderNotice, service="orders", audience="partner"):
    """未签退自动结束 — nobody checked out in time; no minutes are assumed."""

    assignment_id: UUID
    volunteer_id: UUID
    started_at: Instant
    closed_at: Instant
    served: bool


class CompletionConfirmed(OrderNotice, service="orders", audience="partner"):
    """确认完成 — the resident or a proxy said that the service was done."""

    confirmed_by: UUID
    channel: Channel
    assignments: tuple[Staffing, ...]
    confirmed_at: Instant


class CompletionPresumed(OrderNotice, service="orders", audience="partner"):
    """视为完成 — nobody confirmed or objected in time."""

    assignments: tuple[Staffing, ...]
    presumed_at: Instant


class OrderRated(OrderNotice, service="orders", audience="partner"):
    """评单 — the service was rated, from 1 to 5."""

    score: Annotated[int, Field(ge=1, le=5)]
    tags: tuple[Code, ...] = ()
    rater_id: UUID
    rater_kind: Literal["resident", "proxy", "reviewer"]
    channel: Channel
    volunteers: tuple[UUID, ...] = ()
    comment_ref: UUID | None = None
    comment_commitment: Digest | None = None
    rating_id: UUID | None = None
    """What an amendment supersedes; absent in ratings of the first days, which go by the order's id."""
    rated_at: Instant


class OrderRatingAmended(OrderNotice, service="orders", audience="partner"):
    """修改评分 — within a week the rating was changed; the first one stays readable in the history."""

    rating_id: UUID
    supersedes: UUID
    """The rating of before."""
    first_score: Annotated[int, Field(ge=1, le=5)]
    score: Annotated[int, Field(ge=1, le=5)]
    tags: tuple[Code, ...] = ()
    rater_id: UUID
    rater_kind: Literal["resident", "proxy", "reviewer"]
    channel: Channel
    volunteers: tuple[UUID, ...] = ()
    comment_ref: UUID | None = None
    comment_commitment: Digest | None = None
    amended_at: Instant


class CompletionContested(OrderNotice, service="orders", audience="partner"):
    """对完成有异议 — the resident's side or a volunteer says that it was not as recorded; the hours are held."""

    dispute_id: UUID
    side: Literal["resident", "volunteer"]
    from_state: OrderState
    """Where the order stood, and goes back to unless it is decided otherwise."""
    contested_by: UUID
    channel: Channel
    reason_code: Code
    words_ref: UUID | None = None
    words_commitment: Digest | None = None
    assignments: tuple[Staffing, ...]
    contested_at: Instant


class OrderClosed(OrderFact, service="orders", audience="public"):
    """办结 — the order was closed; unrated does not mean satisfied."""

    rated: bool
    closed_at: Instant
