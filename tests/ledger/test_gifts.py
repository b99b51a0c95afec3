"""Gifts over HTTP on real PostgreSQL: what is taken, and what bad input gets."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from contracts.command import Role
from contracts.ledger import DonationReceived, EntryPosted
from services.ledger.commands import book_stream, day_of
from tests.ledger.counter import AS_AUDITOR, AS_CASHIER, AS_CLERK, BANK, DONOR, GIFT, Counter
from tests.ledger.examples import ANNA, CASHIER, CLERK, DIGEST, TELLER

RECEIPT = {"receipt_no": "TJ-2026-000017"}


async def test_a_gift_is_pledged_received_posted_and_receipted(counter: Counter):
    pledged = await counter.done("/donations", {**GIFT, "donor": DONOR}, *AS_CLERK)
    path = f"/donations/{pledged['donation_id']}"
    received = await counter.done(f"{path}/receive", {**BANK, "voucher_sha256": [DIGEST]}, *AS_CASHIER)
    assert len(received["event_ids"]) == 2, "the money and its entry are one append"
    await counter.done(f"{path}/receipt", RECEIPT, *AS_CLERK)
    assert await counter.types() == ["DonationPledged", "DonationReceived", "EntryPosted", "DonationReceipted"]
    entry = (await counter.events())[2]
    assert isinstance(entry, EntryPosted)
    assert str(entry.entry_id) == received["entry_id"]
    assert [(posting.account, posting.amount) for posting in entry.postings] == [
        ("assets:bank", 20_000),
        ("income:donations", -20_000),
    ]
    shown = await counter.read(path)
    assert (shown["state"], shown["receipt_no"], shown["entry_no"]) == ("RECEIPTED", "TJ-2026-000017", 1)
    assert (shown["public_name"], shown["anonymous"]) == (DONOR["public_name"], False)
    assert shown["entry_id"] == received["entry_id"]
    assert "pledged_by" not in shown


async def test_no_word_about_the_donor_is_in_the_log(counter: Counter):
    await counter.given(donor={**DONOR, "person_id": str(ANNA)})
    bodies = b"".join(raw.body for raw in await counter.runtime.log.read_raw(0, 100))
    for word in (*DONOR.values(), str(ANNA)):
        assert word.encode() not in bodies


async def test_every_gift_has_a_ref_of_its_own(counter: Counter):
    gifts = [await counter.done("/donations", {**GIFT, "donor": DONOR}, *AS_CLERK) for _ in range(2)]
    assert len({gift["donor_ref"] for gift in gifts}) == 2


async def test_the_name_is_for_the_fund_desk_and_public_only_with_consent(counter: Counter):
    unnamed = {name: value for name, value in DONOR.items() if name != "public_name"}
    donation_id = await counter.pledged(donor=unnamed)
    assert (await counter.read(f"/donations/{donation_id}"))["public_name"] == "匿名"
    donor = await counter.read(f"/donations/{donation_id}/donor", *AS_CLERK)
    assert (donor["name"], donor["phone"]) == (DONOR["name"], DONOR["phone"])
    answer = await counter.get(f"/donations/{donation_id}/donor", *AS_AUDITOR)
    assert (answer.status_code, answer.json()["reason_code"]) == (403, "forbidden")
    nobody = await counter.pledged()
    assert (await counter.read(f"/donations/{nobody}/donor", *AS_CLERK))["name"] == "匿名"


async def test_a_repeated_key_gets_the_first_answer_and_another_body_is_refused(counter: Counter):
    key = {"Idempotency-Key": "pledge-of-zhao-1"}
    first = await counter.done("/donations", GIFT, *AS_CLERK, **key)
    assert await counter.done("/donations", GIFT, *AS_CLERK, **key) == first
    await counter.refused(409, "key_reused", "/donations", {**GIFT, "amount_fen": 1}, *AS_CLERK, **key)
    assert await counter.types() == ["DonationPledged"]


MALFORMED: list[tuple[dict[str, Any], str, str]] = [
    ({"amount_fen": 200.5}, "/amount_fen", "not_a_whole_number"),
    ({"amount_fen": 200.0}, "/amount_fen", "not_a_whole_number"),
    ({"amount_fen": "200"}, "/amount_fen", "not_a_whole_number"),
    ({"amount_fen": True}, "/amount_fen", "not_a_whole_number"),
    ({"amount_fen": -1}, "/amount_fen", "too_small"),
    ({"amount_fen": 0}, "/amount_fen", "too_small"),
    ({"amount_fen": 10**12}, "/amount_fen", "too_large"),
    ({"amount_fen": 10**40}, "/amount_fen", "too_large"),
    ({"fund": "Gold"}, "/fund", "wrong_format"),
    ({"donor": {**DONOR, "phone": "call me"}}, "/donor/phone", "wrong_format"),
    ({"donor": {**DONOR, "name": "赵" * 61}}, "/donor/name", "text_too_long"),
    ({"donor": {**DONOR, "name": ""}}, "/donor/name", "text_too_short"),
    ({"donor": {**DONOR, "name": "e\u0301"}}, "/donor/name", "text_not_nfc"),
    ({"donor": {**DONOR, "person_id": "anna"}}, "/donor/person_id", "not_an_id"),
    ({"donor": {**DONOR, "account": "6222"}}, "/donor/account", "unknown_field"),
    ({"currency": "CNY"}, "/currency", "unknown_field"),
]


async def test_a_pledge_that_is_not_well_formed_is_refused_with_the_place(counter: Counter):
    for changes, where, code in MALFORMED:
        problem = await counter.refused(422, "invalid_request", "/donations", {**GIFT, **changes}, *AS_CLERK)
        errors = {(error["pointer"], error["reason_code"]) for error in problem["errors"]}
        assert (where, code) in errors, changes


AGAINST_THE_RULES: list[tuple[dict[str, Any], str]] = [
    ({"fund": "gold"}, "fund_unknown"),
    ({"purpose": "activities"}, "purpose_unknown"),
    ({"amount_fen": 100_000_001}, "amount_over_cap"),
    ({"donor": {**DONOR, "person_id": str(uuid4())}}, "donor_unknown"),
]


async def test_a_pledge_against_the_rules_is_refused(counter: Counter):
    for changes, code in AGAINST_THE_RULES:
        await counter.refused(422, code, "/donations", {**GIFT, **changes}, *AS_CLERK)


NOT_LIKE_THIS: list[tuple[dict[str, Any], str]] = [
    ({"method": "cash", "amount_fen": 100_001}, "two_counters_required"),
    ({"method": "cash", "counted_by": [str(TELLER), str(TELLER)]}, "counters_equal"),
    ({"method": "cash", "counted_by": [str(TELLER), str(uuid4())]}, "counter_unknown"),
    ({**BANK, "effective_date": "2020-01-01"}, "day_impossible"),
    ({**BANK, "amount_fen": 100_000_001}, "amount_over_cap"),
    ({**BANK, "amount_fen": 1.5}, "invalid_request"),
    ({"method": "bitcoin"}, "invalid_request"),
    ({**BANK, "voucher_sha256": ["xyz"]}, "invalid_request"),
    ({**BANK, "effective_date": "2026-02-30"}, "invalid_request"),
]


async def test_money_that_cannot_have_come_like_this_is_refused(counter: Counter):
    donation_id = await counter.pledged()
    for body, code in NOT_LIKE_THIS:
        await counter.refused(422, code, f"/donations/{donation_id}/receive", body, *AS_CASHIER)


async def test_much_cash_counted_by_two_is_posted_to_the_cash_box(counter: Counter):
    counted = {"method": "cash", "amount_fen": 100_001, "counted_by": [str(CASHIER), str(TELLER)]}
    await counter.given(counted, purpose="illness")
    received, entry = (await counter.events())[1:]
    assert isinstance(received, DonationReceived)
    assert received.counted_by == (CASHIER, TELLER)
    assert isinstance(entry, EntryPosted)
    assert [posting.account for posting in entry.postings] == ["assets:cash_box", "income:donations:restricted:illness"]


async def test_a_gift_passes_through_three_hands(counter: Counter):
    donation_id = await counter.pledged()
    path = f"/donations/{donation_id}"
    both = (Role.FUND_CLERK, Role.CASHIER)
    await counter.refused(403, "forbidden", f"{path}/receive", BANK, TELLER, Role.FUND_CLERK)
    await counter.refused(403, "same_hands", f"{path}/receive", BANK, CLERK, *both)
    await counter.done(f"{path}/receive", BANK, *AS_CASHIER)
    await counter.refused(403, "same_hands", f"{path}/receipt", RECEIPT, CASHIER, *both)
    waiver = {"reason_code": "donor_waived"}
    await counter.refused(403, "same_hands", f"{path}/waive-receipt", waiver, CASHIER, *both)
    await counter.done(f"{path}/receipt", RECEIPT, *AS_CLERK)


async def test_only_the_clerk_takes_pledges(counter: Counter):
    for role in (Role.ADMIN, Role.CASHIER, Role.VOLUNTEER, Role.AUDITOR):
        await counter.refused(403, "forbidden", "/donations", GIFT, ANNA, role)


async def test_a_receipt_number_is_given_once(counter: Counter):
    first, second = await counter.given(), await counter.given()
    await counter.done(f"/donations/{first}/receipt", RECEIPT, *AS_CLERK)
    await counter.refused(409, "receipt_no_taken", f"/donations/{second}/receipt", RECEIPT, *AS_CLERK)
    await counter.refused(422, "invalid_request", f"/donations/{second}/receipt", {"receipt_no": "票号一"}, *AS_CLERK)
    waiver = {"reason_code": "donor_anonymous"}
    await counter.done(f"/donations/{second}/waive-receipt", waiver, *AS_CLERK)
    await counter.refused(409, "receipt_settled", f"/donations/{second}/receipt", {"receipt_no": "T-2"}, *AS_CLERK)
    assert (await counter.read(f"/donations/{second}"))["state"] == "WAIVED"


async def test_what_is_not_there_or_out_of_turn_is_refused(counter: Counter):
    nowhere = f"/donations/{uuid4()}"
    for path, body, who in (("receive", BANK, AS_CASHIER), ("receipt", RECEIPT, AS_CLERK)):
        await counter.refused(404, "donation_unknown", f"{nowhere}/{path}", body, *who)
    assert (await counter.get(nowhere)).status_code == 404
    donation_id = await counter.pledged()
    await counter.refused(409, "not_received", f"/donations/{donation_id}/receipt", RECEIPT, *AS_CLERK)
    stale = {"If-Version": "7"}
    await counter.refused(409, "stale_version", f"/donations/{donation_id}/receive", BANK, *AS_CASHIER, **stale)
    await counter.done(f"/donations/{donation_id}/receive", BANK, *AS_CASHIER, **{"If-Version": "1"})
    await counter.refused(409, "received_already", f"/donations/{donation_id}/receive", BANK, *AS_CASHIER)


async def test_the_desk_sees_whose_receipt_is_due_first(counter: Counter):
    waiting = await counter.given()
    promised = await counter.pledged(fund="fund-public-good")
    listed = (await counter.read("/donations", *AS_CLERK))["donations"]
    assert [gift["donation_id"] for gift in listed] == [waiting, promised]
    only = await counter.read("/donations", *AS_CLERK, state="PLEDGED", fund="fund-public-good")
    assert [gift["donation_id"] for gift in only["donations"]] == [promised]
    assert (await counter.get("/donations", ANNA, Role.VOLUNTEER)).status_code == 403
    assert (await counter.get("/donations", *AS_CLERK, state="LOST")).status_code == 422


async def test_money_that_came_before_is_booked_on_its_day(counter: Counter):
    day = day_of(counter.runtime.clock.now()) - timedelta(days=3)
    await counter.given({**BANK, "effective_date": day.isoformat()})
    (entry,) = [event for event in await counter.events() if isinstance(event, EntryPosted)]
    assert entry.effective_date == day
    (recorded,) = await counter.runtime.log.read_stream(book_stream("fund"))
    assert recorded.event == entry
