"""Gifts, of money or of things: promised, received, receipted."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Role
from contracts.event import AmountFen, Code, Digest, Event, Instant, Part, ReceiptNo
from contracts.ledger.books import EntryApproval

DonationMethod = Literal["bank_transfer", "cash", "cheque", "other"]
"""How money comes and goes."""
GiftMethod = Literal["bank_transfer", "cash", "cheque", "other", "goods"]
"""How a gift comes: as money, or as things."""
Quantity = Annotated[int, Field(ge=1, le=1_000_000)]
"""Whole pieces, in the unit that things of this kind are counted in."""


class PledgedGoods(Part):
    """Things that are promised."""

    sku: Code
    qty: Quantity


RefundReason = Literal["donor_asked", "sent_by_mistake", "sent_twice", "purpose_impossible", "entered_wrongly"]


class DonationFact(Event):
    """What every event of a gift carries: random ids of this one gift, never a donor's own."""

    donation_id: UUID
    donor_ref: UUID
    role: Role
    fund: Code
    amount_fen: AmountFen


class DonationPledged(DonationFact, service="ledger", audience="public"):
    """认捐 — a gift was promised."""

    purpose: Code | None = None
    goods: PledgedGoods | None = None
    """Of a gift of things, whose declared value is the amount; absent: money."""
    anonymous: bool = True
    donor_commitment: Digest | None = None
    due_at: Instant | None = None
    pledged_at: Instant


class DonationReceived(DonationFact, service="ledger", audience="public"):
    """收到捐款 — a gift arrived."""

    purpose: Code | None = None
    method: GiftMethod
    lot_id: UUID | None = None
    """The things, where they were what was given."""
    anonymous: bool = True
    counted_by: tuple[UUID, ...] = ()
    """Two people, where cash asks for it."""
    voucher_sha256: tuple[Digest, ...] = ()
    donor_commitment: Digest | None = None
    effective_date: date
    due_at: Instant | None = None
    """By when a receipt is due."""
    received_at: Instant


class DonationReceipted(DonationFact, service="ledger", audience="public"):
    """开具票据 — a receipt was issued for a gift (慈善法 §38)."""

    receipt_no: ReceiptNo
    receipted_at: Instant


class ReceiptWaived(DonationFact, service="ledger", audience="public"):
    """放弃票据 — the donor wanted no receipt."""

    reason_code: Code
    waived_at: Instant


class DonationRefunded(DonationFact, service="ledger", audience="partner"):
    """退还捐款 — money went back to its donor, or had never come: two approvers signed it."""

    refunded_fen: AmountFen
    """What went back altogether, with this."""
    reason_code: RefundReason
    method: DonationMethod | None = None
    """Absent: entered wrongly, and nothing went back."""
    entry_id: UUID
    approvals: Annotated[tuple[EntryApproval, ...], Field(min_length=2)]
    voucher_sha256: tuple[Digest, ...] = ()
    effective_date: date
    refunded_at: Instant


DonationEvent = DonationPledged | DonationReceived | DonationReceipted | ReceiptWaived | DonationRefunded
