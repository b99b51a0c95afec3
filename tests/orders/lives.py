"""Short lives of orders over HTTP: what a test of the tables needs to have happened."""

from datetime import datetime, timedelta
from typing import Any

from contracts.command import Role
from tests.orders.quarter import Quarter, iso
from tests.orders.samples import ANNA, CHEN, DUAN, RUI, WANG, ZHAN

VOLUNTEER, DISPATCHER, RESIDENT = Role.VOLUNTEER, Role.DISPATCHER, Role.RESIDENT
SHEET = "5e" * 32


def window(starts: datetime, hours: float = 1) -> dict[str, Any]:
    return {"window_start": iso(starts), "window_end": iso(starts + timedelta(hours=hours))}


async def besides_the_book(quarter: Quarter) -> None:
    """Somebody is asked for more, another does not come, nobody is there, and two services are entered from paper."""
    starts = quarter.now() + timedelta(hours=1)
    this_hour = window(starts)
    asked = await quarter.place(**this_hour)
    question = {"asked_for": ["time"], "words": "上午还是下午"}
    await quarter.done(f"/orders/{asked}/request-info", question, DUAN, DISPATCHER)
    await quarter.done(f"/orders/{asked}/provide-info", {"details": {"note": "下午更好"}}, WANG, RESIDENT)
    missed = await quarter.accepted(ANNA, **this_hour)
    checked = await quarter.place(**this_hour)
    await quarter.done(f"/orders/{checked}/verify", {"on_absence": "welfare_check"}, DUAN, DISPATCHER)
    await quarter.done(f"/orders/{checked}/open", {}, DUAN, DISPATCHER)
    await quarter.done(f"/orders/{checked}/accept", {}, CHEN, VOLUNTEER)
    on_paper = await quarter.verified(**this_hour)
    accepted = await quarter.accepted(CHEN, **window(starts + timedelta(hours=3)))
    await quarter.later(hours=1, minutes=20)
    await quarter.done(f"/orders/{missed}/no-show", {"volunteer_id": str(ANNA)}, WANG, RESIDENT)
    await quarter.done(f"/orders/{checked}/resident-absent", {}, CHEN, VOLUNTEER)
    await quarter.until(starts + timedelta(hours=4))
    for order_id, began in ((on_paper, starts), (accepted, starts + timedelta(hours=3))):
        times = {"started_at": iso(began), "finished_at": iso(began + timedelta(minutes=20))}
        sheet = {"services": [{"volunteer_id": str(CHEN), **times}], "attachment_hash": SHEET}
        await quarter.done(f"/orders/{order_id}/record-afterwards", sheet, RUI, Role.TEAM_LEADER)


async def another_turn(quarter: Quarter) -> None:
    """Orders are merged, redispatched, moved and kept, reopened, contested and amended."""
    starts = quarter.now() + timedelta(hours=2)
    this_hour = window(starts)
    kept = await quarter.verified(**this_hour)
    merged = await quarter.place(**this_hour)
    await quarter.done(f"/orders/{merged}/merge", {"into": str(kept)}, DUAN, DISPATCHER)
    taken = await quarter.accepted(ANNA, **this_hour)
    body = {"from_volunteer_id": str(ANNA), "reason_code": "ill"}
    await quarter.done(f"/orders/{taken}/redispatch", body, DUAN, DISPATCHER)
    moved = await quarter.accepted(ANNA, **this_hour)
    await quarter.done(f"/orders/{moved}/reschedule", window(starts + timedelta(hours=2)), WANG, RESIDENT)
    await quarter.done(f"/orders/{moved}/reconfirm", {}, ANNA, VOLUNTEER)
    left = await quarter.opened(**this_hour)
    await quarter.until(starts + timedelta(hours=1))
    declared = {"reason_code": "nobody_available", "seconded_by": str(ZHAN)}
    await quarter.done(f"/orders/{left}/declare-unfulfilled", declared, DUAN, DISPATCHER)
    again = {"reason_code": "still_needed", **window(quarter.now() + timedelta(days=2))}
    await quarter.done(f"/orders/{left}/reopen", again, WANG, RESIDENT)


async def said_again(quarter: Quarter) -> None:
    """One rating is amended; another service is contested, in words."""
    for amends in (True, False):
        starts = quarter.now() + timedelta(hours=1)
        order_id = await quarter.served_order(CHEN, **window(starts))
        if amends:
            await quarter.done(f"/orders/{order_id}/confirm", {}, WANG, RESIDENT)
            await quarter.done(f"/orders/{order_id}/rate", {"score": 5}, WANG, RESIDENT)
            await quarter.done(f"/orders/{order_id}/amend-rating", {"score": 2, "comment": "不齐"}, WANG, RESIDENT)
        else:
            contest = {"reason_code": "not_done", "words": "没来过"}
            await quarter.done(f"/orders/{order_id}/contest", contest, WANG, RESIDENT)
