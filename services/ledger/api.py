"""HTTP of the ledger: gifts in, books out."""

import asyncio
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter

from contracts.command import Refused
from contracts.ids import uuid7
from contracts.ledger import Book
from eventstore.executor import Plan
from eventstore.log import Log
from eventstore.model import VaultChange
from servicekit.definition import Runtime
from servicekit.http import CommandContext, Commanding, Reading, command
from servicekit.validation import Moment
from services.ledger import access
from services.ledger.chart_of_accounts import chart
from services.ledger.commands import (
    FUND,
    Donor,
    PledgeDonation,
    PledgeDonationAsk,
    PostDonation,
    ReceiptDonation,
    ReceiptDonationAsk,
    ReceiveDonation,
    ReceiveDonationAsk,
    WaiveReceipt,
    WaiveReceiptAsk,
    day_of,
)
from services.ledger.policy import current_policy
from services.ledger.read_models import queries
from services.ledger.read_models.queries import AsOf, EntryFilter

router = APIRouter(prefix="/v1", tags=["ledger"])

ACCOUNTING, DISPLAY = "accounting", "display"
"""The vault's purposes for donors: what vouchers must keep for 30 years, and what the donor agreed to have shown."""
NAME, PHONE, PUBLIC_NAME = "name", "phone", "public_name"
ANONYMOUS, ERASED = "匿名", "已删除"
_ANY: TypeAdapter[Any] = TypeAdapter(Any)


_turns: WeakKeyDictionary[Log, asyncio.Lock] = WeakKeyDictionary()


def _turn(runtime: Runtime) -> asyncio.Lock:
    """One posting at a time in this process: all go to one stream, and taking turns is faster than losing races.

    Never needed for correctness: another replica, or the consumer, may post in between.
    """
    return _turns.setdefault(runtime.log, asyncio.Lock())


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


Running = Annotated[Runtime, Depends(_runtime)]


async def _as_of(
    runtime: Running,
    as_of_position: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    as_of_time: Annotated[Moment | None, Query(description="Recorded up to this time.")] = None,
    effective_on: Annotated[date | None, Query(description="Effective up to the end of this day.")] = None,
) -> AsOf:
    """The point in two times that a query is about: recorded (as a position or a time), and effective."""
    if as_of_time is not None:
        if as_of_position is not None:
            raise Refused("two_points_in_time")
        return AsOf(await runtime.log.position_at(as_of_time), effective_on)
    if as_of_position is not None:
        size = (await runtime.log.head()).size
        if as_of_position > size:
            raise Refused("position_unknown", size=size)
    return AsOf(as_of_position, effective_on)


AsOfQuery = Annotated[AsOf, Depends(_as_of)]
Limit = Annotated[int, Query(ge=1, le=200)]


@router.post("/donations", status_code=201)
async def pledge_donation(ask: PledgeDonationAsk, context: Commanding) -> JSONResponse:
    """Record a gift that is promised. The donor's name and phone go to the vault; the log knows a random ref."""
    donation_id, donor_ref = uuid7(), uuid7()

    async def build() -> Plan:
        by = context.by(PledgeDonation)
        chart().require_purpose(ask.fund, ask.purpose)
        commitments, changes = await _seal(context.runtime, donor_ref, ask.donor)
        pledge = PledgeDonation(
            by=by,
            at=context.runtime.clock.now(),
            donation_id=donation_id,
            donor_ref=donor_ref,
            fund=ask.fund,
            amount_fen=ask.amount_fen,
            purpose=ask.purpose,
            policy=current_policy(),
            anonymous=ask.donor is None or ask.donor.public_name is None,
            donor_commitment=commitments.get(NAME),
        )
        return Plan([pledge], {"donation_id": donation_id, "donor_ref": donor_ref}, changes)

    return await command(context, build, PledgeDonation, status=201)


async def _seal(
    runtime: Runtime, donor_ref: UUID, donor: Donor | None
) -> tuple[Mapping[str, str], tuple[VaultChange, ...]]:
    """Seal the accounting copy and the copy for display apart: an erasure destroys the one and locks the other."""
    if donor is None:
        return {}, ()
    if donor.person_id is not None:
        async with runtime.log.queries() as connection:
            if await queries.is_erased(connection, donor.person_id):
                raise Refused("donor_erased")
            if not await queries.are_known(connection, [donor.person_id]):
                raise Refused("donor_unknown")
    # Somebody who is not registered is known to the vault by the ref of this one gift.
    person_id = donor.person_id or donor_ref
    kept = {NAME: donor.name} | ({} if donor.phone is None else {PHONE: donor.phone})
    accounting = await runtime.vault.seal(person_id, ACCOUNTING, donor_ref, kept)
    # Sealed even when empty: while it opens, the donor is not erased.
    display = await runtime.vault.seal(person_id, DISPLAY, donor_ref, {PUBLIC_NAME: donor.public_name or ""})
    return accounting.commitments, (*accounting.changes, *display.changes)


async def _pledged(context: CommandContext, donation_id: UUID, command_class: type) -> queries.Row:
    """The gift. Raises Refused for one that is not there, or whom may not be asked for."""
    async with context.runtime.log.queries() as connection:
        row = await queries.donation(connection, donation_id)
    if row is None:
        context.by(command_class)
        raise Refused("donation_unknown")
    return row


def _hands(context: CommandContext, row: queries.Row) -> frozenset[str]:
    """What the caller has done about this gift so far."""
    actor = str(context.actor_id)
    hands = {"pledged": row["pledged_by"], "received": row["received_by"]}
    return frozenset(relation for relation, who in hands.items() if who == actor)


@router.post("/donations/{donation_id}/receive")
async def receive_donation(donation_id: UUID, ask: ReceiveDonationAsk, context: Commanding) -> JSONResponse:
    """Take in a gift's money and post it to its fund, in one append."""
    entry_id = uuid7()

    async def build() -> Plan:
        row = await _pledged(context, donation_id, ReceiveDonation)
        _require_other_hands(context, row, "pledged")
        by = context.by(ReceiveDonation, _hands(context, row))
        at = context.runtime.clock.now()
        async with context.runtime.log.queries() as connection:
            counters_known = await queries.are_known(connection, ask.counted_by)
        both: dict[str, Any] = {
            "by": by,
            "at": at,
            "donation_id": donation_id,
            "method": ask.method,
            "amount_fen": ask.amount_fen or row["amount_fen"],
            "effective_date": ask.effective_date or day_of(at),
            "voucher_sha256": ask.voucher_sha256,
        }
        received = ReceiveDonation(
            **both,
            policy=current_policy(),
            counted_by=ask.counted_by,
            counters_known=counters_known,
            pledged_by=row["pledged_by"],
        )
        posted = PostDonation(
            **both,
            entry_id=entry_id,
            fund=row["fund"],
            purpose=row["purpose"],
            donor_commitment=row["donor_commitment"],
        )
        answer = {"donation_id": donation_id, "entry_id": entry_id}
        return Plan([received, posted], answer, expected_versions=context.expecting(received.stream))

    async with _turn(context.runtime):
        return await command(context, build, ReceiveDonation)


def _require_other_hands(context: CommandContext, row: queries.Row, relation: str) -> None:
    """Say it plainly to who has the role but did the other part: not "forbidden", but whose turn it is."""
    if relation in _hands(context, row):
        raise Refused("same_hands", other=relation)


@router.post("/donations/{donation_id}/receipt")
async def receipt_donation(donation_id: UUID, ask: ReceiptDonationAsk, context: Commanding) -> JSONResponse:
    """Record the number of the official receipt given for a gift (慈善法 §38)."""

    async def build() -> Plan:
        row = await _pledged(context, donation_id, ReceiptDonation)
        _require_other_hands(context, row, "received")
        receipted = ReceiptDonation(
            by=context.by(ReceiptDonation, _hands(context, row)),
            at=context.runtime.clock.now(),
            donation_id=donation_id,
            receipt_no=ask.receipt_no,
            received_by=row["received_by"],
            policy=current_policy(),
        )
        answer = {"donation_id": donation_id}
        return Plan([receipted], answer, expected_versions=context.expecting(receipted.stream))

    return await command(context, build, ReceiptDonation)


@router.post("/donations/{donation_id}/waive-receipt")
async def waive_receipt(donation_id: UUID, ask: WaiveReceiptAsk, context: Commanding) -> JSONResponse:
    """Record that a gift gets no receipt, and why (慈善法 §38)."""

    async def build() -> Plan:
        row = await _pledged(context, donation_id, WaiveReceipt)
        _require_other_hands(context, row, "received")
        waived = WaiveReceipt(
            by=context.by(WaiveReceipt, _hands(context, row)),
            at=context.runtime.clock.now(),
            donation_id=donation_id,
            reason_code=ask.reason_code,
            received_by=row["received_by"],
            policy=current_policy(),
        )
        answer = {"donation_id": donation_id}
        return Plan([waived], answer, expected_versions=context.expecting(waived.stream))

    return await command(context, build, WaiveReceipt)


@router.get("/donations")
async def read_donations(
    caller: Reading,
    runtime: Running,
    state: Literal["PLEDGED", "RECEIVED", "RECEIPTED", "WAIVED"] | None = None,
    fund: str | None = None,
    limit: Limit = 50,
) -> JSONResponse:
    """Gifts, those whose receipt is due first at the top."""
    caller.by(access.READ_DONATION)
    async with runtime.log.queries() as connection:
        rows = await queries.donations(connection, state, fund, limit)
    return _json({"donations": [_without_hands(row) for row in rows]})


def _without_hands(row: queries.Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in {"pledged_by", "received_by"}}


@router.get("/donations/{donation_id}")
async def read_donation(donation_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """A gift, with the name that the donor agreed to show."""
    caller.by(access.READ_DONATION)
    row = await _donation(runtime, donation_id)
    return _json({**_without_hands(row), "public_name": await _public_name(runtime, row)})


async def _donation(runtime: Runtime, donation_id: UUID) -> queries.Row:
    async with runtime.log.queries() as connection:
        row = await queries.donation(connection, donation_id)
    if row is None:
        raise Refused("donation_unknown")
    return row


async def _public_name(runtime: Runtime, row: queries.Row) -> str:
    if row["anonymous"]:
        return ANONYMOUS
    opened = await runtime.vault.open(row["donor_ref"])
    return ERASED if opened is None or PUBLIC_NAME not in opened else opened[PUBLIC_NAME]


@router.get("/donations/{donation_id}/donor")
async def read_donor(donation_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """The donor's name and phone, for the receipt. Once they were erased the accounting copy is locked, not shown."""
    caller.by(access.REVEAL_DONOR)
    row = await _donation(runtime, donation_id)
    opened = await runtime.vault.open(row["donor_ref"])
    if row["donor_commitment"] is None:
        return _json({"donor_ref": row["donor_ref"], "name": ANONYMOUS, "phone": None, "erased": False})
    if opened is None or PUBLIC_NAME not in opened:
        return _json({"donor_ref": row["donor_ref"], "name": ERASED, "phone": None, "erased": True})
    name, phone = opened[NAME], opened.get(PHONE)
    return _json({"donor_ref": row["donor_ref"], "name": name, "phone": phone, "erased": False})


@router.get("/accounts")
async def read_accounts(caller: Reading) -> JSONResponse:
    """The chart of accounts, codes first, and the funds with their purposes."""
    caller.by(access.READ_ACCOUNTS)
    return _json(chart().model_dump())


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
    return _json(answer)


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
    return _json({"book": book, "entries": found})


@router.get("/volunteers/{volunteer_id}/minutes")
async def read_minutes(volunteer_id: UUID, caller: Reading, runtime: Running, as_of: AsOfQuery) -> JSONResponse:
    """A volunteer's posted minutes, by evidence grade."""
    async with runtime.log.queries() as connection:
        relations = await queries.relations_to(connection, caller.actor_id, volunteer_id, runtime.clock.now())
        caller.by(access.READ_MINUTES, relations)
        by_grade = await queries.minutes_of(connection, volunteer_id, as_of)
    return _json({"volunteer_id": volunteer_id, "minutes": sum(by_grade.values()), "by_grade": by_grade})


def _json(content: Any) -> JSONResponse:
    """Ids as text, times in UTC with Z, days as dates."""
    return JSONResponse(_ANY.dump_python(content, mode="json"))
