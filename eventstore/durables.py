"""Durables on a log's stream: made for listeners that ask, kept in PostgreSQL, made again after NATS lost them."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from nats.aio.msg import Msg
from nats.js import JetStreamContext

from eventstore import streams
from eventstore.broker import Connection
from eventstore.locks import lock_key
from eventstore.log import Log
from eventstore.tasks import wait_for
from eventstore.trouble import NATS_TROUBLE, STORE_TROUBLE

_logger = logging.getLogger(__name__)

RECORD_SECONDS = 3.0
_SOON_SECONDS = 0.05


def durables_lock(service: str) -> int:
    """The advisory lock of whoever notes a log's durables and makes them again, and of whoever takes one away.

    A round that had seen a durable which is taken away meanwhile would note it once more, and the next make it again.
    """
    return lock_key(service, "durables")


class DurableKeeper:
    """The relay's second hand. `is_open`: the stream is known to be the log's; before, nobody gets a place in it."""

    def __init__(
        self,
        log: Log,
        connection: Connection,
        is_open: Callable[[], bool],
        failed: Callable[[str, Exception], None],
        record_seconds: float = RECORD_SECONDS,
    ) -> None:
        self._log = log
        self._connection = connection
        self._is_open = is_open
        self._failed = failed
        self._record_seconds = record_seconds
        self._wanted: dict[str, int] = {}
        self._asked = asyncio.Event()

    async def asked(self, message: Msg) -> None:
        """A listener asks for its durable: the subject ends in its name, the payload is its checkpoint."""
        with suppress(ValueError):
            self._wanted[message.subject.rpartition(".")[2]] = int(message.data)
            self._asked.set()

    async def run(self) -> None:
        """Make, record and make again, until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await wait_for(self._asked, max(_SOON_SECONDS, due - loop.time()))
            self._asked.clear()
            if not (self._is_open() and self._connection.connected):
                due = loop.time() + _SOON_SECONDS
                continue
            try:
                js = streams.context(await self._connection.client())
                await self._make_wanted(js)
                if loop.time() >= due:
                    await self._keep(js)
            except (*NATS_TROUBLE, *STORE_TROUBLE) as error:
                self._failed("durables", error)
                await asyncio.sleep(0.5)
            if loop.time() >= due:
                due = loop.time() + self._record_seconds

    async def _make_wanted(self, js: JetStreamContext) -> None:
        while self._wanted:
            listener, position = self._wanted.popitem()
            await streams.ensure_durable(js, self._log.config.name, listener, position)

    async def _keep(self, js: JetStreamContext) -> None:
        schema, name = self._log.config.schema, self._log.config.name
        async with self._log.pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", durables_lock(schema))
            found = await streams.durables(js, name)
            restored = await streams.restore_durables(js, connection, schema, name, found)
            if restored:
                _logger.warning("%s: durables were gone and are made again: %s", name, ", ".join(restored))
            await streams.record_durables(connection, schema, found)
