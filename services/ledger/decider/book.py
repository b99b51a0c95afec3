"""A book: entries with numbers without gaps (会计法 §15), each in balance; corrected by reversal, never edited.

What is heard and cannot be posted is answered with EntryRefused, never dropped (domain.md §4.4). Constraints in the
read models guard the same facts once more, so that two decisions on them cannot both commit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import assert_never
from uuid import UUID

from contracts.command import Refused
from contracts.ledger import BookEvent, EntryPosted, EntryRefused, EntryReversed, HoldPlaced, HoldReleased, HoursEntry
from services.ledger.commands import FUND, AnyBookCommand, PostDonation, PostHours, RefuseEntry, ReverseEntry
from services.ledger.posting_rules import (
    Postings,
    donation_postings,
    fund_changes,
    hold_parts,
    hours_postings,
    mirrored,
    pot_changes,
    require_balance,
)

HOURS_LOGGED = "hours_logged"
HOURS_CORRECTED = "hours_corrected"
HOURS_REVERSED = "hours_reversed"
DONATION_RECEIVED = "donation_received"
DONATION_REVERSED = "donation_reversed"
_REVERSALS = {HOURS_LOGGED: HOURS_REVERSED, HOURS_CORRECTED: HOURS_REVERSED, DONATION_RECEIVED: DONATION_REVERSED}

ENTRY_MINUTES_MIN = 5
ENTRY_MINUTES_MAX = 720
"""domain.md §4.4: 5 ≤ minutes ≤ 720 an entry."""


@dataclass(frozen=True, slots=True)
class Pot:
    """A part of a fund: unrestricted, goods, or money given for one purpose."""

    balance_fen: int = 0
    held_fen: int = 0

    @property
    def available_fen(self) -> int:
        """What may still be promised."""
        return self.balance_fen - self.held_fen


@dataclass(frozen=True, slots=True)
class BookState:
    """What the rules need to know of a book."""

    entry_no: int = 0
    """The last entry's number, which is how many there are."""
    funds: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """The money of each fund, 分."""
    pots: Mapping[tuple[str, str], Pot] = field(default_factory=lambda: MappingProxyType({}))
    """(fund, pot) → what is in it."""
    holds: Mapping[UUID, HoldPlaced] = field(default_factory=lambda: MappingProxyType({}))
    """What is set aside and not paid yet, by hold."""
    reversed: frozenset[UUID] = frozenset()


Events = Sequence[BookEvent]


def initial() -> BookState:
    """An empty book."""
    return BookState()


def decide(command: AnyBookCommand, book: BookState) -> Events:
    """The events that a command comes to. Raises Refused."""
    match command:
        case PostHours():
            return _post_hours(command, book)
        case PostDonation():
            return _post_donation(command, book)
        case ReverseEntry():
            return _reverse(command, book)
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
    require_balance(postings)
    _require_funds(book, postings)
    entry = EntryPosted(
        entry_id=command.entry_id,
        book=command.book,
        entry_no=book.entry_no + 1,
        kind=DONATION_RECEIVED,
        effective_date=command.effective_date,
        postings=postings,
        voucher_sha256=command.voucher_sha256,
        subject_commit=() if command.donor_commitment is None else (command.donor_commitment,),
        donation_id=command.donation_id,
        posted_at=command.at,
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
    _require_funds(book, postings)
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
        reason_code=command.reason_code,
        reverses=original.entry_id,
        reverses_no=original.entry_no,
        explanation_ref=command.explanation_ref,
        explanation_commitment=command.explanation_commitment,
        reversed_at=command.at,
    )
    return [reversal]


def _require_funds(book: BookState, postings: Postings) -> None:
    """No pot of a fund falls below what is set aside in it, or below nothing (domain.md §4.6)."""
    for (fund, name), change in pot_changes(postings).items():
        available = book.pots.get((fund, name), Pot()).available_fen
        if change < 0 and available + change < 0:
            raise Refused("fund_insufficient", fund=fund, balance_fen=available, asked_fen=-change)


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


def evolve(book: BookState, event: BookEvent) -> BookState:
    """The book after an event."""
    match event:
        case EntryPosted():
            return _entered(book, event)
        case EntryReversed():
            return replace(_entered(book, event), reversed=book.reversed | {event.reverses})
        case EntryRefused():
            return book
        case HoldPlaced():
            return replace(_held(book, event, 1), holds=MappingProxyType({**book.holds, event.hold_id: event}))
        case HoldReleased():
            left = {hold_id: hold for hold_id, hold in book.holds.items() if hold_id != event.hold_id}
            return replace(_held(book, event, -1), holds=MappingProxyType(left))
        case _:
            assert_never(event)


def _entered(book: BookState, event: EntryPosted | EntryReversed) -> BookState:
    changes = fund_changes(event.postings)
    if event.book != FUND:
        return replace(book, entry_no=event.entry_no)
    funds = {**book.funds, **{fund: book.funds.get(fund, 0) + change for fund, change in changes.items()}}
    pots = dict(book.pots)
    for key, change in pot_changes(event.postings).items():
        pot = pots.get(key, Pot())
        pots[key] = replace(pot, balance_fen=pot.balance_fen + change)
    return replace(book, entry_no=event.entry_no, funds=MappingProxyType(funds), pots=MappingProxyType(pots))


def _held(book: BookState, event: HoldPlaced | HoldReleased, sign: int) -> BookState:
    pots = dict(book.pots)
    for name, amount_fen in hold_parts(event).items():
        pot = pots.get((event.fund, name), Pot())
        pots[event.fund, name] = replace(pot, held_fen=pot.held_fen + sign * amount_fen)
    return replace(book, pots=MappingProxyType(pots))
