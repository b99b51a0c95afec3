"""Gifts over HTTP: pledged, received, receipted; who gave is opened only to who must know."""

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from contracts.command import Refused
from contracts.ids import uuid7
from contracts.ledger import PledgedGoods
from eventstore.executor import Plan
from eventstore.model import VaultChange
from servicekit.definition import Runtime
from servicekit.http import CommandContext, Commanding, Reading, command
from services.ledger import access
from services.ledger.api.shared import Limit, Running, as_json, sealed_reference, turn
from services.ledger.chart_of_accounts import chart
from services.ledger.commands import (
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

router = APIRouter(prefix="/v1", tags=["ledger"])

ACCOUNTING, DISPLAY = "accounting", "display"
"""The vault's purposes for donors: what vouchers must keep for 30 years, and what the donor agreed to have shown."""
NAME, PHONE, PUBLIC_NAME = "name", "phone", "public_name"
ANONYMOUS, ERASED = "匿名", "已删除"


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
            goods=None if ask.goods is None else PledgedGoods(sku=ask.goods.sku, qty=ask.goods.qty),
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


async def pledged_row(context: CommandContext, donation_id: UUID, command_class: type) -> queries.Row:
    """The gift. Raises Refused for one that is not there, or whom may not be asked for."""
    async with context.runtime.log.queries() as connection:
        row = await queries.donation(connection, donation_id)
    if row is None:
        context.by(command_class)
        raise Refused("donation_unknown")
    return row


def hands(context: CommandContext, row: queries.Row) -> frozenset[str]:
    """What the caller has done about this gift so far."""
    actor = str(context.actor_id)
    had = {"pledged": row["pledged_by"], "received": row["received_by"]}
    return frozenset(relation for relation, who in had.items() if who == actor)


@router.post("/donations/{donation_id}/receive")
async def receive_donation(donation_id: UUID, ask: ReceiveDonationAsk, context: Commanding) -> JSONResponse:
    """Take in a gift's money and post it to its fund, in one append."""
    entry_id = uuid7()

    async def build() -> Plan:
        row = await pledged_row(context, donation_id, ReceiveDonation)
        require_other_hands(context, row, "pledged")
        by = context.by(ReceiveDonation, hands(context, row))
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
        kept = await sealed_reference(context.runtime, entry_id, ask.bank_reference)
        return Plan([received, posted], answer, kept, context.expecting(received.stream))

    async with turn(context.runtime):
        return await command(context, build, ReceiveDonation)


def require_other_hands(context: CommandContext, row: queries.Row, relation: str) -> None:
    """Say it plainly to who has the role but did the other part: not "forbidden", but whose turn it is."""
    if relation in hands(context, row):
        raise Refused("same_hands", other=relation)


@router.post("/donations/{donation_id}/receipt")
async def receipt_donation(donation_id: UUID, ask: ReceiptDonationAsk, context: Commanding) -> JSONResponse:
    """Record the number of the official receipt given for a gift (慈善法 §38)."""

    async def build() -> Plan:
        row = await pledged_row(context, donation_id, ReceiptDonation)
        require_other_hands(context, row, "received")
        receipted = ReceiptDonation(
            by=context.by(ReceiptDonation, hands(context, row)),
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
        row = await pledged_row(context, donation_id, WaiveReceipt)
        require_other_hands(context, row, "received")
        waived = WaiveReceipt(
            by=context.by(WaiveReceipt, hands(context, row)),
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
    state: Literal["PLEDGED", "RECEIVED", "RECEIPTED", "WAIVED", "REFUNDED"] | None = None,
    fund: str | None = None,
    limit: Limit = 50,
) -> JSONResponse:
    """Gifts, those whose receipt is due first at the top."""
    caller.by(access.READ_DONATION)
    async with runtime.log.queries() as connection:
        rows = await queries.donations(connection, state, fund, limit)
    return as_json({"donations": [_without_hands(row) for row in rows]})


def _without_hands(row: queries.Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in {"pledged_by", "received_by"}}


@router.get("/donations/{donation_id}")
async def read_donation(donation_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """A gift, with the name that the donor agreed to show."""
    caller.by(access.READ_DONATION)
    row = await _donation(runtime, donation_id)
    return as_json({**_without_hands(row), "public_name": await _public_name(runtime, row)})


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
        return as_json({"donor_ref": row["donor_ref"], "name": ANONYMOUS, "phone": None, "erased": False})
    if opened is None or PUBLIC_NAME not in opened:
        return as_json({"donor_ref": row["donor_ref"], "name": ERASED, "phone": None, "erased": True})
    name, phone = opened[NAME], opened.get(PHONE)
    return as_json({"donor_ref": row["donor_ref"], "name": name, "phone": phone, "erased": False})
