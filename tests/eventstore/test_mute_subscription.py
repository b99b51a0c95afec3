"""A subscription that went mute, with everything else in order: events wait on the server, and nothing is fetched."""

import asyncio
import dataclasses

import nats.errors
import pytest
from nats.js.client import JetStreamContext

from contracts.orders import OfferDeclined
from eventstore.consumer import NotYet, Reactions, consumer
from eventstore.consumer.watchdog import Watchdog
from tests.support.house import QUICK, noting
from tests.support.messaging import append, note
from tests.support.waiting import eventually

SOON = dataclasses.replace(QUICK, silent_seconds=0.4)


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(consumer, "LOOK_SECONDS", 0.05)


async def test_a_mute_subscription_is_made_anew(house, caplog):
    await append(house.source, 5)
    await house.relay()
    async with house.hears(noting(), limits=SOON) as hearing:
        await eventually(house.caught_up)
        await hearing._subscriber.subscription.unsubscribe()
        await append(house.source, 5, each=5)
        await eventually(house.caught_up)
        await eventually(lambda: not hearing.problems())
        assert hearing.resubscribed >= 1
        assert "orders, though 5 events wait: it subscribes anew" in caplog.text
        await append(house.source, 1)
        await eventually(house.caught_up)
    await house.everything_once()


async def test_one_that_stays_mute_is_told_of_until_it_is_heard_again(house, monkeypatch):
    async def mute(self, batch, timeout):
        await asyncio.sleep(timeout)
        raise nats.errors.TimeoutError

    await house.relay()
    with monkeypatch.context() as patch:
        patch.setattr(JetStreamContext.PullSubscription, "fetch", mute)
        async with house.hears(noting(), limits=SOON) as hearing:
            await append(house.source, 3)
            await eventually(lambda: hearing.resubscribed >= 3)
            assert hearing.problems()[0].startswith(
                "orders is not heard: 3 events wait and none comes; subscribed anew "
            )
            patch.undo()
            await eventually(house.caught_up)
            await eventually(lambda: not hearing.problems())
    await house.everything_once()


async def test_one_that_fails_at_every_fetch_is_made_anew(house, monkeypatch):
    """Each error is told to the log and the metrics; that the source is not heard, nothing said."""
    broken: list[JetStreamContext.PullSubscription] = []
    fetch = JetStreamContext.PullSubscription.fetch

    async def failing(self, *arguments, **options):
        broken[:] = broken or [self]
        if self is broken[0]:
            raise nats.errors.BadSubscriptionError
        return await fetch(self, *arguments, **options)

    monkeypatch.setattr(JetStreamContext.PullSubscription, "fetch", failing)
    await append(house.source, 3)
    await house.relay()
    async with house.hears(noting(), limits=SOON) as hearing:
        await eventually(house.caught_up)
        assert hearing.resubscribed >= 1
    await house.everything_once()


class Looks:
    """How often the watchdog has looked, and what time it is to it: here no time passes by itself."""

    def __init__(self) -> None:
        self.seen, self.now = 0, 0.0

    async def pass_by(self, seconds: float) -> None:
        """Let time pass, with a look before and a look after."""
        await self._another()
        self.now += seconds
        await self._another()

    async def _another(self) -> None:
        # The one that is under way may have read everything before.
        before = self.seen
        await eventually(lambda: self.seen >= before + 2)


@pytest.fixture
def looks(monkeypatch):
    looks, is_mute = Looks(), Watchdog.is_mute

    def counted(self, signs, *, excused):
        looks.seen += 1
        return is_mute(self, signs, excused=excused)

    monkeypatch.setattr(Watchdog, "is_mute", counted)
    monkeypatch.setattr(Watchdog, "_now", staticmethod(lambda: looks.now))
    return looks


async def test_one_whose_events_wait_for_a_reason_is_left_alone(house, looks):
    awaited = asyncio.Event()
    tries = []
    reactions = Reactions("orders")

    @reactions.on(OfferDeclined)
    async def wants_a_fact(recorded, context):
        tries.append(recorded.position)
        if not awaited.is_set():
            return NotYet("ledger")
        return [note(recorded.position, recorded.event.wave)]

    await append(house.source, 3)
    await house.relay()
    async with house.hears(reactions, limits=SOON) as hearing:
        await eventually(lambda: tries and hearing.problems())
        for _ in range(3):
            await looks.pass_by(2 * SOON.silent_seconds)
        assert (hearing.resubscribed, hearing.position) == (0, 0)
        awaited.set()
        await eventually(house.caught_up)
    await house.everything_once()


async def test_a_long_batch_is_left_alone(house, looks):
    """Nothing is fetched and the position stands still until its last handler has answered."""
    reactions = Reactions("orders")

    @reactions.on(OfferDeclined)
    async def takes_its_time(recorded, context):
        await looks.pass_by(SOON.silent_seconds / 2)
        return [note(recorded.position, recorded.event.wave)]

    await append(house.source, 6, each=6)
    await house.relay()
    async with house.hears(reactions, limits=SOON) as hearing:
        await eventually(house.caught_up)
        assert hearing.resubscribed == 0
    await house.everything_once()
