"""平安核查: somebody is worried, and a person says how it is."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.command import Refused
from contracts.ids import uuid7
from eventstore.executor import Plan
from servicekit.http import Commanding, Reading, command
from services.orders.access import LIST_CHECKS, READ_CHECK
from services.orders.api.shared import WORDS, Running, acts_for, json_answer, read, sealed
from services.orders.commands.welfare import RaiseWelfareCheck, RaiseWelfareCheckAsk, RecordOutcome, RecordOutcomeAsk
from services.orders.policy import current_policy
from services.orders.read_models import beside, queries, relations
from services.orders.read_models import tables as t
from services.orders.read_models.fetching import Row

router = APIRouter(prefix="/v1", tags=["welfare"])


@router.post("/orders/{order_id}/welfare-check", status_code=201)
async def raise_welfare_check(
    order_id: UUID,
    ask: RaiseWelfareCheckAsk,  # noqa: ARG001
    context: Commanding,
) -> JSONResponse:
    """平安核查: a volunteer of this order, or whoever took the call, is worried about the person."""
    runtime = context.runtime

    async def build() -> Plan:
        at = runtime.clock.now()
        async with runtime.log.queries() as connection:
            order = await queries.order(connection, order_id)
            if order is None:
                raise Refused("order_unknown", order_id=str(order_id))
            stands = await relations.to_order(connection, context.actor_id, order, at)
            by = context.by(RaiseWelfareCheck, stands)
            open_check = await beside.open_check_of(connection, order_id)
        raised = RaiseWelfareCheck(
            by=by,
            at=at,
            check_id=uuid7(),
            beneficiary_id=order["beneficiary_id"],
            cause="worry",
            grid_id=order["grid_id"],
            entrance_id=order["entrance_id"],
            order_id=order_id,
            order_no=order["order_no"],
            item_code=order["item_code"],
            window_start=order["window_start"],
            window_end=order["window_end"],
            open_check=open_check,
            policy=current_policy(),
        )
        return Plan([raised], {"check_id": str(raised.check_id)})

    return await command(context, build, RaiseWelfareCheck, status=201)


@router.post("/welfare-checks/{check_id}/outcome")
async def record_outcome(check_id: UUID, ask: RecordOutcomeAsk, context: Commanding) -> JSONResponse:
    """核查结果: safe, hospital, away, or emergency_called; said by a person who looked, and by nobody else."""
    runtime = context.runtime

    async def build() -> Plan:
        at = runtime.clock.now()
        async with runtime.log.queries() as connection:
            row = await _found(connection, check_id)
            by = context.by(RecordOutcome, await beside.to_check(connection, context.actor_id, row, at))
            acts_for(by, row["beneficiary_id"])
        kept = None
        if ask.words is not None:
            kept = await sealed(runtime, row["beneficiary_id"], uuid7(), {WORDS: ask.words})
        recorded = RecordOutcome(
            by=by,
            at=at,
            check_id=check_id,
            outcome=ask.outcome,
            words_ref=kept.ref if kept is not None else None,
            words_commitment=kept.commitments[WORDS] if kept is not None else None,
            policy=current_policy(),
        )
        changes = kept.changes if kept is not None else ()
        return Plan([recorded], {"check_id": str(check_id)}, changes, context.expecting(recorded.stream))

    return await command(context, build, RecordOutcome)


@router.get("/welfare-checks")
async def list_checks(
    caller: Reading,
    runtime: Running,
    only_open: bool = True,
    limit: int = 50,
) -> JSONResponse:
    """Welfare checks that a role covers; open ones first raised first."""
    by = caller.by(LIST_CHECKS)
    async with runtime.log.queries() as connection:
        covered = await relations.covered_by(
            connection, caller.actor_id, by.role, t.welfare_checks, runtime.clock.now()
        )
        rows = await beside.checks(connection, covered, only_open=only_open, limit=max(1, min(limit, 200)))
    return json_answer({"welfare_checks": [_shown(row) for row in rows]})


@router.get("/welfare-checks/{check_id}")
async def read_check(check_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """One welfare check, with the words of its outcome."""
    async with runtime.log.queries() as connection:
        row = await _found(connection, check_id)
        caller.by(READ_CHECK, await beside.to_check(connection, caller.actor_id, row, runtime.clock.now()))
    shown = _shown(row)
    if row["words_ref"] is not None:
        opened = await runtime.vault.open(row["words_ref"])
        shown["words"] = opened[WORDS] if opened is not None else read(None)
    return json_answer(shown)


async def _found(connection: AsyncConnection, check_id: UUID) -> Row:
    row = await beside.check(connection, check_id)
    if row is None:
        raise Refused("check_unknown", check_id=str(check_id))
    return row


def _shown(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "words_ref"}
