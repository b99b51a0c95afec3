"""Sending other services' logs to webhooks: in order for each webhook and log, at least once, for as long as it takes.

A webhook and a log are a lane. Each lane has its place in `eventstore.deliveries` and a task of its own while there is
something to send, so a receiver that is slow or gone delays nobody else. What is sent is read from the log's stream,
where it lies byte for byte at its position; NATS may be wiped, then a lane waits until its place is there again.
The place is written after the receiver took an event: whoever dies in between sends that event again, under one id.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import structlog

from contracts.command import SYSTEM, Refused, Role
from contracts.event import EVENTS
from contracts.notify import NoticeParams
from eventstore.broker import Connection, make_broker
from eventstore.clock import Clock, RealClock
from eventstore.deliveries import Delivery, begin, deliveries, save, tried_anew
from eventstore.executor import Plan
from eventstore.model import Metadata
from eventstore.stream_reader import StreamMessage, StreamReader, StreamUnreadable
from eventstore.tasks import end, wait_for
from servicekit.definition import Runtime
from services.notify.commands import DisableWebhook, QueueNotice, TopicCommand
from services.notify.policy import current_policy
from services.notify.read_models import queries
from services.notify.senders.posting import GONE, Keys, Outcome, Poster, signing
from services.notify.templates import template

LOOK_SECONDS = 0.5
"""How often it is looked at what is new and what is due."""
BATCH_EVENTS = 100
LANE_SECONDS = 10.0
"""After so long a lane makes room for others that wait."""
AT_ONCE = 32
"""Lanes that send at the same time."""
WAIT = timedelta(seconds=5)
"""How soon a lane is looked at again whose place the stream does not have."""
NO_ADDRESS = "no_address"
"""The vault has it no more: a bundle taken elsewhere holds no vault. Somebody registers it anew."""
NO_ADDRESS_WAIT = timedelta(hours=1)
REST_SECONDS = 5.0
"""How long a lane rests after something went wrong on this side."""
JITTER = 0.2
ALWAYS = "LossAccepted"
"""Sent to every webhook of that log: what came before it under the same numbers is no longer true."""
BEYOND = "beyond_the_log"
OTHER_HISTORY = "other_history"
STOPPED = frozenset({BEYOND, OTHER_HISTORY})
TEMPLATE = "webhook_disabled"
_log = structlog.get_logger("services.notify.webhooks")


class Moved(Exception):
    """Somebody put the lane elsewhere, disabled or enabled it: what is at hand is of no use any more."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """What is sent to one webhook."""

    webhook_id: UUID
    events: frozenset[str]
    """Names such as `orders.OrderPlaced`."""
    starts: Mapping[str, Mapping[str, object]]

    @classmethod
    def of(cls, row: queries.Row) -> "Webhook":
        """From its row."""
        return cls(row["webhook_id"], frozenset(row["events"]), {start["log"]: start for start in row["starts"]})

    @property
    def sources(self) -> list[str]:
        """The logs it is sent events of."""
        return sorted({name.partition(".")[0] for name in self.events})

    def wants(self, source: str, type_name: str) -> bool:
        """Whether an event is sent. Never one that is internal by now, or that this program does not know."""
        event = EVENTS.get((source, type_name))
        if event is None or event.audience == "internal":
            return False
        return type_name == ALWAYS or f"{source}.{type_name}" in self.events


class Deliverer:
    """Works every lane. One at a time by its lock; two at once send some events twice and lose none."""

    def __init__(self, runtime: Runtime, connection: Connection, poster: Poster, real: Clock | None = None) -> None:
        """`real`: what pauses and deadlines of sending are counted by; receivers live in real time."""
        self._runtime = runtime
        self._connection = connection
        self._poster = poster
        self._real = real or RealClock()
        self._schema = runtime.log.config.schema
        self._running: dict[tuple[UUID, str], asyncio.Task[None]] = {}
        self._rest_until: dict[tuple[UUID, str], float] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._again = asyncio.Event()

    async def run(self) -> None:
        """Send for ever."""
        try:
            while True:
                self._again.clear()
                await self.look()
                await wait_for(self._again, LOOK_SECONDS)
        finally:
            await end(self._running.values())

    async def look(self) -> None:
        """Look once at every lane, and begin those that have something to send."""
        async with self._runtime.log.queries() as connection:
            rows = await queries.all_webhooks(connection)
        enabled = [Webhook.of(row) for row in rows if row["state"] == "ENABLED"]
        places = {(each.receiver, each.source): each for each in await self._places()}
        try:
            heads = await self._heads(sorted({source for each in enabled for source in each.sources}))
            for webhook in enabled:
                for source in webhook.sources:
                    if (webhook.webhook_id, source) not in places:
                        await self._begin(webhook, source)
        except StreamUnreadable as error:
            self._runtime.status.ails("webhooks", str(error))
            return
        self._tell(enabled, places, heads)
        now = self._real.now()
        for webhook in enabled:
            for source in webhook.sources:
                key = (webhook.webhook_id, source)
                place = places.get(key)
                if place is None or key in self._running or self._rests(key):
                    continue
                if heads[source] == place.position and place.reason_code not in STOPPED:
                    continue
                if place.due_at is None or place.due_at <= now:
                    self._running[key] = asyncio.create_task(self._kept(webhook, place), name=f"webhook {source}")

    def _rests(self, key: tuple[UUID, str]) -> bool:
        return asyncio.get_running_loop().time() < self._rest_until.get(key, 0.0)

    async def _places(self) -> list[Delivery]:
        return await deliveries(self._runtime.log.pool, self._schema)

    async def _heads(self, sources: list[str]) -> dict[str, int]:
        client = await self._connection.client()
        api = self._connection.heard_api
        return {source: await StreamReader(client, self._log_name(source), api).last() for source in sources}

    def _log_name(self, source: str) -> str:
        return self._runtime.log.config.log_name(source)

    async def _reader(self, source: str) -> StreamReader:
        return StreamReader(await self._connection.client(), self._log_name(source), self._connection.heard_api)

    async def _begin(self, webhook: Webhook, source: str) -> None:
        """Find a new lane's place: the position it was registered with, or what a time comes to."""
        start = webhook.starts[source]
        if "since" in start:
            since = datetime.fromisoformat(str(start["since"]))
            async with await self._reader(source) as reader:
                position = await reader.position_before(since)
        else:
            position = int(str(start["after"]))
        await begin(self._runtime.log.pool, self._schema, webhook.webhook_id, source, position)
        self._again.set()

    def _tell(
        self, enabled: list[Webhook], places: Mapping[tuple[UUID, str], Delivery], heads: Mapping[str, int]
    ) -> None:
        counts = dict.fromkeys(("level", "behind", "failing", "stopped"), 0)
        for webhook in enabled:
            for source in webhook.sources:
                place = places.get((webhook.webhook_id, source))
                if place is None or (place.position < heads[source] and not place.reason_code):
                    counts["behind"] += 1
                elif place.reason_code in STOPPED | {NO_ADDRESS}:
                    counts["stopped"] += 1
                elif place.failures:
                    counts["failing"] += 1
                else:
                    counts["level"] += 1
        for state, number in counts.items():
            self._runtime.metrics.webhook_lanes.labels(state).set(number)
        if counts["stopped"]:
            self._runtime.status.ails("webhooks", f"{counts['stopped']} lanes stand: GET /v1/webhooks says why")
        else:
            self._runtime.status.well("webhooks")

    async def _kept(self, webhook: Webhook, place: Delivery) -> None:
        """Work one lane once. Whatever goes wrong with it is told, and tried again; the others go on."""
        key = (webhook.webhook_id, place.source)
        try:
            async with self._slots:
                await self._work(webhook, place)
        except Moved:
            _log.info("webhook moved meanwhile", webhook_id=str(webhook.webhook_id), log=place.source)
        except StreamUnreadable as error:
            self._rest_until[key] = asyncio.get_running_loop().time() + REST_SECONDS
            _log.warning("webhook waits for the stream", log=place.source, error=str(error))
        except Exception:  # noqa: BLE001 — one lane must not end the others
            self._rest_until[key] = asyncio.get_running_loop().time() + REST_SECONDS
            _log.exception("webhook failed here", webhook_id=str(webhook.webhook_id), log=place.source)
        finally:
            self._running.pop(key, None)

    async def _work(self, webhook: Webhook, place: Delivery) -> None:
        """Send what comes after a place, until the batch ends, time is over, or the receiver does not take one."""
        loop = asyncio.get_running_loop()
        until = loop.time() + LANE_SECONDS
        found = await self._next(place)
        if found is None:
            return
        keys: Keys | None = None
        saved = place
        for message in found:
            if message.position != place.position + 1:
                raise StreamUnreadable(f"the stream of {place.source} lacks {place.position + 1}")
            if webhook.wants(place.source, message.subject.rpartition(".")[2]):
                keys = keys or await self._keys(webhook.webhook_id)
                if keys is None:
                    _log.error("webhook without an address", webhook_id=str(webhook.webhook_id))
                    due_at = self._real.now() + NO_ADDRESS_WAIT
                    await self._save(replace(place, reason_code=NO_ADDRESS, due_at=due_at))
                    return
                outcome = await self._poster.post(keys, message.event_id, message.body)
                self._runtime.metrics.webhook_deliveries.labels(outcome.reason_code).inc()
                if not outcome.delivered:
                    await self._failed(place, UUID(message.event_id), outcome)
                    return
                place = replace(place, delivered=place.delivered + 1, failures=0, failing_since=None)
                place = saved = await self._save(_at(place, message))
            else:
                place = _at(place, message)
            if loop.time() > until:
                break
        if saved != place:
            await self._save(place)
        self._again.set()

    async def _next(self, place: Delivery) -> list[StreamMessage] | None:
        """What comes after a place, which must be what was sent there; None when it is not, which is noted."""
        async with await self._reader(place.source) as reader:
            found = await reader.read(max(1, place.position), BATCH_EVENTS + 1)
        if place.position == 0:
            return found
        reason_code = None
        if not found or found[0].position != place.position:
            reason_code = BEYOND
        elif place.event_id is not None and found[0].event_id != str(place.event_id):
            reason_code = OTHER_HISTORY
        if reason_code is None:
            if place.reason_code in STOPPED:
                await self._save(replace(place, reason_code=None, due_at=None))
            return found[1:]
        if place.reason_code != reason_code:
            _log.error("webhook stopped", log=place.source, position=place.position, reason_code=reason_code)
        await self._save(replace(place, reason_code=reason_code, due_at=self._real.now() + WAIT))
        return None

    async def _keys(self, webhook_id: UUID) -> Keys | None:
        opened = await self._runtime.vault.open(webhook_id)
        if opened is None:
            return None
        return Keys(opened["url"], tuple(signing(opened, self._real.now())))

    async def _save(self, place: Delivery) -> Delivery:
        if not await save(self._runtime.log.pool, self._schema, place):
            raise Moved
        return place

    async def _failed(self, place: Delivery, event_id: UUID, outcome: Outcome) -> None:
        """Note a try that came to nothing: again after a pause, or, after too many days or a 410, never.

        A receiver that asks for a longer pause gets it, up to the longest of our own: five days count all the same.
        """
        reason_code = outcome.reason_code
        policy, now = current_policy(), self._real.now()
        failures, since = place.failures + 1, place.failing_since or now
        pause = policy.webhook_pause(failures) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 — no secret
        if outcome.retry_after is not None:
            pause = max(pause, min(outcome.retry_after, policy.webhook_longest_pause))
        tried = {"failures": failures, "failing_since": since, "due_at": now + pause, "reason_code": reason_code}
        await self._save(replace(place, **tried))  # type: ignore[arg-type]
        _log.warning("webhook not taken", log=place.source, reason_code=reason_code, failures=failures)
        if reason_code == GONE:
            await self._disable(place, event_id, GONE)
        elif now - since >= timedelta(days=policy.webhook_failing_days):
            await self._disable(place, event_id, "failing")

    async def _disable(self, place: Delivery, event_id: UUID, reason_code: str) -> None:
        """Disable a webhook, and tell the administrators, in one append."""
        runtime, webhook_id = self._runtime, place.receiver

        async def build() -> Plan:
            now = runtime.clock.now()
            async with runtime.log.queries() as connection:
                admins = await queries.roster(connection, Role.ADMIN, None, now)
            disabling = DisableWebhook(by=SYSTEM, at=now, webhook_id=webhook_id, reason_code=reason_code)
            told = notices(webhook_id, place.source, event_id, reason_code, admins, now)
            return Plan([disabling, *told], vault=tried_anew(self._schema, webhook_id))

        try:
            await runtime.executor.execute(build, Metadata(actor="system"))
        except Refused as refused:
            _log.info("webhook not disabled", reason_code=refused.reason_code)  # somebody was faster


def _at(place: Delivery, message: StreamMessage) -> Delivery:
    """The place after an event was taken, or left out. What failed before it has nothing more to say."""
    return replace(place, position=message.position, event_id=UUID(message.event_id), due_at=None, reason_code=None)


def notices(
    webhook_id: UUID, source: str, event_id: UUID, reason_code: str, admins: list[UUID], now: datetime
) -> list[TopicCommand]:
    """What administrators are told; where nobody is one, it waits on the list that all staff see."""
    chosen = template(TEMPLATE)
    readers: list[UUID | None] = [*admins] or [None]
    return [
        QueueNotice(
            by=SYSTEM,
            at=now,
            topic_id=webhook_id,
            # It may be disabled over one event more than once.
            notification_id=uuid5(event_id, f"{TEMPLATE}/{webhook_id}/{now.isoformat()}/{reader}"),
            ref=reader,
            to_role=None if reader is None else Role.ADMIN,
            template=TEMPLATE,
            params=NoticeParams(reason_code=reason_code),
            channels=("phone",) if reader is None else chosen.channels,
            not_before=now,
            source=source,
            source_event_id=event_id,
            policy=current_policy(),
        )
        for reader in readers
    ]


async def deliver(runtime: Runtime) -> None:
    """The background task of the process that holds the webhooks' lock."""
    settings = runtime.settings
    private = settings.webhook_private == "allowed"
    if private:
        _log.warning("webhooks may be on private addresses and plain http: CHAOYANGLI_WEBHOOK_PRIVATE=allowed")
    broker = make_broker(settings.nats_url, settings.service, seed=settings.nats_seed, heard_api=settings.heard_api)
    connection = Connection(broker)
    poster = Poster(private=private)
    kept = asyncio.create_task(connection.run(), name="webhooks nats")
    try:
        await Deliverer(runtime, connection, poster).run()
    finally:
        await end([kept])
        await poster.close()
