"""派单, 放入接单池, 接单, 婉拒, 退单, 升级, 未能满足."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from contracts.command import Refused, Role
from contracts.ids import uuid7
from servicekit.http import Commanding, Reading
from services.orders.access import READ_CANDIDATES
from services.orders.api.shared import Asked, Facts, Running, ask_of_order, asked_again, json_answer
from services.orders.candidates import Candidate, chosen_for, invited, rank
from services.orders.candidates.saying import said
from services.orders.commands.placing import (
    AcceptOrder,
    AcceptOrderAsk,
    DeclareUnfulfilled,
    DeclareUnfulfilledAsk,
    DeclineOffer,
    DeclineOfferAsk,
    DispatchOrder,
    DispatchOrderAsk,
    EscalateOrder,
    EscalateOrderAsk,
    OpenOrder,
    OpenOrderAsk,
    Proposal,
    WithdrawAcceptance,
    WithdrawAcceptanceAsk,
)
from services.orders.commands.words import order_stream
from services.orders.decider import lifecycle
from services.orders.decider.fitness import need_of
from services.orders.decider.state import Order
from services.orders.policy import current_policy
from services.orders.read_models import facts, relations

router = APIRouter(prefix="/v1", tags=["dispatching"])
CANDIDATES_SHOWN = 50


def proposals(candidates: list[Candidate]) -> tuple[Proposal, ...]:
    """Candidates as they are put before the rules, each with an offer's id."""
    return tuple(
        Proposal(offer_id=uuid7(), score=one.score, reasons=one.reasons[:20], **dict(one.facts)) for one in candidates
    )


@router.get("/orders/{order_id}/candidates")
async def read_candidates(
    order_id: UUID, caller: Reading, runtime: Running, limit: int = CANDIDATES_SHOWN
) -> JSONResponse:
    """Who might serve, best first, with the reasons for and against; who lacks licence or skill is not listed."""
    caller.by(READ_CANDIDATES)
    _, order = await runtime.executor.state(order_stream(order_id))
    if not isinstance(order, Order):
        raise Refused("order_unknown", order_id=str(order_id))
    at, need, policy = runtime.clock.now(), need_of(order), current_policy()
    async with runtime.log.queries() as connection:
        known = await facts.volunteers(connection, need, at, policy)
    ranked = rank(known, need, at, policy)
    shown = [_shown(place, one) for place, one in enumerate(ranked[: max(1, min(limit, 200))], 1)]
    return json_answer({"order_id": order_id, "candidates": shown, "known": len(ranked)})


def _shown(place: int, one: Candidate) -> dict[str, Any]:
    return {
        "rank": place,
        "volunteer_id": one.volunteer_id,
        "eligible": one.eligible,
        "score": one.score,
        "reasons_for": one.reasons_for,
        "reasons_against": one.reasons_against,
        "said_for": [_words(code) for code in one.reasons_for],
        "said_against": [_words(code) for code in one.reasons_against],
        "grid_id": one.facts.grid_id,
        "entrance_id": one.facts.entrance_id,
    }


def _words(code: str) -> dict[str, str]:
    chinese, english = said(code)
    return {"zh": chinese, "en": english}


@router.post("/orders/{order_id}/dispatch")
async def dispatch_order(order_id: UUID, ask: DispatchOrderAsk, context: Commanding) -> JSONResponse:
    """派单: offer it to the volunteers named, or to the best ranked."""

    async def gather(asked: Asked) -> Facts:
        order = await asked.order()
        refused = lifecycle.refusal(DispatchOrder, order.state)
        if refused is not None:
            raise Refused(refused, state=order.state.value)
        policy, need = current_policy(), need_of(order)
        known = await facts.volunteers(asked.connection, need, asked.at, policy, ask.volunteer_ids)
        chosen = chosen_for(known, need, asked.at, policy, named=ask.volunteer_ids, waves_before=order.round_waves)
        offered = proposals(chosen)
        offers = [{"offer_id": str(one.offer_id), "volunteer_id": str(one.volunteer_id)} for one in offered]
        return Facts({"proposals": offered}, answer={"offers": offers})

    return await asked_again(lambda: ask_of_order(context, order_id, DispatchOrder, gather))


@router.post("/orders/{order_id}/open")
async def open_order(order_id: UUID, ask: OpenOrderAsk, context: Commanding) -> JSONResponse:  # noqa: ARG001
    """放入接单池: whoever is eligible may take it."""

    async def gather(asked: Asked) -> Facts:
        order = await asked.order()
        policy, need = current_policy(), need_of(order)
        ranked = rank(await facts.volunteers(asked.connection, need, asked.at, policy), need, asked.at, policy)
        return Facts({"invited": invited(ranked, need, policy)})

    return await ask_of_order(context, order_id, OpenOrder, gather)


@router.post("/orders/{order_id}/accept")
async def accept_order(order_id: UUID, ask: AcceptOrderAsk, context: Commanding) -> JSONResponse:
    """接单: the first commit wins; who comes second is thanked. A team leader accepts for members who said yes."""

    async def gather(asked: Asked) -> Facts:
        need = need_of(await asked.order())
        speaks_for = ask.volunteer_id or context.actor_id
        if asked.by.role is not Role.TEAM_LEADER and speaks_for != context.actor_id:
            raise Refused("forbidden", volunteer_id=str(speaks_for))
        volunteer = await facts.volunteer(asked.connection, need, asked.at, speaks_for)
        assignment_id = uuid7()
        fields = {"assignment_id": assignment_id, "volunteer": volunteer}
        return Facts(fields, answer={"assignment_id": str(assignment_id)})

    named = () if ask.volunteer_id is None else (ask.volunteer_id,)
    return await ask_of_order(context, order_id, AcceptOrder, gather, named=named)


@router.post("/orders/{order_id}/decline")
async def decline_offer(order_id: UUID, ask: DeclineOfferAsk, context: Commanding) -> JSONResponse:
    """婉拒: nobody has to say why, and nothing follows from it."""
    volunteer_id, why = context.actor_id, ask.reason_code
    return await ask_of_order(context, order_id, DeclineOffer, volunteer_id=volunteer_id, reason_code=why)


@router.post("/orders/{order_id}/withdraw")
async def withdraw_acceptance(order_id: UUID, ask: WithdrawAcceptanceAsk, context: Commanding) -> JSONResponse:
    """退单, before one's own check-in."""
    volunteer_id, why = context.actor_id, ask.reason_code
    return await ask_of_order(context, order_id, WithdrawAcceptance, volunteer_id=volunteer_id, reason_code=why)


@router.post("/orders/{order_id}/escalate")
async def escalate_order(order_id: UUID, ask: EscalateOrderAsk, context: Commanding) -> JSONResponse:
    """升级 by hand, upwards only."""
    return await ask_of_order(context, order_id, EscalateOrder, level=ask.level)


@router.post("/orders/{order_id}/declare-unfulfilled")
async def declare_unfulfilled(order_id: UUID, ask: DeclareUnfulfilledAsk, context: Commanding) -> JSONResponse:
    """未能满足: the caller and `seconded_by`, one a dispatcher and the other the place's station manager."""

    async def gather(asked: Asked) -> Facts:
        other = Role.STATION_MANAGER if asked.by.role is Role.DISPATCHER else Role.DISPATCHER
        entitled = await relations.holds_role(asked.connection, ask.seconded_by, other, asked.row, asked.at)
        return Facts({"seconder_entitled": entitled})

    return await ask_of_order(context, order_id, DeclareUnfulfilled, gather, **dict(ask))
