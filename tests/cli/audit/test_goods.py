"""The audit of things, markets and refunds: what keeps the rules is believed, everything done otherwise is named."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from cli.audit.goods import Goods
from contracts.command import Command, Role
from contracts.envelope import Recorded, decode, encode
from contracts.event import Event
from contracts.ids import uuid7
from contracts.ledger import EntryPosted
from services.ledger.commands import CorrectEntry
from services.ledger.decider import book, donation, goods, keys, market
from services.ledger.decider.two_signatures import correction_facts
from services.ledger.signatures import ENTRY_REVERSAL
from tests.ledger.aid_examples import APPROVER, COMMUNITY, SECOND, SIGNERS
from tests.ledger.examples import (
    ANNA,
    CASHIER,
    CLERK,
    DIGEST,
    NOON,
    Story,
    by,
    pledge,
    post_donation,
    receive,
    reverse,
)
from tests.ledger.goods_examples import (
    OTHER_SALE,
    POTTER,
    STATION,
    WATCHER,
    WEAVER,
    allocate,
    count,
    deliver,
    deposit,
    disclose,
    open_market,
    receive_goods,
    record_sale,
    sell,
    void_sale,
    witness,
    write_off,
)
from tests.ledger.test_decider_keys import confirm as confirm_key
from tests.ledger.test_decider_keys import register as register_key
from tests.ledger.test_refunds import signed, signed_refund

Said = list[tuple[str, Event]]
"""(actor, event) in their order."""


def told(decider: Any, *commands: Command) -> Said:
    """What commands come to, each by who asked."""
    story, said = Story(decider), []
    for command in commands:
        said += [(command.by.actor, event) for event in story.when(command).events]
    return said


def keys_of_all() -> Said:
    said: Said = []
    for person, signer in SIGNERS.items():
        own = {"person_id": person, "by": by(person, Role.FUND_APPROVER)}
        said += told(keys, register_key(signer, **own), confirm_key(signer, person_id=person))
    return said


def corrected() -> Said:
    """An entry that was wrong, reversed by two."""
    (gift,) = told(book, post_donation())
    posted = gift[1]
    assert isinstance(posted, EntryPosted)
    facts = correction_facts(posted.entry_id, posted.entry_no, "entered_twice", DIGEST)
    correction = CorrectEntry(
        **reverse(posted).model_dump(exclude={"original", "by", "explanation_commitment"}),
        by=by(CLERK, Role.FUND_CLERK),
        original=posted,
        explanation_commitment=DIGEST,
        community=COMMUNITY,
        signatures=tuple(signed(ENTRY_REVERSAL, facts, person) for person in (APPROVER, SECOND)),
        explanation_sha256=DIGEST,
        hands=frozenset({gift[0]}),
    )
    return told(book, post_donation(), correction)


def good() -> Said:
    """One of everything, as the rules want it."""
    things = (receive_goods(), allocate(), deliver(), sell(), write_off(), write_off(WATCHER))
    sales = (record_sale(), record_sale(sale_id=OTHER_SALE), void_sale(sale_id=OTHER_SALE))
    settled = (count(), witness(), deposit(), disclose())
    return [
        *keys_of_all(),
        *told(goods, *things),
        *told(market, open_market(), *sales, void_sale(POTTER, sale_id=OTHER_SALE), *settled),
        *told(donation, pledge(), receive(), signed_refund(), signed_refund(amount_fen=15_000, before_fen=5_000)),
        *corrected(),
    ]


def history(said: Said) -> list[Recorded]:
    """The events as a log holds them."""
    return [_recorded(actor, event, position) for position, (actor, event) in enumerate(said, 1)]


def _recorded(actor: str, event: Event, position: int) -> Recorded:
    body = encode(
        event.to_json(), type=event.type, service="ledger", version=event.version, community=COMMUNITY,
        position=position, stream=f"any-{uuid7()}", streamversion=1, event_id=uuid7(),
        time=NOON + timedelta(seconds=position), actor=actor,
    )  # fmt: skip
    return decode(body)


def found(said: Said) -> list[str]:
    check = Goods()
    return [*(wrong for recorded in history(said) for wrong in check.hear(recorded)), *check.end()]


def test_what_keeps_the_rules_has_no_breach():
    assert found(good()) == []


def place(said: Said, kind: str, number: int) -> int:
    return [at for at, (_, event) in enumerate(said) if event.type == kind][number]


Tamper = Callable[[Said], Said]


def changed(kind: str, number: int = 0, *, actor: UUID | None = None, **values: Any) -> Tamper:
    def tamper(said: Said) -> Said:
        at = place(said, kind, number)
        who, event = said[at]
        return [*said[:at], (str(actor) if actor else who, event.model_copy(update=values)), *said[at + 1 :]]

    return tamper


def without(kind: str, number: int = 0) -> Tamper:
    def tamper(said: Said) -> Said:
        at = place(said, kind, number)
        return [*said[:at], *said[at + 1 :]]

    return tamper


def twice(kind: str, number: int = 0) -> Tamper:
    def tamper(said: Said) -> Said:
        at = place(said, kind, number)
        return [*said[: at + 1], said[at], *said[at + 1 :]]

    return tamper


GONE_BY = date(2026, 3, 17)
BROKEN: dict[str, tuple[Tamper, str]] = {
    "a lot of nobody": (without("InKindReceived"), "nobody took the lot in"),
    "a lot twice": (twice("InKindReceived"), "was taken in before"),
    "another value": (changed("InKindReceived", value_fen=1), "not that of its pieces"),
    "another value out": (changed("InKindSold", value_fen=1), "not that of its pieces"),
    "past its day": (changed("InKindReceived", expires_on=GONE_BY), "past their day"),
    "more than came": (changed("InKindReceived", qty=8, value_fen=24_000), "more left than was there"),
    "more set aside": (changed("InKindAllocated", qty=11), "more was set aside"),
    "brought by who set aside": (changed("InKindAllocated", volunteer_id=STATION), "who set it aside brings it"),
    "brought by another": (changed("InKindDelivered", actor=ANNA), "somebody else brought it"),
    "brought without allocation": (without("InKindAllocated"), "it was not set aside"),
    "brought twice": (twice("InKindDelivered"), "it was not set aside"),
    "written off by one": (changed("InKindWrittenOff", 1, written_off_by=CLERK), "one person wrote it off"),
    "written off at once": (without("InKindWrittenOff"), "nobody said so first"),
    "more written off": (changed("InKindWrittenOff", 1, qty=3, value_fen=9_000), "nobody said so first"),
    "a market twice": (twice("MarketSessionOpened"), "opened before"),
    "another's stall": (changed("SaleRecorded", actor=POTTER), "somebody else sold"),
    "a void by one": (changed("SaleVoided", 1, voided_by=WEAVER), "one person voided it"),
    "a void by another stall": (changed("SaleVoided", voided_by=POTTER), "the stall itself did not say so"),
    "a void at once": (without("SaleVoided"), "the stall did not say so"),
    "a sale left out": (without("SaleRecorded"), "not those that were written down"),
    "a false difference": (changed("MarketReconciled", variance_fen=1, note_commitment=DIGEST), "not the difference"),
    "no note": (changed("MarketReconciled", counted_fen=8_001, variance_fen=1), "has no note"),
    "counted by a stall": (changed("MarketReconciled", counted_by=WEAVER), "a stall counted"),
    "counted by one": (changed("MarketReconciled", 1, witnessed_by=CASHIER), "one person counted twice"),
    "one count": (without("MarketReconciled"), "did not count the same"),
    "paid in less": (changed("ProceedsDeposited", amount_fen=7_999), "not what two people counted"),
    "paid in by the witness": (changed("ProceedsDeposited", actor=WATCHER), "the witness paid it in"),
    "paid in twice": (twice("ProceedsDeposited"), "paid in twice"),
    "paid in elsewhere": (changed("ProceedsDeposited", fund="fund-relief"), "another fund"),
    "disclosed otherwise": (changed("MarketDisclosed", deposited_fen=7_999), "not what was recorded"),
    "refunded with another's key": (changed("SigningKeyRegistered", public_key="A" * 43 + "="), "not over this refund"),
    "refunded with a key not in force": (without("SigningKeyConfirmed"), "a key was not in force"),
    "refunded by who signed": (changed("DonationRefunded", actor=APPROVER), "who signed has another hand"),
    "refunded by who pledged": (changed("DonationPledged", actor=SECOND), "who signed has another hand"),
    "refunded otherwise": (changed("DonationRefunded", amount_fen=4_999), "not over this refund"),
    "refunded twice": (twice("DonationRefunded", 1), "more went back than came"),
    "refunded with one name": (changed("SigningKeyRegistered", person_id=SECOND), "two people did not sign"),
    "reversed without words": (changed("EntryReversed", explanation_commitment=None), "no public words"),
    "reversed by one": (changed("EntryReversed", approvals=()), "two people did not sign"),
    "reversed by who signed": (changed("EntryReversed", actor=APPROVER), "who signed has another hand"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_a_rule_of_things_and_markets_is_found(name: str):
    tamper, words = BROKEN[name]
    wrong = found(tamper(good()))
    assert any(words in one for one in wrong), wrong


def test_a_lot_that_nobody_knows_is_another():
    said = good()
    assert found([*said, ("system", said[place(said, "InKindSold", 0)][1].model_copy(update={"lot_id": uuid4()}))])
