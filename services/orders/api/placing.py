"""点单, 制单, 受理, 不予受理, 取消."""

import json
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.command import Refused
from contracts.ids import uuid7
from eventstore.executor import Plan
from eventstore.vault import Sealed
from servicekit.definition import Runtime
from servicekit.http import CommandContext, Commanding, command
from servicekit.reference import reference, require
from services.orders.api.shared import (
    DETAILS,
    QR,
    SERVICE_CODE,
    WORDS,
    Asked,
    Facts,
    acts_for,
    ask_of_order,
    sealed,
    with_numbers,
    written,
)
from services.orders.candidates import invited, rank
from services.orders.commands.placing import (
    CancelOrder,
    CancelOrderAsk,
    CreateOrderFromInquiry,
    CreateOrderFromInquiryAsk,
    DetailsAsk,
    OrderCommand,
    PlaceOrder,
    PlaceOrderAsk,
    RefuseOrder,
    RefuseOrderAsk,
    VerifyOrder,
    VerifyOrderAsk,
)
from services.orders.commands.words import ItemFacts, ResidentFacts, inquiry_stream, order_stream
from services.orders.decider.fitness import Need
from services.orders.decider.inquiry import Inquiry
from services.orders.policy import current_policy
from services.orders.read_models import beside, facts, queries, relations

router = APIRouter(prefix="/v1", tags=["placing"])
NUMBERS_MAX = 8


@router.post("/orders", status_code=201)
async def place_order(ask: PlaceOrderAsk, context: Commanding) -> JSONResponse:
    """点单. Emergency words put `emergency_numbers` first into the answer; they never refuse an order."""
    answer = await _numbered(context, lambda: _plan(context, ask), PlaceOrder)
    return with_numbers(answer, ask.details)


async def _numbered(
    context: CommandContext, build: Callable[[], Awaitable[Plan]], command_class: type[OrderCommand]
) -> JSONResponse:
    """Record a new order; again under another number when the first is taken."""
    for _ in range(NUMBERS_MAX):
        try:
            return await command(context, build, command_class, status=201)
        except Refused as refused:
            if refused.reason_code != "order_no_taken":
                raise
    return await command(context, build, command_class, status=201)


async def _plan(context: CommandContext, ask: PlaceOrderAsk) -> Plan:
    runtime, policy = context.runtime, current_policy()
    at = runtime.clock.now()
    beneficiary_id = ask.beneficiary_id or context.caller.on_behalf_of or context.actor_id
    async with runtime.log.queries() as connection:
        since = at - timedelta(minutes=policy.duplicate_minutes)
        wish = await facts.wish(connection, context.actor_id, beneficiary_id, ask.item_code, since, at)
        by = context.by(PlaceOrder, _standing(context.actor_id, beneficiary_id, wish))
        acts_for(by, beneficiary_id)
        item, resident = _known(wish.item, ask.item_code), _registered(wish.resident, beneficiary_id)
        await _check_rework(connection, ask.rework_of, beneficiary_id)
    order_id, order_no = uuid7(), _number()
    kept = await _seal(runtime, beneficiary_id, order_id, ask.details)
    placed = PlaceOrder(
        by=by,
        at=at,
        order_id=order_id,
        policy=policy,
        order_no=order_no,
        item=item,
        resident=resident,
        project_code=_project_of(ask.item_code),
        window_start=ask.window_start,
        window_end=ask.window_end,
        urgent=ask.urgent,
        rework_of=ask.rework_of,
        possible_duplicate_of=wish.duplicate,
        details_ref=kept.ref,
        details_commitment=kept.commitments.get(DETAILS),
        service_code_commitment=kept.commitments[SERVICE_CODE],
    )
    answer = {"order_id": str(order_id), "order_no": order_no}
    if wish.duplicate is not None:
        answer["possible_duplicate_of"] = str(wish.duplicate)
    return Plan([placed], answer, kept.changes)


@router.post("/inquiries/{inquiry_id}/order", status_code=201)
async def create_order_from_inquiry(
    inquiry_id: UUID, ask: CreateOrderFromInquiryAsk, context: Commanding
) -> JSONResponse:
    """制单: the station writes the order, and it is open at once."""
    answer = await _numbered(context, lambda: _inquiry_plan(context, inquiry_id, ask), CreateOrderFromInquiry)
    return with_numbers(answer, ask.details)


async def _inquiry_plan(context: CommandContext, inquiry_id: UUID, ask: CreateOrderFromInquiryAsk) -> Plan:
    runtime, policy = context.runtime, current_policy()
    at = runtime.clock.now()
    inquiry: Inquiry
    _, inquiry = await runtime.executor.state(inquiry_stream(inquiry_id))
    if inquiry is None:
        raise Refused("inquiry_unknown", inquiry_id=str(inquiry_id))
    async with runtime.log.queries() as connection:
        stands = await relations.to_place(connection, context.actor_id, inquiry.grid_id, inquiry.entrance_id, at)
        by = context.by(CreateOrderFromInquiry, stands)
        if inquiry.resident_id is None or inquiry.item_code is None:
            raise Refused("inquiry_without_need", result=inquiry.result)
        row = await queries.inquiry(connection, inquiry_id)
        item = _known(await facts.item(connection, inquiry.item_code), inquiry.item_code)
        resident = _registered(await facts.resident(connection, inquiry.resident_id), inquiry.resident_id)
        need = _need(ask, item, resident)
        ranked = rank(await facts.volunteers(connection, need, at, policy), need, at, policy)
        taken_back = await facts.consent_withdrawn_at(connection, inquiry.resident_id)
    # The consent given at the door covers the order made of it (domain.md §4.1, row 2), unless it was taken back since
    # (个人信息保护法 §15).
    agreed = inquiry.consented and (taken_back is None or taken_back < inquiry.inquired_at)
    order_id, order_no = uuid7(), _number()
    details = ask.details or await _noted_at_the_door(runtime, inquiry_id)
    kept = await _seal(runtime, inquiry.resident_id, order_id, details)
    created = CreateOrderFromInquiry(
        by=by,
        at=at,
        order_id=order_id,
        policy=policy,
        order_no=order_no,
        item=item,
        resident=resident.model_copy(update={"consented": resident.consented or agreed}),
        project_code=_project_of(inquiry.item_code),
        window_start=ask.window_start,
        window_end=ask.window_end,
        urgent=ask.urgent,
        inquiry_id=inquiry_id,
        inquired_by=inquiry.asked_by,
        inquiry_result=inquiry.result,
        converted=row is not None and row["order_id"] is not None,
        on_absence=ask.on_absence,
        slots=ask.slots,
        licence=ask.licence,
        insurance_required=ask.insurance_required,
        frail_or_minor=ask.frail_or_minor,
        invited=invited(ranked, need, policy),
        details_ref=kept.ref,
        details_commitment=kept.commitments.get(DETAILS),
        service_code_commitment=kept.commitments[SERVICE_CODE],
    )
    answer = {"order_id": str(order_id), "order_no": order_no, "inquiry_id": str(inquiry_id)}
    return Plan([created], answer, kept.changes, context.expecting(order_stream(order_id)))


@router.post("/orders/{order_id}/verify")
async def verify_order(order_id: UUID, ask: VerifyOrderAsk, context: Commanding) -> JSONResponse:
    """受理: fix how many people, which skills and papers it takes."""
    known = reference()
    for skill in ask.skills or ():
        require("skill", skill, known.skill_codes)
    if ask.licence is not None:
        require("licence", ask.licence, known.licence_codes)
    return await ask_of_order(context, order_id, VerifyOrder, **dict(ask))


@router.post("/orders/{order_id}/refuse")
async def refuse_order(order_id: UUID, ask: RefuseOrderAsk, context: Commanding) -> JSONResponse:
    """不予受理."""

    async def gather(asked: Asked) -> Facts:
        if ask.words is None:
            return Facts()
        kept = await sealed(asked.runtime, asked.row["beneficiary_id"], uuid7(), {WORDS: ask.words})
        return Facts({"reason_ref": kept.ref, "reason_commitment": kept.commitments[WORDS]}, kept.changes)

    reason_code, referral = ask.reason_code, ask.referral
    return await ask_of_order(context, order_id, RefuseOrder, gather, reason_code=reason_code, referral=referral)


@router.post("/orders/{order_id}/cancel")
async def cancel_order(order_id: UUID, ask: CancelOrderAsk, context: Commanding) -> JSONResponse:
    """取消, before the service begins."""
    return await ask_of_order(context, order_id, CancelOrder, reason_code=ask.reason_code)


def _standing(actor_id: UUID, person_id: UUID, wish: facts.Wish) -> frozenset[str]:
    if actor_id == person_id:
        return frozenset({"own"})
    return frozenset({"proxy"}) if wish.proxy else frozenset()


def _known(item: ItemFacts | None, item_code: str) -> ItemFacts:
    if item is None:
        raise Refused("item_unknown", item_code=item_code)
    return item


def _registered(resident: ResidentFacts | None, person_id: UUID) -> ResidentFacts:
    if resident is None:
        raise Refused("person_unknown", person_id=str(person_id))
    return resident


async def _check_rework(connection: AsyncConnection, order_id: UUID | None, beneficiary_id: UUID) -> None:
    """Work done again is a new order that names the old one: after its end, or while a follow-up asks for it."""
    if order_id is None:
        return
    row = await queries.order(connection, order_id)
    if row is None or row["beneficiary_id"] != beneficiary_id or not await beside.may_be_redone(connection, row):
        raise Refused("rework_unknown", rework_of=str(order_id))


def _number() -> str:
    """Eight digits that say nothing: neither how many orders there are nor when this one was placed."""
    return f"{secrets.randbelow(10**8):08d}"


async def _seal(runtime: Runtime, person_id: UUID, order_id: UUID, details: DetailsAsk) -> Sealed:
    """The order's secrets under the beneficiary's key: details, the 服务码, the QR's word."""
    fields = {SERVICE_CODE: f"{secrets.randbelow(10_000):04d}", QR: secrets.token_hex(16)}
    said = written(details)
    if said is not None:
        fields[DETAILS] = said
    return await sealed(runtime, person_id, order_id, fields)


async def _noted_at_the_door(runtime: Runtime, inquiry_id: UUID) -> DetailsAsk:
    opened = await runtime.vault.open(inquiry_id)
    if opened is None or DETAILS not in opened:
        return DetailsAsk()
    return DetailsAsk.model_validate(json.loads(opened[DETAILS]))


def _project_of(item_code: str) -> str | None:
    found = reference().items.get(item_code)
    return found.project if found is not None else None


def _need(ask: CreateOrderFromInquiryAsk, item: ItemFacts, resident: ResidentFacts) -> Need:
    starts: datetime = ask.window_start
    return Need(
        beneficiary_id=resident.person_id,
        household_id=resident.household_id,
        grid_id=resident.grid_id or "",
        entrance_id=resident.entrance_id,
        slots=ask.slots or item.slots,
        licence=item.licence or ask.licence,
        skills=item.skills,
        insurance_required=item.insurance_required or ask.insurance_required,
        home_visit=item.home_visit,
        window_start=starts,
        window_end=ask.window_end,
    )
