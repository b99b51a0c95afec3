"""A program says whether it may run on a database before it touches it; streams are made anew from the logs."""

import asyncio
import contextlib
import tomllib
from pathlib import Path

import asyncpg
import nats
import pytest
from nats.js.api import AckPolicy, ConsumerConfig

import eventstore.migrate
from cli.place import located
from cli.version import VERSION
from contracts.event import EVENTS
from eventstore.streams import stream_config
from servicekit.migrate import definition_of
from tests.cli.losses import servers_of
from tests.cli.program import say
from tests.cli.towns import a_service_at_work
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]
OK, CHECK_FAILED, USAGE, PENDING = 0, 1, 2, 6
OUTSIDER = "outsider"


@pytest.fixture(scope="module")
def data(lived):
    place = lived.copy("to-upgrade")
    with servers_of(place) as stack:
        yield place, stack


def test_the_program_says_the_version_of_the_package():
    pyproject = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["version"] == VERSION


def _checked(data):
    said = say("upgrade", "--check", "--data", data, "--json")
    return said.code, said.document


@contextlib.contextmanager
def _altered(stack, statement, back):
    """The database as another version would have left it."""

    async def run(words):
        connection = await asyncpg.connect(stack.servers.postgres.dsn("chaoyangli"))
        try:
            await connection.execute(words)
        finally:
            await connection.close()

    asyncio.run(run(statement))
    try:
        yield
    finally:
        asyncio.run(run(back))


def test_each_state_of_a_database_has_its_answer_and_its_next_step(data, monkeypatch):
    place, stack = data
    code, document = _checked(place)
    assert (code, document["state"]) == (OK, "current")
    version = "UPDATE orders.schema_version SET {} WHERE number = 4"
    with _altered(
        stack,
        "ALTER TABLE orders.schema_version RENAME TO kept; CREATE TABLE orders.schema_version AS"
        " SELECT * FROM orders.kept WHERE number <> 4",
        "DROP TABLE orders.schema_version; ALTER TABLE orders.kept RENAME TO schema_version",
    ):
        code, document = _checked(place)
        assert (code, document["state"]) == (PENDING, "pending")
        (locks,) = document["services"]["orders"]["pending"].values()
        assert locks == ["nobody reads or writes orders.dead_letters", "nobody writes orders.dead_letters"]
    for change, back, why in (
        (version.format("number = 94"), "UPDATE orders.schema_version SET number = 4 WHERE number = 94", "is newer"),
        (version.format("digest = 'x' || digest"), version.format("digest = substr(digest, 2)"), "was edited after"),
    ):
        with _altered(stack, change, back):
            code, document = _checked(place)
            assert (code, document["state"]) == (CHECK_FAILED, "refused")
            assert why in document["services"]["orders"]["refused"][0]
    with monkeypatch.context() as patched:
        patched.setattr(eventstore.migrate, "UPGRADES_FROM", 90)
        assert "too old for this program" in _checked(place)[1]["services"]["ledger"]["refused"][0]
    with monkeypatch.context() as patched:
        patched.delitem(EVENTS, ("volunteers", "PersonRegistered"))
        code, document = _checked(place)
        assert code == CHECK_FAILED
        assert "is the first PersonRegistered which this program does not know" in str(document)
    with monkeypatch.context() as patched:
        patched.setattr(type(definition_of("notify").read_models[0]), "version", 10_000)
        code, document = _checked(place)
        assert code == PENDING
        assert document["services"]["notify"]["read_models"] is not None
    assert say("upgrade", "--data", place).code == USAGE
    assert _checked(place)[0] == OK


def test_streams_are_made_anew_byte_for_byte_and_everybody_goes_on_where_they_were(data):
    place, stack = data
    asyncio.run(_spoil(place))
    with a_service_at_work(place, stack):
        refused = say("nats", "rebuild", "--data", place)
        assert refused.code == CHECK_FAILED
        assert "stop the services before streams are rebuilt: orders" in refused.err
    assert say("verify", "--data", place).code == CHECK_FAILED
    said = say("nats", "rebuild", "--data", place, "--json")
    assert said.code == OK, said
    found = said.document["services"]
    assert found["volunteers"]["before"] == found["volunteers"]["size"]
    assert found["orders"]["before"] == 0
    assert {OUTSIDER, "notify-reactions", "orders-reactions"} <= set(found["volunteers"]["durables"])
    assert say("verify", "--data", place).code == OK
    assert asyncio.run(_next_of_outsider(place)) == 3
    asyncio.run(_ahead(place))
    refused = say("nats", "rebuild", "--data", place)
    assert refused.code == CHECK_FAILED
    assert "recover the log first" in refused.err


@contextlib.asynccontextmanager
async def _admin(place):
    with located(place) as found:
        client = await nats.connect(**found.nats_arguments("admin"))
        try:
            yield client.jetstream(prefix=found.streams_api)
        finally:
            await client.close()


async def _spoil(place):
    """An outsider has read two events; then one stream holds something else and one is gone."""
    async with _admin(place) as js:
        config = ConsumerConfig(durable_name=OUTSIDER, ack_policy=AckPolicy.EXPLICIT)
        await js.add_consumer("VOLUNTEERS", config)
        reading = await js.pull_subscribe_bind(OUTSIDER, "VOLUNTEERS")
        for message in await reading.fetch(2):
            await message.ack_sync(PATIENCE_SECONDS)
        await js.delete_stream("ORDERS")
        size = (await js.stream_info("LEDGER")).state.last_seq
        await js.delete_stream("LEDGER")
        await js.add_stream(stream_config("chaoyangli", "ledger"))
        for number in range(size):
            await js.publish("chaoyangli.ledger.Nonsense", str(number).encode())


async def _next_of_outsider(place):
    """The number of the event that the outsider gets next."""
    async with _admin(place) as js:
        reading = await js.pull_subscribe_bind(OUTSIDER, "VOLUNTEERS")
        (message,) = await reading.fetch(1)
        return message.metadata.sequence.stream


async def _ahead(place):
    async with _admin(place) as js:
        await js.publish("chaoyangli.notify.Nonsense", b"more than the log has")
