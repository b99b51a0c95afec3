"""爽约, 扑空, 平安核查, 补录: somebody does not come, nobody opens, or what was done stands on paper only."""

from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from cli.client import Actor
from cli.seed import endings
from cli.seed.order_life import OrderLife
from cli.seed.service_courses import (
    check_in,
    check_out,
    judge_and_close,
    serve,
    serve_and_end,
    still_there,
    until_staffed,
    work,
)
from contracts.command import Role

LATE = timedelta(minutes=20)
"""A quarter of an hour has to pass before anybody says that somebody did not come, or is not there."""
CHECK_RISES_MINUTES = 35
"""A check goes up a level after half an hour, and after an hour."""
CHECKED = (
    ("hospital", "在医院", "in_hospital"),
    ("safe", "平安，在女儿家", "resident_away"),
    ("away", "出门了，平安", "resident_away"),
    ("emergency_called", "摔倒了，叫了 120", "in_hospital"),
)
"""What a check finds, in turn: the outcome, in words, and why the order is then called off."""
PAPER_SERVED = timedelta(minutes=15)
"""Before the end of the window they are done, as the sheet says."""


async def no_show(life: OrderLife) -> None:
    """Whoever had accepted does not come, and somebody else does."""
    _, serving = await nobody_comes(life)
    if await served_late(life, serving):
        await judge_and_close(life)


async def nobody_comes(life: OrderLife) -> tuple[UUID | None, list[UUID]]:
    """爽约: somebody else is found while the window runs. Who did not come, if anybody, and who serves now."""
    serving = await still_there(life, await until_staffed(life))
    if not serving:
        return None, []
    await life.until(life.window_start + LATE, exact=True)
    late = serving[0]
    recorded = await life.may("no-show", life.dispatcher, {"volunteer_id": str(late)})
    if recorded is not None:
        life.tell(f"爽约  等了二十分钟，{life.helper_name(late)}没有来，马上另找人")
    serving = await life.staff_late()
    if not serving:
        await endings.nobody(life)
    return late if recorded is not None else None, serving


async def served_late(life: OrderLife, serving: list[UUID]) -> bool:
    """Served once the window runs, by whoever was found; False when nobody was."""
    if not serving:
        return False
    await check_in(life, serving)
    await work(life)
    await check_out(life, serving)
    return True


async def _nobody_opens(life: OrderLife) -> Any | None:
    """Whoever came says so; the answer, or None when there was nobody to come."""
    serving = await still_there(life, await until_staffed(life))
    if not serving:
        return None
    await life.until(life.window_start + LATE, exact=True)
    answer = await life.may("resident-absent", life.helper(serving[0]))
    if answer is None:
        await endings.nobody(life)
        return None
    life.tell(f"扑空  {life.helper_name(serving[0])}敲了门，没有人应")
    return answer


async def absent_served(life: OrderLife) -> None:
    """The dispatcher telephones: the resident had forgotten, and asks for the next day."""
    if await _nobody_opens(life) is None:
        return
    await life.pause(40)
    await life.move("reschedule", timedelta(days=1), life.resident_side, "forgotten")
    life.tell("改期  电话打通了，居民忘了时间，改到第二天")
    await serve_and_end(life, await life.staff_it())


async def absent_cancelled(life: OrderLife) -> None:
    """The dispatcher telephones: it is not needed any more."""
    if await _nobody_opens(life) is None:
        return
    await life.pause(40)
    await endings.cancel(life, life.dispatcher, "not_needed_any_more")


async def absent_checked(life: OrderLife) -> None:
    """Who lives alone and does not open is looked after: the check rises twice before somebody has been there."""
    answer = await _nobody_opens(life)
    if answer is None:
        return
    check_id = UUID(answer["check_id"])
    life.tell("平安核查  独居，请网格员半小时内上门看看")
    for level in (1, 2):
        await life.pause(CHECK_RISES_MINUTES, exact=True)
        await life.check_rises(check_id, level)
        life.tell("核查升级  还没有消息，请更多人去看")
    await life.pause(10)
    outcome, words, reason_code = CHECKED[life.planned.number % len(CHECKED)]
    await _record_outcome(life, check_id, outcome, words)
    await endings.cancel(life, life.dispatcher, reason_code)


async def worried(life: OrderLife) -> None:
    """It was served, and the volunteer is worried all the same: somebody goes and looks."""
    serving = await until_staffed(life)
    if not await serve(life, serving):
        return
    server = UUID((await life.look())["servers"][0])
    raised = await life.command("welfare-check", life.helper(server))
    life.tell(f"平安核查  {life.helper_name(server)}觉得老人气色不好，请人去看看")
    await life.pause(20)
    await _record_outcome(life, UUID(raised["check_id"]), "safe", "有点感冒，女儿在照顾")
    await judge_and_close(life)


async def _record_outcome(life: OrderLife, check_id: UUID, outcome: str, words: str) -> None:
    path = f"/v1/welfare-checks/{check_id}/outcome"
    await life.send("orders", path, {"outcome": outcome, "words": words}, _who_looks(life))
    life.tell(f"核查结果  {words}")


def _who_looks(life: OrderLife) -> Actor:
    """The grid worker of the place; where there is none, the dispatcher rings at the neighbours'."""
    grid_id = life.planned.resident.grid_id
    staffed = any(one.role is Role.GRID_WORKER and one.scope_id == grid_id for one in life.town.community.staff)
    return life.town.staff(Role.GRID_WORKER, grid_id) if staffed else life.dispatcher


async def afterwards(life: OrderLife) -> None:
    """Nobody had a telephone along: what was done stands on a sheet, and the team leader enters it the same day."""
    serving = await still_there(life, await until_staffed(life))
    if not serving:
        return
    finished_at = life.window_end - PAPER_SERVED
    await life.until(finished_at + timedelta(minutes=30))
    times = {"started_at": life.window_start.isoformat(), "finished_at": finished_at.isoformat()}
    body = {
        "services": [{"volunteer_id": str(one), **times} for one in serving],
        "attachment_hash": sha256(f"sheet of order {life.planned.number}".encode()).hexdigest(),
    }
    leader = life.town.staff(Role.TEAM_LEADER)
    if await life.may("record-afterwards", leader, body, channel="paper") is None:
        await endings.nobody(life)
        return
    life.tell("补录服务  签到表是纸的，队长当天录入")
    await judge_and_close(life)
