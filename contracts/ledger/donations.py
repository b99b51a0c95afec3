"""Gifts: promised, received, receipted."""

from datetime import date
from typing import Literal
from uuid import UUID

from contracts.command import Role
from contracts.event import AmountFen, Code, Digest, Event, Instant, ReceiptNo

DonationMethod = Literal["bank_transfer", "cash", "cheque", "other"]


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
    anonymous: bool = True
    donor_commitment: Digest | None = None
    due_at: Instant | None = None
    pledged_at: Instant


class DonationReceived(DonationFact, service="ledger", audience="public"):
    """收到捐款 — a gift arrived."""

    purpose: Code | None = None
    method: DonationMethod
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


DonationEvent = DonationPledged | DonationReceived | DonationReceipted | ReceiptWaived
