"""How an order ends without a service: refused, called off, or given up because nobody was found."""

from datetime import timedelta

from cli.client import Actor
from cli.seed.order_life import OrderLife
from contracts.command import Role


async def refused(life: OrderLife) -> None:
    """Not volunteer work: the resident hears who can help."""
    await life.place()
    await life.pause(30)
    body = {"reason_code": "paid_trade", "referral": "property_office", "words": "要动水电主管道，转给物业。"}
    await life.command("refuse", life.dispatcher, body)
    life.tell("不予受理  不是志愿服务能做的，告诉居民该找谁")


async def cancel(life: OrderLife, actor: Actor, reason_code: str | None = None) -> None:
    """取消 by the resident's side, or by staff with a reason."""
    await life.pause(10)
    await life.command("cancel", actor, {} if reason_code is None else {"reason_code": reason_code})
    life.tell("取消")


async def cancelled_placed(life: OrderLife) -> None:
    """Called off before anybody looked at it."""
    await life.place()
    await cancel(life, life.resident_side)


async def cancelled_verified(life: OrderLife) -> None:
    """Called off before anybody was asked."""
    await life.place()
    await life.verify()
    await cancel(life, life.resident_side)


async def cancelled_offered(life: OrderLife) -> None:
    """Called off while volunteers think it over."""
    await life.place()
    await life.verify()
    await life.dispatch()
    await cancel(life, life.resident_side)


async def cancelled_open(life: OrderLife) -> None:
    """Called off while it lies in the pool."""
    await life.place()
    await life.verify()
    await life.command("open", life.dispatcher)
    await cancel(life, life.resident_side)


async def nobody(life: OrderLife) -> None:
    """Nobody was found before the window: the search is given up."""
    await life.until(life.window_end + timedelta(minutes=10))
    await give_up(life)


async def give_up(life: OrderLife) -> None:
    """Two people stand for it, and the resident gets a call."""
    seconder = life.town.staff(Role.STATION_MANAGER).person_id
    body = {"reason_code": "nobody_available", "seconded_by": str(seconder)}
    await life.command("declare-unfulfilled", life.dispatcher, body)
    life.tell("未能满足  两个人签了字，给居民打电话说明")


async def unfulfilled(life: OrderLife) -> None:
    """Nobody answers any offer: waves pass, the pool stays empty, levels rise."""
    await life.place()
    await life.verify()
    await life.dispatch()
    await nobody(life)


async def given_up_untried(life: OrderLife) -> None:
    """Received, and then nobody was asked in time."""
    await life.place()
    await life.verify()
    await nobody(life)


async def given_up_asking(life: OrderLife) -> None:
    """Three waves, the pool between them; with the third still out, the resident is told that it cannot be."""
    await life.place()
    await life.verify()
    await life.dispatch()
    for _ in range(2):
        await life.pause(15)
        await life.command("open", life.dispatcher)
        await life.pause(15)
        await life.dispatch()
    await give_up(life)
