"""Things given, over HTTP: taken in, set aside, brought, sold, written off; how many there are of each kind."""

from datetime import date
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from contracts.command import By, Command, Refused
from contracts.ids import uuid7
from eventstore.executor import Plan
from servicekit.http import CommandContext, Commanding, Reading, command
from services.ledger import access
from services.ledger.api.donations import ACCOUNTING, hands, pledged_row, require_other_hands
from services.ledger.api.shared import Limit, Running, as_json, turn
from services.ledger.chart_of_accounts import chart
from services.ledger.commands import (
    AllocateGoods,
    AllocateGoodsAsk,
    DeliverGoods,
    DeliverGoodsAsk,
    PostGoods,
    ReceiveGoods,
    ReceiveGoodsAsk,
    ReceivePledgedGoods,
    SellGoods,
    SellGoodsAsk,
    WriteOffGoods,
    WriteOffGoodsAsk,
    day_of,
    goods_stream,
)
from services.ledger.decider.goods import Lot
from services.ledger.policy import current_policy
from services.ledger.read_models import goods_queries, queries
from services.ledger.read_models.queries import Row

router = APIRouter(prefix="/v1", tags=["goods"])

RECIPIENT = "recipient_id"
_FOR_RULES = {"received_by", "doubted_qty", "doubted_reason"}


@router.post("/goods", status_code=201)
async def receive_goods(ask: ReceiveGoodsAsk, context: Commanding) -> JSONResponse:
    """Take things in as a lot and post their declared value, in one append. What a gift promised meets its pledge."""
    lot_id, entry_id = uuid7(), uuid7()

    async def build() -> Plan:
        by, pledged_by = await _taker(context, ask.donation_id)
        at = context.runtime.clock.now()
        chart().fund(ask.fund)
        both: dict[str, Any] = {
            "by": by,
            "at": at,
            "lot_id": lot_id,
            "fund": ask.fund,
            "voucher_sha256": ask.voucher_sha256,
            "effective_date": ask.effective_date or day_of(at),
        }
        value_fen = ask.qty * ask.unit_value_fen
        received = ReceiveGoods(
            **both,
            **ask.model_dump(include={"sku", "qty", "unit_value_fen", "condition", "expires_on", "donation_id"}),
            entry_id=entry_id,
            policy=current_policy(),
        )
        plan: list[Command] = [received]
        if ask.donation_id is not None:
            gift: dict[str, Any] = {"donation_id": ask.donation_id, "sku": ask.sku, "pledged_by": pledged_by}
            plan.append(ReceivePledgedGoods(**both, **gift, amount_fen=value_fen, policy=current_policy()))
        plan.append(
            PostGoods(**both, entry_id=entry_id, what="received", value_fen=value_fen, donation_id=ask.donation_id)
        )
        return Plan(plan, {"lot_id": lot_id, "entry_id": entry_id})

    async with turn(context.runtime):
        return await command(context, build, ReceiveGoods, status=201)


async def _taker(context: CommandContext, donation_id: UUID | None) -> tuple[By, str | None]:
    """In which role the caller takes things in, and who took the pledge down, if there is one."""
    if donation_id is None:
        return context.by(ReceiveGoods), None
    row = await pledged_row(context, donation_id, ReceiveGoods)
    require_other_hands(context, row, "pledged")
    return context.by(ReceiveGoods, hands(context, row)), row["pledged_by"]


async def _lot(context: CommandContext, lot_id: UUID, command_class: type) -> Row:
    """The lot. Raises Refused for one that is not there, or whom may not be asked for."""
    async with context.runtime.log.queries() as connection:
        row = await goods_queries.lot(connection, lot_id)
    if row is None:
        context.by(command_class)
        raise Refused("lot_unknown")
    return row


@router.post("/goods/{lot_id}/allocate")
async def allocate_goods(lot_id: UUID, ask: AllocateGoodsAsk, context: Commanding) -> JSONResponse:
    """Set things aside for a neighbour. The log learns who brings them, and of who gets them only a commitment."""
    allocation_id, recipient_ref = uuid7(), uuid7()

    async def build() -> Plan:
        await _lot(context, lot_id, AllocateGoods)
        by = context.by(AllocateGoods)
        runtime = context.runtime
        async with runtime.log.queries() as connection:
            known = await queries.are_known(connection, {ask.recipient_id, ask.volunteer_id})
        if not known:
            raise Refused("person_unknown")
        kept = {RECIPIENT: str(ask.recipient_id)}
        sealed = await runtime.vault.seal(ask.recipient_id, ACCOUNTING, recipient_ref, kept)
        allocated = AllocateGoods(
            by=by,
            at=runtime.clock.now(),
            lot_id=lot_id,
            policy=current_policy(),
            allocation_id=allocation_id,
            people_known=known,
            recipient_ref=recipient_ref,
            recipient_commitment=sealed.commitments[RECIPIENT],
            **ask.model_dump(),
        )
        answer = {"lot_id": lot_id, "allocation_id": allocation_id}
        return Plan([allocated], answer, sealed.changes, context.expecting(allocated.stream))

    return await command(context, build, AllocateGoods)


@router.post("/goods-allocations/{allocation_id}/deliver")
async def deliver_goods(allocation_id: UUID, ask: DeliverGoodsAsk, context: Commanding) -> JSONResponse:
    """Say, as the volunteer who was named, that the things arrived; the entry takes them off the books."""
    entry_id = uuid7()

    async def build() -> Plan:
        async with context.runtime.log.queries() as connection:
            row = await goods_queries.allocation(connection, allocation_id)
        if row is None:
            raise Refused("allocation_unknown")
        if row["volunteer_id"] != context.actor_id:
            raise Refused("not_the_bearer")
        by, at = context.by(DeliverGoods, {"assigned"}), context.runtime.clock.now()
        both: dict[str, Any] = {
            "by": by,
            "at": at,
            "lot_id": row["lot_id"],
            "entry_id": entry_id,
            "voucher_sha256": ask.voucher_sha256,
            "effective_date": day_of(at),
        }
        delivered = DeliverGoods(**both, policy=current_policy(), allocation_id=allocation_id)
        posted = PostGoods(
            **both, what="delivered", fund=row["fund"], purpose=row["purpose"], value_fen=row["value_fen"]
        )
        answer = {"allocation_id": allocation_id, "entry_id": entry_id}
        return Plan([delivered, posted], answer, expected_versions=context.expecting(delivered.stream))

    async with turn(context.runtime):
        return await command(context, build, DeliverGoods)


@router.post("/goods/{lot_id}/write-off")
async def write_off_goods(lot_id: UUID, ask: WriteOffGoodsAsk, context: Commanding) -> JSONResponse:
    """Say that things are of no use any more. The same word of a second person takes them off the books."""
    entry_id = uuid7()

    async def build() -> Plan:
        row = await _lot(context, lot_id, WriteOffGoods)
        by, at = context.by(WriteOffGoods), context.runtime.clock.now()
        written_off = WriteOffGoods(
            by=by, at=at, lot_id=lot_id, policy=current_policy(), entry_id=entry_id, **ask.model_dump()
        )
        version, lot = await context.runtime.executor.state(goods_stream(lot_id))
        assert isinstance(lot, Lot)
        second = lot.doubted is not None and lot.doubted.written_off_by != context.actor_id
        plan: list[Command] = [written_off]
        if second:
            plan.append(
                PostGoods(
                    by=by,
                    at=at,
                    entry_id=entry_id,
                    lot_id=lot_id,
                    what="written_off",
                    fund=row["fund"],
                    value_fen=ask.qty * row["unit_value_fen"],
                    effective_date=day_of(at),
                    reason_code=ask.reason_code,
                )
            )
        answer = {"lot_id": lot_id, "step": 2 if second else 1} | ({"entry_id": entry_id} if second else {})
        # Which of the two words this is was read at this version: another one in between is asked about anew.
        expected = context.expecting(written_off.stream) or {written_off.stream: version}
        return Plan(plan, answer, expected_versions=expected)

    async with turn(context.runtime):
        return await command(context, build, WriteOffGoods)


@router.post("/goods/{lot_id}/sell")
async def sell_goods(lot_id: UUID, ask: SellGoodsAsk, context: Commanding) -> JSONResponse:
    """Sell things that nobody here can use: their value leaves the books, the price comes in, in one entry."""
    entry_id = uuid7()

    async def build() -> Plan:
        row = await _lot(context, lot_id, SellGoods)
        if row["received_by"] == str(context.actor_id):
            raise Refused("same_hands", other="receive")
        by, at = context.by(SellGoods), context.runtime.clock.now()
        both: dict[str, Any] = {
            "by": by,
            "at": at,
            "lot_id": lot_id,
            "entry_id": entry_id,
            "effective_date": day_of(at),
            **ask.model_dump(include={"price_fen", "method", "voucher_sha256"}),
        }
        sold = SellGoods(**both, policy=current_policy(), qty=ask.qty, received_by=row["received_by"])
        posted = PostGoods(**both, what="sold", fund=row["fund"], value_fen=ask.qty * row["unit_value_fen"])
        answer = {"lot_id": lot_id, "entry_id": entry_id}
        return Plan([sold, posted], answer, expected_versions=context.expecting(sold.stream))

    async with turn(context.runtime):
        return await command(context, build, SellGoods)


@router.get("/goods")
async def read_goods(
    caller: Reading,
    runtime: Running,
    fund: str | None = None,
    sku: str | None = None,
    expiring_until: date | None = None,
    limit: Limit = 50,
) -> JSONResponse:
    """How many pieces of each kind there are, and the lots, what expires first at the top."""
    caller.by(access.READ_GOODS)
    async with runtime.log.queries() as connection:
        stock = await goods_queries.stock(connection)
        lots = await goods_queries.lots(connection, fund, sku, expiring_until, limit)
    return as_json({"stock": [dict(row) for row in stock], "lots": [_shown(row) for row in lots]})


def _shown(row: Row) -> dict[str, Any]:
    waiting = None
    if row["doubted_qty"] is not None:
        waiting = {"qty": row["doubted_qty"], "reason_code": row["doubted_reason"]}
    lot = {name: value for name, value in row.items() if name not in _FOR_RULES}
    return {**lot, "free_qty": row["on_hand_qty"] - row["allocated_qty"], "write_off": waiting}


@router.get("/goods/{lot_id}")
async def read_lot(lot_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """A lot, and what was set aside of it."""
    caller.by(access.READ_GOODS)
    async with runtime.log.queries() as connection:
        row = await goods_queries.lot(connection, lot_id)
        allocations = await goods_queries.allocations(connection, lot_id)
    if row is None:
        raise Refused("lot_unknown")
    return as_json({**_shown(row), "allocations": [_without_ref(one) for one in allocations]})


def _without_ref(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "recipient_ref"}


@router.get("/goods-allocations")
async def read_allocations(caller: Reading, runtime: Running) -> JSONResponse:
    """What the caller is to bring."""
    caller.by(access.REVEAL_RECIPIENT, {"assigned"})
    async with runtime.log.queries() as connection:
        rows = await goods_queries.allocations_to_bring(connection, caller.actor_id)
    return as_json({"allocations": [_without_ref(row) for row in rows]})


@router.get("/goods-allocations/{allocation_id}/recipient")
async def read_recipient(allocation_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """Who gets the things: for who brings them while they do, and for the desk."""
    async with runtime.log.queries() as connection:
        row = await goods_queries.allocation(connection, allocation_id)
    mine = row is not None and row["volunteer_id"] == caller.actor_id and row["state"] == "ALLOCATED"
    caller.by(access.REVEAL_RECIPIENT, {"assigned"} if mine else ())
    if row is None:
        raise Refused("allocation_unknown")
    async with runtime.log.queries() as connection:
        opened = await runtime.vault.open(row["recipient_ref"]) or {}
        recipient_id = opened.get(RECIPIENT)
        erased = recipient_id is None or await queries.is_erased(connection, UUID(recipient_id))
    return as_json({"allocation_id": allocation_id, "recipient_id": None if erased else recipient_id, "erased": erased})
