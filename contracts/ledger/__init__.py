"""What the ledger says: entries in two books, hours (minutes) and fund (分), and the donations behind the fund's."""

from contracts.ledger.beside import (
    ErasureEvent,
    PersonDataErased,
    PolicyAdopted,
    PolicyEvent,
)
from contracts.ledger.books import (
    Book,
    BookEvent,
    Entry,
    EntryApproval,
    EntryPosted,
    EntryRefused,
    EntryReversed,
    HoursEntry,
    Posting,
    Unit,
)
from contracts.ledger.donations import (
    DonationEvent,
    DonationFact,
    DonationMethod,
    DonationPledged,
    DonationReceipted,
    DonationReceived,
    ReceiptWaived,
)

__all__ = [
    "Book",
    "BookEvent",
    "DonationEvent",
    "DonationFact",
    "DonationMethod",
    "DonationPledged",
    "DonationReceipted",
    "DonationReceived",
    "Entry",
    "EntryApproval",
    "EntryPosted",
    "EntryRefused",
    "EntryReversed",
    "ErasureEvent",
    "HoursEntry",
    "PersonDataErased",
    "PolicyAdopted",
    "PolicyEvent",
    "Posting",
    "ReceiptWaived",
    "Unit",
]
