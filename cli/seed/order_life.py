"""One order as the people around it bring it about: each step is a command of whoever may give it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cli.client import Actor, ProblemError
from cli.seed.courses import WANTED
from cli.seed.days import Days
from cli.seed.journal import Steps
from cli.seed.plan import PlannedOrder
from contracts.command import Role
from services.orders.decider.state import LIVE, Order, Served

SEARCH_TRIES = 40
QR_EVERY = 6
"""One of so many residents shows the QR on a telephone or card."""
SEARCH_PAUSE = timedelta(minutes=45)
PUT_OFF_DAYS = 4
"""So many times a search goes on for a day where the window comes first."""
GONE_ON = frozenset({403, 409})
"""What a service answers when an order has gone on, or somebody has, while people were about to do something."""
NOT_TO_BE_ASKED = frozenset({"nobody_to_ask", "candidate_unfit"})
"""Nobody is left, or whoever was meant is busy, resting, or was asked twice that day."""
SENT_OUT = frozenset({"offers_out", "opened_already"})
"""A deadline passed at the same moment, and the service sent the order out by itself."""


class OrderLife:
    """The order's commands, with the story told on the way."""

    def __init__(self, days: Days, planned: PlannedOrder) -> None:
        self.days = days
        self.town = days.town
        self.planned = planned
        self.steps: Steps = days.journal.steps(f"order-{planned.number}")
        self.window_start = days.midnight + planned.window_start
        self.window_end = days.midnight + planned.window_end
        self.order_id: UUID | None = None
        self.order_no = ""
        self.duplicate_of: UUID | None = None
        """What the household had asked for already, as the service found when it was placed."""
        self._position = 0
        self._put_off_days = 0
        self._evidence: dict[str, str] | None = None
        self._helpers = days.town.helpers_by_id()

    @property
    def now(self) -> datetime:
        """Business time."""
        return self.days.simulation.now

    @property
    def resident_side(self) -> Actor:
        """Who speaks for the resident: their proxy, or themselves."""
        if self.planned.proxy is not None:
            return self.town.proxy(self.planned.resident, self.planned.proxy)
        return self.town.resident(self.planned.resident)

    @property
    def with_qr(self) -> bool:
        """Whether the volunteer scans the QR; most residents say the 见面口令."""
        return self.planned.number % QR_EVERY == QR_EVERY - 1

    @property
    def dispatcher(self) -> Actor:
        return self.town.staff(Role.DISPATCHER)

    def tell(self, words: str) -> None:
        """One line of the story."""
        self.days.say(self.planned.number, words)

    async def until(self, moment: datetime, *, exact: bool = False) -> None:
        """Let time come to a moment; `exact`: and not a minute later."""
        await self.days.simulation.until(moment, exact=exact)

    async def pause(self, minutes: int, *, exact: bool = False) -> None:
        """Let some minutes pass."""
        await self.until(self.now + timedelta(minutes=minutes), exact=exact)

    async def send(self, service: str, path: str, body: Mapping[str, Any], actor: Actor, **more: Any) -> Any:
        """One command as a step of this life; its answer."""

        async def do(key: str) -> Any:
            answer = await self.town.client.command(service, path, body, actor=actor, key=key, **more)
            self._position = max(self._position, answer.positions.get("orders", 0))
            return answer

        return await self.steps.take(path.rpartition("/")[2], self.now, do)

    async def command(self, step: str, actor: Actor, body: Mapping[str, Any] | None = None, **more: Any) -> Any:
        """`POST /v1/orders/{id}/<step>`; its answer."""
        return await self.send("orders", f"/v1/orders/{self.order_id}/{step}", body or {}, actor, **more)

    async def may(self, step: str, actor: Actor, body: Mapping[str, Any] | None = None, **more: Any) -> Any | None:
        """A command that may come too late: its answer, or None when the order has gone on meanwhile."""
        try:
            return await self.command(step, actor, body, **more)
        except ProblemError as problem:
            if problem.status not in GONE_ON:
                raise
            self.tell(f"没办成  {problem.document.get('detail_zh', problem.reason_code)}")
            return None

    async def move(self, step: str, later: timedelta, actor: Actor, reason_code: str) -> bool:
        """改期 or 重开: let the window be so much later; False when the order has gone on meanwhile."""
        start, end = self.window_start + later, self.window_end + later
        body = {"window_start": start.isoformat(), "window_end": end.isoformat(), "reason_code": reason_code}
        if await self.may(step, actor, body) is None:
            return False
        self.window_start, self.window_end = start, end
        return True

    async def place(self, rework_of: UUID | None = None) -> None:
        """点单."""
        await self.until(self.days.midnight + self.planned.placed)
        planned = self.planned
        body = {
            "item_code": planned.item_code,
            "beneficiary_id": str(self.town.ids[planned.resident.person_key]),
            "window_start": self.window_start.isoformat(),
            "window_end": self.window_end.isoformat(),
            "details": {"address": f"{planned.resident.entrance_id} 501", "note": planned.note},
        }
        if rework_of is not None:
            body["rework_of"] = str(rework_of)
        answer = await self.send("orders", "/v1/orders", body, self.resident_side, channel=planned.channel)
        self._known_as(answer)
        if "possible_duplicate_of" in answer:
            self.duplicate_of = UUID(answer["possible_duplicate_of"])
        self.tell(f"点单  {self.town.item_name(planned.item_code)}，单号 {self.order_no[:4]}-{self.order_no[4:]}")

    async def inquire(self) -> None:
        """询单 at the door, 制单 by the station: the order is open at once."""
        await self.until(self.days.midnight + self.planned.placed)
        worker = self.town.staff(Role.GRID_WORKER, self.planned.resident.grid_id)
        asked = {
            "result": "need",
            "resident_id": str(self.town.ids[self.planned.resident.person_key]),
            "item_code": self.planned.item_code,
            "consented": True,
            "details": {"note": self.planned.note},
        }
        inquiry = await self.send("orders", "/v1/inquiries", asked, worker)
        self.tell(f"询单  网格员上门，要{self.town.item_name(self.planned.item_code)}")
        await self.pause(20)
        body = {
            "window_start": self.window_start.isoformat(),
            "window_end": self.window_end.isoformat(),
            "on_absence": self._on_absence,
            "frail_or_minor": False,
        }
        path = f"/v1/inquiries/{inquiry['inquiry_id']}/order"
        self._known_as(await self.send("orders", path, body, self.town.staff(Role.STATION_MANAGER)))
        self.tell(f"制单  所站写单，单号 {self.order_no[:4]}-{self.order_no[4:]}，直接放入接单池")

    def _known_as(self, answer: Mapping[str, Any]) -> None:
        self.order_id, self.order_no = UUID(answer["order_id"]), answer["order_no"]

    @property
    def _on_absence(self) -> str:
        return "welfare_check" if self.planned.resident.lives_alone else "call"

    async def verify(self) -> None:
        """受理, a few minutes later."""
        await self.pause(25)
        await self.command("verify", self.dispatcher, {"on_absence": self._on_absence})
        self.tell("受理  中心核实了需求")

    async def dispatch(self, *asked: UUID) -> list[UUID]:
        """派单: offers to those named, or to the best ranked; who was asked. When nobody can be, the pool is opened."""
        body = {"volunteer_ids": [str(one) for one in asked]} if asked else {}
        try:
            answer = await self.command("dispatch", self.dispatcher, body)
        except ProblemError as problem:
            if problem.reason_code in SENT_OUT:
                return []
            if problem.reason_code not in NOT_TO_BE_ASKED:
                raise
            await self.may("open", self.dispatcher)
            self.tell("放入接单池  现在没有合适的人可问")
            return []
        offered = [UUID(offer["volunteer_id"]) for offer in answer["offers"]]
        self.tell(f"派单  问了 {len(offered)} 位志愿者愿不愿意去")
        return offered

    async def may_dispatch(self, volunteer_id: UUID) -> bool:
        """派单 to one volunteer only; False when they cannot be asked now, and then nobody is."""
        try:
            await self.command("dispatch", self.dispatcher, {"volunteer_ids": [str(volunteer_id)]})
        except ProblemError as problem:
            if problem.reason_code not in NOT_TO_BE_ASKED | SENT_OUT:
                raise
            return False
        return True

    async def accept(self, volunteer_id: UUID) -> bool:
        """接单 by one volunteer; False when they come too late or are busy then."""
        try:
            await self.command("accept", self.helper(volunteer_id))
        except ProblemError as problem:
            if problem.status in {403, 409, 422}:
                self.tell(f"没接成  {problem.document.get('detail_zh', problem.reason_code)}")
                return False
            raise
        self.tell(f"接单  {self.helper_name(volunteer_id)}说：我去")
        return True

    async def staff_it(self) -> list[UUID]:
        """Ask, answer, ask again until every slot is taken; who serves. The window gives way if it must."""
        tries = 0
        while (tries := tries + 1) <= SEARCH_TRIES:
            seen = await self.look()
            if seen["state"] == "VERIFIED" and seen["due_for"] != "wave":
                await self.dispatch()
            elif seen["state"] in {"OFFERED", "OPEN"} and await self._answers(seen):
                seen = await self.look()
            if seen["state"] == "ACCEPTED":
                return [UUID(one) for one in seen["serving"]]
            if self.now + SEARCH_PAUSE > self.window_start:
                if not await self._put_off():
                    return []
                tries = 0
            await self.pause(SEARCH_PAUSE // timedelta(minutes=1))
        return []

    async def _put_off(self) -> bool:
        """Let an order that has its course to itself wait for the next day; False when it is given up."""
        if self.planned.course not in WANTED or self._put_off_days == PUT_OFF_DAYS:
            return False
        self._put_off_days += 1
        if not await self.move("reschedule", timedelta(days=1), self.dispatcher, "nobody_free"):
            return False
        self.tell("改期  今天没有人能来，和居民商量好，推后一天再找人")
        return True

    async def staff_late(self) -> list[UUID]:
        """Somebody else, once the window runs: who is asked next, or else whoever in the pool can come at once."""
        seen = await self.look()
        if seen["state"] == "VERIFIED" and seen["due_for"] == "wave":
            await self.comes_to("OFFERED", "OPEN")
        elif seen["state"] == "VERIFIED":
            await self.may("dispatch", self.dispatcher)
        seen = await self.look()
        if seen["state"] == "OFFERED":
            await self._answers(seen)
            seen = await self.look()
        if seen["state"] in {"VERIFIED", "OFFERED"}:
            await self.may("open", self.dispatcher)
            seen = await self.look()
        if seen["state"] == "OPEN":
            await self._answers(seen)
            seen = await self.look()
        return [UUID(one) for one in seen["serving"]] if seen["state"] == "ACCEPTED" else []

    async def _answers(self, seen: Mapping[str, Any]) -> bool:
        """Whoever is asked answers, until every slot is taken; whether it is."""
        asked = [UUID(one) for one in seen["asked"]] if seen["state"] == "OFFERED" else await self.candidates()
        needed = seen["free"]
        for volunteer_id in asked:
            if needed and await self.accept(volunteer_id):
                needed -= 1
        return not needed

    async def candidates(self) -> list[UUID]:
        """Who might serve, best first."""

        async def do(_key: str) -> Any:
            path = f"/v1/orders/{self.order_id}/candidates"
            found = await self.town.client.query("orders", path, actor=self.dispatcher, params={"limit": 12})
            return [one["volunteer_id"] for one in found["candidates"] if one["eligible"]]

        return [UUID(one) for one in await self.steps.take("candidates", self.now, do)]

    async def look(self) -> Any:
        """How the order stands after all that was answered: state, due_for, asked, free slots, who serves."""

        async def do(_key: str) -> Any:
            assert self.order_id is not None
            return _seen(await self.days.watch.order(self.order_id, self._position))

        return await self.steps.take("look", self.now, do)

    async def comes_to(self, *states: str) -> str:
        """Wait, in real time, until a service has brought the order to one of these states by itself."""

        async def do(_key: str) -> Any:
            assert self.order_id is not None
            await self.days.watch.heard(self._position)
            return (await self.days.watch.comes_to(self.order_id, *states)).state.value

        return str(await self.steps.take(f"comes to {' or '.join(states)}", self.now, do))

    async def turns(self, what: str, is_so: Callable[[Order], bool]) -> None:
        """Wait, in real time, until a service has by itself brought it about that something is so."""

        async def do(_key: str) -> None:
            assert self.order_id is not None
            await self.days.watch.heard(self._position)
            await self.days.watch.turns(self.order_id, what, is_so)

        await self.steps.take(f"turns {what}", self.now, do)

    async def check_rises(self, check_id: UUID, level: int) -> None:
        """Wait, in real time, until a welfare check has come to a level because nobody recorded an outcome."""

        async def do(_key: str) -> None:
            await self.days.watch.check_rises(check_id, level)

        await self.steps.take(f"check at level {level}", self.now, do)

    async def present(self, step: str, volunteer_id: UUID, body: Mapping[str, Any] | None = None) -> None:
        """签到 or 签退 by a volunteer, with the 见面口令 or the QR from the resident's page. No journal keeps them."""

        async def do(key: str) -> Any:
            path = f"/v1/orders/{self.order_id}"
            if self._evidence is None:
                page = await self.town.client.query("orders", path, actor=self.resident_side)
                shown = "qr" if self.with_qr else "service_code"
                self._evidence = {shown: page[shown]}
            asked = {**self._evidence, **(body or {})}
            actor = self.helper(volunteer_id)
            answer = await self.town.client.command("orders", f"{path}/{step}", asked, actor=actor, key=key)
            self._position = max(self._position, answer.positions.get("orders", 0))
            return answer

        await self.steps.take(step, self.now, do)

    def helper(self, volunteer_id: UUID) -> Actor:
        """A volunteer by their id."""
        return Actor.of(volunteer_id, Role.VOLUNTEER)

    def helper_name(self, volunteer_id: UUID) -> str:
        """What the demo calls a volunteer: the surname and a title; one who came meanwhile has no name here."""
        helper = self._helpers.get(volunteer_id)
        return "新来的志愿者" if helper is None else f"{helper.person.name[0]}师傅"


def _seen(order: Order) -> dict[str, Any]:
    return {
        "state": order.state.value,
        "due_for": order.due_for,
        "due_at": order.due_at.isoformat() if order.due_at is not None else None,
        "asked": [str(offer.volunteer_id) for offer in order.offers],
        "free": order.free_slots,
        "serving": [str(one.volunteer_id) for one in order.assignments if one.served in LIVE],
        "servers": [str(one) for one in order.servers],
        "served": [str(one.assignment_id) for one in order.assignments if one.served is Served.FINISHED],
    }
