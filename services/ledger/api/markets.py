"""Markets over HTTP: opened, sold, voided, counted by two, paid in, disclosed; and what of them anybody may see."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from contracts.command import By, Refused
from contracts.ids import uuid7
from contracts.ledger import MarketState, Stall
from eventstore.executor import Plan
from servicekit.http import CommandContext, Commanding, Reading, command
from servicekit.working_days import due_after
from services.ledger import access
from services.ledger.api.shared import Limit, Running, as_json, turn
from services.ledger.chart_of_accounts import chart
from services.ledger.commands import (
    DepositProceeds,
    DepositProceedsAsk,
    DiscloseMarket,
    DiscloseMarketAsk,
    OpenMarket,
    OpenMarketAsk,
    PostProceeds,
    ReconcileMarket,
    ReconcileMarketAsk,
    RecordSale,
    RecordSaleAsk,
    VoidSale,
    VoidSaleAsk,
    day_of,
)
from services.ledger.policy import current_policy
from services.ledger.read_models import goods_queries, queries
from services.ledger.read_models.queries import Row

router = APIRouter(prefix="/v1", tags=["markets"])

MARKET, NOTE = "market", "note"
"""The vault's purpose and field of what explains a difference."""
_COUNT = {"counted_fen", "variance_fen"}


@router.post("/markets", status_code=201)
async def open_market(ask: OpenMarketAsk, context: Commanding) -> JSONResponse:
    """Open a market with its donation agreements, the fund they name, and who answers for which stall."""
    market_id = uuid7()

    async def build() -> Plan:
        by = context.by(OpenMarket)
        chart().fund(ask.fund)
        async with context.runtime.log.queries() as connection:
            known = await queries.are_known(connection, {one.volunteer_id for one in ask.stalls})
        opened = OpenMarket(
            by=by,
            at=context.runtime.clock.now(),
            market_id=market_id,
            policy=current_policy(),
            fund=ask.fund,
            agreement_sha256=ask.agreement_sha256,
            stalls=tuple(Stall(stall=one.stall, volunteer_id=one.volunteer_id) for one in ask.stalls),
            people_known=known,
        )
        return Plan([opened], {"market_id": market_id})

    return await command(context, build, OpenMarket, status=201)


async def _asked(context: CommandContext, market_id: UUID, command_class: type) -> tuple[Row, By, dict[str, Any]]:
    """The market, in which role the caller may ask this of it, and what every command about it is told."""
    async with context.runtime.log.queries() as connection:
        row = await goods_queries.market(connection, market_id)
        sells = await goods_queries.has_stall(connection, market_id, context.actor_id)
    by = context.by(command_class, {"stall"} if sells else ())
    if row is None:
        raise Refused("market_unknown")
    told = {"by": by, "at": context.runtime.clock.now(), "market_id": market_id, "policy": current_policy()}
    return row, by, told


@router.post("/markets/{market_id}/sales", status_code=201)
async def record_sale(market_id: UUID, ask: RecordSaleAsk, context: Commanding) -> JSONResponse:
    """Write down what one's stall sold."""
    sale_id = uuid7()

    async def build() -> Plan:
        _, _, told = await _asked(context, market_id, RecordSale)
        return Plan([RecordSale(**told, sale_id=sale_id, **ask.model_dump())], {"sale_id": sale_id})

    return await command(context, build, RecordSale, status=201)


@router.post("/markets/{market_id}/sales/{sale_id}/void")
async def void_sale(market_id: UUID, sale_id: UUID, ask: VoidSaleAsk, context: Commanding) -> JSONResponse:
    """Say that a sale is none: first who answers for the stall, then somebody else as the witness."""

    async def build() -> Plan:
        _, _, told = await _asked(context, market_id, VoidSale)
        return Plan([VoidSale(**told, sale_id=sale_id, reason_code=ask.reason_code)], {"sale_id": sale_id})

    return await command(context, build, VoidSale)


@router.post("/markets/{market_id}/reconcile")
async def reconcile_market(market_id: UUID, ask: ReconcileMarketAsk, context: Commanding) -> JSONResponse:
    """Say what one counted: first a CASHIER, then a SUPERVISOR, who must come to the same."""
    note_ref = uuid7()

    async def build() -> Plan:
        _, _, told = await _asked(context, market_id, ReconcileMarket)
        note: dict[str, Any] = {}
        changes: tuple[Any, ...] = ()
        if ask.note is not None:
            # About the market, not about a person: sealed for it, so no erasure takes it away.
            sealed = await context.runtime.vault.seal(market_id, MARKET, note_ref, {NOTE: ask.note})
            note = {"note_ref": note_ref, "note_commitment": sealed.commitments[NOTE]}
            changes = sealed.changes
        reconciled = ReconcileMarket(
            **told,
            **note,
            counted_fen=ask.counted_fen,
            deposit_due_at=due_after(told["at"], current_policy().market_deposit_working_days),
        )
        return Plan([reconciled], {"market_id": market_id}, changes, context.expecting(reconciled.stream))

    return await command(context, build, ReconcileMarket)


@router.post("/markets/{market_id}/deposit")
async def deposit_proceeds(market_id: UUID, ask: DepositProceedsAsk, context: Commanding) -> JSONResponse:
    """Pay what was counted in at the bank, and post it to the market's fund, in one append."""
    entry_id = uuid7()

    async def build() -> Plan:
        row, by, told = await _asked(context, market_id, DepositProceeds)
        # The command is refused unless this is what two people counted; a market without a count takes no deposit.
        paid: dict[str, Any] = {
            "entry_id": entry_id,
            "amount_fen": row["counted_fen"] or 1,
            "voucher_sha256": ask.voucher_sha256,
            "effective_date": day_of(told["at"]),
        }
        deposited = DepositProceeds(**told, **paid)
        posted = PostProceeds(by=by, at=told["at"], market_id=market_id, fund=row["fund"], **paid)
        answer = {"market_id": market_id, "entry_id": entry_id}
        return Plan([deposited, posted], answer, expected_versions=context.expecting(deposited.stream))

    async with turn(context.runtime):
        return await command(context, build, DepositProceeds)


@router.post("/markets/{market_id}/disclose")
async def disclose_market(market_id: UUID, ask: DiscloseMarketAsk, context: Commanding) -> JSONResponse:  # noqa: ARG001
    """Make public what a market took (慈善法 §37). At its deadline the service does, whatever is done by then."""

    async def build() -> Plan:
        _, _, told = await _asked(context, market_id, DiscloseMarket)
        return Plan([DiscloseMarket(**told)], {"market_id": market_id})

    return await command(context, build, DiscloseMarket)


@router.get("/markets")
async def read_markets(caller: Reading, runtime: Running, limit: Limit = 50) -> JSONResponse:
    """Markets, the newest first."""
    caller.by(access.READ_MARKETS)
    async with runtime.log.queries() as connection:
        rows = await goods_queries.all_markets(connection, limit)
    return as_json({"markets": [_shown(row) for row in rows]})


def _shown(row: Row) -> dict[str, Any]:
    """A market. What the first one counted is not told before the second has: it is counted, not copied."""
    market = {name: value for name, value in row.items() if name != "note_ref"}
    if row["state"] == MarketState.COUNTED:
        market |= dict.fromkeys(_COUNT)
    return {**market, "has_note": row["note_ref"] is not None}


@router.get("/markets/{market_id}")
async def read_market(market_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """A market with its sales by stall."""
    caller.by(access.READ_MARKETS)
    async with runtime.log.queries() as connection:
        row = await goods_queries.market(connection, market_id)
        sales = await goods_queries.sales(connection, market_id)
    if row is None:
        raise Refused("market_unknown")
    return as_json({**_shown(row), "recorded": [dict(one) for one in sales]})


@router.get("/markets/{market_id}/note")
async def read_note(market_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """What explains the difference between what was counted and what was written down."""
    caller.by(access.READ_NOTE)
    async with runtime.log.queries() as connection:
        row = await goods_queries.market(connection, market_id)
    if row is None:
        raise Refused("market_unknown")
    opened = None if row["note_ref"] is None else await runtime.vault.open(row["note_ref"])
    return as_json({"market_id": market_id, "note": None if opened is None else opened.get(NOTE)})
