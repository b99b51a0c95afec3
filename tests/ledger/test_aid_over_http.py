"""A case of aid over HTTP, from the first word to the last look; what the log learns of it, and what it does not."""

import asyncio
import json
from uuid import UUID

from contracts.command import SYSTEM, Role
from contracts.ids import uuid7
from contracts.ledger import EntryPosted, EntryReversed
from contracts.volunteers import PersonErased, ProxyAuthorised, RelationDeclared
from eventstore.executor import Plan
from eventstore.model import Metadata
from services.ledger.api.aid_shared import AID
from services.ledger.decider.aid_hands import request_facts
from services.ledger.decider.aid_state import evolve, initial
from services.ledger.signatures import AID_APPROVAL, is_signed, signed_text
from services.ledger.timers import due_of
from tests.ledger.aid_examples import (
    APPROVER,
    CARER,
    COMMUNITY,
    NEIGHBOUR,
    OTHER_VISITOR,
    SECOND,
    SIGNERS,
    THIRD,
    VISITOR,
)
from tests.ledger.examples import ANNA, CASHIER, CLERK, NOON
from tests.ledger.office import (
    AS_CARER,
    AS_CASHIER,
    AS_CLERK,
    AS_NEIGHBOUR,
    NEED,
    PAID,
    WORDS,
    Office,
    lives,
)


async def test_a_neighbour_is_helped_from_the_first_word_to_the_last_look(office: Office):
    counter = office.counter
    case_id = await office.paid()
    await counter.done(f"/aid-cases/{case_id}/confirm-receipt", {}, *AS_NEIGHBOUR)
    await office.later(days=10)
    seen = {"outcome": "need_met", "report": "已经出院，在家休养。"}
    await counter.done(f"/aid-cases/{case_id}/follow-up", seen, *AS_CARER)
    case = await counter.read(f"/aid-cases/{case_id}")
    assert (case["state"], case["approvals"], case["due_at"]) == ("CLOSED", 2, None)
    told = [kind for kind in await counter.types() if not kind.startswith(("SigningKey", "Donation"))]
    assert told == [
        "EntryPosted", "AidApplied", "AidVerified", "AidVerified", "AidPublicized", "AidApproved", "AidApproved",
        "HoldPlaced", "AidDisbursed", "HoldReleased", "EntryPosted", "AidReceiptConfirmed", "AidFollowedUp",
    ]  # fmt: skip
    assert await office.pots() == {"": (20_000, 0)}


async def test_the_log_learns_neither_who_is_helped_nor_what_for(office: Office):
    case_id = await office.paid()
    await office.counter.done(f"/aid-cases/{case_id}/confirm-receipt", {}, *AS_NEIGHBOUR)
    recorded = await office.counter.runtime.log.read(0, 10_000)
    every_byte = b"".join(one.body for one in recorded).decode()
    for word in (str(NEIGHBOUR), NEED["need"], "周示例", "6222", "单据看过"):
        assert str(word) not in every_byte
    assert str(APPROVER) in every_byte


async def test_anybody_can_check_an_approval_from_the_events_alone(office: Office):
    case_id = await office.ready()
    await office.approved(case_id)
    keys, case, checked = {}, initial(), 0
    for event in await office.counter.events():
        if event.type == "SigningKeyRegistered":
            keys[event.key_id] = event.public_key
        if event.type == "AidApproved":
            text = signed_text(AID_APPROVAL, COMMUNITY, request_facts(UUID(case_id), case), event.approver_id)
            assert is_signed(keys[event.key_id], text, event.sig)
            checked += 1
        if event.type.startswith("Aid"):
            case = evolve(case, event)
    assert checked == 2


async def test_the_payment_carries_both_signatures_its_voucher_and_nobodys_name(office: Office):
    case_id = await office.paid()
    posted = [event for event in await office.counter.events() if isinstance(event, EntryPosted)][-1]
    assert (posted.kind, str(posted.case_id), posted.voucher_sha256) == ("aid_paid", case_id, ("ab" * 32,))
    assert [approval.key_id for approval in posted.approvals] == [
        SIGNERS[APPROVER].key.key_id,
        SIGNERS[SECOND].key.key_id,
    ]
    assert len(posted.subject_commit) == 1


async def test_two_cases_that_the_fund_cannot_both_pay_are_not_both_approved(office: Office):
    first, second = await office.ready(), await office.ready()
    for case_id in (first, second):
        await office.approved(case_id, APPROVER)
    signed = {case_id: await office.signature(case_id, SECOND) for case_id in (first, second)}
    answers = await asyncio.gather(
        *(
            office.counter.ask(f"/aid-cases/{case_id}/approve", body, SECOND, Role.FUND_APPROVER)
            for case_id, body in signed.items()
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert {a.json().get("reason_code") for a in answers if a.status_code == 409} == {"fund_insufficient"}
    assert await office.pots() == {"": (100_000, 80_000)}


async def test_nothing_is_paid_without_both_and_never_twice(office: Office):
    case_id = await office.ready()
    await office.approved(case_id, APPROVER)
    path = f"/aid-cases/{case_id}/disburse"
    await office.counter.refused(409, "not_its_turn", path, PAID, *AS_CASHIER)
    await office.approved(case_id, SECOND)
    answers = await asyncio.gather(*(office.counter.ask(path, PAID, *AS_CASHIER) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert (await office.counter.types()).count("AidDisbursed") == 1


async def test_nobody_records_another_persons_approval(office: Office):
    case_id = await office.ready()
    path = f"/aid-cases/{case_id}/approve"
    stolen = await office.signature(case_id, APPROVER)
    await office.counter.refused(403, "key_not_in_force", path, stolen, SECOND, Role.FUND_APPROVER)
    await office.counter.refused(403, "forbidden", path, stolen, *AS_CLERK)
    mine = await office.signature(case_id, SECOND)
    foreign = {"key_id": mine["key_id"], "sig": stolen["sig"]}
    await office.counter.refused(422, "signature_wrong", path, foreign, SECOND, Role.FUND_APPROVER)


async def test_a_key_that_nobody_confirmed_or_that_was_ended_signs_nothing(office: Office):
    case_id = await office.ready()
    signed = await office.signature(case_id, THIRD)
    ended = {"person_id": str(THIRD), "reason_code": "lost"}
    await office.counter.done(f"/signing-keys/{signed['key_id']}/revoke", ended, THIRD, Role.FUND_APPROVER)
    path = f"/aid-cases/{case_id}/approve"
    await office.counter.refused(403, "key_missing", path, signed, THIRD, Role.FUND_APPROVER)


async def test_one_key_never_serves_two_people(office: Office):
    signer = SIGNERS[APPROVER]
    text = await office.counter.get(
        "/signing-keys/registration-text", CARER, Role.FUND_APPROVER, public_key=signer.public_key
    )
    body = {"public_key": signer.public_key, "proof": signer.sign(text.content)}
    await office.counter.refused(409, "key_of_another", "/signing-keys", body, CARER, Role.FUND_APPROVER)


async def test_an_amendment_voids_the_approvals_and_frees_the_money(office: Office):
    case_id = await office.ready()
    await office.approved(case_id)
    assert await office.pots() == {"": (100_000, 80_000)}
    same = {"payee": NEED["payee"]}
    await office.counter.refused(409, "nothing_amended", f"/aid-cases/{case_id}/amend", same, *AS_CLERK)
    old = await office.signature(case_id, SECOND)
    await office.counter.done(f"/aid-cases/{case_id}/amend", {"amount_fen": 60_000}, *AS_CLERK)
    assert await office.pots() == {"": (100_000, 0)}
    path = f"/aid-cases/{case_id}/approve"
    await office.counter.refused(422, "signature_wrong", path, old, SECOND, Role.FUND_APPROVER)
    await office.approved(case_id)
    assert await office.pots() == {"": (100_000, 60_000)}


async def test_who_is_tied_to_the_neighbour_or_to_the_case_stands_aside(office: Office):
    await office.counter.hear(
        RelationDeclared(
            relation_id=uuid7(), person_a_id=APPROVER, person_b_id=NEIGHBOUR, kind="sibling",
            role=Role.STATION_MANAGER, declared_at=NOON,
        ),
        RelationDeclared(
            relation_id=uuid7(), person_a_id=CASHIER, person_b_id=SECOND, kind="spouse",
            role=Role.STATION_MANAGER, declared_at=NOON,
        ),
        RelationDeclared(
            relation_id=uuid7(), person_a_id=CLERK, person_b_id=SECOND, kind="colleague",
            role=Role.STATION_MANAGER, declared_at=NOON,
        ),
    )  # fmt: skip
    case_id = await office.ready()
    path = f"/aid-cases/{case_id}/approve"
    body = await office.signature(case_id, APPROVER)
    document = await office.counter.refused(403, "not_independent", path, body, APPROVER, Role.FUND_APPROVER)
    assert "relation" in document["detail"]
    # Colleagues act for the fund together; a couple does not.
    await office.approved(case_id, SECOND, THIRD)
    await office.counter.refused(403, "not_independent", f"/aid-cases/{case_id}/disburse", PAID, *AS_CASHIER)


async def test_who_became_tied_to_the_neighbour_after_approving_stops_the_payment(office: Office):
    case_id = await office.ready()
    await office.approved(case_id)
    await office.counter.hear(
        RelationDeclared(
            relation_id=uuid7(), person_a_id=SECOND, person_b_id=NEIGHBOUR, kind="spouse",
            role=Role.STATION_MANAGER, declared_at=NOON,
        )
    )  # fmt: skip
    path = f"/aid-cases/{case_id}/disburse"
    document = await office.counter.refused(409, "approver_not_independent", path, PAID, *AS_CASHIER)
    assert "relation" in document["detail"]
    # Other terms, and others sign them.
    await office.counter.done(f"/aid-cases/{case_id}/amend", {"amount_fen": 79_000}, *AS_CLERK)
    await office.approved(case_id, APPROVER, THIRD)
    await office.counter.done(path, PAID, *AS_CASHIER)


async def test_a_neighbour_who_serves_the_fund_has_no_part_in_their_own_case(office: Office):
    case_id = await office.applied()
    saw = {"finding": "confirmed", "report": "我看过了。"}
    document = await office.counter.refused(
        403, "not_independent", f"/aid-cases/{case_id}/verify", saw, NEIGHBOUR, Role.GRID_WORKER
    )
    assert "beneficiary" in document["detail"]


async def test_a_proxy_asks_for_somebody_and_stands_aside_from_then_on(office: Office):
    await office.counter.refused(403, "forbidden", "/aid-cases", NEED, CARER, Role.PROXY)
    authorised = ProxyAuthorised(
        proxy_authorisation_id=uuid7(), principal_id=NEIGHBOUR, proxy_id=CARER, scope=("fund",), role=Role.RESIDENT,
        valid_until=None, authorised_at=NOON,
    )  # fmt: skip
    await office.counter.hear(authorised)
    world = office.counter.served.world
    for_another = {"Authorization": f"Bearer {world.token(Role.PROXY, actor_id=CARER, on_behalf_of=NEIGHBOUR)}"}
    case_id = (await office.counter.done("/aid-cases", NEED, CARER, Role.PROXY, **for_another))["case_id"]
    own = await office.counter.read("/aid-cases", *AS_NEIGHBOUR)
    assert [case["case_id"] for case in own["cases"]] == [case_id]
    saw = {"finding": "confirmed", "report": "我看过了。"}
    document = await office.counter.refused(
        403, "not_independent", f"/aid-cases/{case_id}/verify", saw, CARER, Role.SOCIAL_WORKER
    )
    assert "applicant" in document["detail"]


async def test_who_lives_with_the_neighbour_stands_aside(office: Office):
    home, flatmate, neighbour = uuid7(), uuid7(), uuid7()
    await office.counter.hear(lives(flatmate, home), lives(neighbour, home))
    case_id = (await office.counter.done("/aid-cases", NEED, neighbour, Role.RESIDENT))["case_id"]
    saw = {"finding": "confirmed", "report": "我看过了。"}
    document = await office.counter.refused(
        403, "not_independent", f"/aid-cases/{case_id}/verify", saw, flatmate, Role.GRID_WORKER
    )
    assert "household" in document["detail"]


async def test_approvals_that_nobody_pays_lapse_and_free_the_money(office: Office):
    case_id = await office.ready()
    await office.approved(case_id)
    runtime = office.counter.runtime
    assert await due_of(runtime)(office.now, 10) == []
    await office.later(days=30)
    (due,) = await due_of(runtime)(office.now, 10)

    async def build() -> Plan:
        return await due.build()

    await runtime.executor.execute(build, Metadata(actor=SYSTEM.actor))
    assert (await office.counter.types())[-2:] == ["AidApprovalLapsed", "HoldReleased"]
    assert await office.pots() == {"": (100_000, 0)}
    assert await due_of(runtime)(office.now, 10) == []
    await office.counter.refused(409, "not_its_turn", f"/aid-cases/{case_id}/disburse", PAID, *AS_CASHIER)


async def test_a_payment_is_taken_back_in_public_by_two_signatures(office: Office):
    case_id = await office.paid()
    await office.reversing(case_id, APPROVER, explanation=WORDS)
    assert await office.pots() == {"": (20_000, 0)}
    done = await office.reversing(case_id, SECOND)
    reversal = (await office.counter.events())[-1]
    assert isinstance(reversal, EntryReversed)
    assert (str(reversal.entry_id), reversal.kind, str(reversal.case_id)) == (done["entry_id"], "aid_reversed", case_id)
    assert reversal.explanation_ref is not None
    assert {one.key_id for one in reversal.approvals} == {SIGNERS[who].key.key_id for who in (APPROVER, SECOND)}
    assert await office.pots() == {"": (100_000, 0)}
    opened = await office.counter.runtime.vault.open(reversal.explanation_ref)
    assert opened == {"explanation": WORDS}


async def test_money_that_came_back_is_in_the_fund_again(office: Office):
    case_id = await office.paid()
    back = {"amount_fen": 30_000, "method": "bank_transfer", "reason_code": "paid_too_much", **_voucher()}
    await office.counter.done(f"/aid-cases/{case_id}/return", back, *AS_CASHIER)
    assert await office.pots() == {"": (50_000, 0)}
    assert (await office.counter.read(f"/aid-cases/{case_id}"))["returned_fen"] == 30_000
    await office.counter.done(f"/aid-cases/{case_id}/return", back | {"amount_fen": 50_000}, *AS_CASHIER)
    assert (await office.counter.read(f"/aid-cases/{case_id}"))["state"] == "RETURNED"


def _voucher() -> dict[str, list[str]]:
    return {"voucher_sha256": ["cd" * 32]}


async def test_people_see_their_own_case_and_the_office_no_names(office: Office):
    case_id = await office.applied()
    own = await office.counter.read("/aid-cases", *AS_NEIGHBOUR)
    assert [case["case_id"] for case in own["cases"]] == [case_id]
    assert (await office.counter.read("/aid-cases", ANNA, Role.RESIDENT))["cases"] == []
    assert (await office.counter.get(f"/aid-cases/{case_id}", ANNA, Role.RESIDENT)).status_code == 403
    every = await office.counter.read("/aid-cases", *AS_CLERK)
    assert not set(every["cases"][0]) & {"payee_ref", "beneficiary_ref"}
    people = await office.counter.read(f"/aid-cases/{case_id}/people", *AS_CASHIER)
    assert (people["payee"]["name"], people["beneficiary_id"]) == ("周示例", str(NEIGHBOUR))
    assert (await office.counter.get(f"/aid-cases/{case_id}/people", APPROVER, Role.FUND_APPROVER)).status_code == 403


async def test_a_posting_shows_purpose_and_amount_under_a_pseudonym(office: Office):
    case_id = await office.applied()
    await office.visited(case_id)
    await office.counter.done(f"/aid-cases/{case_id}/publicize", {"publicity": "posted"}, *AS_CLERK)
    (posting,) = (await office.counter.read("/aid-postings", *AS_NEIGHBOUR))["postings"]
    assert set(posting) == {"pseudonym", "fund", "purpose", "amount_fen", "public_until"}
    await office.later(days=3)
    assert (await office.counter.read("/aid-postings", *AS_NEIGHBOUR))["postings"] == []


async def test_an_erasure_takes_the_words_and_leaves_what_the_books_must_keep(office: Office):
    case_id = await office.paid()
    before = [recorded.body for recorded in await office.counter.runtime.log.read(0, 10_000)]
    await office.counter.hear(PersonErased(person_id=NEIGHBOUR, role=Role.ADMIN, erased_at=NOON))
    people = await office.counter.read(f"/aid-cases/{case_id}/people", *AS_CASHIER)
    assert (people["erased"], people["need"], people["payee"]) == (True, None, None)
    erased = (await office.counter.events())[-1]
    assert AID in erased.purposes
    assert [kept.purpose for kept in erased.kept] == ["accounting"]
    assert [recorded.body for recorded in await office.counter.runtime.log.read(0, len(before))] == before


async def test_a_repeated_request_gets_the_first_answer(office: Office):
    key = {"Idempotency-Key": "the-same-request-1"}
    first = await office.counter.done("/aid-cases", NEED, *AS_NEIGHBOUR, **key)
    assert await office.counter.done("/aid-cases", NEED, *AS_NEIGHBOUR, **key) == first
    assert json.dumps(first).count(str(NEIGHBOUR)) == 0


async def test_a_visit_by_the_same_person_twice_is_one_visit(office: Office):
    case_id = await office.applied()
    saw = {"finding": "confirmed", "report": "看过。"}
    await office.counter.done(f"/aid-cases/{case_id}/verify", saw, VISITOR, Role.GRID_WORKER)
    await office.counter.refused(
        409, "visitors_equal", f"/aid-cases/{case_id}/verify", saw, VISITOR, Role.SOCIAL_WORKER
    )
    await office.counter.done(f"/aid-cases/{case_id}/verify", saw, OTHER_VISITOR, Role.BUILDING_LEAD)


async def test_a_case_whose_people_were_lost_with_a_database_is_shown_and_decided_no_more(office: Office):
    case_id = await office.ready()
    runtime = office.counter.runtime
    applied = next(event for event in await office.counter.events() if event.type == "AidApplied")
    # What a log that was put back from the stream has no longer: its vault.
    await runtime.log.pool.execute("DELETE FROM ledger.vault_entries WHERE ref = $1", applied.beneficiary_ref)
    assert (await office.counter.read(f"/aid-cases/{case_id}", *AS_CLERK))["state"] == "PUBLICIZED"
    assert (await office.counter.get(f"/aid-cases/{case_id}", *AS_NEIGHBOUR)).status_code == 403
    body = {"amount_fen": 60_000}
    await office.counter.refused(409, "case_people_lost", f"/aid-cases/{case_id}/amend", body, *AS_CLERK)
    await office.counter.refused(409, "case_people_lost", f"/aid-cases/{case_id}/reject", REJECTED, *AS_THIRD)


REJECTED, AS_THIRD = {"reason_code": "incomplete"}, (THIRD, Role.FUND_APPROVER)


async def test_nothing_new_is_written_down_about_a_neighbour_whose_data_was_erased(office: Office):
    asked_for, confirmed = await office.applied(), await office.paid()
    await office.counter.done(f"/aid-cases/{confirmed}/confirm-receipt", {}, *AS_NEIGHBOUR)
    await office.counter.hear(PersonErased(person_id=NEIGHBOUR, role=Role.ADMIN, erased_at=NOON))
    saw = {"finding": "confirmed", "report": "看过。"}
    path = f"/aid-cases/{asked_for}/verify"
    await office.counter.refused(409, "beneficiary_erased", path, saw, VISITOR, Role.GRID_WORKER)
    path, looked = f"/aid-cases/{confirmed}/follow-up", {"outcome": "need_met", "report": "好多了。"}
    await office.counter.refused(409, "beneficiary_erased", path, looked, *AS_CARER)
    # What needs no words about them goes on: the case is turned down, the books are put right.
    await office.counter.done(
        f"/aid-cases/{asked_for}/reject", {"reason_code": "other_support"}, THIRD, Role.FUND_APPROVER
    )
