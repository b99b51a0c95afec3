"""One order as the people around it bring it about: each step is a command of whoever may give it."""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cli.client import Actor, ProblemError
from cli.seed.community import Helper
from cli.seed.plan import PlannedOrder
from cli.seed.simulation import Simulation
from cli.seed.town import Town
from contracts.command import Role

PATIENCE_SECONDS = 30.0
"""Real seconds to wait for what a service does by itself once its time has come."""
SEARCH_TRIES = 40
SEARCH_PAUSE = timedelta(minutes=45)

Say = Callable[[int, str], None]
"""(number of the order, words): one line of the story."""


class NotAsPlanned(Exception):
    """A service did not do in time what the plan waits for."""


class OrderLife:
    """The order's commands, with the story told on the way."""

    def __init__(self, town: Town, planned: PlannedOrder, simulation: Simulation, midnight: datetime, say: Say) -> None:
        self.town = town
        self.planned = planned
        self.simulation = simulation
        self.window_start = midnight + planned.window_start
        self.window_end = midnight + planned.window_end
        self.placed_at = midnight + planned.placed
        self.grid = planned.resident.grid_id
        self.order_id: UUID | None = None
        self.order_no = ""
        self._say = say
        self._helpers = town.helpers_by_id()

    @property
    def resident_side(self) -> Actor:
        """Who speaks for the resident: their proxy, or themselves."""
        if self.planned.proxy is not None:
            return self.town.proxy(self.planned.resident, self.planned.proxy)
        return self.town.resident(self.planned.resident)

    @property
    def dispatcher(self) -> Actor:
        return self.town.staff(Role.DISPATCHER)

    def tell(self, words: str) -> None:
        """One line of the story."""
        self._say(self.planned.number, words)

    async def until(self, moment: datetime) -> None:
        """Let time come to a moment."""
        await self.simulation.until(moment)

    async def pause(self, minutes: int) -> None:
        """Let some minutes pass."""
        await self.simulation.until(self.simulation.now + timedelta(minutes=minutes))

    async def command(self, step: str, actor: Actor, body: Mapping[str, Any] | None = None, **more: Any) -> Any:
        """`POST /v1/orders/{id}/<step>`; the answer's body."""
        path = f"/v1/orders/{self.order_id}/{step}"
        return (await self.town.client.command("orders", path, body or {}, actor=actor, **more)).body

    async def place(self) -> None:
        """点单."""
        await self.until(self.placed_at)
        planned = self.planned
        body = {
            "item_code": planned.item_code,
            "beneficiary_id": str(self.town.ids[planned.resident.person_key]),
            "window_start": self.window_start.isoformat(),
            "window_end": self.window_end.isoformat(),
            "details": {"address": f"{planned.resident.entrance_id} 501", "note": planned.note},
        }
        channel = "phone" if planned.number % 2 else "web"
        answer = await self.town.client.command("orders", "/v1/orders", body, actor=self.resident_side, channel=channel)
        self._known_as(answer.body)
        self.tell(f"点单  {self.town.item_name(planned.item_code)}，单号 {self.order_no[:4]}-{self.order_no[4:]}")

    async def inquire(self) -> None:
        """询单 at the door, 制单 by the station: the order is open at once."""
        await self.until(self.placed_at)
        worker = self.town.staff(Role.GRID_WORKER, self.grid)
        asked = {
            "result": "need",
            "resident_id": str(self.town.ids[self.planned.resident.person_key]),
            "item_code": self.planned.item_code,
            "consented": True,
            "details": {"note": self.planned.note},
        }
        inquiry = await self.town.client.command("orders", "/v1/inquiries", asked, actor=worker)
        self.tell(f"询单  网格员上门，要{self.town.item_name(self.planned.item_code)}")
        await self.pause(20)
        body = {
            "window_start": self.window_start.isoformat(),
            "window_end": self.window_end.isoformat(),
            "on_absence": self._on_absence,
            "frail_or_minor": False,
        }
        path = f"/v1/inquiries/{inquiry.body['inquiry_id']}/order"
        station = self.town.staff(Role.STATION_MANAGER)
        self._known_as((await self.town.client.command("orders", path, body, actor=station)).body)
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

    async def dispatch(self) -> list[UUID]:
        """派单: offers to the best ranked; who was asked. When nobody can be asked, the pool is opened."""
        try:
            answer = await self.command("dispatch", self.dispatcher)
        except ProblemError as problem:
            if problem.reason_code != "nobody_to_ask":
                raise
            await self.command("open", self.dispatcher)
            self.tell("放入接单池  现在没有合适的人可问")
            return []
        asked = [UUID(offer["volunteer_id"]) for offer in answer["offers"]]
        self.tell(f"派单  问了 {len(asked)} 位志愿者愿不愿意去")
        return asked

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
        for _ in range(SEARCH_TRIES):
            row = await self.read()
            if row["state"] == "VERIFIED" and row["next_due_for"] != "wave":
                await self.dispatch()
            elif row["state"] in {"OFFERED", "OPEN"} and await self._answers(row):
                row = await self.read()
            if row["state"] == "ACCEPTED":
                return self._serving(row)
            if self.simulation.now + SEARCH_PAUSE > self.window_start:
                return []
            await self.simulation.until(self.simulation.now + SEARCH_PAUSE)
        return []

    async def _answers(self, row: Mapping[str, Any]) -> bool:
        """Whoever is asked answers, until every slot is taken; whether it is."""
        if row["state"] == "OFFERED":
            asked = [UUID(offer["volunteer_id"]) for offer in row["offers"] if offer["answer"] == "waiting"]
        else:
            asked = await self.candidates()
        needed = row["slots"] - row["slots_filled"]
        for volunteer_id in asked:
            if needed and await self.accept(volunteer_id):
                needed -= 1
        return not needed

    async def candidates(self) -> list[UUID]:
        """Who might serve, best first."""
        path = f"/v1/orders/{self.order_id}/candidates"
        found = await self.town.client.query("orders", path, actor=self.dispatcher, params={"limit": 12})
        return [UUID(one["volunteer_id"]) for one in found["candidates"] if one["eligible"]]

    async def read(self) -> Any:
        """The order as the dispatcher sees it."""
        return await self.town.client.query("orders", f"/v1/orders/{self.order_id}", actor=self.dispatcher)

    async def service_code(self) -> str:
        """The 见面口令 from the resident's page."""
        path = f"/v1/orders/{self.order_id}"
        return str((await self.town.client.query("orders", path, actor=self.resident_side))["service_code"])

    async def comes_to(self, *states: str) -> str:
        """Wait, in real time, until a service has brought the order to one of these states by itself."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            state = str((await self.read())["state"])
            if state in states:
                return state
            if time.monotonic() > deadline:
                raise NotAsPlanned(
                    f"order {self.order_no} ({self.planned.course}) is {state} at {self.simulation.now}, "
                    f"not {' or '.join(states)}"
                )
            await asyncio.sleep(0.1)

    def helper(self, volunteer_id: UUID) -> Actor:
        """A volunteer by their id."""
        return self.town.volunteer(self._helpers[volunteer_id])

    def helper_name(self, volunteer_id: UUID) -> str:
        """What the demo calls a volunteer: the surname and a title."""
        return f"{self._helpers[volunteer_id].person.name[0]}师傅"

    def seed_of(self, volunteer_id: UUID) -> Helper:
        """The volunteer as the seed made them."""
        return self._helpers[volunteer_id]

    @staticmethod
    def _serving(row: Mapping[str, Any]) -> list[UUID]:
        return [UUID(one["volunteer_id"]) for one in row["assignments"] if one["live"]]
