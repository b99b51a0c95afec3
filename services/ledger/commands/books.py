"""Entries in the two books, asked for by what else was recorded or heard."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field

from contracts.command import Ask, Command
from contracts.event import AmountFen, Code, Digest
from contracts.ledger import Book, DonationMethod, EntryApproval, EntryPosted, HoldCause, HoursEntry
from services.ledger.commands.signed import Signed

GoodsMove = Literal["received", "delivered", "written_off", "sold"]
HOURS: Book = "hours"
FUND: Book = "fund"
_BOOKS = UUID("018f6a3e-7c00-7000-8000-1ed6e4000001")


def book_stream(book: Book) -> str:
    """The one stream of a book, `book-<uuid>`."""
    return f"book-{uuid5(_BOOKS, book)}"


class MoveMoneyAsk(Ask):
    """Where money was and where it is now, by how it came or could be paid."""

    origin: DonationMethod
    target: DonationMethod
    amount_fen: AmountFen
    voucher_sha256: Annotated[tuple[Digest, ...], Field(min_length=1, max_length=20)]


class BookCommand(Command):
    """A command decided on a book's stream. An entry's number follows from the book, its id is given."""

    book: Book

    @property
    def stream(self) -> str:
        """`book-<uuid>`."""
        return book_stream(self.book)


class HoursFacts(BaseModel):
    """What the hours book holds already, read just before the decision and guarded at the commit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answered: bool = False
    """This very event was posted or refused before."""
    same_service: UUID | None = None
    """The standing entry of the same claim or assignment."""
    overlapping: UUID | None = None
    """A standing entry of the same volunteer whose interval overlaps."""


class PostHours(BookCommand):
    """Post credited minutes: Dr the volunteer, Cr the community. A breach is answered with EntryRefused."""

    book: Book = HOURS
    entry_id: UUID
    source_event_id: UUID
    hours: HoursEntry
    effective_date: date
    facts: HoursFacts = HoursFacts()
    replaces: UUID | None = None
    """The entry that this one corrects, reversed just before."""
    reason_code: Code | None = None


class FundPosting(BookCommand):
    """A command that posts an entry of the fund's book: which, on what day, on what papers."""

    book: Book = FUND
    entry_id: UUID
    effective_date: date
    voucher_sha256: tuple[Digest, ...] = ()


class PostDonation(FundPosting):
    """Post a gift that arrived: Dr assets, Cr donations, in its fund."""

    donation_id: UUID
    fund: Code
    purpose: Code | None = None
    method: DonationMethod
    amount_fen: AmountFen
    donor_commitment: Digest | None = None


class ReverseEntry(BookCommand):
    """Reverse an entry by its mirror (会计法 §14, 令81 §16). Issued by what corrects the business behind it."""

    entry_id: UUID
    original: EntryPosted
    reason_code: Code
    effective_date: date
    source_event_id: UUID | None = None
    explanation_ref: UUID | None = None
    explanation_commitment: Digest | None = None
    approvals: tuple[EntryApproval, ...] = ()


class CorrectEntry(ReverseEntry):
    """Reverse an entry of the fund that was wrong, by two people's signatures, with public words (令81 §16)."""

    community: str
    signatures: tuple[Signed, ...]
    explanation_sha256: Digest
    """Of the public words, as they were signed."""
    hands: frozenset[str | None]
    """Who posted the entry, and who asks for its reversal."""


class PostRefund(FundPosting):
    """Post money that goes back to its donor: Dr the income it was, Cr where it is paid from."""

    donation_id: UUID
    original_entry_id: UUID
    fund: Code
    purpose: Code | None
    method: DonationMethod
    amount_fen: AmountFen
    approvals: tuple[EntryApproval, ...]
    reason_code: Code


class PlaceHold(BookCommand):
    """Set money aside for an approved case: what was given for its purpose first, then unrestricted money."""

    book: Book = FUND
    hold_id: UUID
    case_id: UUID
    fund: Code
    purpose: Code
    amount_fen: AmountFen


class ReleaseHold(BookCommand):
    """Set it free again, unpaid."""

    book: Book = FUND
    hold_id: UUID
    cause: HoldCause


class PayAid(FundPosting):
    """Pay what was set aside: the hold ends, Dr aid, Cr where the money was."""

    hold_id: UUID
    case_id: UUID
    method: DonationMethod
    approvals: tuple[EntryApproval, ...]
    payee_commitment: Digest


class TakeAidBack(FundPosting):
    """Post paid aid that came back: to the pot it was paid from, what was given for the purpose first."""

    paid: EntryPosted
    returned_before_fen: int
    amount_fen: AmountFen
    method: DonationMethod
    reason_code: Code


class MoveMoney(FundPosting):
    """Post that a fund's money lies elsewhere now: cash paid in at the bank, a cheque cashed."""

    fund: Code
    origin: DonationMethod
    target: DonationMethod
    amount_fen: AmountFen


class PostGoods(FundPosting):
    """Post what became of things given, at their declared value; what was sold, with its price."""

    lot_id: UUID
    what: GoodsMove
    fund: Code
    purpose: Code | None = None
    """What they were delivered for."""
    value_fen: AmountFen
    price_fen: AmountFen | None = None
    method: DonationMethod | None = None
    donation_id: UUID | None = None
    reason_code: Code | None = None


class PostProceeds(FundPosting):
    """Post a market's proceeds: Dr the bank, Cr the market's income, unrestricted in its fund."""

    market_id: UUID
    fund: Code
    amount_fen: AmountFen


class ClosePeriodAsk(Ask):
    """Which month, `2026-10`."""

    period: Annotated[str, Field(pattern=r"^[1-9][0-9]{3}-(0[1-9]|1[0-2])$")]


class ClosePeriod(BookCommand):
    """Close a month of a book: proposed by one person, closed by another (会计法 §17)."""

    period: Annotated[str, Field(pattern=r"^[1-9][0-9]{3}-(0[1-9]|1[0-2])$")]


class RefuseEntry(BookCommand):
    """Say that an event heard could not be posted."""

    source_event_id: UUID
    reason_code: Code
    claim_id: UUID | None = None
    volunteer_id: UUID | None = None
    conflicts_with: UUID | None = None


BOOK_COMMANDS: tuple[type[BookCommand], ...] = (
    PostHours, PostDonation, ReverseEntry, CorrectEntry, PlaceHold, ReleaseHold, PayAid, TakeAidBack, MoveMoney,
    PostGoods, PostProceeds, PostRefund, ClosePeriod, RefuseEntry,
)  # fmt: skip
AnyBookCommand = (
    PostHours
    | PostDonation
    | ReverseEntry
    | CorrectEntry
    | PlaceHold
    | ReleaseHold
    | PayAid
    | TakeAidBack
    | MoveMoney
    | PostGoods
    | PostProceeds
    | PostRefund
    | ClosePeriod
    | RefuseEntry
)
