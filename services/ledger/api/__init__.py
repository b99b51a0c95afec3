"""HTTP of the ledger: gifts in, books out."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.ledger.api import books, donations

ROUTERS: Sequence[APIRouter] = (donations.router, books.router)
