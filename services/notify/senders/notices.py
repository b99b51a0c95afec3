"""Handing over what is due: once, as far as that can be promised, and never more claimed than is known.

The inbox lies in this service's own tables: handing over to it is the event itself, so it happens exactly once. Every
other channel is outside the database (architecture.md §1, sentence 5): the attempt is recorded before (as an
idempotency key without events), the channel is given the notification id as a stable key, and an attempt without an
outcome, found after a crash, is recorded as unknown; it is repeated only on a channel that notices repeats by itself.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, Protocol
from uuid import UUID

import structlog

from contracts.command import SYSTEM, Refused
from contracts.notify import NoticeChannel
from eventstore.clock import Clock
from eventstore.executor import Executor, Plan
from eventstore.log import Log
from eventstore.model import Call, Metadata
from servicekit.definition import Runtime
from services.notify.commands import (
    NOT_WANTED,
    CallInstead,
    CancelNotices,
    RecordFailure,
    RecordHandedOver,
    RecordUnknown,
    SendingPolicy,
    TopicCommand,
    call_id_of,
    topic_stream,
)
from services.notify.decider.notices import Notice, next_channel
from services.notify.policy import current_policy
from services.notify.read_models import queries
from services.notify.templates import Text, render, template

INTERVAL_SECONDS = 0.2
LOOK_BACK_SECONDS = 1.0
"""How often it is looked for hand-overs that a cancellation overtook."""
LOOK_BACK_HOURS = 1
"""How old attempts may be that it looks at; at its start it looks at all that are kept."""
LIMIT = 200
AT_ONCE = 16
"""Topics with hand-overs outside that are worked on at the same time: their appends share commits."""
_SENDER = Metadata(actor="system")
_log = structlog.get_logger("services.notify.senders")
_console = structlog.get_logger("services.notify.console")


class NotTaken(Exception):
    """A channel did not take a notice. `not_taken`: it never will; any other code: it may later."""

    def __init__(self, reason_code: str = "channel_failed") -> None:
        super().__init__(reason_code)
        self.reason_code = reason_code


class OutsideChannel(Protocol):
    """A channel outside this service's database."""

    deduplicates: bool
    """Whether handing over the same notification id twice reaches the reader once."""

    async def hand_over(self, notification_id: UUID, ref: UUID | None, text: Text) -> None:
        """Hand one notice over. Raises NotTaken, OSError, TimeoutError."""
        ...


class Console:
    """The console: one structured line on standard output, for a desk that watches it. No personal data is in it."""

    deduplicates: bool = False

    async def hand_over(self, notification_id: UUID, ref: UUID | None, text: Text) -> None:
        """Write the line."""
        about = {"notification_id": str(notification_id), "ref": None if ref is None else str(ref)}
        _console.info("notice", title=text.title, body=text.body, **about)


@dataclass(frozen=True, slots=True)
class Reach:
    """What was looked up about the refs of a batch."""

    channels: Mapping[UUID, frozenset[str]]
    erased: frozenset[UUID]
    left_in_peace: frozenset[UUID]
    open_orders: frozenset[str]


@dataclass(frozen=True, slots=True)
class HandOver:
    """A hand-over outside the database that is due, and where the notice may go if it fails."""

    channel: NoticeChannel
    text: Text
    reachable: tuple[NoticeChannel, ...]


class Sender:
    """Works off due notices. One at a time by its lock; two at once do no harm."""

    inbox: ClassVar[Literal["in_app"]] = "in_app"

    def __init__(
        self,
        log: Log,
        executor: Executor,
        clock: Clock,
        channels: Mapping[NoticeChannel, OutsideChannel],
        policy: Callable[[], SendingPolicy] = current_policy,
    ) -> None:
        self._log = log
        self._executor = executor
        self._clock = clock
        self._channels = channels
        self._policy = policy

    async def run(self) -> None:
        """Send for ever. An unreachable log ends the task, to be started again by its supervisor."""
        loop = asyncio.get_running_loop()
        hours, looked_back = self._log.config.idempotency_days * 24, float("-inf")
        while True:
            if loop.time() >= looked_back + LOOK_BACK_SECONDS:
                await self.look_back(hours)
                hours, looked_back = LOOK_BACK_HOURS, loop.time()
            if await self.send_due() < LIMIT:
                await asyncio.sleep(INTERVAL_SECONDS)

    async def look_back(self, hours: int) -> int:
        """Record as unknown what was attempted, lost its outcome by a crash, and was then cancelled; how many.

        A cancelled notice is due no more, so nobody would come upon it, and the log would say that it was not sent.
        """
        config = self._log.config
        left = await queries.attempted_and_cancelled(self._log.pool, config.schema, config.read_schema, hours)
        for row in left:
            await self._record(
                RecordUnknown(
                    by=SYSTEM,
                    at=self._clock.now(),
                    topic_id=row["topic_id"],
                    notification_id=row["notification_id"],
                    channel=row["channel"],
                    attempt=row["attempt"],
                    attempted_at=datetime.fromisoformat(row["attempted_at"]),
                )
            )
        return len(left)

    async def send_due(self) -> int:
        """Look once at what is due by business time; return how many notices were looked at."""
        now = self._clock.now()
        async with self._log.queries() as connection:
            rows = await queries.due(connection, now, LIMIT)
            if not rows:
                return 0
            refs = {row["ref"] for row in rows if row["ref"] is not None}
            order_nos = {number for row in rows for number in row["params"].get("orders", ())}
            reach = Reach(
                await queries.channels_of(connection, refs),
                await queries.erased_among(connection, refs),
                await queries.left_in_peace(connection, refs),
                await queries.open_among(connection, order_nos),
            )
        inside, outside = await self._sorted(rows, reach, now)
        at_once = asyncio.Semaphore(AT_ONCE)

        async def work(topic: Sequence[queries.Row]) -> None:
            async with at_once:
                for row in topic:
                    await self._send(row, reach, now)

        async with asyncio.TaskGroup() as group:
            if inside:
                group.create_task(self._record(*inside))
            for topic in outside.values():
                group.create_task(work(topic))
        return len(rows)

    async def _sorted(
        self, rows: Sequence[queries.Row], reach: Reach, now: datetime
    ) -> tuple[list[TopicCommand], dict[UUID, list[queries.Row]]]:
        """What needs nothing outside, to be recorded together, and the rest by topic: each has its own outcome."""
        inside: list[TopicCommand] = []
        outside: dict[UUID, list[queries.Row]] = {}
        topics = await self._executor.states({topic_stream(row["topic_id"]) for row in rows})
        for row in rows:
            topic_id = row["topic_id"]
            notice = topics[topic_stream(topic_id)].state.pending.get(row["notification_id"])
            if notice is None:
                continue  # ended since it was looked up
            todo = self._todo(topic_id, notice, reach, now)
            if isinstance(todo, HandOver):
                outside.setdefault(topic_id, []).append(row)
            else:
                inside.append(todo)
        return inside, outside

    async def _send(self, row: queries.Row, reach: Reach, now: datetime) -> None:
        topic_id, notification_id = row["topic_id"], row["notification_id"]
        _, topic = await self._executor.state(topic_stream(topic_id))
        notice: Notice | None = topic.pending.get(notification_id)
        if notice is None:
            return  # ended since it was looked up
        todo = self._todo(topic_id, notice, reach, now)
        if isinstance(todo, HandOver):
            await self._hand_over(topic_id, notice, todo)
        else:
            await self._record(todo)

    def _todo(self, topic_id: UUID, notice: Notice, reach: Reach, now: datetime) -> TopicCommand | HandOver:
        """What becomes of a due notice: a record, or a hand-over outside."""
        reason_code = self._pointless(notice, reach, now)
        if reason_code is not None:
            ids = frozenset({notice.queued.notification_id})
            return CancelNotices(by=SYSTEM, at=now, topic_id=topic_id, notification_ids=ids, reason_code=reason_code)
        reachable = self._reachable(notice, reach)
        channel = next_channel(notice, reachable, self._policy())
        if channel is None and notice.queued.ref in reach.left_in_peace:
            ids = frozenset({notice.queued.notification_id})
            return CancelNotices(by=SYSTEM, at=now, topic_id=topic_id, notification_ids=ids, reason_code=NOT_WANTED)
        if channel is None:
            return self._failed(topic_id, notice, notice.queued.channels[0], "no_contact", reachable=())
        try:
            text = render(notice.queued.template, notice.queued.params)
        except (KeyError, ValueError):
            # Queued by a newer or an older program, with words that this one does not have.
            _log.exception("notice cannot be put into words", template=notice.queued.template)
            return self._failed(topic_id, notice, channel, "no_words", reachable=())
        if channel == self.inbox:
            return self._handed_over(topic_id, notice, channel)
        return HandOver(channel, text, reachable)

    def _pointless(self, notice: Notice, reach: Reach, now: datetime) -> str | None:
        queued = notice.queued
        if queued.expires_at is not None and queued.expires_at <= now:
            return "expired"
        if queued.ref in reach.erased:
            return "person_erased"
        if queued.params.orders and reach.open_orders.isdisjoint(queued.params.orders):
            return "no_longer_open"
        return None

    def _reachable(self, notice: Notice, reach: Reach) -> tuple[NoticeChannel, ...]:
        """The notice's channels that its reader chose; staff are told of their work in the inbox in any case."""
        queued = notice.queued
        chosen = frozenset() if queued.ref is None else reach.channels.get(queued.ref, frozenset())
        if queued.to_role is not None:
            chosen |= {self.inbox}
        elif queued.ref in reach.left_in_peace:
            chosen &= {self.inbox}
        here = {self.inbox, *self._channels}
        return tuple(channel for channel in queued.channels if channel in chosen and channel in here)

    async def _hand_over(self, topic_id: UUID, notice: Notice, todo: HandOver) -> None:
        channel, notification_id, attempt = todo.channel, notice.queued.notification_id, notice.attempts + 1
        outside = self._channels[channel]
        attempted_at, repeated = await self._attempt(notification_id, attempt, channel)
        if repeated and not outside.deduplicates:
            unknown = RecordUnknown(
                by=SYSTEM,
                at=self._clock.now(),
                topic_id=topic_id,
                notification_id=notification_id,
                channel=channel,
                attempt=attempt,
                attempted_at=attempted_at,
            )
            _log.warning("a hand-over without an outcome", notification_id=str(notification_id), channel=channel)
            await self._record(unknown)
            return
        try:
            await outside.hand_over(notification_id, notice.queued.ref, todo.text)
        except NotTaken as error:
            await self._record(self._failed(topic_id, notice, channel, error.reason_code, todo.reachable))
        except (OSError, TimeoutError) as error:
            _log.warning("channel failed", channel=channel, exc_info=error)
            await self._record(self._failed(topic_id, notice, channel, "channel_failed", todo.reachable))
        else:
            await self._record(self._handed_over(topic_id, notice, channel))

    async def _attempt(self, notification_id: UUID, attempt: int, channel: NoticeChannel) -> tuple[datetime, bool]:
        """Record an attempt before it is made; when it was first recorded, and whether that was earlier."""
        answer = {"attempted_at": self._clock.now().isoformat(), "channel": channel}

        async def build() -> Plan:
            return Plan([], answer)

        call = Call(queries.SENDER, f"{notification_id}:{attempt}", b"")
        committed = await self._executor.execute(build, _SENDER, call)
        return datetime.fromisoformat(committed.answer["attempted_at"]), committed.replayed

    def _handed_over(self, topic_id: UUID, notice: Notice, channel: NoticeChannel) -> RecordHandedOver:
        return RecordHandedOver(
            by=SYSTEM,
            at=self._clock.now(),
            topic_id=topic_id,
            notification_id=notice.queued.notification_id,
            channel=channel,
            attempt=notice.attempts + 1,
        )

    def _failed(
        self,
        topic_id: UUID,
        notice: Notice,
        channel: NoticeChannel,
        reason_code: str,
        reachable: tuple[NoticeChannel, ...],
    ) -> RecordFailure:
        notification_id = notice.queued.notification_id
        caller = None if reason_code == "no_words" else template(notice.queued.template).call
        call = None if caller is None else CallInstead(notification_id=call_id_of(notification_id), caller=caller)
        return RecordFailure(
            by=SYSTEM,
            at=self._clock.now(),
            topic_id=topic_id,
            notification_id=notification_id,
            channel=channel,
            attempt=notice.attempts + 1,
            reason_code=reason_code,
            reachable=reachable,
            call=call,
            policy=self._policy(),
        )

    async def _record(self, *commands: TopicCommand) -> None:
        """Record outcomes in one append; each alone when one of them is refused."""

        async def build() -> Plan:
            return Plan(commands)

        try:
            await self._executor.execute(build, _SENDER)
        except Refused as refused:
            if len(commands) > 1:
                for command in commands:
                    await self._record(command)
                return
            # A consumer or another sender was faster; what it recorded stands.
            _log.info("outcome not recorded", command=type(commands[0]).__name__, reason_code=refused.reason_code)


async def send(runtime: Runtime) -> None:
    """The background task of the process that holds the sender's lock."""
    await Sender(runtime.log, runtime.executor, runtime.clock, {"console": Console()}).run()
