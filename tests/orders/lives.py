"""Short lives of orders over HTTP: what a test of the tables needs to have happened."""

from datetime import datetime, timedelta
from typing import Any

from contracts.command import Role
from tests.orders.quarter import Quarter, iso
from tests.orders.samples import ANNA, CHEN, DUAN, RUI, WANG

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
