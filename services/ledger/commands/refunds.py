"""Money that goes back to a donor, and entries that were wrong: what people ask (domain.md §4.7, 令81 §16)."""

from typing import Literal

from contracts.command import Ask
from contracts.event import AmountFen
from contracts.ledger import RefundReason
from services.ledger.commands.aid import PaidBy, VouchersNeeded
from services.ledger.commands.signed import TwoSignatures
from services.ledger.commands.statements import PublicWords

CorrectionReason = Literal["entered_wrongly", "entered_twice", "wrong_amount", "wrong_fund", "wrong_account"]


class RefundDonationAsk(Ask):
    """How much goes back and why, with two approvers' signatures over exactly that."""

    amount_fen: AmountFen
    reason_code: RefundReason
    method: PaidBy
    voucher_sha256: VouchersNeeded
    signatures: TwoSignatures


class ReverseEntryAsk(Ask):
    """Why an entry was wrong, in words for everybody (更正说明), with two approvers' signatures over exactly that."""

    reason_code: CorrectionReason
    explanation: PublicWords
    signatures: TwoSignatures
