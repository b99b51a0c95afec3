"""A book: entries with numbers without gaps (会计法 §15), each in balance; corrected by reversal, never edited.

What is heard and cannot be posted is answered with EntryRefused, never dropped (domain.md §4.4). Constraints in the
read models guard the same facts once more, so that two decisions on them cannot both commit.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import assert_never
from uuid import UUID

from contracts.command import Refused
from contracts.ledger import BookEvent, EntryPosted, EntryRefused, EntryReversed, HoursEntry
from services.ledger.commands import (
    AnyBookCommand,
    ClosePeriod,
    CorrectEntry,
    MoveMoney,
    PayAid,
    PlaceHold,
    PostDonation,
    PostGoods,
    PostHours,
    PostProceeds,
    PostRefund,
    RefuseEntry,
    ReleaseHold,
    ReverseEntry,
    TakeAidBack,
)
from services.ledger.decider import book_goods, book_money, book_period
from services.ledger.decider.book_money import AID_PAID, AID_REVERSED, MONEY_MOVED
from services.ledger.decider.book_state import BookState, Pot, evolve, initial, posted, require_funds
from services.ledger.decider.two_signatures import correction_facts, require_two
from services.ledger.posting_rules import donation_postings, hours_postings, mirrored, require_balance
from services.ledger.signatures import ENTRY_REVERSAL

__all__ = ["BookState", "Pot", "decide", "evolve", "initial"]

HOURS_LOGGED = "hours_logged"
HOURS_CORRECTED = "hours_corrected"
HOURS_REVERSED = "hours_reversed"
DONATION_RECEIVED = "donation_received"
DONATION_REVERSED = "donation_reversed"
_REVERSALS = {
    HOURS_LOGGED: HOURS_REVERSED,
    HOURS_CORRECTED: HOURS_REVERSED,
    DONATION_RECEIVED: DONATION_REVERSED,
    AID_PAID: AID_REVERSED,
}

CORRECTED_ALONE = frozenset({DONATION_RECEIVED, MONEY_MOVED})
"""What a reversal alone puts right: a gift that never came, money that lies elsewhere than was written."""
ENTRY_MINUTES_MIN = 5
ENTRY_MINUTES_MAX = 720
"""domain.md §4.4: 5 ≤ minutes ≤ 720 an entry."""


Events = Sequence[BookEvent]


def decide(command: AnyBookCommand, book: BookState) -> Events:
    """The events that a command comes to, none of them in a closed month. Raises Refused."""
    return [book_period.in_open_month(event, book) for event in _decide(command, book)]


def _decide(command: AnyBookCommand, book: BookState) -> Events:
    match command:
        case PostHours():
            return _post_hours(command, book)
        case PostDonation():
            return _post_donation(command, book)
        case CorrectEntry():
            return _correct(command, book)
        case ReverseEntry():
            return _reverse(command, book)
        case PlaceHold():
            return book_money.place_hold(command, book)
        case ReleaseHold():
            return book_money.release_hold(command, book)
        case PayAid():
            return book_money.pay_aid(command, book)
        case TakeAidBack():
            return book_money.take_aid_back(command, book)
        case MoveMoney():
            return book_money.move_money(command, book)
        case PostGoods():
            return book_goods.post_goods(command, book)
        case PostRefund():
            return book_money.post_refund(command, book)
        case PostProceeds():
            return book_goods.post_proceeds(command, book)
        case ClosePeriod():
            return book_period.close(command, book)
        case RefuseEntry():
            return [_refused(command, command.reason_code, command.conflicts_with)]
        case _:
            assert_never(command)


def _post_hours(command: PostHours, book: BookState) -> Events:
    if command.facts.answered:
        return []
    obstacle, conflicts_with = _obstacle(command)
    if obstacle is not None:
        return [_refused(command, obstacle, conflicts_with)]
    postings = hours_postings(command.hours.volunteer_id, command.hours.minutes)
    require_balance(postings)
    entry = EntryPosted(
        entry_id=command.entry_id,
        book=command.book,
        entry_no=book.entry_no + 1,
        kind=HOURS_LOGGED if command.reason_code is None else HOURS_CORRECTED,
        effective_date=command.effective_date,
        postings=postings,
        source_event_id=command.source_event_id,
        hours=command.hours,
        reason_code=command.reason_code,
        reverses=command.replaces,
        posted_at=command.at,
    )
    return [entry]


def _obstacle(command: PostHours) -> tuple[str | None, UUID | None]:
    """Why the minutes cannot be posted, and the entry in the way."""
    hours, facts = command.hours, command.facts
    if facts.same_service is not None:
        return "posted_already", facts.same_service
    if hours.finished_at <= hours.started_at:
        return "interval_impossible", None
    if not ENTRY_MINUTES_MIN <= hours.minutes <= ENTRY_MINUTES_MAX:
        return "minutes_out_of_range", None
    if timedelta(minutes=hours.minutes) > hours.finished_at - hours.started_at:
        return "minutes_over_interval", None
    if facts.overlapping is not None:
        return "overlap", facts.overlapping
    return None, None


def _post_donation(command: PostDonation, book: BookState) -> Events:
    postings = donation_postings(command.method, command.fund, command.purpose, command.amount_fen)
    require_funds(book, postings)
    entry = posted(
        command,
        book,
        DONATION_RECEIVED,
        postings,
        subject_commit=() if command.donor_commitment is None else (command.donor_commitment,),
        donation_id=command.donation_id,
    )
    return [entry]


def _reverse(command: ReverseEntry, book: BookState) -> Events:
    original = command.original
    if original.book != command.book or original.entry_no > book.entry_no:
        raise Refused("entry_unknown")
    if original.entry_id in book.reversed:
        raise Refused("reversed_already", entry_no=original.entry_no)
    if command.effective_date < original.effective_date:
        raise Refused("before_original")
    postings = mirrored(original.postings)
    require_balance(postings)
    require_funds(book, postings)
    reversal = EntryReversed(
        entry_id=command.entry_id,
        book=command.book,
        entry_no=book.entry_no + 1,
        kind=_REVERSALS.get(original.kind, original.kind),
        effective_date=command.effective_date,
        postings=postings,
        source_event_id=command.source_event_id,
        hours=original.hours,
        donation_id=original.donation_id,
        case_id=original.case_id,
        lot_id=original.lot_id,
        market_id=original.market_id,
        approvals=command.approvals,
        reason_code=command.reason_code,
        reverses=original.entry_id,
        reverses_no=original.entry_no,
        explanation_ref=command.explanation_ref,
        explanation_commitment=command.explanation_commitment,
        reversed_at=command.at,
    )
    return [reversal]


def _correct(command: CorrectEntry, book: BookState) -> Events:
    """Reverse what no other business rests on. Everything else is corrected by its own commands. Raises Refused."""
    original = command.original
    if original.kind not in CORRECTED_ALONE:
        raise Refused("corrected_elsewhere", kind=original.kind)
    if command.explanation_commitment is None:
        raise Refused("explanation_needed")
    facts = correction_facts(original.entry_id, original.entry_no, command.reason_code, command.explanation_sha256)
    approvals = require_two(ENTRY_REVERSAL, command.community, facts, command.signatures, command.hands)
    return _reverse(command.model_copy(update={"approvals": approvals}), book)


def _refused(command: PostHours | RefuseEntry, reason_code: str, conflicts_with: UUID | None) -> EntryRefused:
    about: HoursEntry | RefuseEntry = command.hours if isinstance(command, PostHours) else command
    return EntryRefused(
        book=command.book,
        source_event_id=command.source_event_id,
        reason_code=reason_code,
        claim_id=about.claim_id,
        volunteer_id=about.volunteer_id,
        conflicts_with=conflicts_with,
        refused_at=command.at,
    )
