"""HTTP of the ledger: gifts in, books out."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.ledger.api import aid, aid_paying, books, donations, goods, keys, markets, refunds

ROUTERS: Sequence[APIRouter] = (
    donations.router,
    refunds.router,
    goods.router,
    markets.router,
    keys.router,
    aid.router,
    aid_paying.router,
    books.router,
)
