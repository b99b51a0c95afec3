"""HTTP of the ledger: gifts in, books out."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.ledger.api import (
    aid,
    aid_paying,
    bank,
    books,
    donations,
    goods,
    keys,
    markets,
    open_books,
    open_due,
    open_statements,
    oversight,
    receipts,
    refunds,
    statements,
)

ROUTERS: Sequence[APIRouter] = tuple(
    part.router
    for part in (
        donations,
        receipts,
        refunds,
        goods,
        markets,
        keys,
        aid,
        aid_paying,
        bank,
        oversight,
        books,
        statements,
        # Before the pages' files, which answer for every other name under /fund/.
        open_statements,
        open_due,
        open_books,
    )
)
