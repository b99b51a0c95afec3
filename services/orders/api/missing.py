"""要求补充, 补充信息; 爽约, 扑空, 补录."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from contracts.ids import uuid7
from servicekit.http import Commanding
from services.orders.api.shared import DETAILS, WORDS, Asked, Facts, ask_of_order, sealed, with_numbers, written
from services.orders.commands.info import ProvideInfo, ProvideInfoAsk, RequestInfo, RequestInfoAsk
from services.orders.commands.missing import (
    PastService,
    PastServiceAsk,
    RecordResidentAbsent,
    RecordResidentAbsentAsk,
    RecordServiceAfterwards,
    RecordServiceAfterwardsAsk,
    RecordVolunteerNoShow,
    RecordVolunteerNoShowAsk,
)
from services.orders.commands.welfare import RaiseWelfareCheck
from services.orders.decider.fitness import need_of
from services.orders.policy import current_policy
from services.orders.read_models import facts

router = APIRouter(prefix="/v1", tags=["missing"])


@router.post("/orders/{order_id}/request-info")
async def request_info(order_id: UUID, ask: RequestInfoAsk, context: Commanding) -> JSONResponse:
    """要求补充: triage's clock stands still until the resident answers."""

    async def gather(asked: Asked) -> Facts:
        if ask.words is None:
            return Facts()
        kept = await sealed(asked.runtime, asked.row["beneficiary_id"], uuid7(), {WORDS: ask.words})
        return Facts({"words_ref": kept.ref, "words_commitment": kept.commitments[WORDS]}, kept.changes)

    return await ask_of_order(context, order_id, RequestInfo, gather, asked_for=ask.asked_for)


@router.post("/orders/{order_id}/provide-info")
async def provide_info(order_id: UUID, ask: ProvideInfoAsk, context: Commanding) -> JSONResponse:
    """补充信息. Emergency words put the numbers first into this answer, too."""

    async def gather(asked: Asked) -> Facts:
        said = written(ask.details)
        assert said is not None
        kept = await sealed(asked.runtime, asked.row["beneficiary_id"], uuid7(), {DETAILS: said})
        return Facts({"details_ref": kept.ref, "details_commitment": kept.commitments[DETAILS]}, kept.changes)

    return with_numbers(await ask_of_order(context, order_id, ProvideInfo, gather), ask.details)


@router.post("/orders/{order_id}/no-show")
async def record_no_show(order_id: UUID, ask: RecordVolunteerNoShowAsk, context: Commanding) -> JSONResponse:
    """爽约: a person says so, a quarter of an hour after the time at the earliest; the volunteer may contest it."""
    named, command_class = (ask.volunteer_id,), RecordVolunteerNoShow
    return await ask_of_order(context, order_id, command_class, named=named, volunteer_id=ask.volunteer_id)


@router.post("/orders/{order_id}/resident-absent")
async def record_resident_absent(
    order_id: UUID,
    ask: RecordResidentAbsentAsk,  # noqa: ARG001
    context: Commanding,
) -> JSONResponse:
    """扑空. Where it was agreed so, a welfare check is raised in the same append."""

    async def gather(asked: Asked) -> Facts:
        order, check_id = await asked.order(), uuid7()
        if order.on_absence != "welfare_check":
            return Facts({"check_id": check_id})
        check = RaiseWelfareCheck(
            by=asked.by,
            at=asked.at,
            check_id=check_id,
            beneficiary_id=order.beneficiary_id,
            cause="resident_absent",
            grid_id=order.grid_id,
            entrance_id=order.entrance_id,
            order_id=order.order_id,
            order_no=order.order_no,
            item_code=order.item.item_code,
            window_start=order.window_start,
            window_end=order.window_end,
            policy=current_policy(),
        )
        return Facts({"check_id": check_id}, answer={"check_id": str(check_id)}, also=[check])

    return await ask_of_order(context, order_id, RecordResidentAbsent, gather)


@router.post("/orders/{order_id}/record-afterwards")
async def record_afterwards(order_id: UUID, ask: RecordServiceAfterwardsAsk, context: Commanding) -> JSONResponse:
    """补录服务, from a sheet whose hash is kept, within seven days and never by who served."""

    async def gather(asked: Asked) -> Facts:
        services = tuple([await _past(asked, one) for one in ask.services])
        answer = {"assignments": [str(one.assignment_id) for one in services]}
        return Facts({"services": services, "attachment_hash": ask.attachment_hash}, answer=answer)

    named = {one.volunteer_id for one in ask.services}
    return await ask_of_order(context, order_id, RecordServiceAfterwards, gather, named=named)


async def _past(asked: Asked, ask: PastServiceAsk) -> PastService:
    order = await asked.order()
    held = order.holds(ask.volunteer_id)
    volunteer = await facts.volunteer(asked.connection, need_of(order), asked.at, ask.volunteer_id)
    return PastService(
        assignment_id=held.assignment_id if held is not None else uuid7(),
        volunteer=volunteer,
        started_at=ask.started_at,
        finished_at=ask.finished_at,
    )
