"""What the rules need to know of a book, and its fold: numbers, money by fund, pot and account, what is set aside."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import TypedDict, Unpack, assert_never
from uuid import UUID

from contracts.command import Refused
from contracts.ledger import (
    BookEvent,
    EntryApproval,
    EntryPosted,
    EntryRefused,
    EntryReversed,
    HoldPlaced,
    HoldReleased,
    PeriodClosed,
)
from services.ledger.commands import FUND, FundPosting
from services.ledger.posting_rules import (
    Postings,
    asset_changes,
    fund_changes,
    hold_parts,
    pot_changes,
    require_balance,
)


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
    assets: Mapping[tuple[str, str], int] = field(default_factory=lambda: MappingProxyType({}))
    """(fund, asset account) → what lies there, 分."""
    holds: Mapping[UUID, HoldPlaced] = field(default_factory=lambda: MappingProxyType({}))
    """What is set aside and not paid yet, by hold."""
    reversed: frozenset[UUID] = frozenset()
    closed_through: date | None = None
    """The last day of the last closed month."""
    closing: PeriodClosed | None = None
    """A month that one person proposed to close."""


def initial() -> BookState:
    """An empty book."""
    return BookState()


def require_funds(book: BookState, postings: Postings) -> None:
    """No pot of a fund falls below what is set aside in it, or below nothing (domain.md §4.6)."""
    for (fund, name), change in pot_changes(postings).items():
        available = book.pots.get((fund, name), Pot()).available_fen
        if change < 0 and available + change < 0:
            raise Refused("fund_insufficient", fund=fund, balance_fen=available, asked_fen=-change)


class About(TypedDict, total=False):
    """What caused an entry, and what it carries besides its postings: fields of EntryPosted."""

    approvals: tuple[EntryApproval, ...]
    subject_commit: tuple[str, ...]
    donation_id: UUID | None
    case_id: UUID | None
    lot_id: UUID | None
    market_id: UUID | None
    reason_code: str | None


def posted(command: FundPosting, book: BookState, kind: str, postings: Postings, **about: Unpack[About]) -> EntryPosted:
    """The next entry of the fund's book, in balance; `about` is its cause and its papers. Raises Refused."""
    require_balance(postings)
    return EntryPosted(
        entry_id=command.entry_id,
        book=FUND,
        entry_no=book.entry_no + 1,
        kind=kind,
        effective_date=command.effective_date,
        postings=postings,
        voucher_sha256=command.voucher_sha256,
        posted_at=command.at,
        **about,
    )


def require_there(book: BookState, postings: Postings) -> None:
    """Nobody pays or moves what does not lie there. A correction may: what was entered wrongly lay nowhere."""
    for (fund, account), change in asset_changes(postings).items():
        lies_there = book.assets.get((fund, account), 0)
        if change < 0 and lies_there + change < 0:
            raise Refused("account_insufficient", fund=fund, account=account, balance_fen=lies_there, asked_fen=-change)


def evolve(book: BookState, event: BookEvent) -> BookState:
    """The book after an event."""
    match event:
        case EntryPosted():
            return _entered(book, event)
        case EntryReversed():
            return replace(_entered(book, event), reversed=book.reversed | {event.reverses})
        case EntryRefused():
            return book
        case PeriodClosed():
            if event.step == 1:
                return replace(book, closing=event)
            return replace(book, closing=None, closed_through=event.closed_through)
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
    assets = dict(book.assets)
    for place, change in asset_changes(event.postings).items():
        assets[place] = assets.get(place, 0) + change
    return replace(
        book,
        entry_no=event.entry_no,
        funds=MappingProxyType(funds),
        pots=MappingProxyType(pots),
        assets=MappingProxyType(assets),
    )


def _held(book: BookState, event: HoldPlaced | HoldReleased, sign: int) -> BookState:
    pots = dict(book.pots)
    for name, amount_fen in hold_parts(event).items():
        pot = pots.get((event.fund, name), Pot())
        pots[event.fund, name] = replace(pot, held_fen=pot.held_fen + sign * amount_fen)
    return replace(book, pots=MappingProxyType(pots))
