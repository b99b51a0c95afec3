"""A process that has lost a role to another says nothing of it any more."""

from eventstore import streams
from eventstore.errors import LogUnavailable
from eventstore.log import Log
from eventstore.relay import Relay
from tests.support.house import noting
from tests.support.messaging import append, connected, plain_client, running
from tests.support.waiting import eventually


async def test_a_consumer_says_nothing_of_what_held_it_up(house, monkeypatch):
    """Another process hears the source by then: this one would be ailing for ever over what has long been heard."""

    async def away(self, append):
        raise LogUnavailable("nobody answers")

    await append(house.source, 3)
    await house.relay()
    with monkeypatch.context() as patch:
        patch.setattr(Log, "append", away)
        async with house.hears(noting()) as consumer:
            await eventually(lambda: "nobody answers" in str(consumer.problems()))
            await eventually(lambda: consumer.lag == 3)
    assert consumer.problems() == []
    assert consumer.lag is None
    async with house.hears(noting()):
        await eventually(house.caught_up)
    await house.everything_once()


async def test_a_relay_says_nothing_of_its_stream(house):
    async with plain_client(house.server) as client, connected(house.server) as connection:
        config = streams.stream_config("chaoyangli", "orders")
        config.deny_purge = False
        await streams.context(client).add_stream(config)
        relay = Relay(house.source, connection)
        async with running(relay.run()):
            await eventually(lambda: "deny_purge" in str(relay.problems()))
        assert relay.problems() == []
