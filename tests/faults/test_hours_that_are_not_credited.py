"""Services that take too long, too short or too much of a day, in the real system: none is lost, and each says why."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from cli.client import Actor
from contracts import orders, volunteers
from contracts.command import Role
from contracts.envelope import Recorded
from services.volunteers.decider.hours import DAY_TOTAL, ENTRY_TOO_LONG, OVERLAP, TOO_SHORT
from tests.faults.findings import Doubled, Lost
from tests.faults.harness import FIRST_MORNING, Scene, Speaker
from tests.faults.hours import hours_once
from tests.faults.load import order_for
from tests.faults.proof import everything_holds
from tests.support.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

Log = Sequence[Recorded]


@dataclass
class Visit:
    """One order with one volunteer, in minutes after midnight. Without an end nobody checks out."""

    who: int
    window: tuple[int, int]
    begins: int
    ends: int | None
    order_id: str = ""


CREDITED, MEANWHILE, BY_ITSELF = "credited", "credited meanwhile", "closed by itself"
REASONS = (OVERLAP, TOO_SHORT, DAY_TOTAL, ENTRY_TOO_LONG)
VISITS = {
    CREDITED: Visit(0, (480, 540), 450, 630),
    OVERLAP: Visit(0, (660, 720), 660, 840),
    MEANWHILE: Visit(0, (780, 840), 780, 822),
    TOO_SHORT: Visit(0, (900, 960), 900, 903),
    DAY_TOTAL: Visit(0, (1020, 1080), 1020, 1290),
    ENTRY_TOO_LONG: Visit(2, (450, 1110), 450, 1200),
    BY_ITSELF: Visit(1, (540, 600), 540, None),
}


async def _live(scene: Scene, client: Speaker) -> None:
    scene.day += 1
    midnight = FIRST_MORNING.replace(hour=0) + timedelta(days=scene.day)
    town = scene.town(client)
    resident = town.resident(scene.community.residents[0])
    helpers = [town.volunteer(one) for one in scene.community.helpers]

    async def step(visit: Visit, what: str, actor: Actor, **body: Any) -> None:
        await client.command("orders", f"/v1/orders/{visit.order_id}/{what}", body, actor=actor)

    async def shown(visit: Visit) -> str:
        order = await client.query("orders", f"/v1/orders/{visit.order_id}", actor=resident, after={})
        return str(order["service_code"])

    await scene.let_be(midnight + timedelta(hours=6))
    for visit in VISITS.values():
        start, end = (midnight + timedelta(minutes=at) for at in visit.window)
        body = order_for(resident, "haircut", start) | {"window_end": end.isoformat()}
        visit.order_id = (await client.command("orders", "/v1/orders", body, actor=resident)).body["order_id"]
        await step(visit, "verify", town.staff(Role.DISPATCHER), on_absence="call")
        await step(visit, "open", town.staff(Role.DISPATCHER))
        await step(visit, "accept", helpers[visit.who])
    begins = [(visit.begins, visit) for visit in VISITS.values()]
    ends = [(visit.ends, visit) for visit in VISITS.values() if visit.ends is not None]
    for at, visit in sorted([*begins, *ends], key=lambda one: one[0]):
        await scene.let_be(midnight + timedelta(minutes=at))
        who = helpers[visit.who]
        if at == visit.begins:
            await step(visit, "start", who, service_code=await shown(visit))
        else:
            await step(visit, "finish", who, service_code=await shown(visit), outcome="done")
            await step(visit, "confirm", resident)

    async def closed() -> bool:
        order = await client.query("orders", f"/v1/orders/{VISITS[BY_ITSELF].order_id}", actor=resident, after={})
        return bool(order["state"] == "SERVED")

    await eventually(closed, 30, what="a service that nobody checked out of to be closed")
    await step(VISITS[BY_ITSELF], "confirm", resident)


def _of(log: Log, kind: type, name: str) -> Recorded:
    order_id = VISITS[name].order_id
    return next(one for one in log if isinstance(one.event, kind) and str(_what(one).order_id) == order_id)


def _end(log: Log, claim: Recorded) -> Recorded:
    kinds = (volunteers.HoursHeld, volunteers.HoursRejected, volunteers.HoursLogged)
    return next(one for one in log if isinstance(one.event, kinds) and one.event.claim_id == _what(claim).claim_id)


def _what(one: Recorded) -> Any:
    """The event, of whatever kind it is."""
    return one.event


def _saying(one: Recorded, **what: Any) -> Recorded:
    return replace(one, event=one.event.model_copy(update=what))


async def test_hours_that_are_held_or_rejected_are_explained_and_nothing_else_is(scene: Scene):
    async with scene.speaker() as client:
        await _live(scene, client)
    logs = await everything_holds(scene)
    claims = {name: _of(logs["volunteers"], volunteers.HoursClaimed, name) for name in VISITS if name != BY_ITSELF}
    ends = {name: _end(logs["volunteers"], claim) for name, claim in claims.items()}
    assert {name: getattr(one.event, "reason_code", "logged") for name, one in ends.items()} == {
        **dict.fromkeys((CREDITED, MEANWHILE), "logged"),
        **{reason: reason for reason in REASONS},
    }
    completed = _of(logs["orders"], orders.CompletionConfirmed, BY_ITSELF)
    assert [one.minutes for one in _what(completed).assignments] == [None]

    def wrong(was: Recorded, now: Recorded | None) -> list[str]:
        """What is found when an event is another, or is not there."""
        changed = {
            name: [one for one in (now if each is was else each for each in log) if one is not None]
            for name, log in logs.items()
        }
        return list(hours_once(changed))

    for name, end in ends.items():
        assert wrong(end, end) == []
        assert any(isinstance(one, Lost) for one in wrong(end, None)), name
    for name in REASONS:
        for reason in {*REASONS, "one_person", "hand_entry"} - {name}:
            assert wrong(ends[name], _saying(ends[name], reason_code=reason)), (name, reason)
    assert wrong(ends[DAY_TOTAL], _saying(ends[DAY_TOTAL], day_minutes=480))
    assert wrong(ends[OVERLAP], _saying(ends[OVERLAP], minutes=30))
    for name in (OVERLAP, DAY_TOTAL):
        also = _saying(ends[MEANWHILE], claim_id=_what(claims[name]).claim_id)
        found = list(hours_once({**logs, "volunteers": [*logs["volunteers"], also]}))
        assert any("nobody approved" in one for one in found), name
    unconfirmed = wrong(_of(logs["orders"], orders.CompletionConfirmed, CREDITED), None)
    assert any(isinstance(one, Doubled) for one in unconfirmed)
    never_closed = wrong(_of(logs["orders"], orders.ServiceAutoClosed, BY_ITSELF), None)
    assert any(isinstance(one, Lost) for one in never_closed)
