"""The calendar of what must be told, for everybody: what is owed, what is late, what was told when."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse, Response

from servicekit.definition import Runtime
from services.ledger.api.open_shared import A_WHILE, TEMPLATES
from services.ledger.api.shared import Running, as_json
from services.ledger.commands import day_of
from services.ledger.policy import current_policy, host_charity
from services.ledger.read_models import disclosures
from services.ledger.read_models.disclosures import Campaign, Duty

router = APIRouter(prefix="/fund", tags=["open books"])

KINDS = {
    "month": "月度收支",
    "quarter": "季度收支（慈善法第七十九条，三个月内）",
    "year": "年度收支（民政部令第81号，次年五月三十一日前）",
    "campaign": "募捐活动结束（慈善法第七十九条，三个月内）",
    "emergency": "应急募捐（慈善法第七十二条，每五日）",
    "large_entry": "大额收支（民政部令第81号，三十日内）",
    "correction": "更正公示（民政部令第81号第十六条）",
}
STATES = {"told": "已公布", "told_late": "已公布，晚了", "waiting": "还没到期", "late": "逾期未公布"}


def campaigns() -> list[Campaign]:
    """Those of the host charity's papers."""
    host = host_charity()
    known = () if host is None else host.campaigns
    return [Campaign(one.code, one.first_day, one.last_day, one.emergency, one.fund, one.purpose) for one in known]


async def _duties(runtime: Runtime) -> Sequence[Duty]:
    async with runtime.log.queries() as connection:
        entries = await disclosures.booked(connection)
        told = await disclosures.told_so_far(connection)
    today = day_of(runtime.clock.now())
    return disclosures.duties(entries, told, campaigns(), today, current_policy().large_entry_fen)


def about(duty: Duty) -> str:
    """What a duty is about, for people."""
    first = duty.first_day
    match duty.kind:
        case "month":
            return f"{first.year}年{first.month}月"
        case "quarter":
            return f"{first.year}年第{first.month // 3 + 1}季度"
        case "year":
            return f"{first.year}年"
        case "large_entry":
            return f"{duty.about} 号分录"
        case _:
            return duty.about


def as_document(duty: Duty) -> dict[str, Any]:
    """A duty in JSON."""
    return {
        "kind": duty.kind,
        "about": duty.about,
        "first_day": duty.first_day,
        "last_day": duty.last_day,
        "due_on": duty.due_on,
        "told_on": duty.told_on,
        "state": duty.state,
        "basis": duty.basis,
    }


@router.get("/due.json")
async def read_due(runtime: Running) -> JSONResponse:
    """Everything that is or was to be told, what is due first at the top."""
    found = await _duties(runtime)
    answer = as_json({"on": day_of(runtime.clock.now()), "duties": [as_document(duty) for duty in found]})
    answer.headers.update(A_WHILE)
    return answer


@router.get("/due", response_class=HTMLResponse, include_in_schema=False)
async def read_due_page(runtime: Running) -> Response:
    """The same in plain Chinese: what is late, what is due, what was told."""
    found = await _duties(runtime)
    groups = [
        ("逾期的", [duty for duty in found if duty.state == "late"]),
        ("将要到期的", [duty for duty in found if duty.state == "waiting"]),
        ("公布过的", [duty for duty in reversed(found) if duty.told_on is not None]),
    ]
    page = TEMPLATES.get_template("due.html").render(
        community=runtime.settings.community,
        today=day_of(runtime.clock.now()),
        groups=groups,
        kinds=KINDS,
        states=STATES,
        about=about,
    )
    return HTMLResponse(page, headers=A_WHILE)
