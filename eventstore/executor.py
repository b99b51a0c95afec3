"""From commands to a commit: load the states, decide, append; again when somebody else was faster."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from contracts.command import Command, Refused
from contracts.event import Event
from eventstore.aggregate import Aggregate, category_of
from eventstore.errors import ConstraintBroken, VersionConflict
from eventstore.log import Log
from eventstore.model import Append, Call, Committed, Metadata, StreamAppend, VaultChange
from eventstore.tracing import Kind, Span

RETRIES_MAX = 8
_CACHED_STREAMS = 10_000

_read: ContextVar[dict[str, int] | None] = ContextVar("read", default=None)
"""While a plan is made: each stream read for it → its version at the first time. None when no plan is made."""


@dataclass(frozen=True)
class Plan:
    """What one request comes to."""

    commands: Sequence[Command]
    """Decided in turn; two on one stream see each other's events; all recorded in one append, or none."""
    answer: Mapping[str, Any] = field(default_factory=dict)
    """Ids to return and to keep with the answer; JSON values."""
    vault: Sequence[VaultChange] = ()
    expected_versions: Mapping[str, int] = field(default_factory=dict)
    """Stream → version that the caller insists on: another one is a VersionConflict, and is not tried again."""


@dataclass(slots=True)
class StreamState:
    """A stream as one request sees it: its version and state, moved on by what was decided."""

    version: int
    state: Any


class Executor:
    """Executes commands on a service's aggregates. One a process; its cache follows the log by reading tails."""

    def __init__(
        self, log: Log, aggregates: Sequence[Aggregate[Any, Any, Any]], constraints: Mapping[str, str] | None = None
    ) -> None:
        """`constraints` maps a read-model constraint's name to the reason_code that its refusal becomes."""
        self.log = log
        self._constraints = dict(constraints or {})
        self._of_command: dict[type[Command], Aggregate[Any, Any, Any]] = {}
        self._of_category: dict[str, Aggregate[Any, Any, Any]] = {}
        for aggregate in aggregates:
            if aggregate.category in self._of_category:
                raise ValueError(f"two aggregates are called {aggregate.category!r}")
            self._of_category[aggregate.category] = aggregate
            for command in aggregate.commands:
                if command in self._of_command:
                    raise ValueError(f"{command.__name__} belongs to two aggregates")
                self._of_command[command] = aggregate
        self._cache: OrderedDict[str, tuple[int, Any]] = OrderedDict()
        self._under_way: dict[tuple[str, str], asyncio.Future[None]] = {}
        """Scope and key of each request → done when it has its outcome."""

    async def execute(
        self, build: Callable[[], Awaitable[Plan]], metadata: Metadata, call: Call | None = None
    ) -> Committed:
        """Record what the plan's commands decide. A repeated key gets its first answer, before anything is built.

        `build` gathers facts and ids; it is called again when a stream moved meanwhile, up to eight times: one that a
        command is for, or one whose `state` was read in `build`. So what it read holds when the events are recorded,
        whether a command goes along for it or does not.
        Raises Refused, KeyReused, VersionConflict, ConstraintBroken for an unmapped constraint, and LogUnavailable.
        """
        with self.log.tracing.begin("append", Kind.INTERNAL, metadata.traceparent) as span:
            if span.traceparent is not None:
                metadata = replace(metadata, traceparent=span.traceparent)
            with _noting(None):
                committed = await self._execute_once(build, metadata, call, span)
            if self.log.tracing.on:
                span.set(_told(committed))
            return committed

    async def _execute_once(
        self, build: Callable[[], Awaitable[Plan]], metadata: Metadata, call: Call | None, span: Span
    ) -> Committed:
        if call is None:
            return await self._execute(build, metadata, None, span)
        key = (call.scope, call.key)
        # A repeat waits for the request that it repeats: refused while that one is on its way, it would be told of a
        # refusal, and the command be recorded all the same.
        while (other := self._under_way.get(key)) is not None:
            await asyncio.wait({other})
        mine = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            first = await self.log.answer_to(call)
            return first if first is not None else await self._execute(build, metadata, call, span)
        finally:
            del self._under_way[key]
            mine.set_result(None)

    async def _execute(
        self, build: Callable[[], Awaitable[Plan]], metadata: Metadata, call: Call | None, span: Span
    ) -> Committed:
        tries = 0
        while True:
            try:
                read: dict[str, int] = {}
                with _noting(read):
                    plan = await build()
                if self.log.tracing.on:
                    span.set({"chaoyangli.commands": [type(command).__name__ for command in plan.commands]})
                streams = await self.states([*read, *(command.stream for command in plan.commands)])
                _insist(plan.expected_versions, streams)
                if (moved := _moved(read, streams)) is not None:
                    tries += 1
                    if tries > RETRIES_MAX:
                        raise moved
                    continue
                parts = self.decide(plan.commands, streams)
                if parts or plan.vault:
                    parts += _unmoved(read, parts)
            except (Refused, VersionConflict):
                # The same request may have been recorded meanwhile, and its own effect be what refuses it now.
                first = await self.log.answer_to(call) if call is not None else None
                if first is not None:
                    return first
                raise
            kept = Call(call.scope, call.key, call.body, plan.answer) if call is not None else None
            if not parts and kept is None and not plan.vault:
                size = (await self.log.head()).size
                return Committed(size + 1, size, (), plan.answer)
            append = Append(parts, metadata, kept, vault=plan.vault)
            try:
                committed = await self.append(append, streams)
            except VersionConflict as conflict:
                tries += 1
                if tries > RETRIES_MAX or conflict.stream in plan.expected_versions:
                    raise
                continue
            if kept is None and plan.answer:
                return Committed(committed.first_position, committed.last_position, committed.event_ids, plan.answer)
            return committed

    async def append(self, append: Append, streams: Mapping[str, StreamState]) -> Committed:
        """Hand an append to the log and remember the states it led to. A mapped constraint becomes Refused."""
        try:
            committed = await self.log.append(append)
        except ConstraintBroken as broken:
            reason_code = self._constraints.get(broken.constraint)
            if reason_code is None:
                raise
            raise Refused(reason_code) from broken
        if not committed.replayed:
            for part in append.streams:
                self._remember(part.stream, streams[part.stream].version, streams[part.stream].state)
        return committed

    def decide(self, commands: Iterable[Command], streams: Mapping[str, StreamState]) -> list[StreamAppend]:
        """Decide commands in turn on `streams` (from `states`), which move on. After Refused, throw `streams` away."""
        parts: list[StreamAppend] = []
        for command in commands:
            aggregate = self.aggregate_of(command)
            stream = streams[command.stream]
            events: Sequence[Event] = aggregate.decide(command, stream.state)
            if events:
                parts.append(StreamAppend(command.stream, stream.version, events))
                stream.state = aggregate.fold(stream.state, events)
                stream.version += len(events)
        return parts

    async def state(self, stream: str) -> tuple[int, Any]:
        """A stream's version and folded state, as committed. Read while a plan is made, the plan holds for it alone."""
        found = (await self.states([stream]))[stream]
        return found.version, found.state

    async def states(self, streams: Iterable[str]) -> dict[str, StreamState]:
        """The version and state of each stream, as of `state`: what is cached, and the tails read in one round trip."""
        found = {stream: StreamState(*self._cached(stream)) for stream in streams}
        if not found:
            return found
        for recorded in await self.log.read_streams({stream: at.version for stream, at in found.items()}):
            at = found[recorded.stream]
            at.state = self._aggregate(recorded.stream).evolve(at.state, recorded.event)
            at.version = recorded.version
        read = _read.get()
        for stream, at in found.items():
            self._remember(stream, at.version, at.state)
            if read is not None:
                read.setdefault(stream, at.version)
        return found

    def aggregate_of(self, command: Command) -> Aggregate[Any, Any, Any]:
        """The aggregate that decides this command. Raises TypeError when no aggregate declares it."""
        try:
            return self._of_command[type(command)]
        except KeyError:
            raise TypeError(f"no aggregate declares {type(command).__name__}") from None

    def _aggregate(self, stream: str) -> Aggregate[Any, Any, Any]:
        try:
            return self._of_category[category_of(stream)]
        except KeyError:
            raise TypeError(f"no aggregate is called {category_of(stream)!r}, as in {stream}") from None

    def _cached(self, stream: str) -> tuple[int, Any]:
        cached = self._cache.get(stream)
        if cached is not None:
            self._cache.move_to_end(stream)
            return cached
        return 0, self._aggregate(stream).initial()

    def _remember(self, stream: str, version: int, state: Any) -> None:
        known = self._cache.get(stream)
        # Requests finish in any order; the cache never goes back.
        if version == 0 or (known is not None and known[0] > version):
            return
        self._cache[stream] = (version, state)
        self._cache.move_to_end(stream)
        if len(self._cache) > _CACHED_STREAMS:
            self._cache.popitem(last=False)


def _told(committed: Committed) -> dict[str, int | bool]:
    """What a trace says of an append: where its events stand, for whoever may read the log."""
    if committed.last_position < committed.first_position:
        return {"chaoyangli.events": 0}
    return {
        "chaoyangli.first_position": committed.first_position,
        "chaoyangli.last_position": committed.last_position,
        "chaoyangli.replayed": committed.replayed,
    }


@contextmanager
def _noting(read: dict[str, int] | None) -> Iterator[None]:
    """Note in `read` the streams that are read meanwhile, in this task and in those that it starts; None: note none."""
    token = _read.set(read)
    try:
        yield
    finally:
        _read.reset(token)


def _unmoved(read: Mapping[str, int], parts: Sequence[StreamAppend]) -> list[StreamAppend]:
    """What was read and gets no event, for the log to hold against its head like the streams that get some."""
    written = {part.stream for part in parts}
    return [StreamAppend(stream, version, ()) for stream, version in read.items() if stream not in written]


def _moved(read: Mapping[str, int], streams: Mapping[str, StreamState]) -> VersionConflict | None:
    """The first stream that is not any more as it was when the plan was made."""
    for stream, version in read.items():
        if (actual := streams[stream].version) != version:
            return VersionConflict(stream, version, actual)
    return None


def _insist(expected: Mapping[str, int], streams: Mapping[str, StreamState]) -> None:
    for stream, version in expected.items():
        actual = streams[stream].version if stream in streams else None
        if actual is None:
            raise ValueError(f"a version of {stream} is insisted on, but no command is for it")
        if actual != version:
            raise VersionConflict(stream, version, actual)
