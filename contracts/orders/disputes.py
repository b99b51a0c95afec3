"""争议: one side says that it was otherwise, somebody who had no part in it decides, and once it can be taken further.

What is contested about an order itself (CompletionContested) is decided in the order's stream, for the order waits for
it; every other dispute has a stream of its own.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Channel, Role
from contracts.event import Code, Digest, Event, Instant, UnitCode
from contracts.orders.facts import DueFor, OrderState, Staffing

DisputeAbout = Literal["order", "hours", "rating", "conduct", "fund"]

DisputeDecision = Literal["upheld", "partly_upheld", "rejected", "settled"]
"""For whoever raised it, in part, against them, or the two sides agreed."""

DisputeConsequence = Literal[
    "order_unfulfilled",
    "hours_rejected",
    "hours_corrected",
    "rating_excluded",
    "volunteer_suspended",
    "aid_reversed",
    "fund_reviewed",
    "apology",
    "training",
]
"""What follows: separate compensating events, in the service whose books they are."""


class DisputeFact(Event):
    """What every event of a dispute carries; the order's state where the dispute is decided in the order's stream."""

    dispute_id: UUID
    about: DisputeAbout
    order_id: UUID | None = None
    subject_id: UUID | None = None
    """What it is about, where that is no order: a claim of hours, a person, a gift or a case by its ref."""
    beneficiary_id: UUID | None = None
    """For whom the order is, where there is one."""
    role: Role
    """The role in which the actor acted."""
    state: OrderState | None = None
    """The order's state after this event; absent where the order does not wait for it."""
    owner_role: Role | None = None
    next_due_at: Instant | None = None
    next_due_for: DueFor | None = None


class DisputeRaised(DisputeFact, service="orders", audience="internal"):
    """提出异议 — somebody concerned says that hours, a rating, conduct or the fund's doing were not right."""

    grid_id: UnitCode | None = None
    raised_by: UUID
    raised_for: UUID | None = None
    """Whose matter it is, where somebody else speaks for them."""
    channel: Channel
    reason_code: Code
    words_ref: UUID | None = None
    words_commitment: Digest | None = None
    assignments: tuple[Staffing, ...] = ()
    """Whose service it is about, where there is an order."""
    due_at: Instant
    """By when it should be decided."""
    raised_at: Instant


class DisputeResolved(DisputeFact, service="orders", audience="internal"):
    """争议裁定 — somebody without a part in it decided; what follows is done by events of its own."""

    decision: DisputeDecision
    consequences: Annotated[tuple[DisputeConsequence, ...], Field(max_length=9)] = ()
    raised_by: UUID
    raised_for: UUID | None = None
    """Whose matter it is, where somebody else spoke for them."""
    raised_at: Instant | None = None
    """When it was raised; absent where the dispute is decided in the order's stream."""
    resolved_by: UUID
    words_ref: UUID | None = None
    words_commitment: Digest | None = None
    final: bool
    """True after an appeal: there is no further one."""
    appeal_until: Instant | None = None
    assignments: tuple[Staffing, ...] = ()
    resolved_at: Instant


class DisputeAppealed(DisputeFact, service="orders", audience="internal"):
    """申请复议 — a side does not accept the decision; once, and another person decides."""

    raised_by: UUID
    appealed_by: UUID
    first_resolved_by: UUID
    """Who may not decide again."""
    channel: Channel
    reason_code: Code
    words_ref: UUID | None = None
    words_commitment: Digest | None = None
    assignments: tuple[Staffing, ...] = ()
    due_at: Instant
    appealed_at: Instant
