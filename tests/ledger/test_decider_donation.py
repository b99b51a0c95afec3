"""The rules about a gift, given/when/then, and every (state, command) pair."""

from datetime import timedelta
from uuid import UUID

import pytest

from contracts.command import Role
from contracts.ledger import EntryApproval, PledgedGoods
from services.ledger.commands import DONATION_COMMANDS
from services.ledger.decider import donation
from tests.ledger.examples import (
    ANNA,
    BO,
    CASHIER,
    CLERK,
    DIGEST,
    DONOR,
    NOON,
    TELLER,
    TODAY,
    Story,
    by,
    pledge,
    receipt,
    receive,
    receive_pledged_goods,
    refund,
    waive,
)

TWO_APPROVALS = (
    EntryApproval(role=Role.FUND_APPROVER, key_id="0" * 16, sig="A" * 86 + "=="),
    EntryApproval(role=Role.FUND_APPROVER, key_id="1" * 16, sig="A" * 86 + "=="),
)
NEVER_CAME = refund(method=None, amount_fen=20_000, reason_code="entered_wrongly", approvals=TWO_APPROVALS)
"""What a reversed entry means for its gift; signatures are tried in test_refunds."""
STORIES = {
    "NONE": (),
    "PLEDGED": (pledge(),),
    "RECEIVED": (pledge(), receive()),
    "RECEIPTED": (pledge(), receive(), receipt()),
    "WAIVED": (pledge(), receive(), waive()),
    "REFUNDED": (pledge(), receive(), NEVER_CAME),
}
COMMANDS = {
    "PledgeDonation": pledge(),
    "ReceiveDonation": receive(),
    "ReceivePledgedGoods": receive_pledged_goods(),
    "ReceiptDonation": receipt(),
    "WaiveReceipt": waive(),
    "RefundDonation": NEVER_CAME,
}
ANSWERS = {
    ("NONE", "PledgeDonation"): "DonationPledged",
    ("PLEDGED", "ReceiveDonation"): "DonationReceived",
    ("RECEIVED", "ReceiptDonation"): "DonationReceipted",
    ("RECEIVED", "WaiveReceipt"): "ReceiptWaived",
    **{(state, "RefundDonation"): "DonationRefunded" for state in ("RECEIVED", "RECEIPTED", "WAIVED")},
}


def refusal(state: str, command: str) -> str:
    if command == "PledgeDonation":
        return "pledged_already"
    if state == "NONE":
        return "donation_unknown"
    if (state, command) == ("REFUNDED", "RefundDonation"):
        return "more_than_received"
    if (state, command) == ("PLEDGED", "ReceivePledgedGoods"):
        return "not_what_was_pledged"
    if command in {"ReceiveDonation", "ReceivePledgedGoods"}:
        return "received_already"
    return "not_received" if state == "PLEDGED" else "receipt_settled"


def test_the_table_knows_every_state_and_command():
    assert set(STORIES) == {state.value for state in donation.DonationState}
    assert set(COMMANDS) == {command.__name__ for command in DONATION_COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("state", STORIES)
def test_every_command_in_every_state(state: str, command: str):
    story = Story(donation, *STORIES[state])
    assert story.state.state == state
    if (state, command) in ANSWERS:
        story.when(COMMANDS[command]).then(ANSWERS[state, command])
    else:
        story.refuses(COMMANDS[command], refusal(state, command))


RICE = PledgedGoods(sku="rice_5kg", qty=10)


def test_things_that_were_promised_are_received_as_things():
    story = Story(donation, pledge(goods=RICE, amount_fen=30_000))
    story.refuses(receive(), "not_what_was_pledged")
    story.refuses(receive_pledged_goods(sku="oil_5l"), "not_what_was_pledged")
    story.refuses(receive_pledged_goods(fund="fund-public-good"), "not_what_was_pledged")
    story.refuses(receive_pledged_goods(by=by(CLERK, Role.FUND_CLERK)), "same_hands")
    received = story.when(receive_pledged_goods(amount_fen=27_000)).then("DonationReceived")
    assert (received.method, received.amount_fen, received.lot_id) == ("goods", 27_000, UUID(int=500))
    assert story.when(receipt(received_by=str(TELLER))).then("DonationReceipted").amount_fen == 27_000


def test_a_gift_keeps_its_ref_fund_and_purpose_to_the_end():
    story = Story(donation, pledge(purpose="illness"))
    received = story.when(receive()).then("DonationReceived")
    assert (received.donor_ref, received.fund, received.purpose) == (DONOR, "fund-relief", "illness")
    assert received.donor_commitment == DIGEST
    assert received.due_at == NOON + timedelta(days=15)
    receipted = story.when(receipt()).then("DonationReceipted")
    assert (receipted.donor_ref, receipted.amount_fen, receipted.role) == (DONOR, 20_000, Role.FUND_CLERK)


def test_what_was_counted_is_received_and_receipted_whatever_was_promised():
    story = Story(donation, pledge(amount_fen=20_000), receive(amount_fen=15_000))
    assert story.when(receipt()).then("DonationReceipted").amount_fen == 15_000


def test_who_recorded_the_pledge_does_not_take_the_money():
    Story(donation, pledge()).refuses(receive(by=by(CLERK, Role.CASHIER)), "same_hands")


@pytest.mark.parametrize("settle", [receipt, waive])
def test_who_took_the_money_does_not_settle_the_receipt(settle):
    Story(donation, pledge(), receive()).refuses(settle(by=by(CASHIER, Role.FUND_CLERK)), "same_hands")


@pytest.mark.parametrize(
    ("fund", "purpose", "code"), [("gold", None, "fund_unknown"), ("fund-relief", "x", "purpose_unknown")]
)
def test_a_gift_is_for_a_fund_and_a_purpose_that_exist(fund, purpose, code):
    Story(donation).refuses(pledge(fund=fund, purpose=purpose), code)


def test_amounts_above_the_cap_are_refused_when_promised_and_when_counted():
    Story(donation, pledge(amount_fen=100_000_000))
    Story(donation).refuses(pledge(amount_fen=100_000_001), "amount_over_cap")
    Story(donation, pledge()).refuses(receive(amount_fen=100_000_001), "amount_over_cap")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"method": "cash", "amount_fen": 100_001}, "two_counters_required"),
        ({"method": "cash", "amount_fen": 100_001, "counted_by": (ANNA,)}, "two_counters_required"),
        ({"method": "cash", "amount_fen": 100_001, "counted_by": (ANNA, ANNA)}, "counters_equal"),
        ({"method": "cash", "counted_by": (ANNA, BO), "counters_known": False}, "counter_unknown"),
        ({"effective_date": TODAY + timedelta(days=1)}, "day_impossible"),
        ({"effective_date": TODAY - timedelta(days=32)}, "day_impossible"),
    ],
)
def test_money_is_counted_and_dated_as_the_rules_say(changes, code):
    Story(donation, pledge()).refuses(receive(**changes), code)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "cash", "amount_fen": 100_000},
        {"method": "cash", "amount_fen": 100_001, "counted_by": (ANNA, BO)},
        {"method": "cheque", "amount_fen": 5_000_000},
        {"effective_date": TODAY - timedelta(days=31)},
    ],
)
def test_what_lies_just_within_the_rules_is_taken(changes):
    Story(donation, pledge()).when(receive(**changes)).then("DonationReceived")


def test_the_day_of_a_gift_is_shanghais():
    at = NOON.replace(hour=17)  # 01:00 of the next day in Shanghai
    Story(donation, pledge()).when(receive(at=at, effective_date=TODAY + timedelta(days=1))).then("DonationReceived")
