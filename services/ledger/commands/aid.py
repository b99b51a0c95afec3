"""Aid to a neighbour in need: what people ask, and the commands it becomes (domain.md §4.6–4.7)."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.command import Ask, Command, mistake
from contracts.event import AmountFen, Code, Digest
from contracts.ledger import (
    AidFinding,
    AidLane,
    AidOutcome,
    AidReason,
    DonationMethod,
    Ed25519Signature,
    KeyId,
    Publicity,
    PublicKey,
    ReturnReason,
    ReversalReason,
)
from services.ledger.commands.bank import BankReference
from services.ledger.commands.donations import PersonName
from services.ledger.commands.policy import LedgerPolicy
from services.ledger.commands.signed import Obstacle
from services.ledger.commands.statements import PublicWords

AID_STANDARD = "aid-standard-1"
"""The version of the standard in force: what who applies must have been shown (慈善法 §81)."""

Words = Annotated[str, Field(min_length=1, max_length=2000)]
Vouchers = Annotated[tuple[Digest, ...], Field(max_length=20)]
VouchersNeeded = Annotated[tuple[Digest, ...], Field(min_length=1, max_length=20)]
PaidBy = Literal["bank_transfer", "cash"]


def aid_stream(case_id: UUID) -> str:
    """The stream of a case, `aid-<uuid>`."""
    return f"aid-{case_id}"


class Payee(Ask):
    """Who is paid, and where. All of it goes to the vault."""

    name: PersonName
    account: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    """A bank account's number; absent: paid in cash, against a signature."""


class ApplyAidAsk(Ask):
    """A request for help, for oneself or for who is represented."""

    fund: Code
    purpose: Code
    amount_fen: AmountFen
    payee: Payee
    need: Words
    """What happened, in one's own words."""
    lane: AidLane = "ordinary"
    standard: Code
    """The version of the standard that was shown (`GET /v1/aid-standard`)."""


class VerifyAidAsk(Ask):
    """What a visitor saw."""

    finding: AidFinding
    visited_on: date | None = None
    """Asia/Shanghai; absent: today."""
    report: Words


class PublicizeAidAsk(Ask):
    """Post the case without a name for some days, or say why it is spared."""

    publicity: Publicity
    days: Annotated[int, Field(ge=1, le=30)] | None = None
    """Of a posting; absent: the fewest that the policy allows."""
    reason_code: Literal["dignity", "child", "illness", "violence"] | None = None
    """Of a waiver."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.publicity == "waived") is (self.reason_code is None):
            raise mistake(
                "reason_of_a_waiver", "免公示时写明原因。", "a waiver has a reason, a posting none", field="reason_code"
            )
        if self.publicity == "waived" and self.days is not None:
            raise mistake("days_of_a_posting", "免公示没有天数。", "a waiver has no days", field="days")
        return self


class AmendAidAsk(Ask):
    """What changes; every approval given so far is void."""

    purpose: Code | None = None
    amount_fen: AmountFen | None = None
    payee: Payee | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.purpose is None and self.amount_fen is None and self.payee is None:
            raise mistake("nothing_changes", "写上要改的内容。", "name at least one change", field="amount_fen")
        return self


class ApproveAidAsk(Ask):
    """A signature over the approval text (`GET …/approval-request`), by one's own confirmed key."""

    key_id: KeyId
    sig: Ed25519Signature


class RejectAidAsk(Ask):
    """Why a case is turned down."""

    reason_code: AidReason


class DisburseAidAsk(Ask):
    """How it was paid."""

    method: PaidBy
    voucher_sha256: VouchersNeeded
    """Of the transfer's slip or the signed receipt."""
    effective_date: date | None = None
    """Asia/Shanghai; absent: today."""
    bank_reference: BankReference | None = None


class ConfirmAidReceiptAsk(Ask):
    """That the money arrived; a signed paper where it was told on paper."""

    voucher_sha256: Vouchers = ()


class FollowUpAidAsk(Ask):
    """What somebody saw afterwards."""

    outcome: AidOutcome
    report: Words


class ReturnAidAsk(Ask):
    """Paid money that came back."""

    amount_fen: AmountFen
    method: DonationMethod
    reason_code: ReturnReason
    voucher_sha256: VouchersNeeded
    effective_date: date | None = None


class ReverseAidAsk(Ask):
    """A signature over the reversal text (`GET …/reversal-request`), and the public words of the correction."""

    reason_code: ReversalReason
    explanation: PublicWords | None = None
    """更正说明: needed with the first signature."""
    key_id: KeyId
    sig: Ed25519Signature


class Independence(BaseModel):
    """What was looked up of who decides: nothing that ties them to the case, up to a position in volunteers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    obstacle: Obstacle | None = None
    position: int = 0


class SigningKey(BaseModel):
    """The key in force of who signs, as looked up; None in its place where they have none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key_id: KeyId
    public_key: PublicKey


class AidCommand(Command):
    """A command decided on a case's stream."""

    case_id: UUID
    policy: LedgerPolicy = LedgerPolicy()
    independence: Independence = Independence()

    @property
    def stream(self) -> str:
        """`aid-<uuid>`."""
        return aid_stream(self.case_id)


class ApplyAid(AidCommand):
    """Ask for help. `beneficiary_ref` and `payee_ref` are random, made for this case alone."""

    fund: Code
    purpose: Code
    amount_fen: AmountFen
    lane: AidLane
    standard: Code
    beneficiary_ref: UUID
    beneficiary_commitment: Digest
    need_commitment: Digest
    payee_ref: UUID
    payee_commitment: Digest


class VerifyAid(AidCommand):
    """Say what a visitor saw."""

    finding: AidFinding
    visited_on: date
    report_ref: UUID
    report_commitment: Digest


class PublicizeAid(AidCommand):
    """Post the case, or waive it."""

    publicity: Publicity
    pseudonym: Code
    days: int | None = None
    reason_code: Code | None = None


class AmendAid(AidCommand):
    """Change purpose, amount or payee."""

    purpose: Code | None = None
    amount_fen: AmountFen | None = None
    payee_ref: UUID | None = None
    payee_commitment: Digest | None = None


class ApproveAid(AidCommand):
    """Approve by one's own signature."""

    community: str
    key: SigningKey | None
    key_id: KeyId
    sig: Ed25519Signature
    hold_id: UUID | None = None
    """With the last approval, and only then: the hold placed in the same append."""


class RejectAid(AidCommand):
    """Turn a case down."""

    reason_code: AidReason


class LapseAidApproval(AidCommand):
    """End approvals that waited too long for their payment, or in the urgent lane for one another."""


class DisburseAid(AidCommand):
    """Pay what was approved."""

    method: PaidBy
    entry_id: UUID
    voucher_sha256: VouchersNeeded
    effective_date: date
    tied_approver: Obstacle | None = None
    """What ties somebody who approved to the case by now; None: nothing ties anybody."""


class ConfirmAidReceipt(AidCommand):
    """Say that the money arrived."""

    voucher_sha256: Vouchers = ()


class FollowUpAid(AidCommand):
    """Close the case after a look."""

    outcome: AidOutcome
    report_ref: UUID
    report_commitment: Digest


class ReturnAid(AidCommand):
    """Take back paid money."""

    amount_fen: AmountFen
    method: DonationMethod
    reason_code: ReturnReason
    entry_id: UUID
    voucher_sha256: VouchersNeeded
    effective_date: date


class ReverseAid(AidCommand):
    """Sign that a payment is taken back in the books."""

    community: str
    key: SigningKey | None
    key_id: KeyId
    sig: Ed25519Signature
    reason_code: ReversalReason
    entry_id: UUID | None = None
    """With the second signature, and only then."""
    explanation_ref: UUID | None = None
    explanation_commitment: Digest | None = None


AID_COMMANDS: tuple[type[AidCommand], ...] = (
    ApplyAid, VerifyAid, PublicizeAid, AmendAid, ApproveAid, RejectAid, LapseAidApproval, DisburseAid,
    ConfirmAidReceipt, FollowUpAid, ReturnAid, ReverseAid,
)  # fmt: skip
AnyAidCommand = (
    ApplyAid
    | VerifyAid
    | PublicizeAid
    | AmendAid
    | ApproveAid
    | RejectAid
    | LapseAidApproval
    | DisburseAid
    | ConfirmAidReceipt
    | FollowUpAid
    | ReturnAid
    | ReverseAid
)
