"""The log of one service: append, read, and what commits together with both."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import asyncpg
from sqlalchemy import ExceptionContext
from sqlalchemy.event import listen
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from contracts.envelope import Recorded
from eventstore import idempotency
from eventstore.config import LogConfig
from eventstore.errors import LogUnavailable, NotCaughtUp
from eventstore.log import reader
from eventstore.log.batch import Numbered
from eventstore.log.reader import RawEvent
from eventstore.log.writer import Writer
from eventstore.model import Append, Call, Committed, Head
from eventstore.read_model import ReadModel
from eventstore.tracing import OFF, Tracing

__all__ = ["Log", "LogConfig", "RawEvent"]

_logger = logging.getLogger(__name__)
_EXPIRY_SECONDS = 60.0
_POLL_SECONDS = 0.05


def real_now() -> datetime:
    """Recording time: the real clock, UTC."""
    return datetime.now(UTC)


async def _keep_as_it_is(_connection: object) -> None:
    """Nothing is set on a pooled connection that would have to be reset, at the price of a round trip each time.

    asyncpg itself rolls back a transaction that was left open.
    """


def _give_up_on_silence(context: ExceptionContext) -> None:
    """Never use a connection again on which no answer came in time: whoever waits on it next would wait as well."""
    if isinstance(context.original_exception, TimeoutError):
        context.is_disconnect = True


class Log:
    """A service's log. Make it with `open`; use it from one event loop; `close` it."""

    def __init__(
        self,
        config: LogConfig,
        read_models: Sequence[ReadModel],
        now: Callable[[], datetime],
        pool: asyncpg.Pool,
        tracing: Tracing = OFF,
    ) -> None:
        self.config = config
        self.service = config.service
        self.community = config.community
        self.read_models = tuple(read_models)
        self.pool = pool
        """Connections for short reads and for the vault. Nothing that waits belongs on them."""
        self.tracing = tracing
        """Who is told of what executors, relay and consumers of this log do."""
        self._writer = Writer(config, self.read_models, now, self._committed)
        self._wakes: list[Callable[[int], None]] = []
        self._size = 0
        self._heard_here: dict[str, int] = {}
        self._heard_more = asyncio.Event()
        self._engine: AsyncEngine | None = None
        self._expiry: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        config: LogConfig,
        read_models: Sequence[ReadModel] = (),
        *,
        now: Callable[[], datetime] = real_now,
        tracing: Tracing = OFF,
    ) -> "Log":
        """Connect, start the writer. Raises LogUnavailable, ReadModelMismatch, Tampered, ValueError (short secret)."""
        if len(config.idempotency_secret) < 32:
            raise ValueError("the idempotency secret has at least 32 bytes")
        try:
            arguments = config.connect_arguments("pool")
            # What it reads it finds by a key, and plans are kept from when tables were empty: no scans.
            arguments["server_settings"] |= {
                "jit": "off",
                "plan_cache_mode": "force_generic_plan",
                "enable_seqscan": "off",
                "enable_hashjoin": "off",
            }
            pool = await asyncpg.create_pool(
                **arguments,
                min_size=1,
                reset=_keep_as_it_is,
                max_size=config.pool_connections,
                command_timeout=config.statement_seconds,
                max_cached_statement_lifetime=0,
            )
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise LogUnavailable(f"the log of {config.service} cannot be opened: {error!r}") from error
        log = cls(config, read_models, now, pool, tracing)
        try:
            await log._writer.open()
        except BaseException:
            await log.close()
            raise
        log._expiry = asyncio.create_task(log._expire(), name=f"{config.service} idempotency expiry")
        return log

    async def close(self) -> None:
        """Commit what waits and give the connections back. Further appends raise LogUnavailable."""
        if self._expiry is not None:
            self._expiry.cancel()
            await asyncio.gather(self._expiry, return_exceptions=True)
        await self._writer.close()
        if self._engine is not None:
            await self._engine.dispose()
        await self.pool.close()

    async def append(self, append: Append) -> Committed:
        """Record all of it or nothing; answered after the commit.

        Raises VersionConflict, KeyReused, StepConflict, ConstraintBroken, EventRefused, ReadModelMismatch: nothing is
        recorded. Raises LogUnavailable: whether it is recorded is unknown; repeat it with the same key or step.
        """
        return await self._writer.submit(append)

    async def read(self, after: int = 0, limit: int = 500) -> list[Recorded]:
        """Events after a position, in order; fewer than `limit` only at the end. None can appear later before these."""
        return await reader.read(self.pool, self.config.schema, after, limit)

    async def read_raw(self, after: int, limit: int) -> list[RawEvent]:
        """The same as stored bytes."""
        return await reader.read_raw(self.pool, self.config.schema, after, limit)

    async def read_stream(self, stream: str, after_version: int = 0) -> list[Recorded]:
        """The events of one stream after a version."""
        return await reader.read_streams(self.pool, self.config.schema, [(stream, after_version)])

    async def read_streams(self, after: Mapping[str, int]) -> list[Recorded]:
        """The events of several streams, each after its version, in the log's order, in one round trip."""
        return await reader.read_streams(self.pool, self.config.schema, list(after.items()))

    async def head(self) -> Head:
        """Size, root and last recording time as committed."""
        return (await reader.head(self.pool, self.config.schema)).public()

    async def position_at(self, time: datetime) -> int:
        """The last position recorded at or before `time`."""
        return await reader.position_at(self.pool, self.config.schema, time)

    async def heard(self, source: str) -> int:
        """How far `source` is heard."""
        return await reader.heard(self.pool, self.config.schema, source)

    async def wait_heard(self, source: str, position: int, timeout: float = 2.0) -> None:
        """Return once any replica heard `source` up to `position`. Raises NotCaughtUp after `timeout` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            more = self._heard_more
            heard = self._heard_here.get(source, 0)
            if heard < position:
                heard = await self.heard(source)
            if heard >= position:
                return
            left = deadline - loop.time()
            if left <= 0:
                raise NotCaughtUp(source, position, heard)
            # Another replica's consumer can only be seen in the table: hence the poll beside the event.
            with suppress(TimeoutError):
                await asyncio.wait_for(more.wait(), min(left, _POLL_SECONDS))

    async def answer_to(self, call: Call) -> Committed | None:
        """The first answer given to this key; None when it is free. Raises KeyReused on another body."""
        return await idempotency.first_answer(self.pool, self.config.schema, self.config.idempotency_secret, call)

    def on_commit(self, wake: Callable[[int], None]) -> None:
        """Have `wake` called with the log's new size after each commit of this process. It must not block or raise."""
        self._wakes.append(wake)

    def queries(self) -> AsyncConnection:
        """A connection for queries on read models, for `async with`. Their tables need no schema."""
        if self._engine is None:
            # AUTOCOMMIT: a query is one statement and needs no transaction around it; it saves two round trips.
            self._engine = create_async_engine(
                self.config.sqlalchemy_url(),
                pool_size=self.config.query_connections,
                max_overflow=0,
                isolation_level="AUTOCOMMIT",
                connect_args={
                    "server_settings": {"application_name": f"{self.service}:queries", "jit": "off"},
                    "timeout": self.config.connect_seconds,
                    "command_timeout": self.config.statement_seconds,
                },
                execution_options={"schema_translate_map": {None: self.config.read_schema}},
            )
            listen(self._engine.sync_engine, "handle_error", _give_up_on_silence)
        return self._engine.connect()

    @property
    def waiting(self) -> int:
        """Appends that wait for the writer."""
        return self._writer.waiting

    def _committed(self, whole: Numbered) -> None:
        steps = [item.append.step for item in whole.items if item.append.step is not None]
        if steps:
            self._heard_here.update((step.source, step.position) for step in steps)
            self._heard_more.set()
            self._heard_more = asyncio.Event()
        if whole.head.size > self._size:  # answers of two batches may come in one turn of the loop, in any order
            self._size = whole.head.size
            for wake in self._wakes:
                wake(self._size)

    async def _expire(self) -> None:
        while True:
            try:
                deleted = await idempotency.delete_expired(self.pool, self.config.schema, self.config.idempotency_days)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                _logger.warning("expired idempotency keys were not deleted: %r", error)
                deleted = 0
            if not deleted:
                await asyncio.sleep(_EXPIRY_SECONDS)
