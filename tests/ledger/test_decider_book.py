"""The rules of a book, given/when/then, and every command on an empty, an open and a corrected book."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.command import SYSTEM, Role
from services.ledger.commands import (
    BOOK_COMMANDS,
    ClosePeriod,
    CorrectEntry,
    EraseVaultData,
    HoursFacts,
    MoveMoney,
    PayAid,
    PlaceHold,
    PostGoods,
    PostProceeds,
    PostRefund,
    RefuseEntry,
    ReleaseHold,
    TakeAidBack,
    kept_until,
)
from services.ledger.decider import book, erasure
from tests.ledger.examples import (
    ANNA,
    CLAIM,
    CLERK,
    DIGEST,
    DONATION,
    ENTRY,
    EVENT,
    NOON,
    TODAY,
    Story,
    by,
    post_donation,
    post_hours,
    receive,
    reverse,
    served,
)

Fields = dict[str, Any]
OTHER = UUID(int=900)
GIFT = Story(book, post_donation()).then("EntryPosted")
HOUR = Story(book, post_hours()).then("EntryPosted")
REFUSE = RefuseEntry(by=SYSTEM, at=NOON, book="hours", source_event_id=EVENT, reason_code="overlap", claim_id=CLAIM)
HELD, PAYMENT = UUID(int=901), UUID(int=902)


def place_hold(**changes: Any) -> PlaceHold:
    asked: dict[str, Any] = {
        "by": SYSTEM,
        "at": NOON,
        "hold_id": HELD,
        "case_id": OTHER,
        "fund": "fund-relief",
        "purpose": "illness",
    }
    return PlaceHold(**{**asked, "amount_fen": 20_000} | changes)


def pay(**changes: Any) -> PayAid:
    asked: dict[str, Any] = {
        "by": SYSTEM,
        "at": NOON,
        "hold_id": HELD,
        "entry_id": PAYMENT,
        "case_id": OTHER,
        "approvals": (),
    }
    paid: Fields = {"method": "bank_transfer", "effective_date": TODAY, "voucher_sha256": (DIGEST,)}
    return PayAid(**{**asked, **paid, "payee_commitment": DIGEST} | changes)


def release(**changes: Any) -> ReleaseHold:
    asked: Fields = {"by": SYSTEM, "at": NOON, "hold_id": HELD, "cause": "rejected"}
    return ReleaseHold(**asked | changes)


PAID = Story(book, post_donation(), place_hold(), pay()).then("HoldReleased", "EntryPosted")


def take_back(**changes: Any) -> TakeAidBack:
    asked: dict[str, Any] = {
        "by": SYSTEM,
        "at": NOON,
        "entry_id": OTHER,
        "paid": PAID,
        "returned_before_fen": 0,
        "amount_fen": 20_000,
    }
    back: dict[str, Any] = {
        "method": "cash",
        "effective_date": TODAY,
        "voucher_sha256": (DIGEST,),
        "reason_code": "not_needed",
    }
    return TakeAidBack(**{**asked, **back} | changes)


def move(**changes: Any) -> MoveMoney:
    asked: Fields = {"by": SYSTEM, "at": NOON, "entry_id": OTHER, "fund": "fund-relief", "amount_fen": 20_000}
    moved: dict[str, Any] = {
        "origin": "bank_transfer",
        "target": "cash",
        "effective_date": TODAY,
        "voucher_sha256": (DIGEST,),
    }
    return MoveMoney(**{**asked, **moved} | changes)


STORIES: dict[str, tuple[Any, ...]] = {
    "EMPTY": (),
    "OPEN": (post_donation(),),
    "HELD": (post_donation(), place_hold()),
    "PAID": (post_donation(), place_hold(), pay()),
    "CORRECTED": (post_donation(), reverse(GIFT)),
}


def post_goods(**changes: Any) -> PostGoods:
    asked: dict[str, Any] = {
        "by": by(CLERK, Role.FUND_CLERK),
        "at": NOON,
        "entry_id": UUID(int=9_001),
        "lot_id": UUID(int=500),
        "what": "received",
        "fund": "fund-relief",
        "value_fen": 30_000,
        "effective_date": TODAY,
    }
    return PostGoods(**asked | changes)


def post_proceeds() -> PostProceeds:
    return PostProceeds(
        by=by(CLERK, Role.CASHIER),
        at=NOON,
        entry_id=UUID(int=9_002),
        market_id=UUID(int=520),
        fund="fund-public-good",
        amount_fen=8_000,
        effective_date=TODAY,
        voucher_sha256=("ab" * 32,),
    )


def post_refund(**changes: Any) -> PostRefund:
    asked: dict[str, Any] = {
        "by": by(CLERK, Role.CASHIER),
        "at": NOON,
        "entry_id": UUID(int=9_003),
        "donation_id": DONATION,
        "original_entry_id": GIFT.entry_id,
        "fund": "fund-relief",
        "purpose": None,
        "method": "bank_transfer",
        "amount_fen": 1,
        "effective_date": TODAY,
        "voucher_sha256": (DIGEST,),
        "approvals": (),
        "reason_code": "donor_asked",
    }
    return PostRefund(**asked | changes)


CORRECT = CorrectEntry(
    **reverse(GIFT).model_dump(exclude={"original", "by"}),
    by=by(CLERK, Role.FUND_CLERK),
    original=GIFT,
    community="chaoyangli",
    signatures=(),
    explanation_sha256=DIGEST,
    hands=frozenset(),
)
"""Without its public words; with them and with signatures it is tried in test_refunds."""
COMMANDS = {
    "PostHours": post_hours(entry_id=OTHER),
    "PostDonation": post_donation(entry_id=OTHER),
    "ReverseEntry": reverse(GIFT),
    "PlaceHold": place_hold(hold_id=OTHER),
    "ReleaseHold": release(),
    "PayAid": pay(),
    "TakeAidBack": take_back(),
    "MoveMoney": move(),
    "PostGoods": post_goods(),
    "PostProceeds": post_proceeds(),
    "CorrectEntry": CORRECT,
    "PostRefund": post_refund(),
    "ClosePeriod": ClosePeriod(by=by(CLERK, Role.FUND_CLERK), at=NOON, book="fund", period="2026-02"),
    "RefuseEntry": REFUSE,
}
REFUSALS = {
    ("EMPTY", "ReverseEntry"): "entry_unknown",
    ("CORRECTED", "ReverseEntry"): "reversed_already",
    ("HELD", "ReverseEntry"): "fund_insufficient",
    ("PAID", "ReverseEntry"): "fund_insufficient",
    **dict.fromkeys([(state, "CorrectEntry") for state in STORIES], "explanation_needed"),
    **dict.fromkeys([(state, "PostRefund") for state in ("EMPTY", "PAID")], "account_insufficient"),
    ("HELD", "PostRefund"): "fund_insufficient",
    ("CORRECTED", "PostRefund"): "reversed_already",
    **{(state, "PlaceHold"): "fund_insufficient" for state in ("EMPTY", "HELD", "PAID", "CORRECTED")},
    **{(state, "ReleaseHold"): "hold_unknown" for state in ("EMPTY", "OPEN", "PAID", "CORRECTED")},
    **{(state, "PayAid"): "hold_unknown" for state in ("EMPTY", "OPEN", "PAID", "CORRECTED")},
    **{(state, "MoveMoney"): "account_insufficient" for state in ("EMPTY", "PAID", "CORRECTED")},
}
EVENTS = {
    "ReverseEntry": ("EntryReversed",),
    "RefuseEntry": ("EntryRefused",),
    "PlaceHold": ("HoldPlaced",),
    "ClosePeriod": ("PeriodClosed",),
    "ReleaseHold": ("HoldReleased",),
    "PayAid": ("HoldReleased", "EntryPosted"),
}


def test_things_leave_only_where_they_are():
    story = Story(book)
    story.refuses(post_goods(what="delivered", purpose="illness"), "account_insufficient")
    story.when(post_goods()).then("EntryPosted")
    story.refuses(post_goods(what="delivered", purpose="activities"), "purpose_unknown")
    story.refuses(post_goods(what="written_off", value_fen=30_001), "account_insufficient")
    sold = story.when(post_goods(what="sold", price_fen=1, method="cash")).then("EntryPosted")
    assert sums(sold) == {0}
    assert story.state.funds["fund-relief"] == 1
    assert story.state.pots["fund-relief", "goods"].balance_fen == 0


def sums(entry) -> set[int]:
    totals: Counter[str] = Counter()
    for posting in entry.postings:
        totals[posting.unit] += posting.amount
    return set(totals.values())


def test_the_table_knows_every_command():
    assert set(COMMANDS) == {command.__name__ for command in BOOK_COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("state", STORIES)
def test_every_command_in_every_state(state: str, command: str):
    story = Story(book, *STORIES[state])
    if (state, command) in REFUSALS:
        story.refuses(COMMANDS[command], REFUSALS[state, command])
        return
    before = story.state.entry_no
    event = story.when(COMMANDS[command]).then(*EVENTS.get(command, ("EntryPosted",)))
    if event.type in {"EntryRefused", "HoldPlaced", "HoldReleased", "PeriodClosed"}:
        assert story.state.entry_no == before
    else:
        assert event.entry_no == story.state.entry_no == before + 1
        assert sums(event) == {0}


def test_minutes_are_owed_to_the_volunteer_and_given_by_the_community():
    assert [(posting.account, posting.amount, posting.unit) for posting in HOUR.postings] == [
        (f"volunteer:{ANNA}:minutes", 60, "minutes"),
        ("community:service_minutes", -60, "minutes"),
    ]
    assert (HOUR.book, HOUR.entry_no, HOUR.source_event_id, HOUR.hours) == ("hours", 1, EVENT, served())


@pytest.mark.parametrize(
    ("method", "account"),
    [
        ("bank_transfer", "assets:bank"),
        ("cash", "assets:cash_box"),
        ("cheque", "assets:other_money"),
        ("other", "assets:other_money"),
    ],
)
def test_a_gift_is_where_it_arrived_and_in_its_fund(method: str, account: str):
    entry = Story(book, post_donation(method=method)).then("EntryPosted")
    assert [(posting.account, posting.fund, posting.amount, posting.unit) for posting in entry.postings] == [
        (account, "fund-relief", 20_000, "fen"),
        ("income:donations", "fund-relief", -20_000, "fen"),
    ]
    assert (entry.donation_id, entry.subject_commit) == (DONATION, (DIGEST,))


def test_a_gift_with_a_purpose_is_restricted_income():
    entry = Story(book, post_donation(purpose="illness")).then("EntryPosted")
    assert entry.postings[1].account == "income:donations:restricted:illness"


@pytest.mark.parametrize(
    ("hours", "facts", "reason_code", "in_the_way"),
    [
        (served(), HoursFacts(overlapping=OTHER), "overlap", OTHER),
        (served(), HoursFacts(same_service=OTHER), "posted_already", OTHER),
        (served(), HoursFacts(same_service=OTHER, overlapping=ENTRY), "posted_already", OTHER),
        (served(4), HoursFacts(), "minutes_out_of_range", None),
        (served(721), HoursFacts(), "minutes_out_of_range", None),
        (served(60, finished_at=NOON), HoursFacts(), "interval_impossible", None),
        (served(60, finished_at=NOON + timedelta(minutes=59, seconds=59)), HoursFacts(), "minutes_over_interval", None),
    ],
)
def test_a_breach_posts_nothing_and_says_so(hours, facts, reason_code, in_the_way):
    refused = Story(book, post_hours(hours, facts=facts)).then("EntryRefused")
    assert (refused.reason_code, refused.conflicts_with) == (reason_code, in_the_way)
    assert (refused.source_event_id, refused.claim_id, refused.volunteer_id) == (EVENT, CLAIM, ANNA)


@pytest.mark.parametrize("minutes", [5, 720])
def test_the_shortest_and_the_longest_service_are_posted(minutes: int):
    Story(book, post_hours(served(minutes))).then("EntryPosted")


def test_an_event_that_was_answered_is_not_answered_again():
    Story(book, post_hours(facts=HoursFacts(answered=True))).then()


def test_a_reversal_mirrors_its_entry_and_names_it():
    story = Story(book, post_donation(), post_donation(entry_id=OTHER, amount_fen=500))
    reversal = story.when(reverse(GIFT)).then("EntryReversed")
    assert [posting.amount for posting in reversal.postings] == [-20_000, 20_000]
    assert (reversal.reverses, reversal.reverses_no, reversal.entry_no) == (ENTRY, 1, 3)
    assert (reversal.kind, reversal.reason_code) == ("donation_reversed", "entered_twice")
    assert dict(story.state.funds) == {"fund-relief": 500}


def test_reversed_minutes_say_whose_they_were():
    reversal = Story(book, post_hours()).when(reverse(HOUR)).then("EntryReversed")
    assert (reversal.kind, reversal.hours) == ("hours_reversed", HOUR.hours)


def test_no_fund_falls_below_nothing():
    story = Story(book, post_donation(amount_fen=100))
    too_much = GIFT.model_copy(update={"entry_id": OTHER, "entry_no": 1})
    assert story.refuses(reverse(too_much), "fund_insufficient")["balance_fen"] == 100


def test_a_fund_is_counted_by_what_its_money_may_be_used_for():
    story = Story(book, post_donation(amount_fen=100), post_donation(entry_id=OTHER, amount_fen=40, purpose="illness"))
    assert story.state.funds == {"fund-relief": 140}
    assert story.state.pots == {("fund-relief", ""): book.Pot(100), ("fund-relief", "illness"): book.Pot(40)}
    too_much = GIFT.model_copy(update={"entry_id": OTHER, "entry_no": 1})
    assert story.refuses(reverse(too_much), "fund_insufficient")["balance_fen"] == 100


def test_a_reversal_is_not_effective_before_its_entry_and_stays_in_its_book():
    story = Story(book, post_donation())
    story.refuses(reverse(GIFT, effective_date=TODAY - timedelta(days=1)), "before_original")
    story.refuses(reverse(GIFT, book="hours"), "entry_unknown")


def test_an_entry_out_of_balance_or_on_an_unknown_account_is_refused():
    story = Story(book, post_donation())
    first, second = GIFT.postings
    skew = GIFT.model_copy(update={"postings": (first, second.model_copy(update={"amount": -19_999}))})
    assert story.refuses(reverse(skew), "unbalanced") == {"unit": "fen", "difference": -1}
    nowhere = GIFT.model_copy(update={"postings": (first, second.model_copy(update={"account": "assets:moon"}))})
    story.refuses(reverse(nowhere), "account_unknown")
    converted = GIFT.model_copy(update={"postings": (first, second.model_copy(update={"unit": "minutes"}))})
    story.refuses(reverse(converted), "posting_impossible")


def test_an_erasure_is_said_once():
    erase = EraseVaultData(by=SYSTEM, at=NOON, person_id=ANNA, source_event_id=EVENT, purposes=(), erased_at=NOON)
    story = Story(erasure, erase)
    story.then("PersonDataErased")
    story.when(erase).then()


def test_vouchers_are_kept_thirty_years_from_the_end_of_the_year():
    assert kept_until(NOON).isoformat() == "2056-12-31T16:00:00+00:00"
    assert receive().policy.receipt_days == 15
