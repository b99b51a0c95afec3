"""争议: 提出异议, 裁定, 复议; the same routes whether an order waits for it or not."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.command import By, Refused, Role
from contracts.ids import uuid7
from contracts.orders import Staffing
from eventstore.executor import Plan
from eventstore.model import VaultChange
from servicekit.definition import Runtime
from servicekit.http import CommandContext, Commanding, Reading, command
from services.orders.access import LIST_DISPUTES, LIST_MINE, READ_DISPUTE
from services.orders.api.shared import WORDS, Running, acts_for, json_answer, read, sealed
from services.orders.commands.disputes import (
    AppealContest,
    AppealDispute,
    AppealDisputeAsk,
    RaiseDispute,
    RaiseDisputeAsk,
    ResolveContest,
    ResolveDispute,
    ResolveDisputeAsk,
)
from services.orders.commands.words import dispute_stream, order_stream
from services.orders.decider.dispute import OwnDispute
from services.orders.decider.dispute_state import Dispute
from services.orders.decider.state import DONE, Order
from services.orders.policy import current_policy
from services.orders.read_models import beside, facts, queries, relations
from services.orders.read_models.fetching import Row

router = APIRouter(prefix="/v1", tags=["disputes"])
SPEAKING = frozenset({"own", "proxy", "assigned", "party"})
HIDDEN = ("words_ref", "resolution_ref", "appeal_ref")


@router.post("/disputes", status_code=201)
async def raise_dispute(ask: RaiseDisputeAsk, context: Commanding) -> JSONResponse:
    """提出异议 about hours, a rating, conduct or the fund. What an order itself has to wait for is contested there."""
    runtime = context.runtime
    dispute_id, principal_id = uuid7(), context.caller.on_behalf_of or context.actor_id

    async def build() -> Plan:
        at = runtime.clock.now()
        async with runtime.log.queries() as connection:
            order = await _order_named(connection, ask.order_id)
            if order is None:
                speaks = await relations.to_person(connection, context.actor_id, principal_id, at)
                by = context.by(RaiseDispute, speaks)
            else:
                by = context.by(RaiseDispute, await relations.to_order(connection, context.actor_id, order, at))
                acts_for(by, order["beneficiary_id"])
        kept = await _words(runtime, ask.words, order["beneficiary_id"] if order is not None else principal_id)
        raised = RaiseDispute(
            by=by,
            at=at,
            dispute_id=dispute_id,
            about=ask.about,
            reason_code=ask.reason_code,
            order_id=ask.order_id,
            subject_id=ask.subject_id,
            raised_for=principal_id if order is None and principal_id != context.actor_id else None,
            grid_id=order["grid_id"] if order is not None else None,
            beneficiary_id=order["beneficiary_id"] if order is not None else None,
            assignments=await _served(runtime, ask, by),
            policy=current_policy(),
            **kept.fields,
        )
        return Plan([raised], {"dispute_id": str(dispute_id)}, kept.changes)

    return await command(context, build, RaiseDispute, status=201)


@router.post("/disputes/{dispute_id}/resolve")
async def resolve_dispute(dispute_id: UUID, ask: ResolveDisputeAsk, context: Commanding) -> JSONResponse:
    """裁定, by a social worker without a part in it; after an appeal by another one, for good."""
    runtime = context.runtime

    async def build() -> Plan:
        async with runtime.log.queries() as connection:
            row, stands = await _found(connection, context, dispute_id)
            waits = row["about"] == "order"
            by = context.by(ResolveContest if waits else ResolveDispute, stands)
            dispute = await _state(runtime, row)
            known = await facts.households(connection, {context.actor_id, *dispute.parties})
            involved = await facts.suspenders(connection, dispute.parties)
            involved |= await facts.reporters(connection, row["order_id"], dispute.parties)
        kept = await _words(runtime, ask.words, row["beneficiary_id"] or row["raised_by"])
        fields: dict[str, Any] = {
            "by": by,
            "at": runtime.clock.now(),
            "policy": current_policy(),
            "decision": ask.decision,
            "consequences": ask.consequences,
            "decider_household_id": known.get(context.actor_id),
            "households": {party: known.get(party) for party in dispute.parties},
            "involved": involved,
            **kept.fields,
        }
        resolve = (
            ResolveContest(order_id=row["order_id"], **fields)
            if waits
            else ResolveDispute(dispute_id=dispute_id, **fields)
        )
        return Plan([resolve], {"dispute_id": str(dispute_id)}, kept.changes, context.expecting(resolve.stream))

    return await command(context, build, ResolveDispute)


@router.post("/disputes/{dispute_id}/appeal")
async def appeal_dispute(dispute_id: UUID, ask: AppealDisputeAsk, context: Commanding) -> JSONResponse:
    """复议, once, by a side; an order that waited waits again."""
    runtime = context.runtime

    async def build() -> Plan:
        async with runtime.log.queries() as connection:
            row, stands = await _found(connection, context, dispute_id)
            waits = row["about"] == "order"
            by = context.by(AppealContest if waits else AppealDispute, stands)
            if row["beneficiary_id"] is not None:
                acts_for(by, row["beneficiary_id"])
        kept = await _words(runtime, ask.words, row["beneficiary_id"] or row["raised_by"])
        fields: dict[str, Any] = {
            "by": by,
            "at": runtime.clock.now(),
            "policy": current_policy(),
            "reason_code": ask.reason_code,
            "speaks_for_party": _speaks(by, stands),
            **kept.fields,
        }
        appeal = (
            AppealContest(order_id=row["order_id"], **fields)
            if waits
            else AppealDispute(dispute_id=dispute_id, **fields)
        )
        return Plan([appeal], {"dispute_id": str(dispute_id)}, kept.changes, context.expecting(appeal.stream))

    return await command(context, build, AppealDispute)


@router.get("/disputes")
async def list_disputes(
    caller: Reading,
    runtime: Running,
    mine: bool = False,
    order_id: UUID | None = None,
    only_open: bool = False,
    limit: int = 50,
) -> JSONResponse:
    """Disputes: `mine=true` those that the caller raised; without it, for staff, all; open ones by their deadline."""
    caller.by(LIST_MINE if mine else LIST_DISPUTES)
    raised_by = caller.actor_id if mine else None
    async with runtime.log.queries() as connection:
        rows = await beside.disputes(
            connection, raised_by=raised_by, order_id=order_id, only_open=only_open, limit=max(1, min(limit, 200))
        )
    return json_answer({"disputes": [_shown(row) for row in rows]})


@router.get("/disputes/{dispute_id}")
async def read_dispute(dispute_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """One dispute; what was written about it is read by whoever decides."""
    async with runtime.log.queries() as connection:
        row = await _row(connection, dispute_id)
        stands = await beside.to_dispute(connection, caller.actor_id, row, runtime.clock.now())
        by = caller.by(READ_DISPUTE, stands)
    shown = _shown(row)
    if caller.access.allows(LIST_DISPUTES, by.role, stands):
        refs = [row[name] for name in HIDDEN if row[name] is not None]
        opened = await runtime.vault.open_many(refs)
        for name in HIDDEN:
            if row[name] is not None:
                said = opened.get(row[name])
                shown[name.removesuffix("_ref")] = said[WORDS] if said is not None else read(None)
    return json_answer(shown)


class _Kept:
    """Words on their way to the vault; nothing when none were said."""

    def __init__(self, fields: dict[str, Any], changes: Sequence[VaultChange]) -> None:
        self.fields, self.changes = fields, changes


async def _words(runtime: Runtime, words: str | None, person_id: UUID) -> _Kept:
    if words is None:
        return _Kept({}, ())
    kept = await sealed(runtime, person_id, uuid7(), {WORDS: words})
    return _Kept({"words_ref": kept.ref, "words_commitment": kept.commitments[WORDS]}, kept.changes)


async def _order_named(connection: AsyncConnection, order_id: UUID | None) -> Row | None:
    if order_id is None:
        return None
    row = await queries.order(connection, order_id)
    if row is None:
        raise Refused("order_unknown", order_id=str(order_id))
    return row


async def _served(runtime: Runtime, ask: RaiseDisputeAsk, by: By) -> tuple[Staffing, ...]:
    """Who did what in the order that a dispute names; of a volunteer's dispute about hours only their own."""
    if ask.order_id is None:
        return ()
    mine = ask.about == "hours" and by.role is Role.VOLUNTEER
    _, order = await runtime.executor.state(order_stream(ask.order_id))
    assert isinstance(order, Order)
    return tuple(
        Staffing(assignment_id=one.assignment_id, volunteer_id=one.volunteer_id, minutes=one.minutes)
        for one in order.assignments
        if one.served in DONE and (not mine or one.volunteer_id == by.actor_id)
    )


async def _row(connection: AsyncConnection, dispute_id: UUID) -> Row:
    row = await beside.dispute(connection, dispute_id)
    if row is None:
        raise Refused("dispute_unknown", dispute_id=str(dispute_id))
    return row


async def _found(connection: AsyncConnection, context: CommandContext, dispute_id: UUID) -> tuple[Row, frozenset[str]]:
    row = await _row(connection, dispute_id)
    return row, await beside.to_dispute(connection, context.actor_id, row, context.runtime.clock.now())


async def _state(runtime: Runtime, row: Row) -> Dispute:
    stream = order_stream(row["order_id"]) if row["about"] == "order" else dispute_stream(row["dispute_id"])
    _, state = await runtime.executor.state(stream)
    if isinstance(state, OwnDispute):
        return state.dispute
    assert isinstance(state, Order)
    assert state.dispute is not None
    return state.dispute


def _speaks(by: By, stands: frozenset[str]) -> bool:
    return by.actor_id is not None and bool(SPEAKING & stands)


def _shown(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in HIDDEN}
