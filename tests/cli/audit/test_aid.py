"""The audit of aid: a payment as the rules want it is believed, and everything that was done otherwise is named."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from cli.audit.aid import Aid
from contracts.command import Role
from contracts.envelope import Recorded, decode, encode
from contracts.event import Event
from contracts.ids import uuid7
from services.ledger.decider import aid, book, keys
from services.ledger.decider.aid_state import AidCase
from tests.ledger.aid_examples import (
    APPROVER,
    CASE,
    HOLD,
    PAYMENT,
    READY,
    SECOND,
    SIGNERS,
    VISITOR,
    amend,
    approve,
    confirm,
    disburse,
    evolved,
    follow_up,
    lapse,
    reject,
    return_aid,
    reverse_aid,
)
from tests.ledger.examples import BO, CASHIER, CLERK, DIGEST, NOON, Story, by, post_donation
from tests.ledger.test_decider_book import pay, place_hold, release
from tests.ledger.test_decider_keys import confirm as confirm_key
from tests.ledger.test_decider_keys import register as register_key

Events = list[Any]


def keys_of_all() -> Events:
    """Everybody's key, registered and confirmed."""
    found: Events = []
    for person, signer in SIGNERS.items():
        own = {"person_id": person, "by": by(person, Role.FUND_APPROVER)}
        story = Story(keys, register_key(signer, **own))
        found += [*story.events, *story.when(confirm_key(signer, person_id=person)).events]
    return found


def told(*happened: Any) -> Events:
    """What a case comes to, with the money that is set aside and paid for it."""
    found, case = [], aid.initial()
    fund = Story(book, post_donation(amount_fen=100_000))
    for each in happened:
        command = each(case) if callable(each) else each
        for event in aid.decide(command, case):
            held = case.hold_id
            case = aid.evolve(case, event)
            found.append(event)
            found += _money(fund, event, case, held)
    return found


def _money(fund: Story, event: Any, case: AidCase, held: Any) -> Events:
    if event.type == "AidApproved" and event.hold_id is not None:
        return list(fund.when(place_hold(hold_id=HOLD, case_id=CASE, amount_fen=case.asked.amount_fen)).events)
    if event.type == "AidDisbursed":
        return list(fund.when(pay(hold_id=HOLD, case_id=CASE, entry_id=PAYMENT)).events)
    if held is not None and event.type in {"AidAmended", "AidRejected", "AidApprovalLapsed"}:
        return list(fund.when(release(hold_id=HOLD)).events)
    return []


def history(events: Events) -> list[Recorded]:
    """The events as a log holds them."""
    return [_recorded(event, position) for position, event in enumerate(events, 1)]


def _recorded(event: Event, position: int) -> Recorded:
    body = encode(
        event.to_json(), type=event.type, service="ledger", version=event.version, community="chaoyangli",
        position=position, stream=f"any-{uuid7()}", streamversion=1, event_id=uuid7(),
        time=NOON + timedelta(seconds=position), actor="system",
    )  # fmt: skip
    return decode(body)


def found(events: Events) -> list[str]:
    check = Aid()
    return [*(wrong for recorded in history(events) for wrong in check.hear(recorded)), *check.end()]


APPROVED = (*READY, approve, lambda case: approve(case, SECOND))
GOOD: dict[str, tuple[Any, ...]] = {
    "helped": (*APPROVED, disburse(), confirm(), follow_up()),
    "returned": (*APPROVED, disburse(), return_aid()),
    "reversed": (*APPROVED, disburse(), reverse_aid, lambda case: reverse_aid(case, SECOND)),
    "amended": (*APPROVED, amend(), approve, lambda case: approve(case, SECOND), disburse()),
    "rejected": (*APPROVED, reject()),
    "lapsed": (*APPROVED, lapse()),
}


def whole(name: str = "helped") -> Events:
    return [*keys_of_all(), *told(*GOOD[name])]


@pytest.mark.parametrize("name", GOOD)
def test_what_keeps_the_rules_has_no_breach(name: str):
    assert found(whole(name)) == []


def place(events: Events, kind: str, number: int = 0) -> int:
    return [at for at, event in enumerate(events) if event.type == kind][number]


def changed(kind: str, number: int = 0, name: str = "helped", **values: Any) -> Callable[[], Events]:
    def make() -> Events:
        events = whole(name)
        at = place(events, kind, number)
        events[at] = events[at].model_copy(update=values)
        return events

    return make


def without(kind: str, number: int = 0, name: str = "helped") -> Callable[[], Events]:
    def make() -> Events:
        events = whole(name)
        del events[place(events, kind, number)]
        return events

    return make


def twice(kind: str) -> Callable[[], Events]:
    def make() -> Events:
        events = whole()
        at = place(events, kind)
        return [*events[: at + 1], events[at], *events[at + 1 :]]

    return make


BROKEN: dict[str, tuple[Callable[[], Events], str]] = {
    "one approval": (without("AidApproved", 1), "approvals"),
    "the same approver twice": (twice("AidApproved"), "one person approved twice"),
    "an approver who visited": (changed("AidVerified", visitor_id=APPROVER), "who approved has another hand"),
    "one visitor": (changed("AidVerified", 1, visitor_id=VISITOR), "one person made both visits"),
    "no visit": (without("AidVerified"), "before two visits"),
    "no posting": (without("AidPublicized"), "before two visits and its publicity"),
    "during the posting": (changed("AidPublicized", until=NOON + timedelta(days=9)), "while it was posted"),
    "other terms": (changed("AidApplied", amount_fen=90_000), "not over these terms"),
    "another payee": (changed("AidApplied", payee_commitment="cd" * 32), "not over these terms"),
    "a foreign signature": (changed("AidApproved", sig="A" * 86 + "=="), "not over these terms"),
    "a foreign key": (changed("AidApproved", key_id=SIGNERS[SECOND].key.key_id), "is not the approver's"),
    "an unconfirmed key": (without("SigningKeyConfirmed"), "not in force"),
    "a key that its owner confirmed": (changed("SigningKeyConfirmed", confirmed_by=APPROVER), "by its own owner"),
    "a cashier who approved": (changed("AidDisbursed", cashier_id=APPROVER), "who paid has another hand"),
    "a cashier who keeps the books": (changed("AidDisbursed", cashier_id=CLERK), "who paid has another hand"),
    "more than approved": (changed("AidDisbursed", amount_fen=90_000), "another amount or payee"),
    "paid twice": (twice("AidDisbursed"), "paid twice"),
    "posted otherwise": (without("AidDisbursed"), "that nobody paid"),
    "set aside for nothing": (without("AidApproved", 0), "approvals"),
    "never set free": (without("HoldReleased", 0, "rejected"), "was never released"),
    "set free twice": (twice("HoldReleased"), "that was not set aside"),
    "more came back": (changed("AidReturned", 0, "returned", amount_fen=90_000), "more came back"),
    "a reversal by one": (changed("AidReversed", 1, "reversed", approver_id=APPROVER), "one person signed both"),
    "a reversal for another reason": (changed("AidReversed", 0, "reversed", reason_code="deceived"), "these terms"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_a_rule_of_aid_is_found(name: str):
    make, words = BROKEN[name]
    wrong = found(make())
    assert any(words in one for one in wrong), wrong


def test_the_samples_are_what_they_say():
    assert evolved(*GOOD["helped"]).stands.value == "CLOSED"
    assert {BO, CASHIER} & set(SIGNERS) == set()
    assert len(DIGEST) == 64
