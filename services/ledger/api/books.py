"""The books over HTTP: chart, balances, entries, minutes."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from contracts.ledger import Book
from eventstore.executor import Plan
from servicekit.definition import Runtime
from servicekit.http import Commanding, Reading, command
from services.ledger import access
from services.ledger.api.aid_shared import EXPLANATION
from services.ledger.api.shared import AsOfQuery, Limit, Running, as_json, turn
from services.ledger.chart_of_accounts import chart
from services.ledger.commands import FUND, ClosePeriod, ClosePeriodAsk
from services.ledger.policy import host_charity
from services.ledger.read_models import queries
from services.ledger.read_models.queries import EntryFilter

router = APIRouter(prefix="/v1", tags=["ledger"])


@router.get("/accounts")
async def read_accounts(caller: Reading) -> JSONResponse:
    """The chart of accounts, codes first, and the funds with their purposes."""
    caller.by(access.READ_ACCOUNTS)
    return as_json(chart().model_dump())


@router.get("/fund/host")
async def read_host(caller: Reading) -> JSONResponse:
    """The charity that the fund's money lies with, and where gifts are made; null: nothing is said of raising money."""
    caller.by(access.READ_HOST)
    host = host_charity()
    return as_json({"host_charity": None if host is None else host.model_dump(mode="json", exclude_defaults=True)})


@router.get("/balances")
async def read_balances(
    caller: Reading, runtime: Running, as_of: AsOfQuery, book: Book = FUND, fund: str | None = None
) -> JSONResponse:
    """The trial balance of a book, now or as of a position, a recording time or a business day."""
    caller.by(access.READ_BALANCES)
    if fund is not None:
        chart().fund(fund)
    async with runtime.log.queries() as connection:
        rows = await queries.balances(connection, book, fund, as_of)
        held = await queries.fund_balances(connection, as_of) if book == FUND else {}
    accounts, totals = [], dict[str, int]()
    for row in rows:
        known = chart().account(row["account"].replace("*", "all"))
        balance = row["debit"] - row["credit"]
        totals[row["unit"]] = totals.get(row["unit"], 0) + balance
        accounts.append(
            {
                "code": known.code,
                "account": row["account"],
                "name": known.name,
                "fund": row["fund"] or None,
                "unit": row["unit"],
                "debit": row["debit"],
                "credit": row["credit"],
                "balance": balance,
            }
        )
    accounts.sort(key=lambda account: (account["code"], account["account"], account["fund"] or ""))
    last = rows[0]["last_position"] if rows else 0
    funds = [
        {"fund": known.code, "name": known.name, "balance_fen": held.get(known.code, 0)}
        for known in (chart().funds if book == FUND else ())
        if fund in {None, known.code}
    ]
    answer = {
        "book": book,
        "position": last if as_of.position is None else as_of.position,
        "effective_on": as_of.effective_on,
        "accounts": accounts,
        "funds": funds,
        "totals": totals,
    }
    return as_json(answer)


@router.get("/entries")
async def read_entries(
    caller: Reading,
    runtime: Running,
    as_of: AsOfQuery,
    book: Book = FUND,
    account: str | None = None,
    fund: str | None = None,
    donation_id: UUID | None = None,
    volunteer_id: UUID | None = None,
    after_no: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Limit = 50,
) -> JSONResponse:
    """Entries of a book in the order of their numbers, with their postings; go on after the last number."""
    caller.by(access.READ_FUND_ENTRIES if book == FUND else access.READ_HOURS_ENTRIES)
    wanted = EntryFilter(book, account, fund, donation_id, volunteer_id, after_no, limit)
    async with runtime.log.queries() as connection:
        found = await queries.entries(connection, wanted, as_of)
    return as_json({"book": book, "entries": await _explained(runtime, found)})


async def _explained(runtime: Runtime, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With the public words of each correction (更正说明, 令81 §16)."""
    opened = await runtime.vault.open_many([row["explanation_ref"] for row in found if row["explanation_ref"]])
    for row in found:
        row["explanation"] = opened.get(row.pop("explanation_ref"), {}).get(EXPLANATION)
    return found


@router.get("/volunteers/{volunteer_id}/minutes")
async def read_minutes(volunteer_id: UUID, caller: Reading, runtime: Running, as_of: AsOfQuery) -> JSONResponse:
    """A volunteer's posted minutes, by evidence grade."""
    async with runtime.log.queries() as connection:
        relations = await queries.relations_to(connection, caller.actor_id, volunteer_id, runtime.clock.now())
        caller.by(access.READ_MINUTES, relations)
        by_grade = await queries.minutes_of(connection, volunteer_id, as_of)
    return as_json({"volunteer_id": volunteer_id, "minutes": sum(by_grade.values()), "by_grade": by_grade})


@router.get("/books/{book}")
async def read_book(book: Book, caller: Reading, runtime: Running) -> JSONResponse:
    """How many entries a book has, up to which day it is closed, and which month somebody proposed to close."""
    caller.by(access.READ_ACCOUNTS)
    async with runtime.log.queries() as connection:
        row = await queries.book_row(connection, book)
    empty = {"last_entry_no": 0, "closed_through": None, "closing": None}
    return as_json({"book": book, **(empty if row is None else {name: row[name] for name in empty})})


@router.post("/books/{book}/close")
async def close_period(book: Book, ask: ClosePeriodAsk, context: Commanding) -> JSONResponse:
    """Propose to close a month that is over, or as another person close it. Nothing takes effect in it any more."""

    async def build() -> Plan:
        by, at = context.by(ClosePeriod), context.runtime.clock.now()
        closing = ClosePeriod(by=by, at=at, book=book, period=ask.period)
        return Plan([closing], {"book": book}, expected_versions=context.expecting(closing.stream))

    async with turn(context.runtime):
        return await command(context, build, ClosePeriod)
