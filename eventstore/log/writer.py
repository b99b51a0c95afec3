"""The one task of a process that writes: it gathers the appends that wait and commits them together."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import asyncpg

from contracts.envelope import Recorded
from eventstore import idempotency
from eventstore.config import LogConfig
from eventstore.errors import (
    ConstraintBroken,
    EngineError,
    KeyReused,
    LogUnavailable,
    ReadModelMismatch,
    StepConflict,
    VersionConflict,
)
from eventstore.log.batch import ItemRefused, Numbered, Waiting, gather, numbered, prepared
from eventstore.log.folding import ApplyFailed, Folding
from eventstore.log.head import TreeHead
from eventstore.log.session import ConnectionLost, Session
from eventstore.model import Append, Committed
from eventstore.read_model import ReadModel, models_version

_logger = logging.getLogger(__name__)
_MOVED_MAX = 3
"""So often the head may move under us before we lock it first and number then."""
_TRIES_MAX = 4
_SAVEPOINTS_MAX = 50
"""Appends tried one by one in one transaction: the head is locked meanwhile."""
_TRY_AGAIN = ("40", "55", "57014")  # lost a race for a lock, or was cancelled by a time-out: nothing was written
_UNAVAILABLE = ("25P", "53", "57", "58", "XX")  # out of resources, shutting down, broken: not this append's fault
_FAILURES = (ApplyFailed, ItemRefused, asyncpg.PostgresError, EngineError)


class Writer:
    """Commits appends in batches over a connection of its own.

    It remembers the head, so numbering, encoding and hashing happen before the head is locked; when another process
    moved the head, PostgreSQL says so, nothing was written, and the batch is numbered again.
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
        self._head: TreeHead | None = None
        self._moved = 0
        self._tries = 0

    async def open(self) -> None:
        """Connect, take the head, check the read models, start. Raises LogUnavailable, ReadModelMismatch."""
        try:
            session = await self._connected()
            state = await session.models_state()
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
            self._session = None

    @property
    def waiting(self) -> int:
        """Appends in the queue."""
        return len(self._queue)

    async def _run(self) -> None:
        batch: list[Waiting] = []
        try:
            while True:
                batch = gather(self._queue, self._config.batch_events)
                if batch:
                    await self._commit(batch)
                elif self._closing:
                    return
                else:
                    self._arrived.clear()
                    await self._arrived.wait()
        finally:
            _refuse([*batch, *self._queue], LogUnavailable(f"the writer of {self._config.service} stopped"))

    async def _commit(self, batch: list[Waiting]) -> None:
        """Try a batch once. Whatever may still succeed goes back to the front of the queue."""
        try:
            rest = await self._attempt(batch)
        except ItemRefused as refused:
            _refuse([refused.item], refused.cause)
            rest = [item for item in batch if item is not refused.item]
        except ConnectionLost as lost:
            self._forget_session()
            _refuse(batch, LogUnavailable(f"{lost}; whether it is recorded is unknown: retry with the same key"))
            rest = []
        except (ApplyFailed, asyncpg.PostgresError) as error:
            rest = await self._after_refusal(batch, error)
        except Exception as error:
            # A mistake in the engine or a model must not end the writer: the batch's callers hear of it.
            _logger.exception("a batch of %d appends failed", len(batch))
            self._forget_session()
            _refuse(batch, EngineError(f"the append failed: {error!r}"))
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
            self._forget_session()
            _refuse(batch, LogUnavailable(f"PostgreSQL gave up: {error}"))
            return []
        first, rest = batch[:_SAVEPOINTS_MAX], batch[_SAVEPOINTS_MAX:]
        try:
            await self._one_by_one(first)
        except (ConnectionLost, asyncpg.PostgresError) as lost:
            self._forget_session()
            _refuse(first, LogUnavailable(f"{lost}; retry with the same key"))
        return rest

    async def _attempt(self, batch: list[Waiting]) -> list[Waiting]:
        """The batch whole, without savepoints. Returns the appends to try again."""
        session = await self._connected()
        locked = self._moved >= _MOVED_MAX
        try:
            if locked:
                self._head = await session.begin_with_head()
            whole, folding = self._prepare(batch)
            beside = not folding.is_empty or any(item.append.vault or item.append.dead_letters for item in batch)
            if beside and not locked:
                await session.execute("BEGIN")
            row = await session.append(whole)
            if beside and row["problem"] is None:
                await session.write_beside(batch, folding)
            if beside or locked:
                await session.execute("COMMIT")
        except BaseException:
            await self._roll_back(session)
            raise
        return await self._settle(session, whole, row)

    def _prepare(self, batch: Sequence[Waiting]) -> tuple[Numbered, Folding]:
        assert self._head is not None
        whole = numbered(batch, self._head, self._models, self._now(), self._config)
        events: dict[str, list[Recorded]] = {}
        if self._read_models:
            if self._own_models:
                events[self._config.service] = whole.recorded(self._config)
            for item in batch:
                for recorded in item.append.heard:
                    events.setdefault(recorded.service, []).append(recorded)
        return whole, Folding(self._read_models, events, self._config.read_schema)

    async def _settle(self, session: Session, whole: Numbered, row: Any) -> list[Waiting]:
        """Answer as the append function's outcome says. Returns the appends to try again."""
        items = list(whole.items)
        match row["problem"]:
            case None:
                self._committed(whole)
                return []
            case "moved":
                self._head = TreeHead.stored(row["size"], row["range"], row["recorded_at"])
                self._moved += 1
                return items
            case "models":
                state = json.loads(row["detail"])
                _refuse(items, self._mismatch(state["version"], state["position"]))
                return []
            case "conflicts":
                failed = await self._conflicts(session, items, json.loads(row["detail"]))
                return [item for number, item in enumerate(items) if number not in failed]
            case other:
                raise EngineError(f"append answered {other!r}")

    def _committed(self, whole: Numbered) -> None:
        self._head = whole.head
        self._moved = self._tries = 0
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
                answer = await idempotency.repeated(
                    session.connection, self._config.schema, conflict["answer"], conflict["first"], conflict["last"]
                )
                if not item.done.done():
                    item.done.set_result(answer)
            else:
                _refuse([item], _conflict_error(item, conflict))
        return failed

    async def _one_by_one(self, batch: Sequence[Waiting]) -> None:
        """The batch again, one savepoint an append: who is refused fails alone, the others are numbered without it."""
        session = await self._connected()
        settled: list[Numbered] = []
        failed: list[tuple[Waiting, Exception]] = []
        begun = self._head
        try:
            self._head = await session.begin_with_head()
            for item in batch:
                await session.execute("SAVEPOINT one_append; SET CONSTRAINTS ALL DEFERRED")
                try:
                    whole = await self._one(session, item)
                except _FAILURES as error:
                    if session.is_closed:
                        raise ConnectionLost(str(error)) from error
                    await session.execute("ROLLBACK TO SAVEPOINT one_append; RELEASE SAVEPOINT one_append")
                    failed.append((item, error))
                else:
                    self._head = whole.head
                    settled.append(whole)
            await session.execute("COMMIT")
        except BaseException:
            self._head = begun
            await self._roll_back(session)
            raise
        for whole in settled:
            self._committed(whole)
        for item, failure in failed:
            await self._answer_failed(session, item, failure)

    async def _one(self, session: Session, item: Waiting) -> Numbered:
        whole, folding = self._prepare([item])
        row = await session.append(whole)
        if row["problem"] is not None:
            raise _Outcome(row["problem"], json.loads(row["detail"]))
        await session.write_beside([item], folding)
        await session.execute("SET CONSTRAINTS ALL IMMEDIATE; RELEASE SAVEPOINT one_append")
        return whole

    async def _answer_failed(self, session: Session, item: Waiting, failure: Exception) -> None:
        match failure:
            case _Outcome(problem="conflicts"):
                await self._conflicts(session, [item], failure.detail)
            case _Outcome():
                _refuse([item], self._mismatch(failure.detail["version"], failure.detail["position"]))
            case ApplyFailed() | ItemRefused():
                _refuse([item], failure.cause)
            case asyncpg.IntegrityConstraintViolationError():
                name = failure.constraint_name or failure.sqlstate or "unnamed"
                _refuse([item], ConstraintBroken(name, failure.detail or str(failure)))
            case _:
                _refuse([item], EngineError(f"PostgreSQL refused the append: {failure}"))

    async def _roll_back(self, session: Session) -> None:
        try:
            await session.roll_back()
        except (ConnectionLost, asyncpg.PostgresError):
            self._forget_session()

    async def _connected(self) -> Session:
        if self._session is not None and not self._session.is_closed and self._head is not None:
            return self._session
        self._forget_session()
        try:
            self._session = await Session.open(self._config)
            self._head = await self._session.head()
        except asyncpg.PostgresError as error:
            raise ConnectionLost(f"PostgreSQL cannot be reached: {error}") from error
        return self._session

    def _forget_session(self) -> None:
        """After a lost answer the head is unknown as well: both are taken anew."""
        if self._session is not None:
            self._session.terminate()
        self._session = self._head = None

    def _mismatch(self, version: str | None, position: int | None) -> ReadModelMismatch:
        size = self._head.size if self._head is not None else "?"
        service = self._config.service
        return ReadModelMismatch(
            f"the read models of {service} are {version} at {position}, this program writes {self._models} at {size}:"
            f" rebuild them with `replay --service {service} --swap`"
        )


class _Outcome(EngineError):
    """The append function found something that did not hold, for one append."""

    def __init__(self, problem: str, detail: Any) -> None:
        super().__init__(problem)
        self.problem, self.detail = problem, detail


def _conflict_error(item: Waiting, conflict: dict[str, Any]) -> EngineError:
    match conflict["kind"]:
        case "version":
            return VersionConflict(conflict["stream"], conflict["expected"], conflict["actual"])
        case "step":
            return StepConflict(conflict["source"], conflict["expected"], conflict["actual"])
        case _:
            call = item.append.call
            return KeyReused(call.scope if call else "", call.key if call else "")


def _refuse(items: Sequence[Waiting], error: Exception) -> None:
    for item in items:
        if not item.done.done():
            item.done.set_exception(error)
