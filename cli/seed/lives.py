"""How each course of the plan is lived, step by step, until the order has come to its end."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID

from cli.client import Actor
from cli.output import SHANGHAI
from cli.seed.order_life import NotAsPlanned, OrderLife
from cli.seed.plan import Course
from contracts.command import Role

ENDS = ("CLOSED", "CANCELLED", "REFUSED", "UNFULFILLED")
LOOKED_AGAIN = timedelta(hours=4)
"""Before the window it is looked once more whether everybody is still coming."""


async def live(life: OrderLife) -> None:
    """Live one order to its end."""
    await COURSES[life.planned.course](life)


async def _until_staffed(life: OrderLife) -> list[UUID]:
    """Placed, verified, and every slot taken; empty when nobody was found before the window."""
    await life.place()
    await life.verify()
    return await life.staff_it()


async def _served(life: OrderLife) -> None:
    await _serve_and_end(life, await _until_staffed(life))


async def _inquiry(life: OrderLife) -> None:
    await life.inquire()
    await life.pause(30)
    await _serve_and_end(life, await life.staff_it())


async def _serve_and_end(life: OrderLife, serving: list[UUID]) -> None:
    if not await _serve(life, serving):
        return
    await _confirm(life)
    await _rate(life)
    await _close(life)


async def _still_there(life: OrderLife, serving: list[UUID]) -> list[UUID]:
    """Who serves when the day has come: somebody may have had to rest since. Empty when nobody is left."""
    if serving:
        await life.until(life.window_start - LOOKED_AGAIN)
        serving = await life.staff_it()
        await life.until(life.window_start)
        serving = serving and await life.staff_it()
    if not serving:
        await _nobody(life)
    return serving


async def _serve(life: OrderLife, serving: list[UUID]) -> bool:
    """Check in and out with the 见面口令; False when nobody was there to serve."""
    serving = await _still_there(life, serving)
    if not serving:
        return False
    code = await life.service_code()
    for volunteer_id in serving:
        await life.command("start", life.helper(volunteer_id), {"service_code": code})
    life.tell(f"签到  {life.helper_name(serving[0])}报对了见面口令，开始服务")
    await life.until(life.window_end - timedelta(minutes=20))
    for volunteer_id in serving:
        await life.command("finish", life.helper(volunteer_id), {"service_code": code, "outcome": "done"})
    life.tell("签退  服务做完了")
    return True


async def _confirm(life: OrderLife) -> None:
    await life.pause(60)
    await life.command("confirm", life.resident_side)
    life.tell("确认  居民说：做好了")


async def _rate(life: OrderLife) -> None:
    if life.planned.score is None:
        return
    await life.pause(120)
    await life.command("rate", life.resident_side, {"score": life.planned.score})
    life.tell(f"评单  {life.planned.score} 分")


async def _close(life: OrderLife) -> None:
    """SYSTEM closes: 7 days after a rating, 30 days after an unrated completion. It is looked at the morning after."""
    await life.until(_next_morning(life.simulation.now + timedelta(days=7 if life.planned.score is not None else 30)))
    await life.comes_to("CLOSED")
    life.tell("办结")


def _next_morning(moment: datetime) -> datetime:
    """Six o'clock of the next day: what closes on one day is looked at together."""
    local = moment.astimezone(SHANGHAI)
    return local.replace(hour=6, minute=0, second=0, microsecond=0) + timedelta(days=1)


async def _nobody(life: OrderLife) -> None:
    """Nobody was found before the window: the search is given up."""
    await life.until(life.window_end + timedelta(minutes=10))
    await _give_up(life)


async def _give_up(life: OrderLife) -> None:
    """Two people stand for it, and the resident gets a call."""
    seconder = life.town.staff(Role.STATION_MANAGER).person_id
    body = {"reason_code": "nobody_available", "seconded_by": str(seconder)}
    await life.command("declare-unfulfilled", life.dispatcher, body)
    life.tell("未能满足  两个人签了字，给居民打电话说明")


async def _unfulfilled(life: OrderLife) -> None:
    """Nobody answers any offer: waves pass, the pool stays empty, levels rise."""
    await life.place()
    await life.verify()
    await life.dispatch()
    await _nobody(life)


async def _given_up_untried(life: OrderLife) -> None:
    """Received, and then nobody was asked in time."""
    await life.place()
    await life.verify()
    await _nobody(life)


async def _given_up_asking(life: OrderLife) -> None:
    """Three waves, the pool between them; with the third still out, the resident is told that it cannot be."""
    await life.place()
    await life.verify()
    await life.dispatch()
    for _ in range(2):
        await life.pause(15)
        await life.command("open", life.dispatcher)
        await life.pause(15)
        await life.dispatch()
    await _give_up(life)


async def _declined_first(life: OrderLife) -> None:
    await life.place()
    await life.verify()
    asked = await life.dispatch()
    await life.pause(15)
    for volunteer_id in asked[:1]:
        await life.command("decline", life.helper(volunteer_id), {"reason_code": "not_free"})
        life.tell(f"婉拒  {life.helper_name(volunteer_id)}这次不方便，没有任何影响")
    await _serve_and_end(life, await life.staff_it())


async def _all_declined(life: OrderLife) -> None:
    """With the last word of no the order waits for the next wave."""
    await life.place()
    await life.verify()
    asked = await life.dispatch()
    await life.pause(15)
    for volunteer_id in asked:
        await life.command("decline", life.helper(volunteer_id), {"reason_code": "not_free"})
    life.tell("婉拒  这一批都不方便，再问下一批")
    await _serve_and_end(life, await life.staff_it())


async def _opened_early(life: OrderLife) -> None:
    """The dispatcher does not wait for the answers: the offers end, the pool is open to all who may."""
    await life.place()
    await life.verify()
    if await life.dispatch():
        await life.pause(15)
        await life.command("open", life.dispatcher)
        life.tell("放入接单池  不等回话了")
    await _serve_and_end(life, await life.staff_it())


async def _expired_first(life: OrderLife) -> None:
    await life.place()
    await life.verify()
    if await life.dispatch():
        await life.pause(125)
        await life.comes_to("VERIFIED", "OFFERED", "OPEN")
        life.tell("派单过期  没有人回话，再问下一批")
    await _serve_and_end(life, await life.staff_it())


async def _withdrawn_first(life: OrderLife) -> None:
    serving = await _until_staffed(life)
    if serving:
        await life.pause(30)
        await life.command("withdraw", life.helper(serving[0]), {"reason_code": "ill"})
        life.tell(f"退单  {life.helper_name(serving[0])}病了，及时说了，再找人")
        serving = await life.staff_it()
    await _serve_and_end(life, serving)


async def _lapsed_first(life: OrderLife) -> None:
    """The volunteer takes a rest; what they had accepted lapses and somebody else is found."""
    serving = await _until_staffed(life)
    if serving:
        await life.pause(30)
        volunteer = life.helper(serving[0])
        path = f"/v1/volunteers/{serving[0]}"
        paused = await life.town.client.command("volunteers", f"{path}/pause", {}, actor=volunteer)
        life.tell(f"接单失效  {life.helper_name(serving[0])}要休息一阵，再找人")
        await life.town.client.query(
            "orders", f"/v1/orders/{life.order_id}", actor=life.dispatcher, after=paused.positions
        )
        await life.comes_to("VERIFIED", "OFFERED", "OPEN")
        await life.town.client.command("volunteers", f"{path}/resume", {}, actor=volunteer)
        serving = await life.staff_it()
    await _serve_and_end(life, serving)


async def _from_the_pool(life: OrderLife) -> None:
    """Opened to everybody eligible: the first commit wins, who comes second is thanked."""
    await life.place()
    await life.verify()
    await life.command("open", life.dispatcher)
    life.tell("放入接单池")
    await life.pause(40)
    taken = [one for one in await life.candidates() if await life.accept(one)][:1]
    await _serve_and_end(life, taken or await life.staff_it())


async def _led_by_leader(life: OrderLife) -> None:
    """The team leader vouches for presence: evidence B."""
    serving = await _still_there(life, await _until_staffed(life))
    if not serving:
        return
    leader = life.town.staff(Role.TEAM_LEADER)
    for volunteer_id in serving:
        await life.command("start", leader, {"volunteer_id": str(volunteer_id)})
    life.tell("签到  队长作证")
    await life.until(life.window_end - timedelta(minutes=20))
    for volunteer_id in serving:
        await life.command("finish", leader, {"volunteer_id": str(volunteer_id), "outcome": "done"})
    await _confirm(life)
    await _rate(life)
    await _close(life)


async def _rated_by_phone(life: OrderLife) -> None:
    if not await _serve(life, await _until_staffed(life)):
        return
    await _confirm(life)
    await life.pause(300)
    reviewer = life.town.staff(Role.REVIEWER)
    await life.command("rate", reviewer, {"score": life.planned.score}, channel="phone")
    life.tell(f"评单  回访员打电话问的：{life.planned.score} 分")
    await _close(life)


async def _presumed(life: OrderLife) -> None:
    """Nobody confirms: after 72 hours SYSTEM presumes, the grade falls to B, and the rating stays empty."""
    if not await _serve(life, await _until_staffed(life)):
        return
    await life.pause(72 * 60 + 10)
    await life.comes_to("COMPLETED")
    life.tell("视为完成  72 小时没有人说不")
    await _close(life)


async def _auto_closed(life: OrderLife) -> None:
    """Nobody checks out: the service ends by itself four hours after the window; no minutes are assumed."""
    serving = await _still_there(life, await _until_staffed(life))
    if not serving:
        return
    code = await life.service_code()
    await life.command("start", life.helper(serving[0]), {"service_code": code})
    await life.until(life.window_end + timedelta(hours=4, minutes=10))
    await life.comes_to("SERVED")
    life.tell("自动结束  忘了签退，时长不推定")
    await _confirm(life)
    await _rate(life)
    await _close(life)


async def _triaged_late(life: OrderLife) -> None:
    """Triage is overdue: the order rises a level, then goes its way."""
    await life.place()
    await life.pause(26 * 60)
    await life.command("verify", life.dispatcher, {"on_absence": "call"})
    life.tell("受理  晚了，已经升级过")
    await _serve_and_end(life, await life.staff_it())


async def _escalated_by_hand(life: OrderLife) -> None:
    await life.place()
    await life.command("escalate", life.dispatcher, {"level": 1})
    life.tell("升级  派单员请队长一起想办法")
    await life.verify()
    await _serve_and_end(life, await life.staff_it())


async def _refused(life: OrderLife) -> None:
    await life.place()
    await life.pause(30)
    body = {"reason_code": "paid_trade", "referral": "property_office", "words": "要动水电主管道，转给物业。"}
    await life.command("refuse", life.dispatcher, body)
    life.tell("不予受理  不是志愿服务能做的，告诉居民该找谁")


async def _cancelled_placed(life: OrderLife) -> None:
    await life.place()
    await _cancel(life, life.resident_side)


async def _cancelled_verified(life: OrderLife) -> None:
    await life.place()
    await life.verify()
    await _cancel(life, life.resident_side)


async def _cancelled_offered(life: OrderLife) -> None:
    await life.place()
    await life.verify()
    await life.dispatch()
    await _cancel(life, life.resident_side)


async def _cancelled_open(life: OrderLife) -> None:
    await life.place()
    await life.verify()
    await life.command("open", life.dispatcher)
    await _cancel(life, life.resident_side)


async def _cancelled_accepted(life: OrderLife) -> None:
    if not await _until_staffed(life):
        await _nobody(life)
        return
    await _cancel(life, life.resident_side)


async def _cancel(life: OrderLife, actor: Actor, reason_code: str | None = None) -> None:
    await life.pause(10)
    await life.command("cancel", actor, {} if reason_code is None else {"reason_code": reason_code})
    life.tell("取消")


async def _not_started(life: OrderLife) -> None:
    """Nobody checks in: SYSTEM escalates an hour after the window, the dispatcher phones and cancels."""
    if not await _still_there(life, await _until_staffed(life)):
        return
    await life.until(life.window_end + timedelta(minutes=70))
    await life.comes_to("ACCEPTED")
    life.tell("没有人签到  派单员打电话问清楚了")
    await _cancel(life, life.dispatcher, "visit_fell_through")


COURSES: dict[Course, Callable[[OrderLife], Awaitable[None]]] = {
    "served": _served,
    "served_for_proxy": _served,
    "inquiry": _inquiry,
    "declined_first": _declined_first,
    "all_declined": _all_declined,
    "opened_early": _opened_early,
    "expired_first": _expired_first,
    "withdrawn_first": _withdrawn_first,
    "lapsed_first": _lapsed_first,
    "from_the_pool": _from_the_pool,
    "led_by_leader": _led_by_leader,
    "rated_by_phone": _rated_by_phone,
    "rated_badly": _served,
    "unrated": _served,
    "presumed": _presumed,
    "auto_closed": _auto_closed,
    "triaged_late": _triaged_late,
    "escalated_by_hand": _escalated_by_hand,
    "refused": _refused,
    "cancelled_placed": _cancelled_placed,
    "cancelled_verified": _cancelled_verified,
    "cancelled_offered": _cancelled_offered,
    "cancelled_open": _cancelled_open,
    "cancelled_accepted": _cancelled_accepted,
    "not_started": _not_started,
    "unfulfilled": _unfulfilled,
    "given_up_untried": _given_up_untried,
    "given_up_asking": _given_up_asking,
}

__all__ = ["COURSES", "ENDS", "NotAsPlanned", "live"]
