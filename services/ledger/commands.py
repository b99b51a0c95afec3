"""What may be asked of the ledger: gifts by people; entries in the two books by what else was recorded or heard."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Annotated, Literal, Self
from uuid import UUID, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from contracts.command import Ask, Command
from contracts.event import AmountFen, Code, Digest, KeptData, ReceiptNo
from contracts.ledger import Book, DonationMethod, EntryPosted, HoursEntry

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""Without summer time since 1992, so the offset is the zone, and no time-zone data need be installed."""
HOURS: Book = "hours"
FUND: Book = "fund"
ACCOUNTING_BASIS = "accounting_archives_2016"
"""会计档案管理办法 (2016): vouchers and books are kept 30 years from the end of their accounting year."""
ACCOUNTING_YEARS = 30
_BOOKS = UUID("018f6a3e-7c00-7000-8000-1ed6e4000001")


def day_of(moment: datetime) -> date:
    """The calendar day of a moment, Asia/Shanghai: the day an entry is effective on."""
    return moment.astimezone(SHANGHAI).date()


def kept_until(erased_at: datetime) -> datetime:
    """Until when vouchers of a year must be kept, counted from the end of the year (会计档案管理办法 §14), UTC.

    No gift of an erased person is younger than the erasure, so every voucher's period has ended by then.
    """
    year = day_of(erased_at).year + 1 + ACCOUNTING_YEARS
    return datetime(year, 1, 1, tzinfo=SHANGHAI).astimezone(UTC)


def book_stream(book: Book) -> str:
    """The one stream of a book, `book-<uuid>`."""
    return f"book-{uuid5(_BOOKS, book)}"


def donation_stream(donation_id: UUID) -> str:
    """The stream of a gift, `donation-<uuid>`."""
    return f"donation-{donation_id}"


def erasure_stream(person_id: UUID) -> str:
    """The stream that says what was erased of a person, `erasure-<uuid>`."""
    return f"erasure-{person_id}"


class DonationPolicy(BaseModel):
    """The figures of gifts that the community may set otherwise [P]. Amounts in 分."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount_fen_max: Annotated[int, Field(ge=1, le=100_000_000_000)] = 100_000_000
    """¥1,000,000: a larger gift goes through the host charity itself."""
    cash_alone_fen_max: Annotated[int, Field(ge=0, le=100_000_000_000)] = 100_000
    """¥1,000: more cash than this is counted by two people."""
    receipt_days: Annotated[int, Field(ge=1, le=366)] = 15
    backdate_days: Annotated[int, Field(ge=0, le=366)] = 31
    """How long before today money may have arrived that is entered today."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.cash_alone_fen_max > self.amount_fen_max:
            raise PydanticCustomError(
                "impossible",
                "more than amount_fen_max ({most}) is not taken in at all",
                {"field": "cash_alone_fen_max", "most": self.amount_fen_max},
            )
        return self


PersonName = Annotated[str, Field(min_length=1, max_length=60)]
Phone = Annotated[str, Field(pattern=r"^\+?[0-9][0-9\-]{4,19}$")]


class Donor(Ask):
    """Who gives. All of it goes to the vault; `public_name` only with the donor's consent to be named."""

    name: PersonName
    phone: Phone | None = None
    public_name: PersonName | None = None
    person_id: UUID | None = None
    """The donor as a registered person, if they are one: an erasure then reaches what is kept here."""


class PledgeDonationAsk(Ask):
    """A gift that is promised. Without a donor it is anonymous."""

    fund: Code
    amount_fen: AmountFen
    purpose: Code | None = None
    """Restricts the gift to one of the fund's purposes (公益事业捐赠法 §18)."""
    donor: Donor | None = None


class ReceiveDonationAsk(Ask):
    """Money that arrived. What was counted is booked, also when the pledge was another amount."""

    method: DonationMethod
    amount_fen: AmountFen | None = None
    """As counted; absent: as pledged."""
    counted_by: Annotated[tuple[UUID, ...], Field(max_length=5)] = ()
    voucher_sha256: Annotated[tuple[Digest, ...], Field(max_length=20)] = ()
    effective_date: date | None = None
    """The day it arrived, Asia/Shanghai; absent: today."""


class ReceiptDonationAsk(Ask):
    """The number printed on the official receipt (捐赠票据)."""

    receipt_no: ReceiptNo


class WaiveReceiptAsk(Ask):
    """Why there is no receipt (慈善法 §38: anonymous, or waived; recorded)."""

    reason_code: Literal["donor_waived", "donor_anonymous"]


class DonationCommand(Command):
    """A command decided on a gift's stream."""

    donation_id: UUID
    policy: DonationPolicy = DonationPolicy()

    @property
    def stream(self) -> str:
        """`donation-<uuid>`."""
        return donation_stream(self.donation_id)


class PledgeDonation(DonationCommand):
    """Promise a gift. `donor_ref` is random, made for this gift alone."""

    donor_ref: UUID
    fund: Code
    amount_fen: AmountFen
    purpose: Code | None = None
    anonymous: bool = True
    donor_commitment: Digest | None = None


class ReceiveDonation(DonationCommand):
    """Take in the money of a pledged gift."""

    method: DonationMethod
    amount_fen: AmountFen
    counted_by: tuple[UUID, ...] = ()
    counters_known: bool
    """Every counter is a registered person."""
    voucher_sha256: tuple[Digest, ...] = ()
    effective_date: date
    pledged_by: str | None
    """The actor who recorded the pledge: never who takes the money (会计法 §25, §35)."""


class ReceiptDonation(DonationCommand):
    """Record the receipt given for a gift."""

    receipt_no: ReceiptNo
    received_by: str | None
    """The actor who took the money: never who writes the receipt."""


class WaiveReceipt(DonationCommand):
    """Record that there is no receipt, and why."""

    reason_code: Code
    received_by: str | None


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


class PostDonation(BookCommand):
    """Post a gift that arrived: Dr assets, Cr donations, in its fund."""

    book: Book = FUND
    entry_id: UUID
    donation_id: UUID
    fund: Code
    purpose: Code | None = None
    method: DonationMethod
    amount_fen: AmountFen
    effective_date: date
    voucher_sha256: tuple[Digest, ...] = ()
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


class RefuseEntry(BookCommand):
    """Say that an event heard could not be posted."""

    source_event_id: UUID
    reason_code: Code
    claim_id: UUID | None = None
    volunteer_id: UUID | None = None
    conflicts_with: UUID | None = None


class EraseVaultData(Command):
    """Say which of a person's data were destroyed; the vault does it in the same append."""

    person_id: UUID
    source_event_id: UUID
    purposes: tuple[Code, ...]
    kept: tuple[KeptData, ...] = ()
    erased_at: AwareDatetime

    @property
    def stream(self) -> str:
        """`erasure-<uuid>`."""
        return erasure_stream(self.person_id)


DONATION_COMMANDS: tuple[type[DonationCommand], ...] = (PledgeDonation, ReceiveDonation, ReceiptDonation, WaiveReceipt)
BOOK_COMMANDS: tuple[type[BookCommand], ...] = (PostHours, PostDonation, ReverseEntry, RefuseEntry)
AnyDonationCommand = PledgeDonation | ReceiveDonation | ReceiptDonation | WaiveReceipt
AnyBookCommand = PostHours | PostDonation | ReverseEntry | RefuseEntry
