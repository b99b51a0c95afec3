"""The demo: real servers and services on a directed clock that begins in the past and ends at the present."""

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cli.client import Actor, Client
from cli.commands.proof import tell_report, verify_all
from cli.directory import DirectoryTaken, made_for
from cli.output import SHANGHAI, err, out, progress
from cli.place import SERVICES, Place, located
from cli.seed.community import Gift, Scale, generate
from cli.seed.lives import live
from cli.seed.order_life import OrderLife
from cli.seed.plan import DAYS, plan
from cli.seed.simulation import Simulation
from cli.seed.town import Town
from cli.stack import Stack
from cli.stopping import StopSignal
from contracts.command import Role
from contracts.ids import uuid7
from eventstore.clock import direct
from servicekit.secrets import ISSUER_KEY
from servicekit.tokens import load_issuer_key

TAIL_DAYS = 46
"""After the last day of orders: 2 days to the last window, 3 to a presumption, 31 to the last closing, and some."""
GRAIN: dict[Scale, timedelta] = {"small": timedelta(minutes=15), "full": timedelta(minutes=30)}
"""What happens within this much business time is lived together."""
CLOCK_SECONDS = 0.012
"""Services look at the clock's file every 5 ms."""
FUND = "fund-relief"
WEEKDAYS = "一二三四五六日"
COUNTED = ("点单", "询单", "接单", "签到", "评单", "办结", "取消", "未能满足")


class Demo:
    """One data directory's invented community."""

    def __init__(self, data: Path, scale: Scale, *, quiet: bool, stop: StopSignal) -> None:
        self.stack = Stack(data, mode="demo")
        self.scale = scale
        self.quiet = quiet
        self._stop = stop
        self._counts: Counter[str] = Counter()
        self._day: datetime | None = None
        self._midnight = self._first_midnight()
        self._lived = self.stack.data / "demo"

    @property
    def lived_already(self) -> bool:
        """Whether this directory's days are over: then the demo only goes on."""
        return self._lived.exists()

    def start(self) -> None:
        """Start the stack, with business time standing at the morning of the first day. Raises StackError."""
        if made_for(self.stack.data) == "demo" and not self.lived_already:
            raise DirectoryTaken(
                f"{self.stack.data}: a demo was interrupted here before its days were over. Delete the directory to "
                "begin again, go on as it is with `chaoyangli up`, or choose another with --data"
            )
        self.stack.claim()
        if self.lived_already:
            direct(self.stack.clock_file, datetime.now(SHANGHAI), 1)
        else:
            direct(self.stack.clock_file, self._midnight + timedelta(hours=6), 0)
        self.stack.start(lambda step: err.print(f"… {step}"))

    async def live(self) -> dict[str, Any]:
        """Load, live, verify; what --json prints."""
        began = time.monotonic()
        key = load_issuer_key(self.stack.secrets_dir / ISSUER_KEY)
        async with Client(self.stack.urls, key) as client:
            if self.lived_already:
                self._print("these days were lived already; the community goes on in the present")
                town = None
            else:
                town = await self._load(client)
                await self._live(town)
                direct(self.stack.clock_file, datetime.now(SHANGHAI), 1)
            await self._settled(client)
            result = await self._results(client)
        result |= await self._verified()
        result |= {"scale": self.scale, "data": str(self.stack.data), "seconds": round(time.monotonic() - began, 1)}
        if town is not None:
            self._lived.write_text(self.scale + "\n", encoding="utf-8")
        if not self.quiet:
            self._tell(result)
        return result

    async def _load(self, client: Client) -> Town:
        community = generate(self.scale)
        self._print(
            f"[朝阳里] {len(community.helpers)} volunteers and {len(community.residents)} residents register "
            "(all of them invented)"
        )
        with progress(not self.quiet) as tell:

            def told(what: str, done: int, total: int) -> None:
                self._go_on()
                tell(what, done, total)

            town = Town(client, community, told)
            await town.load()
        await self._settled(client)
        return town

    async def _live(self, town: Town) -> None:
        simulation = Simulation(self._midnight + timedelta(hours=6), self._move, GRAIN[self.scale])
        orders = plan(town.community)
        self._print(f"{len(orders)} orders in {DAYS[self.scale]} days, from {self._midnight:%Y-%m-%d} on\n")
        lives: list[Coroutine[Any, Any, None]] = [
            live(OrderLife(town, one, simulation, self._midnight, self._say)) for one in orders
        ]
        lives += [self._give(town, simulation, gift, number) for number, gift in enumerate(town.community.gifts, 1)]
        lives.append(self._forget(town, simulation))
        self._now = simulation
        with progress(not self.quiet and self.scale == "full") as tell:
            self._days_told = tell
            await simulation.run(lives, self._new_moment)
        self._end_of_day()

    async def _move(self, moment: datetime) -> None:
        self._go_on()
        direct(self.stack.clock_file, moment, 0)
        await asyncio.sleep(CLOCK_SECONDS)

    def _go_on(self) -> None:
        """Raise KeyboardInterrupt once told to stop."""
        if self._stop.is_set():
            raise KeyboardInterrupt

    async def _give(self, town: Town, simulation: Simulation, gift: Gift, number: int) -> None:
        """认捐, 收到, 票据: three steps by two people (会计法 §25)."""
        await simulation.until(self._midnight + timedelta(days=gift.day, hours=10, minutes=number % 50))
        donor = {
            "name": gift.donor.name,
            "phone": gift.donor.phone,
            "person_id": str(town.ids[gift.donor.person_key]),
        }
        body = {"fund": FUND, "amount_fen": gift.amount_fen, "donor": donor}
        clerk, cashier = town.staff(Role.FUND_CLERK), town.staff(Role.CASHIER)
        pledged = await town.client.command("ledger", "/v1/donations", body, actor=clerk)
        donation = f"/v1/donations/{pledged.body['donation_id']}"
        await self._reachable(town, pledged.body["donor_ref"], gift, clerk)
        await simulation.until(simulation.now + timedelta(hours=20))
        method = {"method": gift.method}
        await town.client.command("ledger", f"{donation}/receive", method, actor=cashier)
        self._say(-1, f"收到捐款  {gift.amount_fen // 100} 元，入扶危济困基金")
        await simulation.until(simulation.now + timedelta(hours=26))
        if gift.receipt:
            year = f"{simulation.now:%Y}"
            number_of = {"receipt_no": f"JZ{year}-{number:05d}"}
            await town.client.command("ledger", f"{donation}/receipt", number_of, actor=clerk)
        else:
            waived = {"reason_code": "donor_waived"}
            await town.client.command("ledger", f"{donation}/waive-receipt", waived, actor=clerk)

    async def _reachable(self, town: Town, donor_ref: str, gift: Gift, clerk: Actor) -> None:
        """Whoever opens a case posts its contact to notify, under the ref of this one gift."""
        person_id = str(town.ids[gift.donor.person_key])
        body = {"ref": donor_ref, "channel": "phone", "address": gift.donor.phone, "person_id": person_id}
        await town.client.command("notify", "/v1/contacts", body, actor=clerk, method="PUT")

    async def _forget(self, town: Town, simulation: Simulation) -> None:
        """Somebody asks to be forgotten: every service destroys its keys for them (个人信息保护法 §47)."""
        person = town.community.forgotten
        if person is None:
            return
        await simulation.until(self._midnight + timedelta(days=3, hours=11))
        person_id = str(town.ids[person.person_key])
        body = {"confirmed_person_id": person_id}
        await town.client.command("volunteers", f"/v1/persons/{person_id}/erase", body, actor=town.staff(Role.ADMIN))

    async def _settled(self, client: Client) -> None:
        """Wait until every log is relayed and heard to its end, and nothing that timers do is overdue."""
        quiet = 0
        while quiet < 3:
            health = {service: await client.health(service) for service in SERVICES}
            sizes = {service: one["positions"].get(service, 0) for service, one in health.items()}
            heard = all(
                at >= sizes.get(source, 0) for one in health.values() for source, at in one["positions"].items()
            )
            relayed = all(one["lags"].get("relay", 0) == 0 for one in health.values())
            quiet = quiet + 1 if heard and relayed else 0
            await asyncio.sleep(0.3)

    async def _results(self, client: Client) -> dict[str, Any]:
        auditor = Actor.of(uuid7(), Role.AUDITOR)
        orders = (await client.query("orders", "/v1/order-counts", actor=auditor))["orders"]
        hours = await client.query("ledger", "/v1/balances", actor=auditor, params={"book": "hours"})
        fund = await client.query("ledger", "/v1/balances", actor=auditor, params={"fund": FUND})
        return {
            "orders": orders,
            "minutes_logged": -sum(
                one["balance"] for one in hours["accounts"] if one["account"].startswith("community")
            ),
            "fund_balance_fen": sum(one["balance_fen"] for one in fund["funds"]),
        }

    async def _verified(self) -> dict[str, Any]:
        with located(self.stack.data, running=True) as place, progress(not self.quiet) as tell:
            await self._signed(place)
            reports = await verify_all(place, SERVICES, tell)
        if not self.quiet:
            out.print("\nverify")
            for report in reports:
                tell_report(report)
        return {
            "verified": all(report.ok for report in reports),
            "events": {report.service: report.size for report in reports},
        }

    async def _signed(self, place: Place) -> None:
        """Wait until the signers have signed what there is: they look once a second."""
        for service in SERVICES:
            connection = await place.connect(service)
            try:
                size = await connection.fetchval(f"SELECT size FROM {service}.head")  # noqa: S608
            finally:
                await connection.close()
            head = place.head_directory / service / "head"
            for _ in range(100):
                if int(head.read_text(encoding="utf-8").splitlines()[1]) >= size:
                    break
                await asyncio.sleep(0.1)

    def _say(self, number: int, words: str) -> None:
        self._counts[words.split(maxsplit=1)[0]] += 1
        if number == 0 and not self.quiet:
            out.print(f"  {self._now.now.astimezone(SHANGHAI):%m-%d %H:%M}  [王阿姨] {words}", markup=False)

    def _new_moment(self, moment: datetime) -> None:
        day = moment.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
        if self._day is not None and day != self._day:
            self._end_of_day()
        self._day = day
        if self.scale == "full":
            lived = (day - self._midnight).days
            self._days_told("days", lived, DAYS[self.scale] + TAIL_DAYS)

    def _end_of_day(self) -> None:
        if self._counts and self._day is not None and not self.quiet and self.scale == "small":
            counted = "  ".join(f"{word} {self._counts[word]}" for word in COUNTED if self._counts[word])
            gifts = f"  收到捐款 {self._counts['收到捐款']}" if self._counts["收到捐款"] else ""
            out.print(f"{self._day:%m月%d日} 星期{WEEKDAYS[self._day.weekday()]}  {counted}{gifts}", markup=False)
        self._counts.clear()

    def _tell(self, result: Mapping[str, Any]) -> None:
        states = ", ".join(f"{state} {count}" for state, count in sorted(result["orders"].items()))
        out.print(f"\norders      {states}")
        out.print(f"hours       {result['minutes_logged']} minutes credited and posted")
        out.print(f"fund        扶危济困基金 {result['fund_balance_fen'] / 100:.2f} 元")
        out.print(f"verified    {'every proof holds ✓' if result['verified'] else 'NO ✗'}   ({result['seconds']} s)")

    def _print(self, text: str) -> None:
        if not self.quiet:
            out.print(text, markup=False)

    def _first_midnight(self) -> datetime:
        today = datetime.now(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
        return today - timedelta(days=DAYS[self.scale] + TAIL_DAYS)
