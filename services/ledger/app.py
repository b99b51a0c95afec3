"""The one place where the ledger's rooms meet."""

from eventstore.aggregate import Aggregate
from servicekit.definition import ServiceDefinition
from services.ledger.access import build_access
from services.ledger.api import ROUTERS
from services.ledger.api.donations import ACCOUNTING
from services.ledger.commands import ACCOUNTING_BASIS, BOOK_COMMANDS, DONATION_COMMANDS, EraseVaultData
from services.ledger.decider import book, donation, erasure
from services.ledger.policy import POLICY
from services.ledger.reactions import reactions
from services.ledger.read_models.copies import VolunteersCopy
from services.ledger.read_models.own import LedgerModel
from services.ledger.refusals import CONSTRAINTS, REFUSALS

BOOK = Aggregate("book", book.initial, book.decide, book.evolve, BOOK_COMMANDS)
DONATION = Aggregate("donation", donation.initial, donation.decide, donation.evolve, DONATION_COMMANDS)
ERASURE = Aggregate("erasure", erasure.initial, erasure.decide, erasure.evolve, (EraseVaultData,))

definition = ServiceDefinition(
    name="ledger",
    title="Two books, hours (minutes) and fund (分), each in balance and numbered without gaps; gifts in three hands.",
    read_models=(LedgerModel(), VolunteersCopy()),
    aggregates=(BOOK, DONATION, ERASURE),
    access=build_access(),
    build_app=lambda _runtime: ROUTERS,
    policy=POLICY,
    reactions=reactions,
    hears=("volunteers",),
    constraints=CONSTRAINTS,
    sentences=REFUSALS,
    locked_purposes={ACCOUNTING: ACCOUNTING_BASIS},
)
