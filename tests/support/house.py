"""A source and a listener on real servers: what the tests of hearing are played on."""

import contextlib

from contracts.orders import OfferDeclined
from eventstore.consumer import Consumer, Limits, Reactions
from eventstore.executor import Executor
from eventstore.relay import Relay
from tests.support.messaging import LISTENER_CONSTRAINTS, NOTES, Stopped, connected, copied, note, noted, running

QUICK = Limits(retry_seconds=0.02, retry_seconds_most=0.2, blocked_seconds_most=0.3, letters_seconds=0.05, tries=3)


class House:
    """A source (orders) with its relay, and a listener (volunteers) with its consumer, on real servers."""

    def __init__(self, source, listener, server, stack) -> None:
        self.source, self.listener, self.server, self._stack = source, listener, server, stack
        self.executor = Executor(listener, [NOTES], LISTENER_CONSTRAINTS)

    async def relay(self) -> Relay:
        connection = await self._stack.enter_async_context(connected(self.server, "orders"))
        relay = Relay(self.source, connection, poll_seconds=0.02, check_seconds=0.3, record_seconds=0.1)
        relay.attach()
        _ = await self._stack.enter_async_context(running(relay.run()))
        return relay

    @contextlib.asynccontextmanager
    async def hears(self, reactions, *, limits=QUICK, **options):
        async with connected(self.server, "volunteers") as connection:
            consumer = Consumer(self.executor, reactions, connection, Stopped(), limits=limits, **options)
            async with running(consumer.run()):
                yield consumer

    async def heard(self):
        return await self.listener.heard("orders")

    async def caught_up(self):
        return await self.heard() == (await self.source.head()).size

    async def everything_once(self) -> None:
        """The effects and the copies are exactly those of the source's log, each event once and in order."""
        waves = [recorded.event.wave for recorded in await self.source.read(0, 100_000)]
        assert await noted(self.listener) == waves
        assert await copied(self.listener) == list(enumerate(waves, 1))


def noting(**options) -> Reactions:
    """Reactions that note each event's number for a person of its own."""
    reactions = Reactions("orders", **options)

    @reactions.on(OfferDeclined)
    async def note_it(recorded, context):
        return [note(recorded.position, recorded.event.wave)]

    return reactions
