"""询单, and the catalogue."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from contracts.command import Refused
from contracts.ids import uuid7
from eventstore.executor import Plan
from servicekit.http import CommandContext, Commanding, Reading, command
from servicekit.reference import reference, require
from services.orders.access import READ_INQUIRIES
from services.orders.api.shared import DETAILS, Running, json_answer, sealed, with_numbers, written
from services.orders.commands.beside import (
    PublishServiceItem,
    PublishServiceItemAsk,
    RecordInquiry,
    RecordInquiryAsk,
    RetireServiceItem,
    RetireServiceItemAsk,
)
from services.orders.commands.words import item_id_of, item_stream
from services.orders.policy import current_policy
from services.orders.read_models import facts, queries

router = APIRouter(prefix="/v1", tags=["beside"])


@router.post("/inquiries", status_code=201)
async def record_inquiry(ask: RecordInquiryAsk, context: Commanding) -> JSONResponse:
    """询单: what was found at a door; a need waits for the station's order."""
    answer = await command(context, lambda: _inquiry_plan(context, ask), RecordInquiry, status=201)
    return with_numbers(answer, ask.details)


async def _inquiry_plan(context: CommandContext, ask: RecordInquiryAsk) -> Plan:
    runtime = context.runtime
    by = context.by(RecordInquiry)
    known = reference()
    grid_id, entrance_id, household_id = ask.grid_id, ask.entrance_id, ask.household_id
    item_active = resident_known = False
    async with runtime.log.queries() as connection:
        if ask.resident_id is not None:
            resident = await facts.resident(connection, ask.resident_id)
            if resident is None:
                raise Refused("person_unknown", person_id=str(ask.resident_id))
            resident_known = True
            grid_id, entrance_id = grid_id or resident.grid_id, entrance_id or resident.entrance_id
            household_id = resident.household_id or household_id or ask.resident_id
        if ask.item_code is not None:
            item = await facts.item(connection, ask.item_code)
            if item is None:
                raise Refused("item_unknown", item_code=ask.item_code)
            item_active = item.active
    if entrance_id is not None:
        require("entrance", entrance_id, known.entrances)
        grid_id = grid_id or known.grid_of_entrance[entrance_id]
    if grid_id is None or household_id is None:
        raise Refused("place_unknown")
    require("grid", grid_id, known.grids)
    inquiry_id = uuid7()
    said = written(ask.details) if ask.details is not None else None
    kept = None
    if said is not None and ask.resident_id is not None:
        kept = await sealed(runtime, ask.resident_id, inquiry_id, {DETAILS: said})
    recorded = RecordInquiry(
        by=by,
        at=runtime.clock.now(),
        inquiry_id=inquiry_id,
        household_id=household_id,
        grid_id=grid_id,
        entrance_id=entrance_id,
        resident_id=ask.resident_id,
        resident_known=resident_known,
        item_code=ask.item_code,
        item_active=item_active,
        result=ask.result,
        consented=ask.consented,
        details_ref=kept.ref if kept is not None else None,
        details_commitment=kept.commitments[DETAILS] if kept is not None else None,
        policy=current_policy(),
    )
    return Plan([recorded], {"inquiry_id": str(inquiry_id)}, kept.changes if kept is not None else ())


@router.get("/inquiries")
async def list_inquiries(
    caller: Reading, runtime: Running, grid_id: str | None = None, waiting: bool = False, limit: int = 50
) -> JSONResponse:
    """Inquiries, the newest first; `waiting=true`: needs of which no order was made."""
    caller.by(READ_INQUIRIES)
    async with runtime.log.queries() as connection:
        rows = await queries.inquiries(connection, grid_id, waiting, max(1, min(limit, 200)))
    return json_answer({"inquiries": rows})


@router.get("/inquiries/{inquiry_id}")
async def read_inquiry(inquiry_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """One inquiry, and the order that was made of it."""
    caller.by(READ_INQUIRIES)
    async with runtime.log.queries() as connection:
        row = await queries.inquiry(connection, inquiry_id)
    if row is None:
        raise Refused("inquiry_unknown", inquiry_id=str(inquiry_id))
    return json_answer(row)


@router.post("/service-items", status_code=201)
async def publish_service_item(ask: PublishServiceItemAsk, context: Commanding) -> JSONResponse:
    """服务上架, or a new version. Codes of skills and licences are the community's."""
    known = reference()
    for skill in ask.skills:
        require("skill", skill, known.skill_codes)
    if ask.licence is not None:
        require("licence", ask.licence, known.licence_codes)

    async def build() -> Plan:
        by, at = context.by(PublishServiceItem), context.runtime.clock.now()
        published = PublishServiceItem(by=by, at=at, **dict(ask))
        answer = {"item_id": str(item_id_of(ask.item_code)), "item_code": ask.item_code}
        return Plan([published], answer, expected_versions=context.expecting(published.stream))

    return await command(context, build, PublishServiceItem, status=201)


@router.post("/service-items/{item_code}/retire")
async def retire_service_item(item_code: str, ask: RetireServiceItemAsk, context: Commanding) -> JSONResponse:
    """服务下架: nobody can ask for it any more; orders that were placed go on."""

    async def build() -> Plan:
        by, at = context.by(RetireServiceItem), context.runtime.clock.now()
        async with context.runtime.log.queries() as connection:
            if await facts.item(connection, item_code) is None:
                raise Refused("item_unknown", item_code=item_code[:64])
        retired = RetireServiceItem(by=by, at=at, item_code=item_code, **dict(ask))
        return Plan([retired], {"item_code": item_code}, expected_versions=context.expecting(item_stream(item_code)))

    return await command(context, build, RetireServiceItem)


@router.get("/service-items")
async def list_service_items(_caller: Reading, runtime: Running) -> JSONResponse:
    """The catalogue with its names, retired items too."""
    names = {code: item.name for code, item in reference().items.items()}
    async with runtime.log.queries() as connection:
        rows = await queries.service_items(connection)
    return json_answer({"service_items": [{**row, "name": names.get(row["item_code"])} for row in rows]})
