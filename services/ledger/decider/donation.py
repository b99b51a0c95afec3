"""A gift: PLEDGED → RECEIVED → RECEIPTED, or WAIVED where there is no receipt (domain.md §4.6, 慈善法 §38).

Three hands: who records the pledge does not take the money, who takes the money does not write the receipt
(会计法 §25, §35). The entry in the fund's book is posted in the same append as the receipt of the money.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import assert_never

from contracts.command import Refused
from contracts.ledger import (
    DonationEvent,
    DonationPledged,
    DonationReceipted,
    DonationReceived,
    DonationRefunded,
    ReceiptWaived,
)
from services.ledger.chart_of_accounts import chart
from services.ledger.commands import (
    AnyDonationCommand,
    PledgeDonation,
    ReceiptDonation,
    ReceiveDonation,
    ReceivePledgedGoods,
    RefundDonation,
    WaiveReceipt,
    day_of,
)
from services.ledger.decider.two_signatures import refund_facts, require_two
from services.ledger.signatures import DONATION_REFUND


class DonationState(StrEnum):
    """Where a gift stands."""

    NONE = "NONE"
    PLEDGED = "PLEDGED"
    RECEIVED = "RECEIVED"
    RECEIPTED = "RECEIPTED"
    WAIVED = "WAIVED"
    REFUNDED = "REFUNDED"


@dataclass(frozen=True, slots=True)
class Donation:
    """What the rules need to know of a gift."""

    state: DonationState = DonationState.NONE
    pledged: DonationPledged | None = None
    received: DonationReceived | None = None
    refunded_fen: int = 0


Events = Sequence[DonationEvent]


def initial() -> Donation:
    """A gift that nobody promised."""
    return Donation()


def decide(command: AnyDonationCommand, donation: Donation) -> Events:
    """The events that a command comes to. Raises Refused."""
    match command:
        case PledgeDonation():
            return _pledge(command, donation)
        case ReceiveDonation():
            return _receive(command, donation)
        case ReceivePledgedGoods():
            return _receive_goods(command, donation)
        case ReceiptDonation():
            return _receipt(command, donation)
        case WaiveReceipt():
            return _waive(command, donation)
        case RefundDonation():
            return _refund(command, donation)
        case _:
            assert_never(command)


def _pledge(command: PledgeDonation, donation: Donation) -> Events:
    if donation.state is not DonationState.NONE:
        raise Refused("pledged_already")
    chart().require_purpose(command.fund, command.purpose)
    _require_under_cap(command, command.amount_fen)
    pledged = DonationPledged(
        donation_id=command.donation_id,
        donor_ref=command.donor_ref,
        role=command.by.role,
        fund=command.fund,
        amount_fen=command.amount_fen,
        purpose=command.purpose,
        goods=command.goods,
        anonymous=command.anonymous,
        donor_commitment=command.donor_commitment,
        pledged_at=command.at,
    )
    return [pledged]


def _promised(command: ReceiveDonation | ReceivePledgedGoods, donation: Donation) -> DonationPledged:
    """The pledge that is met now, by other hands than took it down. Raises Refused."""
    if donation.pledged is None:
        raise Refused("donation_unknown")
    if donation.state is not DonationState.PLEDGED:
        raise Refused("received_already", state=donation.state.value)
    if command.by.actor == command.pledged_by:
        raise Refused("same_hands", other="pledge")
    return donation.pledged


def _receive_goods(command: ReceivePledgedGoods, donation: Donation) -> Events:
    pledged = _promised(command, donation)
    if pledged.goods is None or (pledged.fund, pledged.goods.sku) != (command.fund, command.sku):
        raise Refused("not_what_was_pledged")
    received = DonationReceived(
        donation_id=command.donation_id,
        donor_ref=pledged.donor_ref,
        role=command.by.role,
        fund=pledged.fund,
        amount_fen=command.amount_fen,
        method="goods",
        lot_id=command.lot_id,
        anonymous=pledged.anonymous,
        voucher_sha256=command.voucher_sha256,
        donor_commitment=pledged.donor_commitment,
        effective_date=command.effective_date,
        due_at=command.at + timedelta(days=command.policy.receipt_days),
        received_at=command.at,
    )
    return [received]


def _receive(command: ReceiveDonation, donation: Donation) -> Events:
    pledged = _promised(command, donation)
    if pledged.goods is not None:
        raise Refused("not_what_was_pledged")
    _require_under_cap(command, command.amount_fen)
    _require_counted(command)
    _require_day(command)
    received = DonationReceived(
        donation_id=command.donation_id,
        donor_ref=pledged.donor_ref,
        role=command.by.role,
        fund=pledged.fund,
        amount_fen=command.amount_fen,
        purpose=pledged.purpose,
        method=command.method,
        anonymous=pledged.anonymous,
        counted_by=command.counted_by,
        voucher_sha256=command.voucher_sha256,
        donor_commitment=pledged.donor_commitment,
        effective_date=command.effective_date,
        due_at=command.at + timedelta(days=command.policy.receipt_days),
        received_at=command.at,
    )
    return [received]


def _require_under_cap(command: PledgeDonation | ReceiveDonation, amount_fen: int) -> None:
    if amount_fen > command.policy.amount_fen_max:
        raise Refused("amount_over_cap", amount_fen=amount_fen, amount_fen_max=command.policy.amount_fen_max)


def _require_counted(command: ReceiveDonation) -> None:
    """Cash above the policy's amount is counted by two people, each known by name (domain.md §4.6)."""
    if len(set(command.counted_by)) < len(command.counted_by):
        raise Refused("counters_equal")
    if command.counted_by and not command.counters_known:
        raise Refused("counter_unknown")
    limit = command.policy.cash_alone_fen_max
    if command.method == "cash" and command.amount_fen > limit and len(command.counted_by) < 2:
        raise Refused("two_counters_required", amount_fen_max=limit)


def _require_day(command: ReceiveDonation) -> None:
    today = day_of(command.at)
    earliest = today - timedelta(days=command.policy.backdate_days)
    if not earliest <= command.effective_date <= today:
        raise Refused("day_impossible", earliest=earliest.isoformat(), latest=today.isoformat())


def _receipt(command: ReceiptDonation, donation: Donation) -> Events:
    received = _settling(command, donation)
    receipted = DonationReceipted(
        donation_id=command.donation_id,
        donor_ref=received.donor_ref,
        role=command.by.role,
        fund=received.fund,
        amount_fen=received.amount_fen - donation.refunded_fen,
        receipt_no=command.receipt_no,
        receipted_at=command.at,
    )
    return [receipted]


def _waive(command: WaiveReceipt, donation: Donation) -> Events:
    received = _settling(command, donation)
    waived = ReceiptWaived(
        donation_id=command.donation_id,
        donor_ref=received.donor_ref,
        role=command.by.role,
        fund=received.fund,
        amount_fen=received.amount_fen - donation.refunded_fen,
        reason_code=command.reason_code,
        waived_at=command.at,
    )
    return [waived]


def _settling(command: ReceiptDonation | WaiveReceipt, donation: Donation) -> DonationReceived:
    """The money that a receipt, or its waiver, is about. Raises Refused."""
    if donation.state is DonationState.NONE:
        raise Refused("donation_unknown")
    if donation.received is None:
        raise Refused("not_received")
    if donation.state is not DonationState.RECEIVED:
        raise Refused("receipt_settled", state=donation.state.value)
    if command.by.actor == command.received_by:
        raise Refused("same_hands", other="receipt")
    return donation.received


def _refund(command: RefundDonation, donation: Donation) -> Events:
    """Give money back, never more than came and is left of it. Raises Refused."""
    received = donation.received
    if donation.pledged is None:
        raise Refused("donation_unknown")
    if received is None:
        raise Refused("not_received")
    if received.method == "goods":
        raise Refused("goods_not_refunded")
    left_fen = received.amount_fen - donation.refunded_fen
    if command.amount_fen > left_fen:
        raise Refused("more_than_received", amount_fen_max=left_fen)
    never_came = command.method is None
    if never_came and donation.refunded_fen:
        raise Refused("refunded_in_part", refunded_fen=donation.refunded_fen)
    approvals = command.approvals
    if not never_came:
        facts = refund_facts(
            command.donation_id,
            received.fund,
            received.purpose,
            command.amount_fen,
            donation.refunded_fen,
            command.reason_code,
        )
        others = {*command.hands, command.by.actor}
        approvals = require_two(DONATION_REFUND, command.community, facts, command.signatures, others)
    refunded = DonationRefunded(
        donation_id=command.donation_id,
        donor_ref=received.donor_ref,
        role=command.by.role,
        fund=received.fund,
        amount_fen=command.amount_fen,
        refunded_fen=donation.refunded_fen + command.amount_fen,
        reason_code=command.reason_code,
        method=command.method,
        entry_id=command.entry_id,
        approvals=approvals,
        voucher_sha256=command.voucher_sha256,
        effective_date=command.effective_date,
        refunded_at=command.at,
    )
    return [refunded]


def evolve(donation: Donation, event: DonationEvent) -> Donation:
    """The gift after an event."""
    match event:
        case DonationPledged():
            return Donation(DonationState.PLEDGED, event)
        case DonationReceived():
            return Donation(DonationState.RECEIVED, donation.pledged, event)
        case DonationReceipted():
            return replace(donation, state=DonationState.RECEIPTED)
        case ReceiptWaived():
            return replace(donation, state=DonationState.WAIVED)
        case DonationRefunded():
            assert donation.received is not None
            whole = event.refunded_fen == donation.received.amount_fen
            state = DonationState.REFUNDED if whole else donation.state
            return replace(donation, state=state, refunded_fen=event.refunded_fen)
        case _:
            assert_never(event)
