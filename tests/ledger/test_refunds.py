"""Money that goes back and entries that were wrong: two signatures over exactly that, never more than there is."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.command import Role
from contracts.ledger import DonationRefunded, EntryPosted, EntryReversed
from contracts.volunteers import RelationDeclared, RoleGranted, RoleRevoked
from services.ledger.commands import RefundDonation, Signed
from services.ledger.decider import donation
from services.ledger.decider.two_signatures import refund_facts
from services.ledger.signatures import DONATION_REFUND, ENTRY_REVERSAL, is_signed, signed_text
from tests.ledger.aid_examples import APPROVER, COMMUNITY, SECOND, SIGNERS, THIRD
from tests.ledger.carried import BOTH, refunding, reversing
from tests.ledger.counter import BANK, DONOR, Counter
from tests.ledger.examples import (
    ANNA,
    CASHIER,
    CLERK,
    DIGEST,
    DONATION,
    NOON,
    TELLER,
    Story,
    by,
    pledge,
    receipt,
    receive,
    receive_pledged_goods,
    refund,
    waive,
)
from tests.ledger.office import AS_CASHIER, AS_CLERK, Office

GIVEN = (pledge(), receive())


def signed_refund(*signers: UUID, before_fen: int = 0, **changes: Any) -> RefundDonation:
    """A refund with valid signatures over what it says, unless the changes say otherwise."""
    asked = refund(**changes)
    facts = refund_facts(DONATION, "fund-relief", None, asked.amount_fen, before_fen, asked.reason_code)
    signatures = tuple(signed(DONATION_REFUND, facts, person) for person in signers or BOTH)
    return asked.model_copy(update={"signatures": changes.get("signatures", signatures)})


def signed(kind: str, facts: Any, person: UUID, **changes: Any) -> Signed:
    signer = SIGNERS[person]
    fields: dict[str, Any] = {
        "person_id": person,
        "role": Role.FUND_APPROVER,
        "key_id": signer.key.key_id,
        "public_key": signer.public_key,
        "in_force": True,
        "sig": signer.signed(kind, facts),
    }
    return Signed(**fields | changes)


@pytest.mark.parametrize("settled", [(), (receipt(),), (waive(),)])
def test_part_of_a_gift_goes_back_and_then_the_rest_and_no_more(settled: tuple[Any, ...]):
    story = Story(donation, *GIVEN, *settled)
    before = story.state.state
    refunded = story.when(signed_refund()).then("DonationRefunded")
    assert (refunded.amount_fen, refunded.refunded_fen, len(refunded.approvals)) == (5_000, 5_000, 2)
    assert story.state.state is before
    story.refuses(signed_refund(amount_fen=15_001, before_fen=5_000), "more_than_received")
    assert (
        story.when(signed_refund(amount_fen=15_000, before_fen=5_000)).then("DonationRefunded").refunded_fen == 20_000
    )
    assert story.state.state == "REFUNDED"
    story.refuses(signed_refund(amount_fen=1, before_fen=20_000), "more_than_received")
    story.refuses(receipt(), "receipt_settled")


def test_a_signature_serves_once_and_for_nothing_else():
    story = Story(donation, *GIVEN)
    once = signed_refund()
    story.refuses(once.model_copy(update={"amount_fen": 6_000}), "signature_wrong")
    story.refuses(once.model_copy(update={"reason_code": "sent_twice"}), "signature_wrong")
    story.refuses(once.model_copy(update={"community": "elsewhere"}), "signature_wrong")
    story.when(once).then("DonationRefunded")
    story.refuses(once, "signature_wrong")


def test_two_people_sign_neither_of_whom_had_a_hand_in_the_gift():
    story = Story(donation, *GIVEN)
    story.refuses(signed_refund(APPROVER, APPROVER), "signers_equal")
    story.refuses(signed_refund(hands=frozenset({str(SECOND)})), "signer_has_hand")
    story.refuses(signed_refund(by=by(APPROVER, Role.CASHIER)), "signer_has_hand")
    first, second = signed_refund().signatures
    ended = second.model_copy(update={"in_force": False})
    story.refuses(signed_refund(signatures=(first, ended)), "key_not_in_force")
    swapped = second.model_copy(update={"sig": first.sig})
    story.refuses(signed_refund(signatures=(first, swapped)), "signature_wrong")


def test_only_money_that_came_goes_back():
    Story(donation).refuses(signed_refund(), "donation_unknown")
    Story(donation, pledge()).refuses(signed_refund(), "not_received")
    things = pledge(goods={"sku": "rice_5kg", "qty": 10})
    Story(donation, things, receive_pledged_goods()).refuses(signed_refund(), "goods_not_refunded")
    story = Story(donation, *GIVEN, signed_refund())
    story.refuses(refund(method=None, amount_fen=1), "refunded_in_part")


async def entry_of(counter: Counter, gift: str) -> str:
    entry_id: str = (await counter.read(f"/donations/{gift}"))["entry_id"]
    return entry_id


async def test_money_goes_back_from_where_it_was_with_both_signatures_on_the_entry(office: Office):
    counter = office.counter
    gift = await counter.given(purpose="illness", amount_fen=20_000)
    done = await counter.done(f"/donations/{gift}/refund", await refunding(office, gift), *AS_CASHIER)
    assert len(done["event_ids"]) == 2
    refunded, entry = (await counter.events())[-2:]
    assert isinstance(refunded, DonationRefunded)
    assert isinstance(entry, EntryPosted)
    assert [(one.account, one.amount) for one in entry.postings] == [
        ("income:donations:restricted:illness", 5_000),
        ("assets:bank", -5_000),
    ]
    assert entry.approvals == refunded.approvals
    for approval, person in zip(entry.approvals, BOTH, strict=True):
        facts = refund_facts(UUID(gift), "fund-relief", "illness", 5_000, 0, "sent_twice")
        text = signed_text(DONATION_REFUND, COMMUNITY, facts, person)
        assert is_signed(SIGNERS[person].public_key, text, approval.sig), "anybody can check it from the events"
    shown = await counter.read(f"/donations/{gift}")
    assert (shown["state"], shown["refunded_fen"], shown["entry_no"]) == ("RECEIVED", 5_000, 2)
    assert (await office.pots())["illness"] == (15_000, 0)


async def test_what_was_promised_to_a_neighbour_does_not_go_back(office: Office):
    counter = office.counter
    gift = await counter.given(purpose="illness", amount_fen=20_000)
    case_id = await office.ready(amount_fen=120_000)
    await office.approved(case_id)
    body = await refunding(office, gift, amount_fen=1)
    await counter.refused(409, "fund_insufficient", f"/donations/{gift}/refund", body, *AS_CASHIER)


async def test_what_lies_elsewhere_is_fetched_first(office: Office):
    counter = office.counter
    gift = await counter.given(receive={"method": "cheque"}, amount_fen=200_000)
    body = await refunding(office, gift, amount_fen=200_000)
    await counter.refused(409, "account_insufficient", f"/donations/{gift}/refund", body, *AS_CASHIER)


async def test_who_hands_the_signatures_in_made_neither_and_took_no_pledge(office: Office):
    counter = office.counter
    gift = await counter.given()
    body = await refunding(office, gift)
    path = f"/donations/{gift}/refund"
    await counter.refused(403, "same_hands", path, body, CLERK, Role.CASHIER)
    await counter.refused(403, "signer_has_hand", path, body, APPROVER, Role.CASHIER)
    await counter.refused(403, "forbidden", path, body, TELLER, Role.FUND_CLERK)
    unknown = {**body, "signatures": [body["signatures"][0], {"key_id": "0" * 16, "sig": "A" * 86 + "=="}]}
    await counter.refused(404, "key_unknown", path, unknown, *AS_CASHIER)
    await counter.refused(422, "invalid_request", path, {**body, "signatures": body["signatures"][:1]}, *AS_CASHIER)
    await counter.refused(409, "not_received", f"/donations/{await counter.pledged()}/refund", body, *AS_CASHIER)
    await counter.refused(404, "donation_unknown", f"/donations/{uuid4()}/refund", body, *AS_CASHIER)


async def test_of_two_refunds_with_the_same_signatures_one_is_paid(office: Office):
    counter = office.counter
    gift = await counter.given()
    body = await refunding(office, gift, amount_fen=15_000)
    asked = [counter.ask(f"/donations/{gift}/refund", body, person, Role.CASHIER) for person in (CASHIER, TELLER)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*asked)) == [200, 422]
    assert (await counter.types()).count("DonationRefunded") == 1


async def test_an_entry_that_was_wrong_is_reversed_once_with_public_words(office: Office):
    counter = office.counter
    gift = await counter.given()
    entry_id = await entry_of(counter, gift)
    body = await reversing(office, entry_id)
    reversed_ = await counter.done(f"/entries/{entry_id}/reverse", body, *AS_CLERK)
    reversal = next(event for event in await counter.events() if isinstance(event, EntryReversed))
    assert (str(reversal.entry_id), str(reversal.reverses), reversal.reverses_no) == (
        reversed_["entry_id"], entry_id, 2,
    )  # fmt: skip
    assert len(reversal.approvals) == 2
    assert body["explanation"].encode() not in b"".join(raw.body for raw in await counter.runtime.log.read_raw(0, 100))
    entries = (await counter.read("/entries"))["entries"]
    assert [(one["entry_no"], one["explanation"]) for one in entries] == [
        (1, None),
        (2, None),
        (3, body["explanation"]),
    ]
    gone = await counter.read(f"/donations/{gift}")
    assert (gone["state"], gone["refunded_fen"]) == ("REFUNDED", 20_000)
    await counter.refused(409, "reversed_already", f"/entries/{entry_id}/reverse", body, *AS_CLERK)
    await counter.refused(
        422, "more_than_received", f"/donations/{gift}/refund", await refunding(office, gift), *AS_CASHIER
    )
    receipt_body = {"receipt_no": "TJ-2026-000099"}
    await counter.refused(409, "receipt_settled", f"/donations/{gift}/receipt", receipt_body, *AS_CLERK)


async def test_the_signed_words_are_the_public_words(office: Office):
    counter = office.counter
    entry_id = await entry_of(counter, await counter.given())
    body = {**await reversing(office, entry_id), "explanation": "另一番话。"}
    await counter.refused(422, "signature_wrong", f"/entries/{entry_id}/reverse", body, *AS_CLERK)


async def test_who_posted_an_entry_does_not_sign_its_reversal(office: Office):
    counter = office.counter
    gift = await counter.pledged()
    await counter.done(f"/donations/{gift}/receive", BANK, THIRD, Role.CASHIER)
    entry_id = await entry_of(counter, gift)
    body = await reversing(office, entry_id, APPROVER, THIRD)
    await counter.refused(403, "signer_has_hand", f"/entries/{entry_id}/reverse", body, *AS_CLERK)
    body = await reversing(office, entry_id)
    await counter.refused(403, "signer_has_hand", f"/entries/{entry_id}/reverse", body, APPROVER, Role.FUND_CLERK)
    await counter.refused(403, "forbidden", f"/entries/{entry_id}/reverse", body, *AS_CASHIER)


async def test_what_other_business_rests_on_is_corrected_there(office: Office):
    counter = office.counter
    lot = {"fund": "fund-relief", "sku": "rice_5kg", "qty": 1, "unit_value_fen": 100, "condition": "new"}
    entry_id = (await counter.done("/goods", lot, *AS_CLERK))["entry_id"]
    body = await reversing(office, entry_id)
    await counter.refused(409, "corrected_elsewhere", f"/entries/{entry_id}/reverse", body, *AS_CLERK)
    body["explanation"] = ""
    await counter.refused(422, "invalid_request", f"/entries/{entry_id}/reverse", body, *AS_CLERK)
    await counter.refused(404, "entry_unknown", f"/entries/{uuid4()}/reverse", {**body, "explanation": "无"}, *AS_CLERK)


async def test_money_that_was_written_as_moved_is_written_back(office: Office):
    counter = office.counter
    moved = {"origin": "bank_transfer", "target": "cash", "amount_fen": 2_000, "voucher_sha256": [DIGEST]}
    entry_id = (await counter.done("/funds/fund-relief/move", moved, *AS_CASHIER))["entry_id"]
    body = await reversing(office, entry_id, words="没有取出来。")
    await counter.done(f"/entries/{entry_id}/reverse", body, *AS_CLERK)
    accounts = {one["account"]: one["balance"] for one in (await counter.read("/balances"))["accounts"]}
    assert (accounts["assets:cash_box"], accounts["assets:bank"]) == (0, 100_000)
    text = await counter.get(
        f"/entries/{entry_id}/reversal-request", APPROVER, Role.FUND_APPROVER,
        reason_code="wrong_amount", explanation_sha256=DIGEST,
    )  # fmt: skip
    assert text.text.startswith(ENTRY_REVERSAL)


def test_a_receipt_is_for_what_was_not_given_back():
    story = Story(donation, *GIVEN, signed_refund())
    assert story.when(receipt()).then("DonationReceipted").amount_fen == 15_000
    story = Story(donation, *GIVEN, signed_refund())
    assert story.when(waive()).then("ReceiptWaived").amount_fen == 15_000


def office_of(person_id: UUID, **changes: Any) -> RoleGranted:
    granted: dict[str, Any] = {
        "grant_id": uuid4(),
        "person_id": person_id,
        "granted_role": Role.FUND_APPROVER,
        "scope": "community",
        "scope_id": "chaoyangli",
        "role": Role.ADMIN,
        "granted_at": NOON,
    }
    return RoleGranted(**granted | changes)


def ended(granted: RoleGranted) -> RoleRevoked:
    kept = granted.model_dump(include={"grant_id", "person_id", "scope", "scope_id"})
    return RoleRevoked(**kept, revoked_role=granted.granted_role, role=Role.ADMIN, revoked_at=NOON)


async def test_who_is_no_approver_any_more_signs_nothing_that_others_hand_in(office: Office):
    counter, grant = office.counter, office_of(SECOND)
    gift = await counter.given()
    entry_id = await entry_of(counter, gift)
    back, taken_back = await refunding(office, gift), await reversing(office, entry_id)
    await counter.hear(grant, office_of(APPROVER, valid_until=NOON + timedelta(days=1)), ended(grant))
    await counter.refused(403, "signer_left_office", f"/donations/{gift}/refund", back, *AS_CASHIER)
    await counter.refused(403, "signer_left_office", f"/entries/{entry_id}/reverse", taken_back, *AS_CLERK)
    await counter.hear(office_of(SECOND))
    await office.later(days=2)
    await counter.refused(403, "signer_left_office", f"/donations/{gift}/refund", back, *AS_CASHIER)
    await counter.hear(office_of(APPROVER, scope_id="street"))
    await counter.done(f"/donations/{gift}/refund", back, *AS_CASHIER)


async def test_who_gave_or_is_tied_to_the_donor_does_not_approve_a_refund(office: Office):
    counter = office.counter
    own = await counter.given(donor={**DONOR, "person_id": str(APPROVER)})
    await counter.refused(
        403, "signer_not_independent", f"/donations/{own}/refund", await refunding(office, own), *AS_CASHIER
    )
    kin = RelationDeclared(
        relation_id=uuid4(), person_a_id=ANNA, person_b_id=SECOND, kind="parent", role=Role.RESIDENT, declared_at=NOON
    )
    await counter.hear(kin)
    gift = await counter.given(donor={**DONOR, "person_id": str(ANNA)})
    await counter.refused(
        403, "signer_not_independent", f"/donations/{gift}/refund", await refunding(office, gift), *AS_CASHIER
    )
    await counter.done(f"/donations/{gift}/refund", await refunding(office, gift, APPROVER, THIRD), *AS_CASHIER)
