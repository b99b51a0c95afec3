"""What seems odd in the fund's payments: each rule finds it and finds nothing else; who watches says what it was."""

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.command import SYSTEM, Role
from contracts.ledger import AnomalyReviewed, FundReviewRequested
from contracts.orders import DisputeResolved
from eventstore.consumer.hearing import Hearing
from services.ledger.anomalies import RULES, Approval, Payment, anomalies
from services.ledger.commands import FUND_REVIEW, LedgerPolicy, RequestFundReview, ReviewAnomaly, review_id_of
from services.ledger.decider import oversight
from services.ledger.reactions import orders_reactions
from tests.ledger.aid_examples import APPROVER, SECOND, THIRD
from tests.ledger.counter import message
from tests.ledger.examples import BO, CASHIER, CLERK, DIGEST, NOON, Story, by
from tests.ledger.office import AS_NEIGHBOUR, NEED, PAID, Office

POLICY = LedgerPolicy()
AS_WATCHER, AS_AUDITOR = (BO, Role.SUPERVISOR), (BO, Role.AUDITOR)
DAY = timedelta(days=1)
LOOKED = {"outcome": "in_order", "note": "看过单据，医院就是这个数。"}


def signed(at: datetime, *people: UUID, apart: timedelta = timedelta(hours=1)) -> tuple[Approval, ...]:
    return tuple(Approval(person, at + number * apart) for number, person in enumerate(people))


def paid(number: int = 1, at: datetime = NOON, **changes: Any) -> Payment:
    """An ordinary payment that no rule has anything to say about, but for the changes."""
    fields: dict[str, Any] = {
        "case_id": UUID(int=number),
        "entry_no": number,
        "amount_fen": 80_050,
        "cashier_id": CASHIER,
        "payee": f"payee-{number}",
        "applied_at": at - 9 * DAY,
        "paid_at": at,
        "approvals": signed(at - DAY, APPROVER, SECOND),
    }
    return Payment(**fields | changes)


def found(*payments: Payment) -> dict[str, list[tuple[int, ...]]]:
    by_rule: dict[str, list[tuple[int, ...]]] = {}
    for one in anomalies(payments, POLICY):
        by_rule.setdefault(one.rule, []).append(one.entries)
    return by_rule


def many(times: int, apart: timedelta, **changes: Any) -> list[Payment]:
    return [paid(number, NOON + number * apart, **changes) for number in range(1, times + 1)]


def pairs(times: int, apart: timedelta) -> list[Payment]:
    return [
        paid(number, at, approvals=signed(at - DAY, APPROVER, SECOND if number else THIRD))
        for number in range(times)
        for at in [NOON + number * apart]
    ]


NIGHT = NOON.replace(hour=15)  # 23:00 in Shanghai
ODD: dict[str, tuple[list[Payment], list[Payment]]] = {
    "round_amount": ([paid(amount_fen=200_000)], [paid(amount_fen=200_001)]),
    "split_payments": (
        many(2, DAY, payee="one", amount_fen=260_050),
        [*many(2, DAY, payee="one", amount_fen=240_050), *many(2, 31 * DAY, payee="two", amount_fen=260_050)],
    ),
    "same_payee": (many(3, 100 * DAY, payee="one"), [*many(2, DAY, payee="one"), *many(3, 200 * DAY, payee="two")]),
    "odd_hours": ([paid(at=NIGHT)], [paid(at=NOON.replace(hour=12))]),
    "quick_approvals": (
        [paid(approvals=signed(NOON, APPROVER, SECOND, apart=timedelta(seconds=59)))],
        [paid(approvals=signed(NOON, APPROVER, SECOND, apart=timedelta(seconds=60)))],
    ),
    "same_approvers": (many(5, DAY), [*many(4, DAY), *pairs(1, DAY)]),
    "fast_payment": ([paid(applied_at=NOON - 2 * DAY)], [paid(applied_at=NOON - 3 * DAY)]),
}
"""Rule → what it finds, and the nearest that it does not."""


def test_each_rule_is_shown_both_ways():
    assert set(ODD) == set(RULES)
    assert found(paid()) == {}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_finds_what_is_odd_and_nothing_that_is_not(rule: str):
    odd, ordinary = ODD[rule]
    assert found(*odd) == {rule: [tuple(one.entry_no for one in odd)]}
    assert rule not in found(*ordinary)


def test_a_payee_that_cannot_be_known_is_nobody():
    assert found(*many(4, 100 * DAY, payee=None)) == {}


def test_a_signature_at_night_counts_as_well():
    assert found(paid(approvals=signed(NIGHT - DAY, APPROVER, SECOND))) == {"odd_hours": [(1,)]}


def test_found_again_it_has_the_same_id_and_with_another_payment_another():
    three, four = (anomalies(many(times, DAY, payee="one"), POLICY) for times in (3, 4))
    assert anomalies(many(3, DAY, payee="one"), POLICY) == three
    assert {one.review_id for one in three}.isdisjoint(one.review_id for one in four)


def request(**changes: Any) -> RequestFundReview:
    fields: dict[str, Any] = {
        "by": SYSTEM, "at": NOON, "review_id": UUID(int=1), "dispute_id": UUID(int=2), "source_event_id": UUID(int=3),
        "reason_code": "dispute_upheld",
    }  # fmt: skip
    return RequestFundReview(**fields | changes)


def look(person: UUID = BO, **changes: Any) -> ReviewAnomaly:
    fields: dict[str, Any] = {
        "by": by(person, Role.SUPERVISOR), "at": NOON, "review_id": UUID(int=1), "rule": FUND_REVIEW,
        "outcome": "passed_on", "note_ref": UUID(int=4), "note_commitment": DIGEST, "hands": frozenset({CASHIER}),
    }  # fmt: skip
    return ReviewAnomaly(**fields | changes)


def test_a_review_is_asked_for_once_and_not_looked_at_by_whose_hand_it_was():
    story = Story(oversight, request())
    assert story.when(request()).events == []
    story.refuses(look(CASHIER), "reviewed_by_hand")
    story.when(look()).then("AnomalyReviewed")
    assert story.refuses(look(CLERK), "reviewed_already") == {"outcome": "passed_on"}
    assert story.when(look(outcome="corrected")).then("AnomalyReviewed").outcome == "corrected"


async def test_who_watches_reads_the_queue_and_says_what_it_was(office: Office):
    counter = office.counter
    urgent = await office.applied(amount_fen=100_000, lane="urgent")
    await office.approved(urgent)
    await counter.done(f"/aid-cases/{urgent}/disburse", PAID, CASHIER, Role.CASHIER)
    queue = (await counter.read("/anomalies", *AS_AUDITOR))["anomalies"]
    assert {one["rule"]: one["entries"] for one in queue} == {
        "round_amount": [2], "quick_approvals": [2], "fast_payment": [2],
    }  # fmt: skip
    (fast,) = [one for one in queue if one["rule"] == "fast_payment"]
    assert fast["sentence"] == "从申请到付款不到 3 天的公示期。"
    path = f"/anomalies/{fast['review_id']}/review"
    await counter.refused(403, "forbidden", path, LOOKED, *AS_AUDITOR)
    await counter.refused(403, "reviewed_by_hand", path, LOOKED, APPROVER, Role.SUPERVISOR)
    await counter.refused(404, "anomaly_unknown", f"/anomalies/{UUID(int=9)}/review", LOOKED, *AS_WATCHER)
    await counter.done(path, LOOKED, *AS_WATCHER)
    event = (await counter.events())[-1]
    assert isinstance(event, AnomalyReviewed)
    assert (event.rule, event.outcome) == ("fast_payment", "in_order")
    assert await counter.runtime.vault.matches(event.note_ref, "note", event.note_commitment)
    assert fast["review_id"] not in str(await counter.read("/anomalies", *AS_AUDITOR))
    everything = (await counter.read("/anomalies", *AS_AUDITOR, state="all"))["anomalies"]
    assert [one["outcome"] for one in everything if one["rule"] == "fast_payment"] == ["in_order"]
    assert (await counter.get("/anomalies", CASHIER, Role.CASHIER)).status_code == 403


async def test_payments_to_one_account_are_seen_whatever_name_stands_there_and_nobody_is_named(office: Office):
    counter = office.counter
    await counter.given(amount_fen=900_000)
    # The same account, written otherwise.
    for number, account in enumerate(("6222 0000 1111", "622200001111", "6222-0000-1111"), 1):
        payee = {"name": f"周示例{number}", "account": account}
        await office.paid(payee=payee, amount_fen=80_050 + number)
    await office.paid(payee=NEED["payee"], amount_fen=80_060)
    answer = await counter.get("/anomalies", *AS_AUDITOR)
    found = [one for one in answer.json()["anomalies"] if one["rule"] == "same_payee"]
    assert [len(one["entries"]) for one in found] == [3]
    assert "周示例" not in answer.text
    # Not even how it begins; within an id or a second's fraction any four digits may stand.
    assert not re.search(r"(?<![0-9a-f.-])6222", answer.text)


async def test_a_payment_that_was_reversed_is_no_payment(office: Office):
    case_id = await office.paid(amount_fen=100_000)
    rules = {one["rule"] for one in (await office.counter.read("/anomalies", *AS_AUDITOR))["anomalies"]}
    assert "round_amount" in rules
    for approver in (APPROVER, SECOND):
        await office.reversing(case_id, approver, explanation="付错了。")
    assert (await office.counter.read("/anomalies", *AS_AUDITOR))["anomalies"] == []


def resolved(**changes: Any) -> DisputeResolved:
    fields: dict[str, Any] = {
        "dispute_id": UUID(int=40), "about": "fund", "subject_id": UUID(int=41), "role": Role.SOCIAL_WORKER,
        "decision": "upheld", "raised_by": AS_NEIGHBOUR[0], "resolved_by": CLERK, "final": False, "resolved_at": NOON,
    }  # fmt: skip
    return DisputeResolved(**fields | changes)


async def heard(office: Office, *events: DisputeResolved) -> None:
    """Hear them as the next ones of orders."""
    runtime = office.counter.runtime
    before = await runtime.log.heard("orders")
    hearing = Hearing(runtime.log, runtime.executor, orders_reactions(), runtime.clock, vault=runtime.vault)
    await hearing.load()
    await hearing.hear([message(event, before + number) for number, event in enumerate(events, 1)])


async def test_a_dispute_about_the_fund_that_was_right_opens_a_review(office: Office):
    case_id = await office.paid()
    about = {"subject_id": UUID(case_id)}
    await heard(office, resolved(**about), resolved(**about, decision="partly_upheld", final=True))
    event = (await office.counter.events())[-1]
    assert isinstance(event, FundReviewRequested)
    assert event.review_id == review_id_of(FUND_REVIEW, UUID(int=40))
    assert (event.reason_code, event.subject_id) == ("dispute_upheld", UUID(case_id))
    assert (await office.counter.types()).count("FundReviewRequested") == 1
    queue = (await office.counter.read("/anomalies", *AS_AUDITOR))["anomalies"]
    (review,) = [one for one in queue if one["rule"] == FUND_REVIEW]
    assert review["entries"] == [2]
    path = f"/anomalies/{review['review_id']}/review"
    await office.counter.refused(403, "reviewed_by_hand", path, LOOKED, CASHIER, Role.SUPERVISOR)
    await office.counter.done(path, LOOKED, *AS_WATCHER)


@pytest.mark.parametrize(
    ("changes", "is_opened"),
    [
        ({}, True),
        ({"decision": "settled"}, True),
        ({"decision": "rejected"}, False),
        ({"about": "hours"}, False),
        ({"about": "conduct", "consequences": ("fund_reviewed",)}, True),
        ({"about": "order", "consequences": ("aid_reversed",)}, True),
        ({"about": "order", "consequences": ("apology",)}, False),
    ],
)
async def test_only_what_was_decided_about_the_fund_opens_one(office: Office, changes: Any, is_opened: bool):
    await heard(office, resolved(**changes))
    assert ("FundReviewRequested" in await office.counter.types()) is is_opened
