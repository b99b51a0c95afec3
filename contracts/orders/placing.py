"""点单—派单—接单: an order from the wish to the last slot filled, and its ends before a service."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from contracts.command import Channel, Role
from contracts.event import Code, Count, Digest, Instant, Minutes, UnitCode
from contracts.orders.facts import (
    EscalationCause,
    LapseCause,
    Offer,
    OnAbsence,
    OrderFact,
    OrderMode,
    OrderNotice,
    OrderState,
    RefusalReason,
    Staffing,
)


class OrderPlaced(OrderNotice, service="orders", audience="internal"):
    """居民点单 — a resident asked for a service, or a station made an order from an inquiry."""

    mode: OrderMode
    channel: Channel
    inquiry_id: UUID | None = None
    rework_of: UUID | None = None
    possible_duplicate_of: UUID | None = None
    """Another order of this household for this item within 24 hours: a hint, not a refusal."""
    household_id: UUID | None = None
    entrance_id: UnitCode | None = None
    item_version: Count
    expected_minutes: Minutes
    slots: Count
    home_visit: bool = False
    licence: Code | None = None
    skills: tuple[Code, ...] = ()
    insurance_required: bool = False
    project_code: Code | None = None
    urgent: bool = False
    details_ref: UUID | None = None
    details_commitment: Digest | None = None
    service_code_commitment: Digest | None = None
    """Of the 4-digit 服务码, which lies in the vault."""
    placed_at: Instant


class OrderInfoRequested(OrderNotice, service="orders", audience="partner"):
    """要求补充信息 — the dispatcher asked the resident for what is missing; the clock of triage stands still."""

    asked_for: Annotated[tuple[Code, ...], Field(min_length=1, max_length=8)]
    """What is missing, as codes such as `address` or `time`; the question in words lies in the vault."""
    words_ref: UUID | None = None
    words_commitment: Digest | None = None
    left_minutes: Minutes
    """What was left of the triage's time, in office minutes where the deadline counts these; rounded up."""
    info_requested_at: Instant


class OrderInfoProvided(OrderNotice, service="orders", audience="partner"):
    """补充信息 — the resident answered; triage goes on with the time that was left."""

    channel: Channel
    details_ref: UUID | None = None
    details_commitment: Digest | None = None
    paused_minutes: Minutes
    """How long the clock stood still, rounded down."""
    info_provided_at: Instant


class OrderVerified(OrderFact, service="orders", audience="partner"):
    """受理点单 — a dispatcher checked the need and fixed what the order takes."""

    slots: Count
    skills: tuple[Code, ...] = ()
    on_absence: OnAbsence
    licence: Code | None = None
    insurance_required: bool = False
    verified_by: UUID | None = None
    """Who may not review this order later (domain.md §4.0)."""
    verified_at: Instant


class OrderRefused(OrderNotice, service="orders", audience="partner"):
    """不予受理 — an order was refused, with a reason and where to turn."""

    reason_code: RefusalReason
    referral: Code | None = None
    reason_ref: UUID | None = None
    reason_commitment: Digest | None = None
    refused_at: Instant


class OrderDispatched(OrderNotice, service="orders", audience="partner"):
    """派单 — the order was offered to volunteers; each may decline."""

    wave: Count
    offers: Annotated[tuple[Offer, ...], Field(min_length=1, max_length=50)]
    expected_minutes: Minutes
    slots_filled: Count
    slots_required: Count
    dispatched_by: UUID | None = None
    """Absent when SYSTEM sent the next wave."""
    dispatched_at: Instant


class OfferDeclined(OrderFact, service="orders", audience="partner"):
    """婉拒 — a volunteer declined an offer, which has no effect on them."""

    offer_id: UUID
    volunteer_id: UUID
    wave: Count
    offers_left: Count
    reason_code: Code | None = None
    declined_at: Instant


class OfferExpired(OrderFact, service="orders", audience="public"):
    """派单过期 — offers went unanswered until their time was over."""

    wave: Count
    offer_ids: tuple[UUID, ...]
    offers_left: Count
    expired_at: Instant


class OrderOpened(OrderNotice, service="orders", audience="partner"):
    """放入接单池 — the order was opened to every eligible volunteer."""

    expected_minutes: Minutes
    slots_filled: Count
    slots_required: Count
    licence: Code | None = None
    skills: tuple[Code, ...] = ()
    invited: Annotated[tuple[UUID, ...], Field(max_length=300)] = ()
    """The eligible volunteers who are told, best ranked first."""
    offers_ended: tuple[UUID, ...] = ()
    opened_at: Instant


class OrderAccepted(OrderNotice, service="orders", audience="partner"):
    """接单 — a volunteer took a slot of the order."""

    assignment_id: UUID
    volunteer_id: UUID
    offer_id: UUID | None = None
    slots_filled: Count
    slots_required: Count
    expected_minutes: Minutes
    busy_from: Instant
    busy_until: Instant
    """The volunteer's time that is promised: the window, and the way there and back where the policy counts it."""
    checked: tuple[Code, ...] = ()
    """What was looked up about the volunteer and found fit, such as `licence:medical`."""
    accepted_at: Instant


class OrderStaffed(OrderNotice, service="orders", audience="partner"):
    """人已找齐 — every slot of the order is taken."""

    assignments: tuple[Staffing, ...]
    offers_ended: tuple[UUID, ...] = ()
    staffed_at: Instant


class AcceptanceWithdrawn(OrderNotice, service="orders", audience="partner"):
    """退单 — a volunteer gave back a slot before the service."""

    assignment_id: UUID
    volunteer_id: UUID
    lead_minutes: int = Field(ge=-1_000_000, le=1_000_000)
    """Minutes from the withdrawal to the window's start; negative when it had begun."""
    reason_code: Code | None = None
    slots_filled: Count
    slots_required: Count
    remaining: tuple[UUID, ...] = ()
    """The volunteers who still hold a slot."""
    withdrawn_at: Instant


class AssignmentLapsed(OrderNotice, service="orders", audience="partner"):
    """接单失效 — a slot fell free because its volunteer can no longer serve."""

    assignment_id: UUID
    volunteer_id: UUID
    cause: LapseCause
    lead_minutes: int = Field(ge=-1_000_000, le=1_000_000)
    slots_filled: Count
    slots_required: Count
    remaining: tuple[UUID, ...] = ()
    source_event_id: UUID | None = None
    lapsed_at: Instant


class OrderEscalated(OrderNotice, service="orders", audience="partner"):
    """升级 — a deadline passed, so the order went up to the next role."""

    level: Annotated[int, Field(ge=1, le=3)]
    to_role: Role
    cause: EscalationCause
    escalated_at: Instant


class OrderCancelled(OrderNotice, service="orders", audience="partner"):
    """取消 — the order was cancelled before the service began."""

    stage: OrderState
    """The state it was cancelled in."""
    channel: Channel
    reason_code: Code | None = None
    lead_minutes: int = Field(ge=-1_000_000, le=1_000_000)
    released: tuple[UUID, ...] = ()
    """The volunteers whose slots are released."""
    released_assignments: tuple[UUID, ...] = ()
    offers_ended: tuple[UUID, ...] = ()
    cancelled_at: Instant


class OrderUnfulfilled(OrderNotice, service="orders", audience="partner"):
    """未能满足 — nobody was found, and two people said so."""

    reason_code: Code
    referral: Code | None = None
    waves: Count
    declared_by: UUID
    seconded_by: UUID
    released: tuple[UUID, ...] = ()
    released_assignments: tuple[UUID, ...] = ()
    offers_ended: tuple[UUID, ...] = ()
    reopen_until: Instant
    declared_at: Instant
