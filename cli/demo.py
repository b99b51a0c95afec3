"""The demo: real servers and services on a directed clock that begins in the past and ends at the present."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cli.audit.run import audit
from cli.client import Actor, Client
from cli.commands.proof import replay_all, tell_replay_line, tell_report, verify_all
from cli.directory import LEFT, days_lived, journal_file, lived_file, made_for
from cli.embedded import EmbeddedError
from cli.output import SHANGHAI, err, progress
from cli.place import DEFAULT_DATA, SERVICES, Place, located
from cli.seed.beside import FUND, stories
from cli.seed.community import Scale, generate
from cli.seed.days import Days
from cli.seed.journal import Journal, refuse_other
from cli.seed.lives import live
from cli.seed.order_life import OrderLife
from cli.seed.plan import DAYS, fingerprint, plan
from cli.seed.simulation import Simulation
from cli.seed.targets import Target, compare, read_year
from cli.seed.town import Town
from cli.seed.watching import Watch
from cli.stack import Stack
from cli.stopping import Interrupted, StopSignal
from cli.telling import Telling
from contracts.command import Role
from contracts.ids import uuid7
from eventstore.clock import direct
from servicekit.secrets import ISSUER_KEY
from servicekit.tokens import load_issuer_key

TAIL_DAYS = 46
"""After the last day of orders: 2 days to the last window, 3 to a presumption, 31 to the last closing, and some."""
GRAIN: dict[Scale, timedelta] = {"small": timedelta(minutes=15), "full": timedelta(minutes=30)}
"""What happens within this much business time is lived together."""
CLOCK_SECONDS = 0.006
"""Services look at the clock's file every 5 ms."""
BEGINS = timedelta(hours=6)
PATIENCE_SECONDS = 60.0
"""Real seconds to wait for what a service does by itself once its time has come."""
MEND_SECONDS = 0.5
GONE_BY = {
    False: "the days of this community were lived already",
    True: "the days of this community were left before they were over",
}


class Demo:
    """One data directory's invented community."""

    def __init__(self, data: Path, scale: Scale, *, quiet: bool, stop: StopSignal) -> None:
        self.stack = Stack(data, mode="demo")
        self.scale = scale
        self.quiet = quiet
        self.telling = Telling(scale, quiet=quiet)
        self._stop = stop
        self._community = generate(scale)
        self._plan = {"scale": scale, "midnight": "", "fingerprint": fingerprint(self._community)}
        self._midnight = datetime.min.replace(tzinfo=SHANGHAI)
        self._reached = "while everybody registered"

    @property
    def lived_already(self) -> bool:
        """Whether this directory's days are over: then the demo only goes on."""
        return days_lived(self.stack.data) is not None

    def start(self) -> None:
        """Start the stack, with business time standing where the days are. Raises StackError, JournalUnreadable."""
        begun = Journal.plan_of(journal_file(self.stack.data)) if made_for(self.stack.data) == "demo" else None
        midnight = self._first_midnight() if begun is None else datetime.fromisoformat(begun["midnight"])
        self._plan["midnight"], self._midnight = midnight.isoformat(), midnight
        if begun is not None:
            refuse_other(journal_file(self.stack.data), begun, self._plan)
        self.stack.claim()
        if self.lived_already:
            direct(self.stack.clock_file, datetime.now(SHANGHAI), 1)
        elif begun is None or not self.stack.clock_file.exists():
            direct(self.stack.clock_file, self._midnight + BEGINS, 0)
        self.stack.start(lambda step: err.print(f"… {step}"))

    async def live(self) -> dict[str, Any]:
        """Load, live, verify; what --json prints. Raises Interrupted, NotHeard, ProblemError."""
        began = time.monotonic()
        key = load_issuer_key(self.stack.secrets_dir / ISSUER_KEY)
        fresh = not self.lived_already
        with located(self.stack.data, running=True) as place:
            async with Client(self.stack.urls, key) as client, self._mended(client):
                if fresh:
                    await self._days(client, place)
                    direct(self.stack.clock_file, datetime.now(SHANGHAI), 1)
                else:
                    self.telling.line(f"{GONE_BY[days_lived(self.stack.data) == LEFT]}; it goes on in the present")
                await self._settled(client)
                result = await self._results(client)
            result |= await self._verified(place, lived_now=fresh)
            targets: list[Target] = []
            lived = days_lived(self.stack.data)
            if lived == "full":
                targets = compare(await read_year(place), result["orders"], generate("full"))
                result["targets"] = [target.to_json() for target in targets]
        result |= {"scale": lived, "data": str(self.stack.data), "seconds": round(time.monotonic() - began, 1)}
        self.telling.results(result, targets)
        return result

    async def _days(self, client: Client, place: Place) -> None:
        """Everybody registers, and the days are lived; taken up where they were when they were interrupted."""
        file = journal_file(self.stack.data)
        with contextlib.closing(Journal(file, self._plan)) as journal:
            client.positions.update(journal.positions)
            if journal.resumed:
                self.telling.line("these days were interrupted; they are taken up where they were")
            town = await self._load(client, journal)
            await self._settled(client)
            async with Watch(place.nats_arguments(), place.streams_api, PATIENCE_SECONDS) as watch:
                await watch.heard(journal.positions.get("orders", 0))
                await self._live(town, journal, watch)
        lived_file(self.stack.data).write_text(self.scale + "\n", encoding="utf-8")
        file.unlink()

    async def _load(self, client: Client, journal: Journal) -> Town:
        self.telling.community(self._community)
        with progress(not self.quiet) as tell:

            def told(what: str, done: int, total: int) -> None:
                self._reached = f"while everybody registered ({what}: {done} of {total})"
                self._go_on()
                tell(what, done, total)

            town = Town(client, self._community, journal, self._midnight + BEGINS, told)
            await town.load()
        return town

    async def _live(self, town: Town, journal: Journal, watch: Watch) -> None:
        lived_until = journal.last_moment

        async def move(moment: datetime) -> None:
            self._go_on()
            # What is only lived again from the journal needs no clock.
            if lived_until is None or moment > lived_until:
                direct(self.stack.clock_file, moment, 0)
                await asyncio.sleep(CLOCK_SECONDS)

        simulation = Simulation(self._midnight + BEGINS, move, GRAIN[self.scale])
        orders = plan(self._community)
        self.telling.days_begin(len(orders), DAYS[self.scale], self._midnight)

        def say(number: int, words: str) -> None:
            self.telling.story(simulation.now, number, words)

        days = Days(town, simulation, self._midnight, journal, watch, say)
        lives: list[Coroutine[Any, Any, None]] = [live(OrderLife(days, one)) for one in orders]
        with progress(not self.quiet) as tell:

            def told(moment: datetime) -> None:
                lived, every = (moment - self._midnight).days, DAYS[self.scale] + TAIL_DAYS
                self._reached = f"on day {lived + 1} of {every}"
                tell("days", lived, every)
                self.telling.moment(moment)

            await simulation.run([*lives, *stories(days)], told)
        self.telling.days_end()

    def _go_on(self) -> None:
        """Raise Interrupted once told to stop."""
        if self._stop.is_set():
            data = "" if self.stack.data == DEFAULT_DATA.resolve() else f" --data {self.stack.data}"
            scale = "" if self.scale == "small" else f" --scale {self.scale}"
            raise Interrupted(
                f"interrupted {self._reached}; nothing is lost. Go on from there: chaoyangli demo{scale}{data}\n"
                f"or leave these days and go on in the present: chaoyangli up{data}"
            )

    @contextlib.asynccontextmanager
    async def _mended(self, client: Client) -> AsyncIterator[None]:
        """Start again what dies meanwhile: commands are repeated with their keys, so nothing is done twice."""

        async def mend() -> None:
            while True:
                await asyncio.sleep(MEND_SECONDS)
                try:
                    for name in await asyncio.to_thread(self.stack.mend):
                        err.print(f"{name} had died and was started again")
                    client.urls.update(self.stack.urls)
                except EmbeddedError as error:
                    err.print(f"{error}", markup=False)

        mending = asyncio.create_task(mend())
        try:
            yield
        finally:
            mending.cancel()
            await asyncio.gather(mending, return_exceptions=True)

    async def _settled(self, client: Client) -> None:
        """Wait until every log is relayed and heard to its end."""
        quiet = 0
        while quiet < 3:
            self._go_on()
            health = {service: await client.health(service) for service in SERVICES}
            sizes = {service: one["positions"].get(service, 0) for service, one in health.items()}
            heard = all(
                at >= sizes.get(source, 0) for one in health.values() for source, at in one["positions"].items()
            )
            relayed = all(one["lags"].get("relay", 0) == 0 for one in health.values())
            quiet = quiet + 1 if heard and relayed else 0
            await asyncio.sleep(0.25)

    async def _results(self, client: Client) -> dict[str, Any]:
        auditor = Actor.of(uuid7(), Role.AUDITOR)
        orders = (await client.query("orders", "/v1/order-counts", actor=auditor))["orders"]
        hours = await client.query("ledger", "/v1/balances", actor=auditor, params={"book": "hours"})
        fund = await client.query("ledger", "/v1/balances", actor=auditor, params={"fund": FUND})
        minutes = -sum(one["balance"] for one in hours["accounts"] if one["account"].startswith("community"))
        return {
            "orders": orders,
            "minutes_logged": minutes,
            "fund_balance_fen": sum(one["balance_fen"] for one in fund["funds"]),
        }

    async def _verified(self, place: Place, *, lived_now: bool) -> dict[str, Any]:
        """Every log against its proofs and stream, every table against its log, every rule against what happened."""
        with progress(not self.quiet) as tell:
            await self._signed(place)
            reports = await verify_all(place, SERVICES, tell)
            replays = await replay_all(place, SERVICES, tell)
            # Who came back to these days may have orders of their own under way.
            breaches = await audit(place, tell, open_allowed=not lived_now)
        if not self.quiet:
            self.telling.line("\nverify", "bold")
            for report in reports:
                tell_report(report)
            self.telling.line("\nreplay", "bold")
            for replayed in replays:
                tell_replay_line(replayed)
        return {
            "verified": all(one.ok for one in reports) and all(one.ok for one in replays) and not breaches,
            "breaches": breaches,
            "replay_equal": all(replayed.ok for replayed in replays),
            "streams_identical": all(report.stream_identical is True for report in reports),
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

    def _first_midnight(self) -> datetime:
        today = datetime.now(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
        return today - timedelta(days=DAYS[self.scale] + TAIL_DAYS)
