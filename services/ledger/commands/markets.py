"""Markets: what people ask, and the commands it becomes (domain.md §4.6–4.7)."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator

from contracts.command import Ask, Command, mistake
from contracts.event import AmountFen, Code, Digest
from contracts.ledger import Quantity, SaleMethod, Stall, VoidReason
from services.ledger.commands.aid import VouchersNeeded
from services.ledger.commands.policy import LedgerPolicy

Agreements = Annotated[tuple[Digest, ...], Field(min_length=1, max_length=50)]
Counted = Annotated[int, Field(ge=0, le=100_000_000_000)]
Note = Annotated[str, Field(min_length=1, max_length=500)]


def market_stream(market_id: UUID) -> str:
    """The stream of a market, `market-<uuid>`."""
    return f"market-{market_id}"


class StallAsk(Ask):
    """A stall and the volunteer who answers for it."""

    stall: Code
    volunteer_id: UUID


class OpenMarketAsk(Ask):
    """A market: the donation agreements made before it (慈善法 §37), the fund they name, the stalls."""

    fund: Code
    agreement_sha256: Agreements
    stalls: Annotated[tuple[StallAsk, ...], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _names_each_stall_once(self) -> Self:
        if len({one.stall for one in self.stalls}) < len(self.stalls):
            raise mistake("stalls_equal", "摊位不能重名。", "each stall is named once", field="stalls")
        return self


class RecordSaleAsk(Ask):
    """What a stall sold, for how much altogether."""

    stall: Code
    sku: Code
    qty: Quantity = 1
    amount_fen: AmountFen
    method: SaleMethod


class VoidSaleAsk(Ask):
    """Why a sale is none. The stall says so, and somebody else who saw it."""

    reason_code: VoidReason


class ReconcileMarketAsk(Ask):
    """What was counted, cash and transfers together. The second counter's own count must be the same."""

    counted_fen: Counted
    note: Note | None = None
    """Where the difference comes from: needed when there is one. It lies in the vault."""


class DepositProceedsAsk(Ask):
    """The bank's slip, by its SHA-256."""

    voucher_sha256: VouchersNeeded


class DiscloseMarketAsk(Ask):
    """Nothing more to say: what is disclosed follows from what was recorded."""


class MarketCommand(Command):
    """A command decided on a market's stream."""

    market_id: UUID
    policy: LedgerPolicy = LedgerPolicy()

    @property
    def stream(self) -> str:
        """`market-<uuid>`."""
        return market_stream(self.market_id)


class OpenMarket(MarketCommand):
    """Open a market."""

    fund: Code
    agreement_sha256: tuple[Digest, ...]
    stalls: tuple[Stall, ...]
    people_known: bool
    """Everybody at a stall is a registered person."""


class RecordSale(MarketCommand):
    """Write a sale down."""

    sale_id: UUID
    stall: Code
    sku: Code
    qty: Quantity
    amount_fen: AmountFen
    method: SaleMethod


class VoidSale(MarketCommand):
    """Say that a sale is none: first the stall, then a witness."""

    sale_id: UUID
    reason_code: VoidReason


class ReconcileMarket(MarketCommand):
    """Say what was counted: first the cashier, then a supervisor."""

    counted_fen: Counted
    note_ref: UUID | None = None
    note_commitment: Digest | None = None
    deposit_due_at: datetime
    """The end of the last working day for the deposit, counted from now."""


class DepositProceeds(MarketCommand):
    """Pay what was counted in at the bank."""

    entry_id: UUID
    amount_fen: AmountFen
    """As the caller read it, to be posted with this; refused unless it is what was counted."""
    voucher_sha256: tuple[Digest, ...]
    effective_date: date


class DiscloseMarket(MarketCommand):
    """Make public what a market took: a person when all is done, the timer at the deadline whatever is done."""


MARKET_COMMANDS: tuple[type[MarketCommand], ...] = (
    OpenMarket, RecordSale, VoidSale, ReconcileMarket, DepositProceeds, DiscloseMarket,
)  # fmt: skip
AnyMarketCommand = OpenMarket | RecordSale | VoidSale | ReconcileMarket | DepositProceeds | DiscloseMarket
