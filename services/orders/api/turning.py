"""合并, 改派, 改期, 重开."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from contracts.command import Refused
from contracts.orders import OrderState
from servicekit.http import Commanding
from services.orders.api.dispatching import proposals
from services.orders.api.shared import Asked, Facts, ask_of_order, asked_again
from services.orders.candidates import chosen_for
from services.orders.commands.turning import (
    MergeOrder,
    MergeOrderAsk,
    ReconfirmAssignment,
    ReconfirmAssignmentAsk,
    RedispatchOrder,
    RedispatchOrderAsk,
    ReopenOrder,
    ReopenOrderAsk,
    RescheduleOrder,
    RescheduleOrderAsk,
)
from services.orders.decider import lifecycle
from services.orders.decider.fitness import need_of
from services.orders.policy import current_policy
from services.orders.read_models import facts, queries

router = APIRouter(prefix="/v1", tags=["turning"])
OVERLAPS_MAX = 3


@router.post("/orders/{order_id}/merge")
async def merge_order(order_id: UUID, ask: MergeOrderAsk, context: Commanding) -> JSONResponse:
    """合并: this order ends, and the other one of the household is served."""

    async def gather(asked: Asked) -> Facts:
        row = await queries.order(asked.connection, ask.into)
        return Facts(
            {
                "into": ask.into,
                "into_order_no": row["order_no"] if row is not None else None,
                "into_state": OrderState(row["state"]) if row is not None else None,
                "into_household_id": row["household_id"] if row is not None else None,
                "into_beneficiary_id": row["beneficiary_id"] if row is not None else None,
            }
        )

    return await ask_of_order(context, order_id, MergeOrder, gather)


@router.post("/orders/{order_id}/redispatch")
async def redispatch_order(order_id: UUID, ask: RedispatchOrderAsk, context: Commanding) -> JSONResponse:
    """改派: what is out ends, the slot of `from_volunteer_id` falls free, others are asked; all at once."""

    async def gather(asked: Asked) -> Facts:
        order = await asked.order()
        refused = lifecycle.refusal(RedispatchOrder, order.state)
        if refused is not None:
            raise Refused(refused, state=order.state.value)
        policy, need = current_policy(), need_of(order)
        known = await facts.volunteers(asked.connection, need, asked.at, policy, ask.volunteer_ids)
        chosen = chosen_for(known, need, asked.at, policy, named=ask.volunteer_ids, waves_before=order.round_waves)
        offered = proposals(chosen)
        offers = [{"offer_id": str(one.offer_id), "volunteer_id": str(one.volunteer_id)} for one in offered]
        return Facts({"proposals": offered}, answer={"offers": offers})

    given: dict[str, Any] = {"from_volunteer_id": ask.from_volunteer_id, "reason_code": ask.reason_code}
    return await asked_again(lambda: ask_of_order(context, order_id, RedispatchOrder, gather, **given))


@router.post("/orders/{order_id}/reschedule")
async def reschedule_order(order_id: UUID, ask: RescheduleOrderAsk, context: Commanding) -> JSONResponse:
    """改期. Whoever promised that time elsewhere meanwhile is seen at the next try, and falls out."""

    async def gather(asked: Asked) -> Facts:
        order = await asked.order()
        need = replace(need_of(order), window_start=ask.window_start, window_end=ask.window_end)
        held = [one.volunteer_id for one in order.held]
        known = await facts.volunteers(asked.connection, need, asked.at, current_policy(), held) if held else []
        return Facts({"volunteers": tuple(known)})

    for _ in range(OVERLAPS_MAX):
        try:
            return await ask_of_order(context, order_id, RescheduleOrder, gather, **dict(ask))
        except Refused as refused:
            if refused.reason_code != "time_overlap":
                raise
    return await ask_of_order(context, order_id, RescheduleOrder, gather, **dict(ask))


@router.post("/orders/{order_id}/reconfirm")
async def reconfirm_assignment(
    order_id: UUID,
    ask: ReconfirmAssignmentAsk,  # noqa: ARG001
    context: Commanding,
) -> JSONResponse:
    """改期后确认: the caller also comes at the new time."""
    return await ask_of_order(context, order_id, ReconfirmAssignment, volunteer_id=context.actor_id)


@router.post("/orders/{order_id}/reopen")
async def reopen_order(order_id: UUID, ask: ReopenOrderAsk, context: Commanding) -> JSONResponse:
    """重开, within thirty days after nobody was found."""

    async def gather(asked: Asked) -> Facts:
        resident = await facts.resident(asked.connection, asked.row["beneficiary_id"])
        return Facts({"consented": resident is not None and resident.consented})

    return await ask_of_order(context, order_id, ReopenOrder, gather, **dict(ask))
