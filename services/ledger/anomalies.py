"""What seems odd in the payments of aid: each rule a pure function from what was paid, signed and when, to findings.

Nothing here says that something is wrong: it says where somebody should look. Payees are compared by a token that
stands for the account they are paid to, made for this comparison alone; nobody is named.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from services.ledger.commands import SHANGHAI, LedgerPolicy, review_id_of


@dataclass(frozen=True, slots=True)
class Approval:
    """A signature under a payment."""

    approver_id: UUID
    approved_at: datetime


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment of aid, with what led to it."""

    case_id: UUID
    entry_no: int
    amount_fen: int
    cashier_id: UUID
    payee: str | None
    """Equal for payments to one account, and nothing else; None when it cannot be known any more."""
    applied_at: datetime
    paid_at: datetime
    approvals: tuple[Approval, ...] = ()


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something to look at: the rule, a sentence for people, the entries, and who had a hand in them."""

    review_id: UUID
    rule: str
    sentence: str
    entries: tuple[int, ...]
    found_at: datetime
    hands: frozenset[UUID]


Payments = Sequence[Payment]
Rule = Callable[[Payments, LedgerPolicy], Iterator[tuple[str, Payments]]]
"""Payments, the oldest first → a sentence and the payments that it is about."""


def round_amounts(payments: Payments, policy: LedgerPolicy) -> Iterator[tuple[str, Payments]]:
    """Real bills are seldom round."""
    for one in payments:
        if one.amount_fen % policy.anomaly_round_fen == 0:
            yield f"金额是整数：{one.amount_fen // 100:,} 元。", [one]


def split_payments(payments: Payments, policy: LedgerPolicy) -> Iterator[tuple[str, Payments]]:
    """Several payments to one payee, each small enough for two signatures, together not (domain.md §4.6)."""
    tier_fen, window = policy.aid_two_approvals_fen_max, timedelta(days=policy.anomaly_split_days)
    for group in _to_one_payee(one for one in payments if one.amount_fen <= tier_fen):
        for some in _within(group, window):
            total_fen = sum(one.amount_fen for one in some)
            if len(some) > 1 and total_fen > tier_fen:
                sentence = (
                    f"{policy.anomaly_split_days} 天内分 {len(some)} 次付给同一个收款人，合计超过三人审批的金额。"
                )
                yield sentence, some


def same_payee(payments: Payments, policy: LedgerPolicy) -> Iterator[tuple[str, Payments]]:
    """One payee again and again."""
    for group in _to_one_payee(payments):
        for some in _within(group, timedelta(days=policy.anomaly_payee_days)):
            if len(some) >= policy.anomaly_payee_payments:
                yield f"{policy.anomaly_payee_days} 天内付给同一个收款人 {len(some)} 次。", some


def odd_hours(payments: Payments, policy: LedgerPolicy) -> Iterator[tuple[str, Payments]]:
    """Signed or paid at night, Asia/Shanghai."""
    for one in payments:
        moments = (one.paid_at, *(signed.approved_at for signed in one.approvals))
        if any(_is_night(moment, policy) for moment in moments):
            yield (
                f"在 {policy.anomaly_night_from_hour} 点到次日 {policy.anomaly_night_until_hour} 点之间审批或付款。",
                [one],
            )


def quick_approvals(payments: Payments, policy: LedgerPolicy) -> Iterator[tuple[str, Payments]]:
    """Who signs within seconds of the other has not read it."""
    for one in payments:
        pauses = [later.approved_at - earlier.approved_at for earlier, later in pairwise(one.approvals)]
        if any(pause < timedelta(seconds=policy.anomaly_approval_seconds) for pause in pauses):
            yield f"两次审批相隔不到 {policy.anomaly_approval_seconds} 秒。", [one]


def same_approvers(payments: Payments, policy: LedgerPolicy) -> Iterator[tuple[str, Payments]]:
    """The same people sign again and again."""
    of_pair: dict[frozenset[UUID], list[Payment]] = defaultdict(list)
    for one in payments:
        of_pair[frozenset(signed.approver_id for signed in one.approvals)].append(one)
    for pair, group in of_pair.items():
        for some in _within(group, timedelta(days=policy.anomaly_pair_days)):
            if pair and len(some) >= policy.anomaly_pair_payments:
                yield f"{policy.anomaly_pair_days} 天内总是同样的人审批，共 {len(some)} 笔。", some


def fast_payments(payments: Payments, policy: LedgerPolicy) -> Iterator[tuple[str, Payments]]:
    """Paid before the public posting could have run (domain.md §4.6): the urgent lane, or nothing was posted."""
    for one in payments:
        if one.paid_at - one.applied_at < timedelta(days=policy.publicity_days_min):
            yield f"从申请到付款不到 {policy.publicity_days_min} 天的公示期。", [one]


RULES: dict[str, Rule] = {
    "round_amount": round_amounts,
    "split_payments": split_payments,
    "same_payee": same_payee,
    "odd_hours": odd_hours,
    "quick_approvals": quick_approvals,
    "same_approvers": same_approvers,
    "fast_payment": fast_payments,
}


def anomalies(payments: Payments, policy: LedgerPolicy) -> list[Anomaly]:
    """Everything that some rule finds, the newest first."""
    found = [_found(rule, *one) for rule, finds in RULES.items() for one in finds(payments, policy)]
    return sorted(found, key=lambda one: one.found_at, reverse=True)


def _found(rule: str, sentence: str, payments: Payments) -> Anomaly:
    hands = {one.cashier_id for one in payments}
    hands |= {signed.approver_id for one in payments for signed in one.approvals}
    return Anomaly(
        review_id=review_id_of(rule, *(one.case_id for one in payments)),
        rule=rule,
        sentence=sentence,
        entries=tuple(one.entry_no for one in payments),
        found_at=payments[-1].paid_at,
        hands=frozenset(hands),
    )


def _to_one_payee(payments: Iterable[Payment]) -> list[list[Payment]]:
    of_payee: dict[str, list[Payment]] = defaultdict(list)
    for one in payments:
        if one.payee is not None:
            of_payee[one.payee].append(one)
    return list(of_payee.values())


def _within(group: Payments, window: timedelta) -> Iterator[Payments]:
    """The longest runs that lie within a window; none is part of another."""
    end = 0
    for start, first in enumerate(group):
        after = start
        while after < len(group) and group[after].paid_at - first.paid_at <= window:
            after += 1
        if after > end:
            yield group[start:after]
            end = after


def _is_night(moment: datetime, policy: LedgerPolicy) -> bool:
    hour = moment.astimezone(SHANGHAI).hour
    return hour >= policy.anomaly_night_from_hour or hour < policy.anomaly_night_until_hour
