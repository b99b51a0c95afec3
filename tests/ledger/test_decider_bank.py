"""The rules about bank statements, given/when/then, and what is seen as the same money."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.command import Role
from services.ledger.decider import bank
from services.ledger.decider.bank_matching import match
from tests.ledger.bank_examples import (
    LAST,
    NEXT_STATEMENT,
    STATEMENT,
    attest,
    attest_next,
    book,
    entry,
    line,
    reconcile,
    settle,
)
from tests.ledger.examples import BO, CASHIER, CLERK, DIGEST, NOON, Story, by

GIFT, PAYMENT = entry(1, 20_000), entry(2, -8_000, 7)
BOTH = book(GIFT, PAYMENT)


def matched(lines: Any, entries: Any, days: int = 5) -> dict[int, tuple[int, str]]:
    return {number: (found.entry_no, how) for number, (found, how) in match(lines, entries, days).items()}


def test_the_same_amount_on_the_same_day_is_the_same_money():
    assert matched([line(1, 20_000), line(2, -8_000, 7)], [GIFT, PAYMENT]) == {
        1: (1, "amount_and_day"),
        2: (2, "amount_and_day"),
    }


@pytest.mark.parametrize(("day", "is_found"), [(10, True), (11, False)])
def test_bank_and_book_may_be_some_days_apart(day: int, is_found: bool):
    assert bool(matched([line(1, 20_000, day)], [GIFT])) is is_found


@pytest.mark.parametrize(
    ("lines", "entries"),
    [
        ([line(1, 200), line(2, 200)], [entry(1, 200)]),
        ([line(1, 200)], [entry(1, 200), entry(2, 200)]),
        ([line(1, 200), line(2, 200)], [entry(1, 200), entry(2, 200)]),
        ([line(1, 200, 4)], [entry(1, 200, 3), entry(2, 200, 5)]),
    ],
    ids=["two lines", "two entries", "two of each", "as near on both sides"],
)
def test_what_could_be_two_things_is_left_to_a_person(lines: Any, entries: Any):
    assert matched(lines, entries) == {}


def test_of_equal_amounts_each_is_taken_on_its_own_day():
    lines = [line(1, 200, 4), line(2, 200, 5)]
    assert matched(lines, [entry(8, 200, 5), entry(9, 200, 4)]) == {
        1: (9, "amount_and_day"),
        2: (8, "amount_and_day"),
    }


def test_the_banks_reference_decides_whatever_the_day_is():
    lines = [line(1, 200, 1, "B-1"), line(2, 200, 5, "B-2")]
    entries = [entry(1, 200, 15, reference="B-1"), entry(2, 200, 5, reference="B-2")]
    assert matched(lines, entries) == {1: (1, "reference"), 2: (2, "reference")}


def test_another_reference_is_other_money_and_another_amount_is_no_match():
    assert matched([line(1, 200, reference="B-1")], [entry(1, 200, reference="B-2")]) == {}
    assert matched([line(1, 200, reference="B-1")], [entry(1, 201, reference="B-1")]) == {}
    assert matched([line(1, 200, reference="B-1")], [entry(1, 200)]) == {1: (1, "amount_and_day")}


def test_a_statement_is_matched_and_another_person_reconciles_it():
    story = Story(bank, attest(line(1, 20_000), line(2, -8_000, 7), on=BOTH))
    lines = story.events[-1].lines
    assert [(one.entry_no, one.matched_by) for one in lines] == [(1, "amount_and_day"), (2, "amount_and_day")]
    found = story.when(reconcile(BOTH)).then("FundReconciled")
    assert (found.closing_fen, found.book_fen, found.difference_fen) == (12_000, 12_000, 0)
    assert (found.matched, found.open_lines, found.open_entries, found.unexplained) == (2, 0, 0, 0)
    assert (found.log_size, found.log_root) == (9, DIGEST)


def test_what_does_not_agree_is_shown_and_adds_up():
    own, fee = entry(3, 5_000, 9), line(2, -100, 8)
    on = book(GIFT, own)
    story = Story(bank, attest(line(1, 20_000), fee, on=on))
    story.when(settle(line_no=2, reason_code="bank_fee"))
    found = story.when(reconcile(on)).then("FundReconciled")
    assert (found.closing_fen, found.book_fen, found.difference_fen) == (19_900, 25_000, 0)
    assert [(one.line_no, one.amount_fen, one.reason_code) for one in found.oldest_lines] == [(2, -100, "bank_fee")]
    assert [(one.entry_no, one.amount_fen, one.reason_code) for one in found.oldest_entries] == [(3, 5_000, None)]
    assert (found.open_lines_fen, found.open_entries_fen, found.unexplained) == (-100, 5_000, 1)


def test_an_account_that_did_not_begin_with_the_book_shows_the_difference():
    story = Story(bank, attest(line(1, 20_000), on=BOTH, opening_fen=700))
    found = story.when(reconcile(book(GIFT))).then("FundReconciled")
    assert (found.closing_fen, found.book_fen, found.difference_fen) == (20_700, 20_000, 700)


def test_money_of_before_the_first_statement_may_arrive_in_it():
    early = entry(1, 20_000, effective_date=date(2026, 2, 27))
    on = book(early, before_fen=500)
    story = Story(bank, attest(line(1, 20_000, 2), on=on, opening_fen=500))
    assert story.when(reconcile(on)).then("FundReconciled").difference_fen == 0


def test_an_entry_of_a_later_day_may_be_a_line_of_now():
    late = entry(4, 300, 17)
    story = Story(bank, attest(line(1, 300, 15), on=book()))
    story.when(settle(line_no=1, entry=late))
    found = story.when(reconcile(book(late))).then("FundReconciled")
    assert (found.closing_fen, found.book_fen, found.later_fen, found.difference_fen) == (300, 0, 300, 0)


def test_an_entry_and_its_reversal_that_the_bank_never_saw_are_nothing():
    wrong = entry(5, 900)
    undone = entry(6, -900, reverses=wrong.entry_id)
    on = book(GIFT, wrong, undone)
    story = Story(bank, attest(line(1, 20_000), on=on))
    found = story.when(reconcile(on)).then("FundReconciled")
    assert (found.open_entries, found.difference_fen) == (0, 0)
    # What the bank did see stays matched, and its reversal waits for the money to come back.
    seen = Story(bank, attest(line(1, 900), on=book(wrong))).when(reconcile(book(wrong, undone)))
    assert [one.entry_no for one in seen.then("FundReconciled").oldest_entries] == [6]


def test_statements_follow_one_another():
    story = Story(bank, attest(line(1, 20_000), on=BOTH), reconcile(BOTH))
    story.refuses(attest_next(from_on=LAST, opening_fen=20_000), "statement_overlaps")
    facts = story.refuses(attest_next(from_on=LAST + timedelta(days=2), opening_fen=20_000), "statement_leaves_gap")
    assert facts == {"next_on": "2026-03-16"}
    facts = story.refuses(attest_next(opening_fen=19_999), "opening_differs")
    assert facts == {"opening_fen": 19_999, "closing_fen": 20_000}
    story.when(attest_next(opening_fen=20_000)).then("BankStatementAttested")


def test_a_statement_adds_up_and_is_over():
    story = Story(bank)
    assert story.refuses(attest(line(1, 500), closing_fen=501), "statement_sums_differ") == {"difference_fen": 1}
    story.refuses(attest(until_on=NOON.date() + timedelta(days=1)), "statement_not_over")


def test_a_statement_that_waits_is_replaced_by_name_only_and_its_matches_are_undone():
    story = Story(bank, attest(line(1, 20_000), on=BOTH))
    again: Any = {"statement_id": NEXT_STATEMENT}
    story.refuses(attest(line(1, 20_000), on=BOTH, **again), "statement_waits")
    story.when(attest(line(1, 20_000), on=BOTH, replaces=STATEMENT, **again))
    assert story.events[-1].lines[0].entry_no == 1
    story.refuses(settle(line_no=1, reason_code="other"), "line_not_open")
    story.refuses(reconcile(BOTH), "statement_waits_not")
    story.when(reconcile(BOTH, statement_id=NEXT_STATEMENT)).then("FundReconciled")
    story.refuses(attest_next(opening_fen=20_000, replaces=NEXT_STATEMENT), "statement_waits_not")


def test_a_line_and_an_entry_are_matched_by_a_person_once():
    two = book(entry(1, 200), entry(2, 200))
    story = Story(bank, attest(line(1, 200), line(2, 200), line(3, 7), on=two))
    story.refuses(settle(line_no=3, entry=entry(1, 200)), "amounts_differ")
    story.when(settle(line_no=1, entry=entry(2, 200))).then("BankItemSettled")
    story.refuses(settle(line_no=2, entry=entry(2, 200)), "matched_already")
    story.refuses(settle(line_no=1, entry=entry(1, 200)), "line_not_open")
    story.refuses(settle(line_no=9, reason_code="other"), "line_not_open")
    story.when(settle(line_no=2, reason_code="bank_error"))
    story.when(settle(line_no=2, entry=entry(1, 200)))
    found = story.when(reconcile(two)).then("FundReconciled")
    assert (found.matched, found.open_lines, found.unexplained) == (2, 1, 1)


def test_a_reason_is_given_for_what_a_statement_could_show():
    story = Story(bank)
    story.refuses(settle(entry=GIFT, reason_code="in_transit"), "before_first_statement")
    story.when(attest(on=BOTH))
    story.refuses(
        settle(entry=entry(1, 5, effective_date=date(2026, 2, 28)), reason_code="other"), "before_first_statement"
    )
    story.when(settle(entry=GIFT, reason_code="in_transit"))
    found = story.when(reconcile(book(GIFT))).then("FundReconciled")
    assert (found.open_entries, found.unexplained, found.difference_fen) == (1, 0, 0)


@pytest.mark.parametrize("person", [CLERK, CASHIER])
def test_who_handed_in_or_settled_does_not_reconcile(person: UUID):
    story = Story(bank, attest(line(1, 20_000), line(2, 1), on=BOTH))
    story.when(settle(by=by(CASHIER, Role.CASHIER), line_no=2, reason_code="interest"))
    story.refuses(reconcile(BOTH, person), "reconciled_by_you")
    story.when(reconcile(BOTH, BO)).then("FundReconciled")
    story.refuses(reconcile(BOTH, BO), "statement_waits_not")


def test_what_is_open_stays_open_in_the_next_statement():
    story = Story(bank, attest(line(1, 40), on=book()), reconcile(book()))
    story.when(attest_next(opening_fen=40)).when(settle(line_no=1, entry=entry(7, 40, 14)))
    on = book(entry(7, 40, 14))
    found = story.when(reconcile(on, statement_id=NEXT_STATEMENT)).then("FundReconciled")
    assert (found.open_lines, found.difference_fen, found.matched) == (0, 0, 0)
