"""What people do while servers fail: whole orders from the wish to the rating, races for them, gifts to the fund.

A round is one day of business time. Within it everybody acts at once; time moves on when all have done their part, so
that what is asked never depends on how long an answer took.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cli.client import Actor, ProblemError
from cli.seed.town import Town
from contracts.command import Role
from tests.faults.harness import FIRST_MORNING, Scene, Speaker

WINDOW_AFTER = timedelta(hours=5)
SERVED_MINUTES = 42
FUND = "fund-relief"


@dataclass
class Wish:
    """One order on its way."""

    item_code: str
    slots: int
    offered: bool
    """派单 to some; else put into the pool for all."""
    resident: Actor
    order_id: UUID | None = None
    serving: tuple[Actor, ...] = ()


class Day:
    """One round of the load."""

    def __init__(self, scene: Scene, client: Speaker) -> None:
        self.scene, self.client = scene, client
        self.town: Town = scene.town(client)
        scene.day += 1
        self.number = scene.day
        self.morning = FIRST_MORNING + timedelta(days=self.number)
        self.window_start = self.morning + WINDOW_AFTER
        residents = [self.town.resident(one) for one in scene.community.residents]
        self.volunteers = [self.town.volunteer(one) for one in scene.community.helpers]
        self.wishes = [
            Wish("haircut", 1, False, residents[0]),
            Wish("mediation", 2, False, residents[1]),
            Wish("haircut", 1, True, residents[1]),
        ]
        # Nobody answers its offers: they expire, and it goes up to the next role.
        self.missed = Wish("mediation", 1, True, residents[0])

    async def live(self) -> None:
        """All of it."""
        await self.scene.let_be(self.morning)
        await asyncio.gather(
            *(self._place(wish) for wish in (*self.wishes, self.missed)), self._give(), self._say_when_free()
        )
        await self._change_of_mind(self.wishes[0])
        await self._find(self.wishes)
        await self.scene.let_be(self.window_start)
        await asyncio.gather(*(self._start(wish) for wish in self.wishes), self._say_when_free(1))
        await self.scene.let_be(self.window_start + timedelta(minutes=SERVED_MINUTES))
        await asyncio.gather(*(self._finish(wish) for wish in self.wishes), self._say_when_free(2))
        self.scene.keep_heads()

    # the parts of an order

    async def _place(self, wish: Wish) -> None:
        order = order_for(wish.resident, wish.item_code, self.window_start)
        placed = await self.client.command("orders", "/v1/orders", order, actor=wish.resident)
        wish.order_id = UUID(placed.body["order_id"])
        await self._order(wish, "verify", self.dispatcher, {"on_absence": "call"})
        await self._order(wish, "dispatch" if wish.offered else "open", self.dispatcher)

    async def _change_of_mind(self, wish: Wish) -> None:
        """Somebody accepts and gives it back."""
        volunteer = self.volunteers[self.number % len(self.volunteers)]
        if await self._accept(wish, volunteer):
            await self._order(wish, "withdraw", volunteer, {"reason_code": "ill"})
            # The next wave is due at once: the timer may be faster than the dispatcher.
            await self._try(wish, "open", self.dispatcher)

    async def _find(self, wishes: list[Wish]) -> None:
        """Everybody tries for everything at once: slots are fewer than hands, and windows overlap."""
        tries = [self._accept(wish, volunteer) for wish in wishes for volunteer in self.volunteers]
        self.scene.dice.shuffle(tries)
        await asyncio.gather(*tries)
        for wish in wishes:
            order = await self.client.query("orders", f"/v1/orders/{wish.order_id}", actor=self.dispatcher, after={})
            if order["state"] == "ACCEPTED":
                live = {UUID(one["volunteer_id"]) for one in order["assignments"] if one["live"]}
                wish.serving = tuple(one for one in self.volunteers if one.person_id in live)
            else:
                await self._order(wish, "cancel", wish.resident)

    async def _accept(self, wish: Wish, volunteer: Actor) -> bool:
        """Whether it is theirs: another may be faster, offers are for some, and nobody can be at two places."""
        return await self._try(wish, "accept", volunteer)

    async def _try(self, wish: Wish, step: str, actor: Actor) -> bool:
        """Whether it was not too late, or not theirs to do."""
        try:
            await self._order(wish, step, actor)
        except ProblemError as problem:
            if problem.status not in {403, 409, 422}:
                raise
            return False
        return True

    async def _start(self, wish: Wish) -> None:
        for volunteer in wish.serving:
            await self._order(wish, "start", volunteer, {"service_code": await self._code(wish)})

    async def _finish(self, wish: Wish) -> None:
        for volunteer in wish.serving:
            code = await self._code(wish)
            await self._order(wish, "finish", volunteer, {"service_code": code, "outcome": "done"})
        # Now and then nobody confirms: three days later that is presumed.
        if wish.serving and (wish.slots == 1 or self.number % 2):
            await self._order(wish, "confirm", wish.resident)
            await self._order(wish, "rate", wish.resident, {"score": 1 + self.number % 5})

    async def _code(self, wish: Wish) -> str:
        order = await self.client.query("orders", f"/v1/orders/{wish.order_id}", actor=wish.resident, after={})
        return str(order["service_code"])

    # beside the orders

    async def _give(self) -> None:
        await give(self.scene, self.client, self.number)

    async def _say_when_free(self, turn: int = 0) -> None:
        """Something for the others to copy; another volunteer each time."""
        volunteer = self.volunteers[(self.number + turn) % len(self.volunteers)]
        await say_when_free(self.client, volunteer, self.number)

    @property
    def dispatcher(self) -> Actor:
        return self.town.staff(Role.DISPATCHER)

    async def _order(self, wish: Wish, step: str, actor: Actor, body: Mapping[str, Any] | None = None) -> Any:
        path = f"/v1/orders/{wish.order_id}/{step}"
        return await self.client.command("orders", path, body or {}, actor=actor)


def order_for(resident: Actor, item_code: str, window_start: datetime) -> dict[str, Any]:
    """The body of an order, for an hour."""
    return {
        "item_code": item_code,
        "beneficiary_id": str(resident.person_id),
        "window_start": window_start.isoformat(),
        "window_end": (window_start + timedelta(hours=1)).isoformat(),
        "details": {"address": "虚构楼门 501", "note": "请敲门大声一点"},
    }


async def give(scene: Scene, client: Speaker, number: int) -> None:
    """认捐, 收到, 票据, and the donor's contact. No two gifts may have one number."""
    town, residents = scene.town(client), scene.community.residents
    donor = residents[number % len(residents)]
    about = {"name": donor.name, "phone": donor.phone, "person_id": str(town.ids[donor.person_key])}
    clerk, cashier = town.staff(Role.FUND_CLERK), town.staff(Role.CASHIER)
    gift = {"fund": FUND, "amount_fen": 1_000 * number, "donor": about}
    pledged = await client.command("ledger", "/v1/donations", gift, actor=clerk)
    ref, person_id = pledged.body["donor_ref"], about["person_id"]
    reached = {"ref": ref, "channel": "phone", "address": donor.phone, "person_id": person_id}
    # notify lets a clerk set it once it has heard of the gift.
    after = pledged.positions
    await client.command("notify", "/v1/contacts", reached, actor=clerk, method="PUT", after=after)
    path = f"/v1/donations/{pledged.body['donation_id']}"
    await client.command("ledger", f"{path}/receive", {"method": "cash"}, actor=cashier)
    receipt = {"receipt_no": f"JZ2026-{number:05d}"}
    await client.command("ledger", f"{path}/receipt", receipt, actor=clerk)


async def say_when_free(client: Speaker, volunteer: Actor, number: int) -> None:
    """Every day, until an hour that `number` tells."""
    weekly = [{"weekday": day, "from_minute": 420, "to_minute": 1260 - number % 60} for day in range(1, 8)]
    path = f"/v1/volunteers/{volunteer.person_id}/availability"
    await client.command("volunteers", path, {"weekly": weekly}, actor=volunteer)


async def live_until(scene: Scene, done: asyncio.Event) -> int:
    """Live whole days until `done`, at least one; how many."""
    days = 0
    async with scene.speaker() as client:
        while days == 0 or not done.is_set():
            await Day(scene, client).live()
            days += 1
    return days


async def live_a_day(scene: Scene) -> None:
    """One day."""
    async with scene.speaker() as client:
        await Day(scene, client).live()
