"""The steady load: clients that each live one small story after the other, whatever the servers do meanwhile.

Business time runs: a client waits for its hour like people do. A refusal ends its story, and it begins another.
"""

import asyncio
import random
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import httpx

from cli.client import Actor, ProblemError
from cli.seed.town import Town
from contracts.command import Role
from eventstore.clock import DirectedClock
from tests.faults.harness import Scene, Speaker
from tests.faults.load import SERVED_MINUTES, give, order_for, say_when_free

LEAD_MINUTES = (60, 150)
"""So long before its window an order is placed."""
PAUSE_SECONDS = (0.05, 0.3)
LOOK_SECONDS = 0.05


class Ended(Exception):
    """The run is over before the story is."""


class Client:
    """One of those who ask. `numbers` are shared: no two gifts may have one."""

    def __init__(self, scene: Scene, speaker: Speaker, dice: random.Random, numbers: "count[int]") -> None:
        self.scene, self.speaker, self.dice, self.numbers = scene, speaker, dice, numbers
        self.town: Town = scene.town(speaker)
        self.residents = [self.town.resident(one) for one in scene.community.residents]
        self.volunteers = [self.town.volunteer(one) for one in scene.community.helpers]
        self.done = asyncio.Event()

    async def live(self, done: asyncio.Event) -> int:
        """One story after the other until `done`; how many were begun."""
        self.done, stories = done, 0
        while not done.is_set():
            story = self.dice.choice((self._order, self._order, self._order, self._gift, self._free))
            stories += 1
            try:
                await story()
            except Ended:
                break
            except (ProblemError, httpx.TransportError):
                continue  # noted with its command: refused, or nobody answered for too long
            await asyncio.sleep(self.dice.uniform(*PAUSE_SECONDS))
        return stories

    async def _gift(self) -> None:
        await give(self.scene, self.speaker, next(self.numbers))

    async def _free(self) -> None:
        await say_when_free(self.speaker, self.dice.choice(self.volunteers), next(self.numbers))

    async def _order(self) -> None:
        resident = self.dice.choice(self.residents)
        item_code, slots = self.dice.choice((("haircut", 1), ("mediation", 2)))
        begins = self._now() + timedelta(minutes=self.dice.randint(*LEAD_MINUTES))
        body = order_for(resident, item_code, begins)
        placed = await self.speaker.command("orders", "/v1/orders", body, actor=resident)
        order_id = UUID(placed.body["order_id"])
        dispatcher = self.town.staff(Role.DISPATCHER)
        await self._step(order_id, "verify", dispatcher, {"on_absence": "call"})
        offered = self.dice.random() < 0.3
        await self._step(order_id, "dispatch" if offered else "open", dispatcher)
        some = self.dice.sample(self.volunteers, len(self.volunteers) if offered else slots + 2)
        # At once: slots are fewer than hands.
        await asyncio.gather(*(self._try(order_id, "accept", volunteer) for volunteer in some))
        serving = await self._serving(order_id, resident)
        if len(serving) < slots or self.dice.random() < 0.1:
            await self._step(order_id, "cancel", resident)
            return
        if self.dice.random() < 0.1:
            await self._try(order_id, "withdraw", serving[0], {"reason_code": "ill"})
            return
        await self._serve(order_id, resident, serving, begins)

    async def _serve(self, order_id: UUID, resident: Actor, serving: list[Actor], begins: datetime) -> None:
        await self._until(begins)
        for volunteer in serving:
            await self._step(order_id, "start", volunteer, {"service_code": await self._code(order_id, resident)})
        await self._until(begins + timedelta(minutes=SERVED_MINUTES))
        for volunteer in serving:
            code = await self._code(order_id, resident)
            await self._step(order_id, "finish", volunteer, {"service_code": code, "outcome": "done"})
        # Now and then nobody confirms: three days later that is presumed.
        if self.dice.random() < 0.8:
            await self._step(order_id, "confirm", resident)
            await self._step(order_id, "rate", resident, {"score": self.dice.randint(1, 5)})

    async def _serving(self, order_id: UUID, resident: Actor) -> list[Actor]:
        order = await self._look(order_id, resident)
        live = {UUID(one["volunteer_id"]) for one in order["assignments"] if one["live"]}
        return [one for one in self.volunteers if one.person_id in live]

    async def _code(self, order_id: UUID, resident: Actor) -> str:
        return str((await self._look(order_id, resident))["service_code"])

    async def _look(self, order_id: UUID, resident: Actor) -> dict[str, Any]:
        found: dict[str, Any] = await self.speaker.query("orders", f"/v1/orders/{order_id}", actor=resident, after={})
        return found

    async def _step(self, order_id: UUID, step: str, actor: Actor, body: dict[str, Any] | None = None) -> None:
        await self.speaker.command("orders", f"/v1/orders/{order_id}/{step}", body or {}, actor=actor)

    async def _try(self, order_id: UUID, step: str, actor: Actor, body: dict[str, Any] | None = None) -> None:
        """One that another may be faster with."""
        try:
            await self._step(order_id, step, actor, body)
        except ProblemError as problem:
            if problem.status >= 500:
                raise

    def _now(self) -> datetime:
        return DirectedClock(self.scene.stack.clock_file).now()

    async def _until(self, moment: datetime) -> None:
        """Wait for an hour of business time, which may also be jumped over."""
        while self._now() < moment:
            if self.done.is_set():
                raise Ended
            await asyncio.sleep(LOOK_SECONDS)
