"""Things given 物资: taken in by lot with a declared value, set aside for a neighbour, brought, sold, written off."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Role
from contracts.event import AmountFen, Code, Digest, Event, Instant
from contracts.ledger.donations import DonationMethod, Quantity

GoodsCondition = Literal["new", "good", "usable"]
WriteOffReason = Literal["expired", "damaged", "lost", "unsafe", "miscounted"]


class InKindFact(Event):
    """What every event of a lot carries: things of one kind that came together. `qty` pieces, worth `value_fen`."""

    lot_id: UUID
    role: Role
    fund: Code
    sku: Code
    qty: Quantity
    value_fen: AmountFen
    """Declared value of these pieces, 分. It is never money."""


class InKindReceived(InKindFact, service="ledger", audience="public"):
    """收到物资 — things were given and taken in."""

    unit_value_fen: AmountFen
    """Declared value of one piece, 分."""
    condition: GoodsCondition
    expires_on: date | None = None
    """The last day of use; absent: does not expire."""
    donation_id: UUID | None = None
    """The gift that promised them; absent: left at the door, by nobody who gave a name."""
    entry_id: UUID
    voucher_sha256: tuple[Digest, ...] = ()
    effective_date: date
    received_at: Instant


class InKindAllocated(InKindFact, service="ledger", audience="partner"):
    """分配物资 — things were set aside for a neighbour, and who brings them was named."""

    allocation_id: UUID
    purpose: Code
    volunteer_id: UUID
    """Who is to bring them."""
    recipient_ref: UUID
    """Of this one allocation: it cannot be followed to a person."""
    recipient_commitment: Digest
    replaces: UUID | None = None
    """The allocation that this one takes the place of, which is void."""
    allocated_at: Instant


class InKindDelivered(InKindFact, service="ledger", audience="partner"):
    """送达物资 — things reached the neighbour they were for."""

    allocation_id: UUID
    entry_id: UUID
    voucher_sha256: tuple[Digest, ...]
    """Of the signed slip."""
    effective_date: date
    delivered_at: Instant


class InKindWrittenOff(InKindFact, service="ledger", audience="partner"):
    """核销物资 — somebody said that things are of no use any more; a second person's word takes them off the books."""

    step: Annotated[int, Field(ge=1, le=2)]
    written_off_by: UUID
    reason_code: WriteOffReason
    allocations_voided: tuple[UUID, ...] = ()
    """What was set aside of the lot and can no longer be brought."""
    entry_id: UUID | None = None
    """The entry, with the second word."""
    written_off_at: Instant


class InKindSold(InKindFact, service="ledger", audience="partner"):
    """变卖物资 — things that nobody here can use were sold, for the fund."""

    price_fen: AmountFen
    method: DonationMethod
    entry_id: UUID
    voucher_sha256: tuple[Digest, ...]
    effective_date: date
    sold_at: Instant


InKindEvent = InKindReceived | InKindAllocated | InKindDelivered | InKindWrittenOff | InKindSold
