"""The audit of the bank account and of reviews: what keeps the rules is believed, all else is named."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from cli.audit.bank import Bank
from contracts.command import SYSTEM, Role
from contracts.envelope import Recorded, decode, encode
from contracts.event import Event
from contracts.ids import uuid7
from contracts.ledger import EntryPosted, Posting
from contracts.orders import DisputeResolved
from services.ledger.commands import BankBook, BankEntry, RequestFundReview
from services.ledger.decider import bank, book, oversight
from tests.ledger.bank_examples import STATEMENT, attest, attest_next, line, reconcile, settle
from tests.ledger.examples import BO, CASHIER, CLERK, DIGEST, NOON, TODAY, Story, by, post_donation

Said = list[tuple[str, Event]]
"""(actor, event) in their order."""
LATER = NOON + timedelta(days=3)


def good() -> Said:
    """Two gifts at the bank, a statement with one of them and a fee, the next with the other; a dispute's review."""
    books = Story(book)
    entries: list[EntryPosted] = []
    for amount_fen in (20_000, 5_000):
        books.when(post_donation(entry_id=uuid4(), amount_fen=amount_fen, effective_date=TODAY - timedelta(days=10)))
        entries.append(books.events[-1])
    at_bank = tuple(
        BankEntry(entry_id=one.entry_id, entry_no=one.entry_no, effective_date=one.effective_date, amount_fen=fen)
        for one, fen in zip(entries, (20_000, 5_000), strict=True)
    )
    seen = BankBook(log_size=3, log_root=DIGEST, entries=at_bank)
    said: Said = [(str(CASHIER), one) for one in entries]
    resolved = DisputeResolved(
        dispute_id=UUID(int=40), about="fund", role=Role.SOCIAL_WORKER, decision="upheld", raised_by=BO,
        resolved_by=CLERK, final=False, resolved_at=NOON,
    )  # fmt: skip
    said.insert(0, (str(CLERK), resolved))
    story = Story(bank)
    for command in (
        attest(line(1, 20_000, 8), line(2, -100, 9), on=seen),
        settle(line_no=2, reason_code="bank_fee"),
        reconcile(seen),
        attest_next(line(1, 5_000, 16), opening_fen=19_900, on=seen, at=LATER),
        settle(statement_id=UUID(int=702), line_no=1, entry=at_bank[1], by=by(CASHIER, Role.CASHIER)),
        reconcile(seen, statement_id=UUID(int=702), at=LATER),
    ):
        said += [(command.by.actor, event) for event in _events(story, command)]
    asked = RequestFundReview(
        by=SYSTEM, at=NOON, review_id=uuid4(), dispute_id=UUID(int=40), source_event_id=uuid4(),
        reason_code="dispute_upheld",
    )  # fmt: skip
    return [*said, ("system", Story(oversight, asked).events[-1])]


def _events(story: Story, command: Any) -> list[Event]:
    try:
        return list(story.when(command).events)
    except Exception as refused:
        raise AssertionError(f"{command}: {refused}") from refused


def found(said: Said) -> list[str]:
    check = Bank()
    return [
        one for position, (actor, event) in enumerate(said, 1) for one in check.hear(as_read(position, actor, event))
    ]


def as_read(position: int, actor: str, event: Event) -> Recorded:
    body = encode(
        event.to_json(), type=event.type, service=event.service, version=event.version, community="chaoyangli",
        position=position, stream=f"any-{uuid7()}", streamversion=1, event_id=uuid7(), time=NOON, actor=actor,
    )  # fmt: skip
    return decode(body)


def test_what_keeps_the_rules_is_believed():
    said = good()
    assert found(said) == []
    assert [event.type for _, event in said].count("FundReconciled") == 2


Tamper = Callable[[Said], Said]


def place(said: Said, kind: str, number: int) -> int:
    return [at for at, (_, event) in enumerate(said) if event.type == kind][number]


def changed(kind: str, number: int = 0, actor: UUID | None = None, **changes: Any) -> Tamper:
    def tamper(said: Said) -> Said:
        at = place(said, kind, number)
        was, event = said[at]
        return [*said[:at], (was if actor is None else str(actor), event.model_copy(update=changes)), *said[at + 1 :]]

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


def matched_twice(said: Said) -> Said:
    """The second statement's line is the first one's entry."""
    first = said[place(said, "BankStatementAttested", 0)][1]
    return changed("BankItemSettled", 1, entry_id=first.lines[0].entry_id)(said)  # type: ignore[attr-defined]


ONE_FEN = (
    Posting(account="assets:bank", fund="fund-relief", amount=1, unit="fen"),
    Posting(account="income:donations", fund="fund-relief", amount=-1, unit="fen"),
)
BROKEN: dict[str, tuple[Tamper, str]] = {
    "a gap": (changed("BankStatementAttested", 1, from_on=TODAY), "does not begin on the day after"),
    "another opening": (changed("BankStatementAttested", 1, opening_fen=1), "does not begin with what the last"),
    "other sums": (changed("BankStatementAttested", closing_fen=1), "do not come to the closing"),
    "never reconciled": (without("FundReconciled"), "neither reconciled nor replaced"),
    "replaces another": (changed("BankStatementAttested", replaces=STATEMENT), "neither reconciled nor replaced"),
    "another time": (changed("BankStatementAttested", until_on=TODAY - timedelta(days=15)), "of another time"),
    "an entry of nobody": (without("EntryPosted"), "an entry that is not there"),
    "other money": (changed("EntryPosted", 0, postings=ONE_FEN), "not the same money"),
    "an entry twice": (matched_twice, "an entry is two lines"),
    "another's money": (matched_twice, "not the same money"),
    "handed in by nobody": (without("BankStatementAttested"), "nobody handed this statement in"),
    "another file": (changed("FundReconciled", file_sha256="cd" * 32), "not what was handed in"),
    "one person": (changed("FundReconciled", actor=CLERK), "who handed in or settled reconciled it"),
    "who settled": (changed("FundReconciled", 1, actor=CASHIER), "who handed in or settled reconciled it"),
    "another book": (changed("FundReconciled", book_fen=1), "the book says something else"),
    "a log of the future": (changed("FundReconciled", log_size=99), "a log that was not there yet"),
    "fewer open": (changed("FundReconciled", open_lines=0, open_lines_fen=0), "other lines are open"),
    "a false difference": (changed("FundReconciled", difference_fen=1), "the difference is not the difference"),
    "a review of nothing": (without("DisputeResolved"), "no dispute about the fund"),
    "a review of what was rejected": (changed("DisputeResolved", decision="rejected"), "no dispute about the fund"),
    "a review twice": (twice("FundReviewRequested"), "asked for twice"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_a_rule_of_the_bank_account_is_found(name: str):
    tamper, words = BROKEN[name]
    wrong = found(tamper(good()))
    assert any(words in one for one in wrong), wrong
