"""改派, 改期, 合并, 重开: an order that takes another turn than it was placed for."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from contracts.command import Channel
from contracts.event import Code, Count, Instant, Minutes, OrderNo
from contracts.orders.facts import Offer, OrderNotice, Staffing


class OrderMerged(OrderNotice, service="orders", audience="partner"):
    """合并 — the order went into another one of the same household, where it is taken care of."""

    into: UUID
    into_order_no: OrderNo
    released: tuple[UUID, ...] = ()
    """The volunteers whose slots are released."""
    released_assignments: tuple[UUID, ...] = ()
    merged_by: UUID
    merged_at: Instant


class OrderRedispatched(OrderNotice, service="orders", audience="partner"):
    """改派 — a dispatcher took the order back and offered it to others."""

    wave: Count
    offers: Annotated[tuple[Offer, ...], Field(min_length=1, max_length=50)]
    offers_ended: tuple[UUID, ...] = ()
    """Offers of before, which end with this one."""
    from_volunteer_id: UUID | None = None
    from_assignment_id: UUID | None = None
    """Whose slot was released; absent when the order had nobody to be taken from."""
    reason_code: Code
    expected_minutes: Minutes
    slots_filled: Count
    slots_required: Count
    remaining: tuple[UUID, ...] = ()
    """The volunteers who still hold a slot."""
    dispatched_by: UUID
    redispatched_at: Instant


class OrderRescheduled(OrderNotice, service="orders", audience="partner"):
    """改期 — the order was moved to another time; whoever had accepted is asked anew."""

    from_window_start: Instant
    from_window_end: Instant
    """The time of before; `window_start` and `window_end` are the new one."""
    channel: Channel
    reason_code: Code | None = None
    awaiting: tuple[Staffing, ...] = ()
    """The slots whose volunteers are to reconfirm. Who cannot at the new time falls out in the same append."""
    reconfirm_until: Instant | None = None
    busy_from: Instant
    busy_until: Instant
    """The time that is promised while they think it over."""
    offers_ended: tuple[UUID, ...] = ()
    rescheduled_at: Instant


class AssignmentReconfirmed(OrderNotice, service="orders", audience="partner"):
    """改期后确认 — a volunteer also comes at the new time."""

    assignment_id: UUID
    volunteer_id: UUID
    awaiting_left: Count
    """How many are still to reconfirm."""
    slots_filled: Count
    slots_required: Count
    reconfirmed_at: Instant


class OrderReopened(OrderNotice, service="orders", audience="partner"):
    """重开 — an order for which nobody was found is looked after again, at another time."""

    from_window_start: Instant
    from_window_end: Instant
    channel: Channel
    reason_code: Code
    reopened_by: UUID
    reopened_at: Instant
