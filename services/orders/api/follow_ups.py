"""回访整改: a complaint, the call, what is put right, whether it was, and the end."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from contracts.command import Refused, Role
from contracts.ids import uuid7
from servicekit.http import Commanding, Reading
from services.orders.access import LIST_FOLLOW_UPS, LIST_MINE, READ_FOLLOW_UP, RESPONSIBLE
from services.orders.api.shared import WORDS, Asked, Facts, Running, ask_of_order, json_answer, read, sealed
from services.orders.commands.follow_up import (
    CloseFollowUp,
    CloseFollowUpAsk,
    DismissRating,
    DismissRatingAsk,
    OpenFollowUp,
    OpenFollowUpAsk,
    OrderRectification,
    OrderRectificationAsk,
    RecordContact,
    RecordContactAsk,
    ReportRectification,
    ReportRectificationAsk,
    VerifyRectification,
    VerifyRectificationAsk,
)
from services.orders.policy import working_deadlines
from services.orders.read_models import beside, facts, queries, relations
from services.orders.read_models.fetching import Row

router = APIRouter(prefix="/v1", tags=["follow-ups"])
HIDDEN = ("complaint_ref", "contact_ref", "report_ref")
SERVED = frozenset({"SERVED", "COMPLETED", "RATED", "FOLLOW_UP", "CLOSED"})
"""What was to be done again has been done."""


@router.post("/orders/{order_id}/follow-up")
async def open_follow_up(order_id: UUID, ask: OpenFollowUpAsk, context: Commanding) -> JSONResponse:
    """投诉: looked into as a bad rating is."""
    follow_up_id = uuid7()

    async def gather(asked: Asked) -> Facts:
        fields = {"follow_up_id": follow_up_id, "deadlines": working_deadlines(asked.at)}
        return await _with_words(asked, ask.words, fields, {"follow_up_id": str(follow_up_id)})

    return await ask_of_order(context, order_id, OpenFollowUp, gather)


@router.post("/orders/{order_id}/follow-up/contact")
async def record_contact(order_id: UUID, ask: RecordContactAsk, context: Commanding) -> JSONResponse:
    """回访登记, by a reviewer who served neither side and did not dispatch the order."""

    async def gather(asked: Asked) -> Facts:
        fields = {**await _reviewing(asked), "deadlines": working_deadlines(asked.at)}
        return await _with_words(asked, ask.words, fields)

    return await ask_of_order(context, order_id, RecordContact, gather)


@router.post("/orders/{order_id}/follow-up/dismiss")
async def dismiss_rating(order_id: UUID, ask: DismissRatingAsk, context: Commanding) -> JSONResponse:
    """误评申诉成立: the caller and `seconded_by`, two reviewers; the score stays."""

    async def gather(asked: Asked) -> Facts:
        entitled = await relations.holds_role(asked.connection, ask.seconded_by, Role.REVIEWER, asked.row, asked.at)
        return Facts({**await _reviewing(asked, ask.seconded_by), "seconder_entitled": entitled})

    return await ask_of_order(context, order_id, DismissRating, gather, **dict(ask))


@router.post("/orders/{order_id}/follow-up/rectification")
async def order_rectification(order_id: UUID, ask: OrderRectificationAsk, context: Commanding) -> JSONResponse:
    """责令整改: what, by whom, and until when, within five working days."""

    async def gather(asked: Asked) -> Facts:
        order = await asked.order()
        role: Role | None = None
        if ask.responsible_id in order.ever_assigned:
            role = Role.VOLUNTEER
        else:
            granted = await relations.roles_of(asked.connection, ask.responsible_id, asked.at)
            held = {row["role"] for row in granted}
            role = next((one for one in RESPONSIBLE if one is not Role.VOLUNTEER and one in held), None)
        fields = {"responsible_role": role, "deadlines": working_deadlines(asked.at)}
        return Facts({**await _reviewing(asked), **fields})

    return await ask_of_order(context, order_id, OrderRectification, gather, **dict(ask))


@router.post("/orders/{order_id}/follow-up/report")
async def report_rectification(order_id: UUID, ask: ReportRectificationAsk, context: Commanding) -> JSONResponse:
    """整改反馈, by who is responsible."""

    async def gather(asked: Asked) -> Facts:
        fields: dict[str, Any] = {"rework_order_id": ask.rework_order_id}
        if ask.rework_order_id is not None:
            row = await queries.order(asked.connection, ask.rework_order_id)
            fields["rework_fits"] = row is not None and row["rework_of"] == order_id and row["state"] in SERVED
        return await _with_words(asked, ask.words, fields)

    return await ask_of_order(context, order_id, ReportRectification, gather)


@router.post("/orders/{order_id}/follow-up/verify")
async def verify_rectification(order_id: UUID, ask: VerifyRectificationAsk, context: Commanding) -> JSONResponse:
    """整改复核, by the resident's side or a reviewer: put right, or back to who is responsible."""

    async def gather(asked: Asked) -> Facts:
        return Facts({**await _reviewing(asked), "deadlines": working_deadlines(asked.at)})

    return await ask_of_order(context, order_id, VerifyRectification, gather, **dict(ask))


@router.post("/orders/{order_id}/follow-up/close")
async def close_follow_up(order_id: UUID, ask: CloseFollowUpAsk, context: Commanding) -> JSONResponse:
    """回访办结, with a second score beside the first; SYSTEM does it without one when the time for it is over."""
    return await ask_of_order(context, order_id, CloseFollowUp, second_score=ask.second_score)


@router.get("/follow-ups")
async def list_follow_ups(
    caller: Reading, runtime: Running, mine: bool = False, only_open: bool = True, limit: int = 50
) -> JSONResponse:
    """Follow-ups, open ones by their deadline; `mine=true`: what the caller has to put right."""
    caller.by(LIST_MINE if mine else LIST_FOLLOW_UPS)
    responsible_id = caller.actor_id if mine else None
    async with runtime.log.queries() as connection:
        rows = await beside.follow_ups(
            connection, responsible_id=responsible_id, only_open=only_open, limit=max(1, min(limit, 200))
        )
    return json_answer({"follow_ups": [_shown(row) for row in rows]})


@router.get("/orders/{order_id}/follow-ups")
async def read_follow_ups(order_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """The follow-ups of one order; what was said in them is read by who reviews."""
    async with runtime.log.queries() as connection:
        order = await queries.order(connection, order_id)
        if order is None:
            raise Refused("order_unknown", order_id=str(order_id))
        stands = await relations.to_order(connection, caller.actor_id, order, runtime.clock.now())
        by = caller.by(READ_FOLLOW_UP, stands)
        rows = await beside.follow_ups(connection, order_id=order_id)
    shown = [_shown(row) for row in rows]
    if by.role in {Role.REVIEWER, Role.SOCIAL_WORKER} and not {"assigned", "own", "household"} & stands:
        refs = [row[name] for row in rows for name in HIDDEN if row[name] is not None]
        opened = await runtime.vault.open_many(refs)
        for row, said in zip(rows, shown, strict=True):
            for name in HIDDEN:
                if row[name] is not None:
                    words = opened.get(row[name])
                    said[name.removesuffix("_ref")] = words[WORDS] if words is not None else read(None)
    return json_answer({"order_id": order_id, "follow_ups": shown})


async def _reviewing(asked: Asked, *others: UUID) -> dict[str, Any]:
    order = await asked.order()
    assert asked.by.actor_id is not None
    people = {asked.by.actor_id, order.beneficiary_id, order.requested_by, *order.ever_assigned, *others}
    known = await facts.households(asked.connection, people)
    return {
        "reviewer_household_id": known.get(asked.by.actor_id),
        "households": {person: known.get(person) for person in people - {asked.by.actor_id}},
    }


async def _with_words(
    asked: Asked, words: str | None, fields: dict[str, Any], answer: dict[str, Any] | None = None
) -> Facts:
    if words is None:
        return Facts(fields, answer=answer or {})
    kept = await sealed(asked.runtime, asked.row["beneficiary_id"], uuid7(), {WORDS: words})
    fields |= {"words_ref": kept.ref, "words_commitment": kept.commitments[WORDS]}
    return Facts(fields, kept.changes, answer or {})


def _shown(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in HIDDEN}
