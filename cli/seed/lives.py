"""How each course of the plan is lived, step by step, until the order has come to its end."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID

from cli.output import SHANGHAI
from cli.seed import dispute_courses, endings, missing_courses, rating_courses, turning_courses
from cli.seed.courses import Course
from cli.seed.order_life import OrderLife
from cli.seed.plan import REGULAR_MINUTES
from cli.seed.service_courses import (
    check_in,
    check_out,
    close,
    confirm,
    judge_and_close,
    serve,
    serve_and_end,
    still_there,
    until_staffed,
    work,
)
from contracts.command import Role

BEGUN_EARLY = timedelta(minutes=25)
"""Somebody in a hurry checks in before the window; 30 minutes are allowed."""


async def live(life: OrderLife) -> None:
    """Live one order to its end."""
    await COURSES[life.planned.course](life)


async def _served(life: OrderLife) -> None:
    await serve_and_end(life, await until_staffed(life))


async def _inquiry(life: OrderLife) -> None:
    await life.inquire()
    await life.pause(30)
    await serve_and_end(life, await life.staff_it())


async def _declined_first(life: OrderLife) -> None:
    await life.place()
    await life.verify()
    asked = await life.dispatch()
    await life.pause(15)
    for volunteer_id in asked[:1]:
        await life.command("decline", life.helper(volunteer_id), {"reason_code": "not_free"})
        life.tell(f"婉拒  {life.helper_name(volunteer_id)}这次不方便，没有任何影响")
    await serve_and_end(life, await life.staff_it())


async def _all_declined(life: OrderLife) -> None:
    """With the last word of no the order waits for the next wave."""
    await life.place()
    await life.verify()
    asked = await life.dispatch()
    await life.pause(15)
    for volunteer_id in asked:
        await life.command("decline", life.helper(volunteer_id), {"reason_code": "not_free"})
    life.tell("婉拒  这一批都不方便，再问下一批")
    await serve_and_end(life, await life.staff_it())


async def _opened_early(life: OrderLife) -> None:
    """The dispatcher does not wait for the answers: the offers end, the pool is open to all who may."""
    await life.place()
    await life.verify()
    if await life.dispatch():
        await life.pause(15)
        await life.command("open", life.dispatcher)
        life.tell("放入接单池  不等回话了")
    await serve_and_end(life, await life.staff_it())


async def _expired_first(life: OrderLife) -> None:
    await life.place()
    await life.verify()
    if await life.dispatch():
        await life.pause(125)
        await life.comes_to("VERIFIED", "OFFERED", "OPEN")
        life.tell("派单过期  没有人回话，再问下一批")
    await serve_and_end(life, await life.staff_it())


async def _withdrawn_first(life: OrderLife) -> None:
    serving = await until_staffed(life)
    if serving:
        await life.pause(30)
        await life.command("withdraw", life.helper(serving[0]), {"reason_code": "ill"})
        life.tell(f"退单  {life.helper_name(serving[0])}病了，及时说了，再找人")
        serving = await life.staff_it()
    await serve_and_end(life, serving)


async def _lapsed_first(life: OrderLife) -> None:
    """The volunteer takes a rest; what they had accepted lapses and somebody else is found."""
    serving = await until_staffed(life)
    if serving:
        await life.pause(30)
        volunteer = life.helper(serving[0])
        path = f"/v1/volunteers/{serving[0]}"
        await life.send("volunteers", f"{path}/pause", {}, volunteer)
        life.tell(f"接单失效  {life.helper_name(serving[0])}要休息一阵，再找人")
        await life.comes_to("VERIFIED", "OFFERED", "OPEN")
        await life.send("volunteers", f"{path}/resume", {}, volunteer)
        serving = await life.staff_it()
    await serve_and_end(life, serving)


async def _from_the_pool(life: OrderLife) -> None:
    """Opened to everybody eligible: the first commit wins, who comes second is thanked."""
    await life.place()
    await life.verify()
    await life.command("open", life.dispatcher)
    life.tell("放入接单池")
    await life.pause(40)
    taken = [one for one in await life.candidates() if await life.accept(one)][:1]
    await serve_and_end(life, taken or await life.staff_it())


async def _led_by_leader(life: OrderLife) -> None:
    """The team leader vouches for presence: evidence B."""
    serving = await still_there(life, await until_staffed(life))
    if not serving:
        return
    leader = life.town.staff(Role.TEAM_LEADER)
    for volunteer_id in serving:
        await life.command("start", leader, {"volunteer_id": str(volunteer_id)})
    life.tell("签到  队长作证")
    await work(life)
    for volunteer_id in serving:
        await life.command("finish", leader, {"volunteer_id": str(volunteer_id), "outcome": "done"})
    await judge_and_close(life)


async def _rated_by_phone(life: OrderLife) -> None:
    if not await serve(life, await until_staffed(life)):
        return
    await confirm(life)
    await life.pause(300)
    reviewer = life.town.staff(Role.REVIEWER)
    await life.command("rate", reviewer, {"score": life.planned.score}, channel="phone")
    life.tell(f"评单  回访员打电话问的：{life.planned.score} 分")
    await close(life)


async def _presumed(life: OrderLife) -> None:
    """Nobody confirms: after 72 hours SYSTEM presumes, the grade falls to B, and the rating stays empty."""
    if not await serve(life, await until_staffed(life)):
        return
    await life.pause(72 * 60 + 10)
    await life.comes_to("COMPLETED")
    life.tell("视为完成  72 小时没有人说不")
    await close(life)


async def _auto_closed(life: OrderLife) -> None:
    """Nobody checks out: the service ends by itself four hours after the window; no minutes are assumed."""
    serving = await still_there(life, await until_staffed(life))
    if not serving:
        return
    await life.present("start", serving[0])
    await life.until(life.window_end + timedelta(hours=4, minutes=10))
    await life.comes_to("SERVED")
    life.tell("自动结束  忘了签退，时长不推定")
    await judge_and_close(life)


async def _by_name(life: OrderLife) -> list[UUID]:
    """The dispatcher asks one volunteer by name; whoever comes."""
    await life.place()
    await life.verify()
    helper = life.planned.helper
    assert helper is not None
    for volunteer_id in await life.dispatch(life.town.ids[helper.person.person_key]):
        await life.accept(volunteer_id)
    return await life.staff_it()


async def _long_day(life: OrderLife) -> None:
    """Two long services on one day come to more than eight hours: the second is held for the auditor."""
    await serve_and_end(life, await _by_name(life))


async def _overlapping(life: OrderLife) -> None:
    """The second is begun before the first is checked out: minutes are not credited twice."""
    serving = await _by_name(life)
    time_of_day = life.planned.window_start - timedelta(days=life.planned.window_start.days)
    second = time_of_day > timedelta(hours=10)
    begins = life.window_start - (BEGUN_EARLY if second else timedelta(0))
    if serving:
        await life.until(begins, exact=True)
        serving = await life.staff_it()
    if not serving:
        await endings.nobody(life)
        return
    await check_in(life, serving)
    await life.until(life.window_end - timedelta(minutes=10), exact=True)
    await check_out(life, serving)
    await judge_and_close(life)


ASKED_FOR_DAYS = 3


async def _asked_for_days(life: OrderLife, volunteer_id: UUID) -> list[UUID]:
    """Whoever was asked twice on one day is asked again the next morning, before anybody is found instead."""
    for _ in range(ASKED_FOR_DAYS):
        if await life.may_dispatch(volunteer_id):
            await life.accept(volunteer_id)
            break
        if life.now + timedelta(days=1) > life.window_start:
            break
        await life.until(_next_morning(life.now))
    return await life.staff_it()


def _next_morning(moment: datetime) -> datetime:
    """Seven o'clock of the next day: before anybody else is up."""
    local = moment.astimezone(SHANGHAI)
    return local.replace(hour=7, minute=0, second=0, microsecond=0) + timedelta(days=1)


async def _regular(life: OrderLife) -> None:
    """Eight hours with somebody who comes every day, to the minute: a hundred hours make a star."""
    await life.place()
    await life.verify()
    helper = life.planned.helper
    assert helper is not None
    serving = await _asked_for_days(life, life.town.ids[helper.person.person_key])
    if serving:
        await life.until(life.window_start, exact=True)
        serving = await life.staff_it()
    if not serving:
        await endings.nobody(life)
        return
    await check_in(life, serving)
    await life.pause(REGULAR_MINUTES, exact=True)
    await check_out(life, serving)
    await judge_and_close(life)


async def _over_at_once(life: OrderLife) -> None:
    """Done within three minutes: too short for minutes to be credited."""
    serving = await still_there(life, await until_staffed(life))
    if not serving:
        return
    await check_in(life, serving)
    await life.pause(3, exact=True)
    await check_out(life, serving)
    await judge_and_close(life)


async def _triaged_late(life: OrderLife) -> None:
    """Triage is overdue: the order rises a level, then goes its way."""
    await life.place()
    await life.pause(26 * 60)
    await life.command("verify", life.dispatcher, {"on_absence": "call"})
    life.tell("受理  晚了，已经升级过")
    await serve_and_end(life, await life.staff_it())


async def _escalated_by_hand(life: OrderLife) -> None:
    await life.place()
    await life.command("escalate", life.dispatcher, {"level": 1})
    life.tell("升级  派单员请队长一起想办法")
    await life.verify()
    await serve_and_end(life, await life.staff_it())


async def _cancelled_accepted(life: OrderLife) -> None:
    if not await until_staffed(life):
        await endings.nobody(life)
        return
    await endings.cancel(life, life.resident_side)


async def _not_started(life: OrderLife) -> None:
    """Nobody checks in: SYSTEM escalates an hour after the window, the dispatcher phones and cancels."""
    if not await still_there(life, await until_staffed(life)):
        return
    await life.until(life.window_end + timedelta(minutes=70))
    await life.comes_to("ACCEPTED")
    life.tell("没有人签到  派单员打电话问清楚了")
    await endings.cancel(life, life.dispatcher, "visit_fell_through")


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
    "refused": endings.refused,
    "cancelled_placed": endings.cancelled_placed,
    "cancelled_verified": endings.cancelled_verified,
    "cancelled_offered": endings.cancelled_offered,
    "cancelled_open": endings.cancelled_open,
    "cancelled_accepted": _cancelled_accepted,
    "not_started": _not_started,
    "unfulfilled": endings.unfulfilled,
    "given_up_untried": endings.given_up_untried,
    "given_up_asking": endings.given_up_asking,
    "long_day": _long_day,
    "overlapping": _overlapping,
    "over_at_once": _over_at_once,
    "regular": _regular,
    "info_asked": turning_courses.info_asked,
    "merged": turning_courses.merged,
    "redispatched": turning_courses.redispatched,
    "rescheduled": turning_courses.rescheduled,
    "not_reconfirmed": turning_courses.not_reconfirmed,
    "reopened": turning_courses.reopened,
    "redone": _served,
    "rework": turning_courses.rework,
    "no_show": missing_courses.no_show,
    "no_show_disputed": dispute_courses.no_show_disputed,
    "absent_served": missing_courses.absent_served,
    "absent_cancelled": missing_courses.absent_cancelled,
    "absent_checked": missing_courses.absent_checked,
    "worried": missing_courses.worried,
    "afterwards": missing_courses.afterwards,
    "contest_rejected": dispute_courses.contest_rejected,
    "contest_upheld": dispute_courses.contest_upheld,
    "contest_corrected": dispute_courses.contest_corrected,
    "contest_voided": dispute_courses.contest_voided,
    "contest_settled": dispute_courses.contest_settled,
    "rating_disputed": dispute_courses.rating_disputed,
    "amended_up": rating_courses.amended_up,
    "amended_down": rating_courses.amended_down,
    "rating_dismissed": rating_courses.rating_dismissed,
    "follow_up_late": rating_courses.follow_up_late,
    "complaint": rating_courses.complaint,
}
