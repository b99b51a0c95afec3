"""The one task of a process that writes: it gathers the appends that wait and commits them together."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from contracts.envelope import Recorded
from eventstore.config import LogConfig
from eventstore.errors import EngineError, LogUnavailable, ReadModelMismatch
from eventstore.log.answers import Outcome, conflict_error, constraint_error, refuse
from eventstore.log.batch import ItemRefused, Numbered, Waiting, gather, numbered, prepared
from eventstore.log.folding import ApplyFailed, Folding
from eventstore.log.head import TreeHead
from eventstore.log.reader import stored_head
from eventstore.log.session import ConnectionLost, Session
from eventstore.model import Append, Committed
from eventstore.read_model import ReadModel, models_version

_logger = logging.getLogger(__name__)
_MOVED_MAX = 3
"""So often the head may move under us before we lock it first and number then."""
_UNDER_WAY = 2
"""Batches at once: one is written while the next is encoded."""
_CROWD = 16
"""So many waiting appends go in one batch; of more, half waits for the next, so that PostgreSQL and we both work."""
_TRIES_MAX = 4
_SAVEPOINTS_MAX = 50
"""Appends tried one by one in one transaction: the head is locked meanwhile."""
_TRY_AGAIN = ("40", "55", "57014")  # lost a race for a lock, or was cancelled by a time-out: nothing was written
_UNAVAILABLE = ("25P", "53", "57", "58", "XX")  # out of resources, shutting down, broken: not this append's fault
_FAILURES = (ApplyFailed, ItemRefused, asyncpg.PostgresError, EngineError)


@dataclass(frozen=True, slots=True)
class _Ahead:
    """A batch ready to be sent, if the head is `base` by then."""

    base: TreeHead
    whole: Numbered
    folding: Folding


class Writer:
    """Commits appends in batches over a connection of its own.

    It remembers the head, so numbering, encoding and hashing happen before the head is locked; when another process
    moved the head, PostgreSQL says so, nothing was written, and the batch is numbered again. While one batch is written
    the next is encoded, numbered as if the first succeeds; if it does not, it is encoded again when its turn comes.
    """

    def __init__(
        self,
        config: LogConfig,
        read_models: Sequence[ReadModel],
        now: Callable[[], datetime],
        on_commit: Callable[[Numbered], None],
    ) -> None:
        self._config = config
        self._read_models = read_models
        self._models = models_version(read_models)
        self._own_models = any(model.source == config.service for model in read_models)
        self._now = now
        self._on_commit = on_commit
        self._queue: deque[Waiting] = deque()
        self._arrived = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._session: Session | None = None
        self._turn = asyncio.Lock()
        """Fair: batches are sent in the order in which they were numbered."""
        self._head: TreeHead | None = None
        """The head as last seen committed."""
        self._next: TreeHead | None = None
        """The head that will be when the batches under way are written."""
        self._moved = 0
        self._tries = 0

    async def open(self) -> None:
        """Connect, take the head, check the read models, start. Raises LogUnavailable, ReadModelMismatch, Tampered."""
        try:
            state = await (await self._connected()).models_state()
        except (ConnectionLost, asyncpg.PostgresError) as error:
            raise LogUnavailable(f"the log of {self._config.service} cannot be opened: {error}") from error
        size = self._head.size if self._head is not None else 0
        version, position = state if state is not None else (None, size)
        # Another process may have appended since the head was read; the append function compares both under the lock.
        if version != self._models or position < size:
            raise self._mismatch(version, position)
        self._task = asyncio.create_task(self._run(), name=f"{self._config.service} writer")

    def submit(self, append: Append) -> asyncio.Future[Committed]:
        """Queue an append; the future is answered after the commit. Raises EventRefused, LogUnavailable at once."""
        if self._closing or self._task is None or self._task.done():
            raise LogUnavailable(f"the log of {self._config.service} is closed")
        done: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        self._queue.append(prepared(append, self._config, done))
        self._arrived.set()
        return done

    async def close(self) -> None:
        """Commit what waits, then stop."""
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        if self._session is not None:
            with suppress(ConnectionLost):
                await self._session.close(self._config.connect_seconds)

    @property
    def waiting(self) -> int:
        """Appends in the queue."""
        return len(self._queue)

    async def _run(self) -> None:
        running: dict[asyncio.Task[None], list[Waiting]] = {}
        batch: list[Waiting] = []
        try:
            while True:
                self._arrived.clear()
                while self._queue and len(running) < _UNDER_WAY:
                    batch = gather(self._queue, self._share(alone=not running))
                    if batch and not running and not self._queue and len(batch) <= _CROWD:
                        await self._commit(batch)  # quick: without a task of its own
                    elif batch:
                        running[asyncio.create_task(self._commit(batch))] = batch
                    batch = []
                if not running and not self._queue and self._closing:
                    return
                await self._something_happens(running)
                for task in [task for task in running if task.done()]:
                    del running[task]
                    task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            left = [*batch, *self._queue, *(item for batch in running.values() for item in batch)]
            refuse(left, LogUnavailable(f"the writer of {self._config.service} stopped"))

    def _share(self, *, alone: bool) -> int:
        """How many events to take: half of a crowd when nothing is under way, to encode the rest meanwhile."""
        crowd = len(self._queue)
        most = self._config.batch_events
        return min(most, (crowd + 1) // 2) if alone and crowd > _CROWD else most

    async def _something_happens(self, running: Iterable[asyncio.Task[None]]) -> None:
        """Return when an append arrives that can be tried, or a batch is done."""
        if not running:
            await self._arrived.wait()
            return
        waits: set[asyncio.Task[Any]] = set(running)
        arrival = asyncio.create_task(self._arrived.wait()) if len(waits) < _UNDER_WAY else None
        if arrival is not None:
            waits.add(arrival)
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if arrival is not None:
            arrival.cancel()

    async def _commit(self, batch: list[Waiting]) -> None:
        """Try a batch once. Whatever may still succeed goes back to the front of the queue."""
        try:
            await self._attempt(batch)
            rest = []
        except ItemRefused as refused:
            refuse([refused.item], refused.cause)
            rest = [item for item in batch if item is not refused.item]
        except ConnectionLost as lost:
            refuse(batch, LogUnavailable(f"{lost}; whether it is recorded is unknown: retry with the same key"))
            rest = []
        except (ApplyFailed, asyncpg.PostgresError) as error:
            rest = await self._after_refusal(batch, error)
        except Exception as error:
            # A mistake in the engine or a model must not end the writer: the batch's callers hear of it.
            _logger.exception("a batch of %d appends failed", len(batch))
            refuse(batch, EngineError(f"the append failed: {error!r}"))
            rest = []
        self._queue.extendleft(reversed(rest))

    async def _after_refusal(self, batch: list[Waiting], error: ApplyFailed | asyncpg.PostgresError) -> list[Waiting]:
        """PostgreSQL or a read model refused the whole batch: find out what to do with its parts."""
        state = (error.sqlstate or "") if isinstance(error, asyncpg.PostgresError) else ""
        if state.startswith(_TRY_AGAIN) and self._tries < _TRIES_MAX:
            self._tries += 1
            return batch
        if state.startswith(_TRY_AGAIN + _UNAVAILABLE):
            self._tries = 0
            refuse(batch, LogUnavailable(f"PostgreSQL gave up: {error}"))
            return []
        first, rest = batch[:_SAVEPOINTS_MAX], batch[_SAVEPOINTS_MAX:]
        try:
            async with self._turn:
                await self._one_by_one(first)
        except (ConnectionLost, asyncpg.PostgresError) as lost:
            refuse(first, LogUnavailable(f"{lost}; retry with the same key"))
        return rest

    async def _attempt(self, batch: list[Waiting]) -> None:
        """The batch whole, without savepoints; what a conflict leaves of it, or a head that moved, at once again."""
        ahead = self._prepare(batch, self._next) if self._next is not None else None
        if ahead is not None:
            self._next = ahead.whole.head
        written: Numbered | None = None
        async with self._turn:
            while batch:
                session = await self._connected()
                locked = self._moved >= _MOVED_MAX
                try:
                    if locked:
                        self._head = await session.begin_with_head()
                    assert self._head is not None
                    if ahead is None or ahead.base is not self._head:
                        ahead = self._prepare(batch, self._head)
                        self._next = ahead.whole.head
                    row = await self._send(session, batch, ahead, locked=locked)
                except BaseException:
                    await self._give_up(session)
                    raise
                if row["problem"] is None:
                    written = self._written(ahead.whole)
                    break
                rest = deque(await self._settle(session, ahead.whole, row))
                # Without those that failed, others may no longer follow each other: they come in a later batch.
                batch[:], ahead = gather(rest, self._config.append_events_max), None
                self._queue.extendleft(reversed(rest))
        if written is not None:
            # The turn is given up before the callers are answered: the next batch is on its way while they go on.
            self._answer(written)

    async def _send(self, session: Session, batch: Sequence[Waiting], ahead: _Ahead, *, locked: bool) -> Any:
        """Call the append function, in a transaction when more has to commit with it."""
        folding = ahead.folding
        beside = folding.must_read or any(item.append.vault or item.append.dead_letters for item in batch)
        if beside and not locked:
            await session.execute("BEGIN")
        row = await session.append(ahead.whole, folding)
        if beside and row["problem"] is None:
            await session.write_beside(batch, folding)
        if beside or locked:
            await session.execute("COMMIT")
        return row

    async def _give_up(self, session: Session) -> None:
        """Leave the transaction. After a lost answer the head is unknown as well: both are taken anew."""
        try:
            await session.roll_back()
        except (ConnectionLost, asyncpg.PostgresError):
            session.terminate()
        if session.is_closed:
            self._session = self._head = None
        self._next = self._head

    def _prepare(self, batch: Sequence[Waiting], head: TreeHead) -> _Ahead:
        whole = numbered(batch, head, self._models, self._now(), self._config)
        appends: dict[str, list[Sequence[Recorded]]] = {}
        if self._read_models:
            if self._own_models:
                appends[self._config.service] = whole.recorded(self._config)
            for item in batch:
                for source in {recorded.service for recorded in item.append.heard}:
                    of_source = [recorded for recorded in item.append.heard if recorded.service == source]
                    appends.setdefault(source, []).append(of_source)
        return _Ahead(head, whole, Folding(self._read_models, appends, self._config.read_schema))

    async def _settle(self, session: Session, whole: Numbered, row: Any) -> list[Waiting]:
        """Nothing was written: answer as the append function's outcome says. Returns the appends to try again."""
        items = list(whole.items)
        self._next = self._head
        match row["problem"]:
            case "moved":
                self._head = self._next = stored_head(row)
                self._moved += 1
                return items
            case "models":
                state = json.loads(row["detail"])
                refuse(items, self._mismatch(state["version"], state["position"]))
                return []
            case "conflicts":
                failed = await self._conflicts(session, items, json.loads(row["detail"]))
                return [item for number, item in enumerate(items) if number not in failed]
            case other:
                raise EngineError(f"append answered {other!r}")

    def _written(self, whole: Numbered) -> Numbered:
        self._head = whole.head
        self._moved = self._tries = 0
        return whole

    def _answer(self, whole: Numbered) -> None:
        for item, committed in zip(whole.items, whole.committed, strict=True):
            if not item.done.done():
                item.done.set_result(committed)
        self._on_commit(whole)

    async def _conflicts(self, session: Session, items: Sequence[Waiting], detail: list[dict[str, Any]]) -> set[int]:
        """Answer the appends that met a conflict. A repeated key counts before what else its append got wrong."""
        failed: set[int] = set()
        for conflict in sorted(detail, key=lambda conflict: conflict["kind"] != "key"):
            number = conflict["append"]
            if number in failed:
                continue
            failed.add(number)
            item = items[number]
            if conflict["kind"] == "key" and conflict["same"]:
                answer = await session.repeated(conflict["answer"], conflict["first"], conflict["last"])
                if not item.done.done():
                    item.done.set_result(answer)
            else:
                refuse([item], conflict_error(item, conflict))
        return failed

    async def _one_by_one(self, batch: Sequence[Waiting]) -> None:
        """The batch again, one savepoint an append: who is refused fails alone, the others are numbered without it."""
        session = await self._connected()
        settled: list[Numbered] = []
        failed: list[tuple[Waiting, Exception]] = []
        try:
            head = await session.begin_with_head()
            for item in batch:
                await session.execute("SAVEPOINT one_append; SET CONSTRAINTS ALL DEFERRED")
                try:
                    whole = await self._one(session, item, head)
                except _FAILURES as error:
                    if session.is_closed:
                        raise ConnectionLost(str(error)) from error
                    await session.execute("ROLLBACK TO SAVEPOINT one_append; RELEASE SAVEPOINT one_append")
                    failed.append((item, error))
                else:
                    head = whole.head
                    settled.append(whole)
            await session.execute("COMMIT")
        except BaseException:
            await self._give_up(session)
            raise
        self._head = self._next = head
        for whole in settled:
            self._answer(self._written(whole))
        for item, failure in failed:
            await self._answer_failed(session, item, failure)

    async def _one(self, session: Session, item: Waiting, head: TreeHead) -> Numbered:
        alone = self._prepare([item], head)
        row = await session.append(alone.whole, alone.folding)
        if row["problem"] is not None:
            raise Outcome(row["problem"], json.loads(row["detail"]))
        await session.write_beside([item], alone.folding)
        await session.execute("SET CONSTRAINTS ALL IMMEDIATE; RELEASE SAVEPOINT one_append")
        return alone.whole

    async def _answer_failed(self, session: Session, item: Waiting, failure: Exception) -> None:
        match failure:
            case Outcome(problem="conflicts"):
                await self._conflicts(session, [item], failure.detail)
            case Outcome():
                refuse([item], self._mismatch(failure.detail["version"], failure.detail["position"]))
            case ApplyFailed() | ItemRefused():
                refuse([item], failure.cause)
            case asyncpg.IntegrityConstraintViolationError():
                refuse([item], await constraint_error(session, self._config, failure))
            case _:
                refuse([item], EngineError(f"PostgreSQL refused the append: {failure}"))

    async def _connected(self) -> Session:
        """The connection, and the head as committed. Only for whoever has the turn."""
        try:
            if self._session is None or self._session.is_closed:
                self._session, self._head = await Session.open(self._config), None
            if self._head is None:
                self._head = self._next = await self._session.head()
        except asyncpg.PostgresError as error:
            raise ConnectionLost(f"PostgreSQL cannot be reached: {error}") from error
        return self._session

    def _mismatch(self, version: str | None, position: int | None) -> ReadModelMismatch:
        size = self._head.size if self._head is not None else "?"
        service = self._config.service
        return ReadModelMismatch(
            f"the read models of {service} are {version} at {position}, this program writes {self._models} at {size}:"
            f" rebuild them with `replay --service {service} --swap`"
        )
