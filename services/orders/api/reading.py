"""What the pages show of orders: to each reader what they may know, looked up cell by cell in the access table."""

from typing import Annotated, Any, Literal
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from contracts.command import Refused, Role
from contracts.event import OrderNo
from contracts.orders import OrderState
from servicekit.definition import Runtime
from servicekit.http import Caller, Reading
from servicekit.reference import reference
from services.orders.access import LIST_MINE, LIST_ORDERS, READ_DETAILS, READ_ORDER, READ_SERVICE_CODE
from services.orders.api.shared import QR, SERVICE_CODE, WORDS, Running, json_answer, read
from services.orders.commands.words import order_stream
from services.orders.read_models import queries, relations
from services.orders.read_models import tables as t
from services.orders.read_models.fetching import Row

router = APIRouter(prefix="/v1", tags=["reading"])

Mine = Literal["own", "proxy", "assigned", "pool"]
WORDS_OF = {
    "question": "question_ref",
    "comment": "comment_ref",
    "first_comment": "first_comment_ref",
    "contest_words": "contest_ref",
    "refusal_words": "reason_ref",
}
"""What is shown of words in the vault → the column that points at them."""
HIDDEN = frozenset({"details_ref", "answer_ref", *WORDS_OF.values()})
BEFORE_ACCEPTING = frozenset(
    {
        "order_id",
        "version",
        "order_no",
        "mode",
        "state",
        "item_code",
        "expected_minutes",
        "slots",
        "slots_filled",
        "home_visit",
        "licence",
        "skills",
        "insurance_required",
        "urgent",
        "grid_id",
        "window_start",
        "window_end",
        "project_code",
    }
)
"""What a volunteer sees who has not accepted: no person, no household, no door (domain.md §4.1, row 9)."""
AFTER_ACCEPTING = BEFORE_ACCEPTING | {
    "beneficiary_id",
    "entrance_id",
    "on_absence",
    "served_at",
    "completed_at",
    "score",
    "first_score",
}


@router.get("/orders")
async def list_orders(
    caller: Reading,
    runtime: Running,
    mine: Mine | None = None,
    state: Annotated[list[OrderState] | None, Query()] = None,
    grid_id: str | None = None,
    overdue: bool = False,
    order_no: OrderNo | None = None,
    after: Annotated[UUID | None, Query(alias="before")] = None,
    limit: int = 50,
) -> JSONResponse:
    """Orders: `mine=` own, proxy, assigned or pool for everybody; without it, for staff, all that a role covers.

    `overdue=true` gives the longest overdue first, and before these whoever lost a volunteer. `before=` pages on.
    """
    at = runtime.clock.now()
    async with runtime.log.queries() as connection:
        conditions: list[sa.ColumnElement[bool]] = []
        if mine is not None:
            caller.by(LIST_MINE)
            conditions.append(_mine(caller, mine, at))
        else:
            by = caller.by(LIST_ORDERS)
            conditions += await _covered(connection, caller, by.role, at)
        if state:
            conditions.append(queries.in_states(state))
        if grid_id is not None:
            conditions.append(t.orders.c.grid_id == grid_id)
        if order_no is not None:
            conditions.append(t.orders.c.order_no == order_no)
        rows = await queries.orders(
            connection,
            conditions=conditions,
            overdue_at=at if overdue else None,
            limit=max(1, min(limit, 200)),
            after=after,
        )
    if mine in {"assigned", "pool"}:
        seen = AFTER_ACCEPTING if mine == "assigned" else BEFORE_ACCEPTING
        rows = [_only(row, seen) for row in rows]
    return json_answer({"orders": [_named(row) for row in rows], "at": at})


def _mine(caller: Caller, mine: Mine, at: Any) -> sa.ColumnElement[bool]:
    match mine:
        case "own":
            return queries.asked_for_by(caller.actor_id)
        case "proxy":
            return queries.for_principals_of(caller.actor_id, at)
        case "assigned":
            return queries.served_by(caller.actor_id)
        case "pool":
            return queries.pool_for(caller.actor_id, at)


async def _covered(connection: Any, caller: Caller, role: Role, at: Any) -> list[sa.ColumnElement[bool]]:
    """A role with a place lists the orders of its place."""
    return await relations.covered_by(connection, caller.actor_id, role, t.orders, at)


@router.get("/orders/{order_id}")
async def read_order(order_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """One order, as much of it as the caller may know; `version` is what If-Version wants."""
    at = runtime.clock.now()
    async with runtime.log.queries() as connection:
        row = await queries.order(connection, order_id)
        if row is None:
            raise Refused("order_unknown", order_id=str(order_id))
        stands = await relations.to_order(connection, caller.actor_id, row, at)
        role = caller.by(READ_ORDER, stands).role
        offers = await queries.offers_of(connection, order_id)
        assignments = await queries.assignments_of(connection, order_id)
    if role is Role.VOLUNTEER:
        shown = _only(row, AFTER_ACCEPTING if "assigned" in stands else BEFORE_ACCEPTING)
        mine = [one for one in assignments if one["volunteer_id"] == caller.actor_id]
        shown["assignments"] = mine
        shown["offers"] = [one for one in offers if one["volunteer_id"] == caller.actor_id]
    else:
        shown = {name: value for name, value in row.items() if name not in HIDDEN}
        shown["assignments"] = assignments
        if role not in {Role.RESIDENT, Role.PROXY}:
            shown["offers"] = offers
    shown["relations"] = sorted(stands)
    return json_answer(_named(shown) | await _from_the_vault(runtime, caller, row, stands))


async def _from_the_vault(runtime: Runtime, caller: Caller, row: Row, stands: frozenset[str]) -> dict[str, Any]:
    """Details and 服务码 for whom the access table allows them, in any role that they hold."""
    shown: dict[str, Any] = {}
    may_read = _may(caller, READ_DETAILS, stands)
    may_show_code = _may(caller, READ_SERVICE_CODE, stands)
    if not (may_read or may_show_code) or row["details_ref"] is None:
        return shown
    refs = [row[name] for name in HIDDEN if row[name] is not None]
    opened = await runtime.vault.open_many(refs)
    sealed = opened.get(row["details_ref"])
    if may_read:
        answer = read(opened.get(row["answer_ref"])) if row["answer_ref"] is not None else None
        shown["details"] = _newest(read(sealed), answer)
        for name, column in WORDS_OF.items():
            ref = row[column]
            if ref is not None and "serving" not in stands:
                shown[name] = opened[ref][WORDS] if ref in opened else read(None)
    if may_show_code and sealed is not None:
        shown["service_code"] = sealed[SERVICE_CODE]
        shown["qr"] = sealed[QR]
    return shown


def _newest(details: Any, answer: Any) -> Any:
    """What was said when it was placed, and over it what was answered later."""
    if not isinstance(details, dict) or not isinstance(answer, dict):
        return answer if details is None else details
    return {**details, **answer}


def _may(caller: Caller, query: str, stands: frozenset[str]) -> bool:
    return any(caller.access.allows(query, role, stands) for role in caller.roles)


@router.get("/orders/{order_id}/history")
async def read_history(order_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """Every event of the order with its line for people, straight from its stream: who, in which role, when."""
    async with runtime.log.queries() as connection:
        row = await queries.order(connection, order_id)
        if row is None:
            raise Refused("order_unknown", order_id=str(order_id))
        stands = await relations.to_order(connection, caller.actor_id, row, runtime.clock.now())
    role = caller.by(READ_ORDER, stands).role
    if role is Role.VOLUNTEER and "assigned" not in stands:
        raise Refused("forbidden", command=READ_ORDER, role=role.value)
    lines = [
        {
            "version": recorded.version,
            "position": recorded.position,
            "event_id": recorded.event_id,
            "type": recorded.type,
            "line": (type(recorded.event).__doc__ or "").strip(),
            "state": getattr(recorded.event, "state", None),
            "role": getattr(recorded.event, "role", None),
            "actor": recorded.actor,
            "recorded_at": recorded.recorded_at,
        }
        for recorded in await runtime.log.read_stream(order_stream(order_id))
    ]
    return json_answer({"order_id": order_id, "history": lines})


@router.get("/volunteers/me/offers")
async def my_offers(caller: Reading, runtime: Running) -> JSONResponse:
    """The offers that wait for the caller's answer."""
    caller.by(LIST_MINE)
    async with runtime.log.queries() as connection:
        rows = await queries.offers_to(connection, caller.actor_id, runtime.clock.now())
    return json_answer({"offers": [_named(row) for row in rows]})


@router.get("/order-counts")
async def count_orders(caller: Reading, runtime: Running) -> JSONResponse:
    """How many orders are in each state."""
    caller.by(LIST_ORDERS)
    async with runtime.log.queries() as connection:
        return json_answer({"orders": await queries.counts_by_state(connection)})


def _only(row: Row, names: frozenset[str]) -> Row:
    return {name: value for name, value in row.items() if name in names}


def _named(row: Row) -> Row:
    """With the service's name as people say it, and without what points into the vault."""
    item = reference().items.get(row["item_code"])
    kept = {name: value for name, value in row.items() if name not in HIDDEN}
    return {**kept, "item_name": item.name if item is not None else row["item_code"]}
