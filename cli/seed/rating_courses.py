"""Ratings that are not the last word: changed within the week, found mistaken, left lying, or with a complaint."""

from datetime import timedelta

from cli.seed.follow_ups import dismiss, follow_up, leave_until_overdue, put_right
from cli.seed.order_life import OrderLife
from cli.seed.service_courses import close, closed, confirm, rate, serve, until_staffed

SLEPT_OVER = timedelta(hours=22)
BEST, BAD = 5, 2


async def rated(life: OrderLife) -> bool:
    """Served, confirmed and rated; False when nobody was there to serve."""
    if not await serve(life, await until_staffed(life)):
        return False
    await confirm(life)
    await rate(life)
    return True


async def amended_up(life: OrderLife) -> None:
    """The next day the resident finds that it was better than that."""
    if await rated(life):
        await _amend(life, BEST)
        await close(life)


async def amended_down(life: OrderLife) -> None:
    """The next day it does not hold: what was well rated is looked into after all."""
    if await rated(life):
        await _amend(life, BAD)
        await follow_up(life, BAD)
        await closed(life)


async def _amend(life: OrderLife, score: int) -> None:
    await life.until(life.now + SLEPT_OVER)
    await life.command("amend-rating", life.resident_side, {"score": score})
    life.tell(f"修改评分  改成 {score} 分；原来的 {life.planned.score} 分留着")


async def rating_dismissed(life: OrderLife) -> None:
    """The low score was meant for somebody else."""
    if await rated(life):
        await dismiss(life)
        await closed(life)


async def follow_up_late(life: OrderLife) -> None:
    """Nobody calls in time; then it is seen to."""
    if await rated(life):
        await leave_until_overdue(life)
        await close(life)


async def complaint(life: OrderLife) -> None:
    """投诉 after a fair score: somebody else is to come the next time."""
    if not await rated(life):
        return
    await life.until(life.now + SLEPT_OVER)
    await life.command("follow-up", life.resident_side, {"words": "人很好，就是每次都迟到"})
    life.tell("投诉  居民说总是迟到，按回访办")
    await put_right(life, "change_volunteer", BEST)
    await closed(life)
