"""HTTP of the ledger: gifts in, books out."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.ledger.api import aid, aid_paying, books, donations, goods, keys, markets, open_books, receipts, refunds

ROUTERS: Sequence[APIRouter] = tuple(
    part.router for part in (donations, receipts, refunds, goods, markets, keys, aid, aid_paying, books, open_books)
)
