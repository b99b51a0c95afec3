"""签到, 签退, 确认完成, 评单, 办结."""

import hmac
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from contracts.command import Refused, Role
from contracts.ids import uuid7
from servicekit.http import Commanding
from services.orders.api.shared import QR, SERVICE_CODE, WORDS, Asked, Facts, ask_of_order, sealed, with_numbers_for
from services.orders.api.tries import CodeTries
from services.orders.commands.serving import (
    AmendRating,
    AmendRatingAsk,
    CloseOrder,
    CloseOrderAsk,
    ConfirmCompletion,
    ConfirmCompletionAsk,
    ContestCompletion,
    ContestCompletionAsk,
    FinishService,
    FinishServiceAsk,
    RateOrder,
    RateOrderAsk,
    StartService,
    StartServiceAsk,
)
from services.orders.policy import working_deadlines
from services.orders.read_models import facts

router = APIRouter(prefix="/v1", tags=["serving"])
_tries = CodeTries()


@router.post("/orders/{order_id}/start")
async def start_service(order_id: UUID, ask: StartServiceAsk, context: Commanding) -> JSONResponse:
    """签到, with the 服务码 that the resident says, the QR, or a leader's word."""
    named = _named(ask)
    return await ask_of_order(context, order_id, StartService, lambda asked: _presence(asked, ask), named=named)


@router.post("/orders/{order_id}/finish")
async def finish_service(order_id: UUID, ask: FinishServiceAsk, context: Commanding) -> JSONResponse:
    """签退, with the same evidence."""

    async def gather(asked: Asked) -> Facts:
        return await _presence(asked, ask)

    return await ask_of_order(context, order_id, FinishService, gather, named=_named(ask), outcome=ask.outcome)


def _named(ask: StartServiceAsk | FinishServiceAsk) -> tuple[UUID, ...]:
    return () if ask.volunteer_id is None else (ask.volunteer_id,)


async def _presence(asked: Asked, ask: StartServiceAsk | FinishServiceAsk) -> Facts:
    """Whose presence it is and how it is shown. The code is compared here; the rules are told whether it holds."""
    assert asked.by.actor_id is not None
    leads = asked.by.role is Role.TEAM_LEADER
    volunteer_id = ask.volunteer_id or asked.by.actor_id
    if not leads and volunteer_id != asked.by.actor_id:
        raise Refused("forbidden", volunteer_id=str(volunteer_id))
    given, field = (ask.service_code, SERVICE_CODE) if ask.service_code is not None else (ask.qr, QR)
    if given is None:
        if not leads:
            raise Refused("evidence_needed")
        return Facts({"volunteer_id": volunteer_id, "evidence": "leader"})
    holds = await _holds(asked, field, given)
    return Facts(
        {
            "volunteer_id": volunteer_id,
            "evidence": "code" if field == SERVICE_CODE else "qr",
            "evidence_holds": holds,
        }
    )


async def _holds(asked: Asked, field: str, given: str) -> bool:
    order_id = asked.row["order_id"]
    _tries.check(order_id)
    opened = await asked.runtime.vault.open(order_id)
    holds = opened is not None and hmac.compare_digest(opened.get(field, ""), given)
    if not holds:
        _tries.wrong(order_id)
    return holds


async def _judge(asked: Asked) -> dict[str, Any]:
    order = await asked.order()
    actor_id = asked.by.actor_id
    assert actor_id is not None
    known = await facts.households(asked.connection, {actor_id, *order.servers})
    servers = {server: known.get(server) for server in order.servers}
    return {"judge_household_id": known.get(actor_id), "server_households": servers}


@router.post("/orders/{order_id}/confirm")
async def confirm_completion(
    order_id: UUID,
    ask: ConfirmCompletionAsk,  # noqa: ARG001
    context: Commanding,
) -> JSONResponse:
    """确认完成, by the resident's side and never by who served."""

    async def gather(asked: Asked) -> Facts:
        return Facts(await _judge(asked))

    return await ask_of_order(context, order_id, ConfirmCompletion, gather)


@router.post("/orders/{order_id}/rate")
async def rate_order(order_id: UUID, ask: RateOrderAsk, context: Commanding) -> JSONResponse:
    """评单, once; a reviewer enters it by phone (X-Channel: phone)."""
    answer = await ask_of_order(context, order_id, RateOrder, lambda asked: _rating(asked, ask))
    return with_numbers_for(answer, ask.comment)


@router.post("/orders/{order_id}/amend-rating")
async def amend_rating(order_id: UUID, ask: AmendRatingAsk, context: Commanding) -> JSONResponse:
    """修改评分, within a week; the first score stays readable."""
    answer = await ask_of_order(context, order_id, AmendRating, lambda asked: _rating(asked, ask))
    return with_numbers_for(answer, ask.comment)


@router.post("/orders/{order_id}/contest")
async def contest_completion(order_id: UUID, ask: ContestCompletionAsk, context: Commanding) -> JSONResponse:
    """提出异议, by the resident's side or by who served: hours are held until it is settled."""
    dispute_id = uuid7()

    async def gather(asked: Asked) -> Facts:
        answer = {"dispute_id": str(dispute_id)}
        if ask.words is None:
            return Facts(answer=answer)
        # Sealed for whoever said it: it goes when they are forgotten.
        assert asked.by.actor_id is not None
        whose = asked.by.actor_id if asked.by.role is Role.VOLUNTEER else asked.row["beneficiary_id"]
        kept = await sealed(asked.runtime, whose, uuid7(), {WORDS: ask.words})
        return Facts({"words_ref": kept.ref, "words_commitment": kept.commitments[WORDS]}, kept.changes, answer)

    given: dict[str, Any] = {"dispute_id": dispute_id, "reason_code": ask.reason_code}
    return with_numbers_for(await ask_of_order(context, order_id, ContestCompletion, gather, **given), ask.words)


async def _rating(asked: Asked, ask: RateOrderAsk) -> Facts:
    fields = {**await _judge(asked), "rating_id": uuid7(), "score": ask.score, "tags": ask.tags}
    fields |= {"follow_up_id": uuid7(), "contact_by": working_deadlines(asked.at).contact_by}
    if ask.comment is None:
        return Facts(fields)
    kept = await sealed(asked.runtime, asked.row["beneficiary_id"], uuid7(), {WORDS: ask.comment})
    fields |= {"comment_ref": kept.ref, "comment_commitment": kept.commitments[WORDS]}
    return Facts(fields, kept.changes)


@router.post("/orders/{order_id}/close")
async def close_order(order_id: UUID, ask: CloseOrderAsk, context: Commanding) -> JSONResponse:  # noqa: ARG001
    """办结, when the time for rating or amending is over. SYSTEM does it by itself."""
    return await ask_of_order(context, order_id, CloseOrder)
