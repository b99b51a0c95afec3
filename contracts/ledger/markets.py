"""Markets 集市: opened with donation agreements, sold by stalls, counted by two, paid in, disclosed (慈善法 §37)."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Role
from contracts.event import AmountFen, Code, Count, Digest, Event, Instant, Part, SignedAmount
from contracts.ledger.donations import Quantity

SaleMethod = Literal["cash", "transfer"]
VoidReason = Literal["entered_wrongly", "given_back", "not_paid"]
Fen = Annotated[int, Field(ge=0, le=100_000_000_000)]
"""Money in 分, or nothing."""


class MarketState(StrEnum):
    """Where a market stands."""

    OPEN = "OPEN"
    COUNTED = "COUNTED"
    RECONCILED = "RECONCILED"
    DEPOSITED = "DEPOSITED"
    DISCLOSED = "DISCLOSED"


class Stall(Part):
    """A stall and who answers for it."""

    stall: Code
    volunteer_id: UUID


class MarketFact(Event):
    """What every event of a market carries; `state` is the market's after it."""

    market_id: UUID
    role: Role
    state: MarketState
    fund: Code


class MarketSessionOpened(MarketFact, service="ledger", audience="partner"):
    """集市开市 — a market began whose proceeds go to a fund, as its donation agreements say."""

    agreement_sha256: Annotated[tuple[Digest, ...], Field(min_length=1, max_length=50)]
    stalls: Annotated[tuple[Stall, ...], Field(min_length=1, max_length=100)]
    due_at: Instant
    """By when it is disclosed."""
    opened_at: Instant


class SaleRecorded(MarketFact, service="ledger", audience="partner"):
    """集市销售 — a stall sold something."""

    sale_id: UUID
    stall: Code
    sku: Code
    qty: Quantity
    amount_fen: AmountFen
    method: SaleMethod
    sold_at: Instant


class SaleVoided(MarketFact, service="ledger", audience="partner"):
    """作废销售 — a stall said that a sale is none; a witness's word makes it so."""

    sale_id: UUID
    stall: Code
    amount_fen: AmountFen
    step: Annotated[int, Field(ge=1, le=2)]
    voided_by: UUID
    reason_code: VoidReason
    voided_at: Instant


class MarketReconciled(MarketFact, service="ledger", audience="partner"):
    """集市对账 — the cashier counted what was taken; a supervisor who counted the same settles it."""

    step: Annotated[int, Field(ge=1, le=2)]
    counted_by: UUID
    witnessed_by: UUID | None = None
    sales: Count
    sales_fen: Fen
    """What the stalls wrote down and did not void."""
    counted_fen: Fen
    variance_fen: SignedAmount
    """Counted less written down; anything but nothing has a note."""
    note_ref: UUID | None = None
    note_commitment: Digest | None = None
    due_at: Instant | None = None
    """By when it is paid in, once settled."""
    reconciled_at: Instant


class ProceedsDeposited(MarketFact, service="ledger", audience="public"):
    """集市收入缴存 — the cashier paid the market's proceeds in at the fund's bank account."""

    amount_fen: AmountFen
    entry_id: UUID
    voucher_sha256: tuple[Digest, ...]
    effective_date: date
    due_at: Instant
    """By when it was to be."""
    deposited_at: Instant


class MarketDisclosed(MarketFact, service="ledger", audience="public"):
    """集市公示 — what a market took, how it was counted and where it went was made public (慈善法 §37)."""

    sales: Count
    sales_fen: Fen
    counted_fen: Fen | None = None
    """Absent: not counted by two yet."""
    variance_fen: SignedAmount | None = None
    deposited_fen: Fen
    complete: bool
    """Whether everything counted was paid in: what is disclosed before is disclosed again."""
    agreement_sha256: tuple[Digest, ...]
    disclosed_at: Instant


MarketEvent = MarketSessionOpened | SaleRecorded | SaleVoided | MarketReconciled | ProceedsDeposited | MarketDisclosed
