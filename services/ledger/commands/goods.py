"""Things given: what people ask, and the commands it becomes (domain.md §4.6–4.7)."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field

from contracts.command import Ask, Command
from contracts.event import AmountFen, Code, Digest
from contracts.ledger import GoodsCondition, Quantity, WriteOffReason
from services.ledger.commands.aid import PaidBy, Vouchers, VouchersNeeded
from services.ledger.commands.policy import LedgerPolicy


def goods_stream(lot_id: UUID) -> str:
    """The stream of a lot, `in_kind-<uuid>`."""
    return f"in_kind-{lot_id}"


class ReceiveGoodsAsk(Ask):
    """Things of one kind that came together. With a `donation_id` they are what that gift promised."""

    donation_id: UUID | None = None
    fund: Code
    sku: Code
    """The kind, as the community's list of things calls it: `rice-5kg`."""
    qty: Quantity
    unit_value_fen: AmountFen
    """The declared value of one piece, 分."""
    condition: GoodsCondition
    expires_on: date | None = None
    """The last day of use, Asia/Shanghai; absent: does not expire."""
    voucher_sha256: Vouchers = ()
    effective_date: date | None = None
    """The day they came, Asia/Shanghai; absent: today."""


class AllocateGoodsAsk(Ask):
    """Set things aside for a neighbour, and say who brings them."""

    qty: Quantity
    purpose: Code
    recipient_id: UUID
    volunteer_id: UUID
    replaces: UUID | None = None
    """An allocation that came to nothing: what it set aside is free again."""


class DeliverGoodsAsk(Ask):
    """The slip that the neighbour signed, by its SHA-256."""

    voucher_sha256: VouchersNeeded


class WriteOffGoodsAsk(Ask):
    """How many pieces are of no use, and why. A second person says the same, and they are off the books."""

    qty: Quantity
    reason_code: WriteOffReason


class SellGoodsAsk(Ask):
    """What was sold, for how much altogether, and how it was paid."""

    qty: Quantity
    price_fen: AmountFen
    method: PaidBy
    voucher_sha256: VouchersNeeded


class GoodsCommand(Command):
    """A command decided on a lot's stream."""

    lot_id: UUID
    policy: LedgerPolicy = LedgerPolicy()

    @property
    def stream(self) -> str:
        """`in_kind-<uuid>`."""
        return goods_stream(self.lot_id)


class ReceiveGoods(GoodsCommand):
    """Take things in."""

    fund: Code
    sku: Code
    qty: Quantity
    unit_value_fen: AmountFen
    condition: GoodsCondition
    expires_on: date | None = None
    donation_id: UUID | None = None
    entry_id: UUID
    voucher_sha256: tuple[Digest, ...] = ()
    effective_date: date


class AllocateGoods(GoodsCommand):
    """Set things aside. `recipient_id` is compared and forgotten: the log learns a ref and a commitment."""

    allocation_id: UUID
    qty: Quantity
    purpose: Code
    recipient_id: UUID
    volunteer_id: UUID
    people_known: bool
    """Both are registered persons."""
    recipient_ref: UUID
    recipient_commitment: Digest
    replaces: UUID | None = None


class DeliverGoods(GoodsCommand):
    """Say that what was set aside arrived."""

    allocation_id: UUID
    entry_id: UUID
    voucher_sha256: Annotated[tuple[Digest, ...], Field(min_length=1)]
    effective_date: date


class WriteOffGoods(GoodsCommand):
    """Say that things are of no use; as the second of two, take them off the books."""

    qty: Quantity
    reason_code: WriteOffReason
    entry_id: UUID


class SellGoods(GoodsCommand):
    """Sell things that nobody here can use."""

    qty: Quantity
    price_fen: AmountFen
    method: PaidBy
    entry_id: UUID
    voucher_sha256: Annotated[tuple[Digest, ...], Field(min_length=1)]
    effective_date: date
    received_by: str | None
    """The actor who took the things in: never who sells them (会计法 §25, §35)."""


GOODS_COMMANDS: tuple[type[GoodsCommand], ...] = (ReceiveGoods, AllocateGoods, DeliverGoods, WriteOffGoods, SellGoods)
AnyGoodsCommand = ReceiveGoods | AllocateGoods | DeliverGoods | WriteOffGoods | SellGoods
