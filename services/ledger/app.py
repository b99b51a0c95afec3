"""The one place where the ledger's rooms meet."""

from collections.abc import Sequence

from fastapi import APIRouter

from eventstore.aggregate import Aggregate
from servicekit.definition import Runtime, ServiceDefinition
from services.ledger.access import build_access
from services.ledger.api import ROUTERS
from services.ledger.api.donations import ACCOUNTING
from services.ledger.commands import (
    ACCOUNTING_BASIS,
    AID_COMMANDS,
    BANK_COMMANDS,
    BOOK_COMMANDS,
    DONATION_COMMANDS,
    GOODS_COMMANDS,
    MARKET_COMMANDS,
    REVIEW_COMMANDS,
    SIGNING_KEY_COMMANDS,
    STATEMENT_COMMANDS,
    EraseVaultData,
)
from services.ledger.decider import aid, bank, book, donation, erasure, goods, keys, market, oversight, statement
from services.ledger.policy import POLICY, fund_url, host_charity
from services.ledger.reactions import reactions
from services.ledger.read_models.copies import VolunteersCopy
from services.ledger.read_models.own import LedgerModel
from services.ledger.refusals import CONSTRAINTS, REFUSALS
from services.ledger.timers import due_of

BOOK = Aggregate("book", book.initial, book.decide, book.evolve, BOOK_COMMANDS)
DONATION = Aggregate("donation", donation.initial, donation.decide, donation.evolve, DONATION_COMMANDS)
AID = Aggregate("aid", aid.initial, aid.decide, aid.evolve, AID_COMMANDS)
GOODS = Aggregate("in_kind", goods.initial, goods.decide, goods.evolve, GOODS_COMMANDS)
MARKET = Aggregate("market", market.initial, market.decide, market.evolve, MARKET_COMMANDS)
BANK = Aggregate("bank", bank.initial, bank.decide, bank.evolve, BANK_COMMANDS)
SIGNING_KEY = Aggregate("signing_key", keys.initial, keys.decide, keys.evolve, SIGNING_KEY_COMMANDS)
STATEMENT = Aggregate("fund_statement", statement.initial, statement.decide, statement.evolve, STATEMENT_COMMANDS)
REVIEW = Aggregate("review", oversight.initial, oversight.decide, oversight.evolve, REVIEW_COMMANDS)
ERASURE = Aggregate("erasure", erasure.initial, erasure.decide, erasure.evolve, (EraseVaultData,))


def _routes(_runtime: Runtime) -> Sequence[APIRouter]:
    # Read at start: what is wrong stops the service before it answers anybody.
    host_charity()
    fund_url()
    return ROUTERS


definition = ServiceDefinition(
    name="ledger",
    title="Two books, hours (minutes) and fund (分), balanced, without gaps; gifts in three hands, aid by signatures.",
    read_models=(LedgerModel(), VolunteersCopy()),
    aggregates=(BOOK, DONATION, AID, GOODS, MARKET, BANK, SIGNING_KEY, STATEMENT, REVIEW, ERASURE),
    access=build_access(),
    build_app=_routes,
    policy=POLICY,
    reactions=reactions,
    hears=("volunteers", "orders"),
    constraints=CONSTRAINTS,
    sentences=REFUSALS,
    timers=due_of,
    locked_purposes={ACCOUNTING: ACCOUNTING_BASIS},
)
