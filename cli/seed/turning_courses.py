"""Orders that take another turn: something is asked first, they are merged, given to others, moved, or done again."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cli.client import ProblemError
from cli.seed import endings
from cli.seed.order_life import OrderLife
from cli.seed.service_courses import serve_and_end, until_staffed

ANSWERED_AFTER_MINUTES = 180
"""Longer than triage has: its clock stands still meanwhile."""
A_DAY = timedelta(days=1)


async def info_asked(life: OrderLife) -> None:
    """The dispatcher does not know enough; triage waits for the resident's answer."""
    await life.place()
    await life.pause(20)
    asked = {"asked_for": ["address", "note"], "words": "请问几楼几室？要带什么工具？"}
    await life.command("request-info", life.dispatcher, asked)
    life.tell("要求补充  地址不全，先问清楚")
    await life.pause(ANSWERED_AFTER_MINUTES)
    details = {"address": f"{life.planned.resident.entrance_id} 502", "note": "五楼，家里有工具"}
    await life.command("provide-info", life.resident_side, {"details": details})
    life.tell("补充信息  居民回了话，受理的时限接着算")
    await life.verify()
    await serve_and_end(life, await life.staff_it())


async def merged(life: OrderLife) -> None:
    """The household has asked for this already, the service says so: one visit is enough."""
    await life.place()
    await life.pause(25)
    if life.duplicate_of is not None:
        answer = await life.may("merge", life.dispatcher, {"into": str(life.duplicate_of)})
        if answer is not None:
            life.tell("合并  这家已经点过了，并到那一单里")
            return
    await life.verify()
    await serve_and_end(life, await life.staff_it())


async def redispatched(life: OrderLife) -> None:
    """Whoever had accepted cannot be reached any more: the dispatcher gives the order to others."""
    serving = await until_staffed(life)
    if serving:
        await life.pause(30)
        body = {"from_volunteer_id": str(serving[0]), "reason_code": "not_reachable"}
        if await life.may("redispatch", life.dispatcher, body) is not None:
            life.tell(f"改派  联系不上{life.helper_name(serving[0])}，改问别人")
        serving = await life.staff_it()
    await serve_and_end(life, serving)


async def rescheduled(life: OrderLife) -> None:
    """The resident asks for the next day; everybody who had accepted says that they come then, too."""
    serving = await until_staffed(life)
    if serving:
        await life.pause(30)
        if await life.move("reschedule", A_DAY, life.resident_side, "resident_away"):
            life.tell("改期  居民那天有事，改到第二天")
            await life.pause(40)
            await _reconfirm(life, serving)
        serving = await life.staff_it()
    await serve_and_end(life, serving)


async def _reconfirm(life: OrderLife, serving: list[UUID]) -> None:
    """Whoever cannot at the new time has fallen out by now, and need not answer."""
    for volunteer_id in serving:
        if await life.may("reconfirm", life.helper(volunteer_id)) is not None:
            life.tell(f"改期确认  {life.helper_name(volunteer_id)}第二天也能来")


async def not_reconfirmed(life: OrderLife) -> None:
    """Whoever had accepted does not answer whether they come at the new time: somebody else is looked for."""
    serving = await until_staffed(life)
    if serving:
        await life.pause(30)
        if await life.move("reschedule", 2 * A_DAY, life.resident_side, "resident_away"):
            life.tell("改期  居民那天有事，推后两天")
            seen = await life.look()
            if seen["due_for"] == "reconfirmation":
                await life.until(datetime.fromisoformat(seen["due_at"]) + timedelta(minutes=5))
                await life.comes_to("VERIFIED", "OFFERED", "OPEN")
                life.tell("接单失效  改期没有人回话，再找人")
        serving = await life.staff_it()
    await serve_and_end(life, serving)


async def reopened(life: OrderLife) -> None:
    """Nobody was found; a day later the resident asks again, and another time suits somebody."""
    await endings.unfulfilled(life)
    await life.until(life.now + A_DAY)
    if await life.move("reopen", 3 * A_DAY, life.resident_side, "still_needed"):
        life.tell("重开  居民还是需要，换个时间再找人")
        await serve_and_end(life, await life.staff_it())


async def rework(life: OrderLife) -> None:
    """The same once more, after the first order is closed: the new one names it."""
    await life.until(life.days.midnight + life.planned.placed)
    first = await _closed_before(life)
    try:
        await life.place(first)
    except ProblemError as problem:
        # Found wanting, or cancelled after all: then it is an order like any other.
        if problem.reason_code != "rework_unknown":
            raise
        await life.place()
    await life.verify()
    await serve_and_end(life, await life.staff_it())


async def _closed_before(life: OrderLife) -> UUID | None:
    """The resident's last closed order of this kind, from their own list."""

    async def do(_key: str) -> Any:
        params: Mapping[str, str | int | Sequence[str]] = {"mine": "own", "state": ["CLOSED"], "limit": 200}
        found = await life.town.client.query("orders", "/v1/orders", actor=life.resident_side, params=params)
        same = [one for one in found["orders"] if one["item_code"] == life.planned.item_code]
        return same[0]["order_id"] if same else None

    order_id = await life.steps.take("closed before", life.now, do)
    return UUID(order_id) if order_id is not None else None
