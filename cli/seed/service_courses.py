"""How a service goes that nothing gets in the way of: found, served, confirmed, rated, closed."""

from datetime import datetime, timedelta
from uuid import UUID

from cli.output import SHANGHAI
from cli.seed import endings
from cli.seed.follow_ups import follow_up
from cli.seed.order_life import OrderLife

LOOKED_AGAIN = timedelta(hours=4)
"""Before the window it is looked once more whether everybody is still coming."""
DONE_EARLY = timedelta(minutes=20)
"""Before the end of the window people are done."""


async def until_staffed(life: OrderLife) -> list[UUID]:
    """Placed, verified, and every slot taken; empty when nobody was found before the window."""
    await life.place()
    await life.verify()
    return await life.staff_it()


async def serve_and_end(life: OrderLife, serving: list[UUID]) -> None:
    """Served, confirmed, rated where it is to be, closed."""
    if await serve(life, serving):
        await judge_and_close(life)


async def judge_and_close(life: OrderLife) -> None:
    """What follows a service that nobody finds fault with."""
    await confirm(life)
    await rate(life)
    await close(life)


async def still_there(life: OrderLife, serving: list[UUID]) -> list[UUID]:
    """Who serves when the day has come: somebody may have had to rest since. Empty when nobody is left."""
    while serving:
        begins = life.window_start
        await life.until(begins - LOOKED_AGAIN)
        serving = await life.staff_it()
        await life.until(begins)
        serving = serving and await life.staff_it()
        if life.window_start == begins:  # else the search for somebody else has put it off
            break
    if not serving:
        await endings.nobody(life)
    return serving


async def serve(life: OrderLife, serving: list[UUID]) -> bool:
    """Check in and out with the 见面口令; False when nobody was there to serve."""
    serving = await still_there(life, serving)
    if not serving:
        return False
    await check_in(life, serving)
    await work(life)
    await check_out(life, serving)
    return True


async def work(life: OrderLife) -> None:
    """As long as it is expected to take, and to shortly before the end of the window."""
    await life.until(max(life.window_end - DONE_EARLY, life.now + life.planned.minutes))


async def check_in(life: OrderLife, serving: list[UUID]) -> None:
    """签到 with the 见面口令, or the QR."""
    for volunteer_id in serving:
        await life.present("start", volunteer_id)
    evidence = "扫了居民的二维码" if life.with_qr else "报对了见面口令"
    life.tell(f"签到  {life.helper_name(serving[0])}{evidence}，开始服务")


async def check_out(life: OrderLife, serving: list[UUID]) -> None:
    """签退."""
    for volunteer_id in serving:
        await life.present("finish", volunteer_id, {"outcome": "done"})
    life.tell("签退  服务做完了")


async def confirm(life: OrderLife) -> None:
    """确认 by the resident's side, an hour later."""
    await life.pause(60)
    await life.command("confirm", life.resident_side)
    life.tell("确认  居民说：做好了")


async def rate(life: OrderLife) -> None:
    """评单, where the plan has a score."""
    if life.planned.score is None:
        return
    await life.pause(120)
    await life.command("rate", life.resident_side, {"score": life.planned.score})
    life.tell(f"评单  {life.planned.score} 分")


async def close(life: OrderLife) -> None:
    """What a bad rating comes to, and the close."""
    await follow_up(life, life.planned.score)
    await closed(life)


async def closed(life: OrderLife) -> None:
    """SYSTEM closes: 7 days after a rating, 30 days after an unrated completion. It is looked at the morning after."""
    await life.until(_next_morning(life.now + timedelta(days=7 if life.planned.score is not None else 30)))
    await life.comes_to("CLOSED")
    life.tell("办结")


def _next_morning(moment: datetime) -> datetime:
    """Six o'clock of the next day: what closes on one day is looked at together."""
    local = moment.astimezone(SHANGHAI)
    return local.replace(hour=6, minute=0, second=0, microsecond=0) + timedelta(days=1)
