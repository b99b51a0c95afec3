"""The process's one connection to NATS: made in the background, kept for ever, replaced when the client gives it up."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import nats.errors
from faststream.middlewares import AckPolicy
from faststream.nats import NatsBroker, NatsNKey
from nats.aio.client import Client

from eventstore.locks import backoff
from eventstore.nats_api import API

_logger = logging.getLogger(__name__)

CONNECT_SECONDS = 2
STUCK_SECONDS = 10.0
"""Not connected and not even a failed attempt for so long: nats-py's reconnecting task has died; begin anew."""
WATCH_SECONDS = 0.5


def make_broker(
    url: str,
    service: str,
    *,
    seed: str | None = None,
    heard_api: str = API,
    middlewares: Sequence[Any] = (),
    graceful_seconds: float = 5.0,
) -> NatsBroker:
    """A broker with our defaults; `seed` is its user's NKEY, None on a server without users.

    `heard_api`: what JetStream's API is called for the streams that the service hears: `api_prefix` where services have
    accounts of their own.

    It never gives up reconnecting, hands messages over undecoded and unacknowledged, and keeps its replies under
    `_INBOX_<service>`, where the user's rights let it listen. `Connection` connects it.
    """
    return NatsBroker(
        url,
        name=service,
        security=NatsNKey.from_seed(seed) if seed is not None else None,
        inbox_prefix=inbox_prefix(service),
        js_options={"prefix": heard_api},
        connect_timeout=CONNECT_SECONDS,
        reconnect_time_wait=1,
        max_reconnect_attempts=-1,
        ping_interval=20,
        max_outstanding_pings=2,
        graceful_timeout=graceful_seconds,
        ack_policy=AckPolicy.MANUAL,
        apply_types=False,
        middlewares=middlewares,
        logger=None,
    )


def inbox_prefix(service: str) -> str:
    """Where a service's replies arrive."""
    return f"_INBOX_{service}"


class Connection:
    """Keeps a broker connected. `run` it in a task; whoever needs NATS asks for `client()`.

    The client may be another one after a failure: ask again for each piece of work; subscriptions begin anew when
    `until_replaced` returns.
    """

    def __init__(self, broker: NatsBroker) -> None:
        self.broker = broker
        self.heard_api: str = broker.config.js_options["prefix"]
        """What JetStream's API is called for other services' streams; for the service's own it is `API`."""
        self.errors: Counter[str] = Counter()
        """What nats-py reported, by kind; `permission` means that the server's rights and ours differ."""
        self.last_error = ""
        self._refusal = ""
        """Why the server sent us away: it tells more than the broken connections that follow."""
        self._client: Client | None = None
        self._there = asyncio.Event()
        self._gone = asyncio.Event()
        self._when_dropped: list[Callable[[], None]] = []
        self._sign_of_life = 0.0
        # FastStream's own callback lets errors such as "authorization timeout" out into nats-py's reconnecting task,
        # which dies of them; ours only counts and logs.
        broker._connection_kwargs["error_cb"] = self._report  # noqa: SLF001
        broker._connection_kwargs["disconnected_cb"] = self._dropped  # noqa: SLF001

    @property
    def connected(self) -> bool:
        """Whether the server answers, as far as the client knows."""
        return self._client is not None and self._client.is_connected

    async def until_replaced(self, client: Client) -> None:
        """Return when this client will not come back: whoever subscribed with it must begin anew with another."""
        if client is self._client:
            await self._gone.wait()

    def problems(self) -> list[str]:
        """For health: empty when connected."""
        if self.connected:
            return []
        why = self._refusal or self.last_error
        return [f"NATS cannot be reached{': ' + why if why else ''}"]

    def on_drop(self, dropped: Callable[[], None]) -> None:
        """Have `dropped` called when the connection breaks: whoever waits for an answer need not wait it out."""
        self._when_dropped.append(dropped)

    async def client(self) -> Client:
        """The connected client; waits until there is one."""
        while True:
            client = self._client
            if client is not None and client.is_connected:
                return client
            if client is None:
                await self._there.wait()
            else:
                await asyncio.sleep(WATCH_SECONDS / 10)

    async def run(self) -> None:
        """Connect, watch, connect anew, until cancelled; then close."""
        failures = 0
        try:
            while True:
                try:
                    client = await self._connect()
                except (OSError, nats.errors.Error, TimeoutError) as error:
                    failures += 1
                    await self._report(error)
                    await asyncio.sleep(backoff(failures))
                    continue
                failures = 0
                await self._watch(client)
                await self._discard(client)
        finally:
            await self._close()

    async def _connect(self) -> Client:
        self._client = await self.broker.connect()
        self._sign_of_life = asyncio.get_running_loop().time()
        self._gone = asyncio.Event()
        self._there.set()
        return self._client

    async def _watch(self, client: Client) -> None:
        """Return when the client will not come back by itself."""
        loop = asyncio.get_running_loop()
        while not client.is_closed:
            if client.is_connected:
                self._sign_of_life = loop.time()
                self._refusal = ""
            elif loop.time() - self._sign_of_life > STUCK_SECONDS:
                _logger.error("the NATS client neither connects nor tries: it is replaced")
                return
            await asyncio.sleep(WATCH_SECONDS)

    async def _discard(self, client: Client) -> None:
        self._there.clear()
        self._gone.set()
        self._client = None
        self.broker._connection = None  # noqa: SLF001 — so that connect() makes a new one
        self.broker.config.disconnect()
        with suppress(OSError, nats.errors.Error, TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                await client.close()

    async def _close(self) -> None:
        if self._client is not None:
            await self._discard(self._client)

    async def _dropped(self) -> None:
        for dropped in self._when_dropped:
            dropped()

    async def _report(self, error: Exception) -> None:
        """nats-py's callback: permission errors, lost connections and failed attempts arrive here and nowhere else."""
        text = str(error) or type(error).__name__
        kind = "permission" if "permissions violation" in text.lower() else type(error).__name__
        self._sign_of_life = asyncio.get_running_loop().time()
        self.errors[kind] += 1
        if text != self.last_error or kind == "permission":
            _logger.warning("NATS: %s", text)
        self.last_error = text
        if "authorization" in text.lower():
            self._refusal = text
