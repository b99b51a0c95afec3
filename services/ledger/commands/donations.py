"""Gifts: what people ask, and the commands it becomes."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from contracts.command import Ask, Command, mistake
from contracts.event import AmountFen, Code, Digest, ReceiptNo
from contracts.ledger import DonationMethod, EntryApproval, PledgedGoods, Quantity, RefundReason
from services.ledger.commands.bank import BankReference
from services.ledger.commands.policy import LedgerPolicy
from services.ledger.commands.signed import Signed

PersonName = Annotated[str, Field(min_length=1, max_length=60)]
Phone = Annotated[str, Field(pattern=r"^\+?[0-9][0-9\-]{4,19}$")]


class Donor(Ask):
    """Who gives. All of it goes to the vault; `public_name` only with the donor's consent to be named."""

    name: PersonName
    phone: Phone | None = None
    public_name: PersonName | None = None
    person_id: UUID | None = None
    """The donor as a registered person, if they are one: an erasure then reaches what is kept here."""


class GoodsPromised(Ask):
    """Things that are promised: of which kind, how many."""

    sku: Code
    qty: Quantity


class PledgeDonationAsk(Ask):
    """A gift that is promised. Without a donor it is anonymous."""

    fund: Code
    amount_fen: AmountFen
    purpose: Code | None = None
    """Restricts the gift to one of the fund's purposes (公益事业捐赠法 §18)."""
    goods: GoodsPromised | None = None
    """A gift of things; `amount_fen` is then their declared value."""
    donor: Donor | None = None

    @model_validator(mode="after")
    def _gives_one_thing(self) -> Self:
        if self.goods is not None and self.purpose is not None:
            raise mistake(
                "goods_have_no_purpose",
                "物资分给谁，分配时再定。",
                "what things are for is said later",
                field="purpose",
            )
        return self


class ReceiveDonationAsk(Ask):
    """Money that arrived. What was counted is booked, also when the pledge was another amount."""

    method: DonationMethod
    amount_fen: AmountFen | None = None
    """As counted; absent: as pledged."""
    counted_by: Annotated[tuple[UUID, ...], Field(max_length=5)] = ()
    voucher_sha256: Annotated[tuple[Digest, ...], Field(max_length=20)] = ()
    effective_date: date | None = None
    """The day it arrived, Asia/Shanghai; absent: today."""
    bank_reference: BankReference | None = None


class ReceiptDonationAsk(Ask):
    """The number printed on the official receipt (捐赠票据)."""

    receipt_no: ReceiptNo


class WaiveReceiptAsk(Ask):
    """Why there is no receipt (慈善法 §38: anonymous, or waived; recorded)."""

    reason_code: Literal["donor_waived", "donor_anonymous"]


def donation_stream(donation_id: UUID) -> str:
    """The stream of a gift, `donation-<uuid>`."""
    return f"donation-{donation_id}"


class DonationCommand(Command):
    """A command decided on a gift's stream."""

    donation_id: UUID
    policy: LedgerPolicy = LedgerPolicy()

    @property
    def stream(self) -> str:
        """`donation-<uuid>`."""
        return donation_stream(self.donation_id)


class PledgeDonation(DonationCommand):
    """Promise a gift. `donor_ref` is random, made for this gift alone."""

    donor_ref: UUID
    fund: Code
    amount_fen: AmountFen
    purpose: Code | None = None
    goods: PledgedGoods | None = None
    anonymous: bool = True
    donor_commitment: Digest | None = None


class ReceiveDonation(DonationCommand):
    """Take in the money of a pledged gift."""

    method: DonationMethod
    amount_fen: AmountFen
    counted_by: tuple[UUID, ...] = ()
    counters_known: bool
    """Every counter is a registered person."""
    voucher_sha256: tuple[Digest, ...] = ()
    effective_date: date
    pledged_by: str | None
    """The actor who recorded the pledge: never who takes the money (会计法 §25, §35)."""


class ReceivePledgedGoods(DonationCommand):
    """Take in the things of a pledged gift, as a lot."""

    lot_id: UUID
    fund: Code
    sku: Code
    amount_fen: AmountFen
    """Their declared value, of as many as came."""
    voucher_sha256: tuple[Digest, ...] = ()
    effective_date: date
    pledged_by: str | None


class ReceiptDonation(DonationCommand):
    """Record the receipt given for a gift."""

    receipt_no: ReceiptNo
    received_by: str | None
    """The actor who took the money: never who writes the receipt."""


class WaiveReceipt(DonationCommand):
    """Record that there is no receipt, and why."""

    reason_code: Code
    received_by: str | None


class RefundDonation(DonationCommand):
    """Give money back, or say that it never came, by two people's signatures."""

    amount_fen: AmountFen
    reason_code: RefundReason
    method: DonationMethod | None
    entry_id: UUID
    community: str
    signatures: tuple[Signed, ...]
    approvals: tuple[EntryApproval, ...] = ()
    """Instead of signatures, where the entry's own correction checked them in the same append."""
    hands: frozenset[str | None]
    """The actors who took the pledge down and the money in."""
    voucher_sha256: tuple[Digest, ...] = ()
    effective_date: date


DONATION_COMMANDS: tuple[type[DonationCommand], ...] = (
    PledgeDonation, ReceiveDonation, ReceivePledgedGoods, ReceiptDonation, WaiveReceipt, RefundDonation,
)  # fmt: skip
AnyDonationCommand = (
    PledgeDonation | ReceiveDonation | ReceivePledgedGoods | ReceiptDonation | WaiveReceipt | RefundDonation
)
