"""The missing tail of a log put back into an old copy of its database: the same bytes at the same numbers, or none."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from eventstore.checkpoint import Checkpoint
from eventstore.merkle import leaf_hash, root_hash
from eventstore.model import Append, Metadata, Step, StreamAppend
from eventstore.recovery import TailRefused, base_of, checked, move_heard, put_back
from tests.support.logs import as_role, declined, migrated, one, opened, stream, superuser
from tests.support.replays import given

BEFORE, AFTER, SIGNED = 250, 1_300, 1_200
TABLES = ("events", "head", "tiles")


@pytest.fixture
async def copies(database, postgres_server):
    """A log, and an old copy of its database: (config, the log's database, the copy)."""
    config = await migrated(database)
    streams = [stream() for _ in range(7)]
    async with opened(config) as log:
        await fill(log, streams, 0, BEFORE)
    old = await asyncio.to_thread(postgres_server.create_database, database.name)
    async with opened(config) as log:
        await fill(log, streams, BEFORE, AFTER)
    yield config, database, old
    await asyncio.to_thread(postgres_server.drop_database, old.name)


async def fill(log, streams, start, end):
    """Events of several streams in turn, in batches of a few hundred."""
    appends = [one(streams[number % 7], number // 7, number) for number in range(start, end)]
    for at in range(0, len(appends), 7):
        await asyncio.gather(*(log.append(append) for append in appends[at : at + 7]))


async def rows(database, tables=TABLES):
    async with superuser(database) as connection:
        return {table: await connection.fetch(f"SELECT * FROM orders.{table} ORDER BY 1, 2") for table in tables}


async def kept(database, after=BEFORE):
    """The bodies after a position, and the head that was signed once."""
    async with superuser(database) as connection:
        bodies = [row["body"] for row in await connection.fetch("SELECT body FROM orders.events ORDER BY position")]
    return bodies[after:], bodies


def head_of(bodies, size=SIGNED):
    return Checkpoint("chaoyangli/orders", size, root_hash([leaf_hash(body) for body in bodies[:size]]))


async def recovered(config, database, bodies, signed):
    async with superuser(database) as connection:
        tail = await checked(connection, config, await base_of(connection, "orders"), bodies, signed)
        async with connection.transaction():
            await put_back(connection, tail)


async def test_the_tail_put_back_makes_the_log_what_it_was(copies):
    config, database, old = copies
    bodies, whole = await kept(database)
    assert await rows(old) != await rows(database)
    await recovered(config, old, bodies, head_of(whole))
    assert await rows(old) == await rows(database)
    # The service goes on with it, past everything that its writer checks.
    async with opened(replace(config, database=old.name)) as log:
        committed = await log.append(one(stream()))
        assert committed.first_position == AFTER + 1


async def test_a_head_that_the_old_copy_reaches_is_held_against_it_too(copies):
    config, database, old = copies
    bodies, whole = await kept(database)
    await recovered(config, old, bodies, head_of(whole, BEFORE - 10))
    assert await rows(old) == await rows(database)


def changed(bodies, at, old, new):
    found = list(bodies)
    assert old in found[at]
    found[at] = found[at].replace(old, new, 1)
    return found


def swapped(bodies):
    return [bodies[1], bodies[0], *bodies[2:]]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda bodies: changed(bodies, 400, b'"wave":650', b'"wave":651'), "do not hash to the head"),
        (lambda bodies: changed(bodies, 3, b'"wave":253', b'"wave":999'), "do not hash to the head"),
        (lambda bodies: bodies[: SIGNED - BEFORE - 1], "events 1200 to 1200 are missing"),
        (lambda bodies: [], "events 251 to 1200 are missing"),
        (lambda bodies: bodies[1:], "it says that it is chaoyangli/orders/252"),
        (lambda bodies: [*bodies[:9], *bodies[10:]], "it says that it is"),
        (swapped, "it says that it is"),
        (lambda bodies: changed(bodies, 0, b"/chaoyangli/", b"/elsewhere/"), "it says that it is elsewhere/"),
        (lambda bodies: [b"{}", *bodies[1:]], "not an event that this program knows"),
        (
            lambda bodies: changed(bodies, 5, b"OfferDeclined", b"OfferForgotten"),
            "not an event that this program knows",
        ),
        (lambda bodies: changed(bodies, 0, b'"streamversion":36', b'"streamversion":37'), "goes from 35 to 37"),
        (lambda bodies: changed(bodies, 1_040, b'"time":"20', b'"time":"19'), "before the one before it"),
    ],
)
async def test_a_tail_that_is_not_the_one_signed_is_refused_and_nothing_is_written(copies, spoil, why):
    config, database, old = copies
    bodies, whole = await kept(database)
    before = await rows(old)
    with pytest.raises(TailRefused, match=why):
        await recovered(config, old, spoil(bodies), head_of(whole))
    assert await rows(old) == before


async def test_the_tail_of_another_history_is_refused(copies):
    config, database, old = copies
    bodies, _ = await kept(database)
    with pytest.raises(TailRefused, match="do not hash"):
        await recovered(config, old, bodies, Checkpoint("chaoyangli/orders", SIGNED, bytes(32)))
    with pytest.raises(TailRefused, match="do not hash"):
        await recovered(config, old, bodies, Checkpoint("chaoyangli/orders", 7, bytes(32)))


async def test_what_was_appended_meanwhile_is_not_passed_over(copies):
    config, database, old = copies
    bodies, whole = await kept(database)
    async with superuser(old) as connection:
        tail = await checked(connection, config, await base_of(connection, "orders"), bodies, head_of(whole))
        async with opened(replace(config, database=old.name)) as log:
            await log.append(one(stream()))
        with pytest.raises(TailRefused, match="was written to meanwhile"):
            async with connection.transaction():
                await put_back(connection, tail)
    assert len((await rows(old))["events"]) == BEFORE + 1


async def test_what_puts_back_meets_the_triggers_that_everybody_meets(copies):
    """Even were the checks wrong: the owner cannot leave a gap, and the service's own roles cannot put back at all."""
    config, database, old = copies
    bodies, whole = await kept(database)
    async with superuser(old) as connection:
        tail = await checked(connection, config, await base_of(connection, "orders"), bodies, head_of(whole))
        gap = replace(tail, events=tail.events[1:])
        with pytest.raises(asyncpg.CheckViolationError, match=r"do not continue orders\.events at 250"):
            async with connection.transaction():
                await put_back(connection, gap)
    for role in ("app", "migrator", "auditor"):
        login = as_role(replace(config, database=old.name), role)
        connection = await asyncpg.connect(**login.connect_arguments("test"))
        try:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await put_back(connection, tail)
        finally:
            await connection.close()
    assert len((await rows(old))["events"]) == BEFORE


async def test_a_crash_before_the_end_leaves_the_old_copy_to_be_recovered_again(copies):
    config, database, old = copies
    bodies, whole = await kept(database)
    before = await rows(old)
    async with superuser(old) as connection, superuser(old) as killer:
        tail = await checked(connection, config, await base_of(connection, "orders"), bodies, head_of(whole))
        await connection.execute("BEGIN")
        await put_back(connection, tail)
        await killer.execute("SELECT pg_terminate_backend($1, 5000)", connection.get_server_pid())
        assert await rows(old) == before
    await recovered(config, old, bodies, head_of(whole))
    assert await rows(old) == await rows(database)


async def test_what_the_tail_shows_to_have_been_acted_upon_counts_as_heard(database, postgres_server):
    orders, volunteers = await migrated(database), await migrated(database, "volunteers")

    async def hear(log, said, start, end, *causes):
        parts = [
            StreamAppend(f"person-{stream()}", 0, [given(cause, 1)], causation_id=said[cause - 1].event_id)
            for cause in causes
        ]
        await log.append(Append(parts, Metadata("system"), step=Step("orders", start, end)))

    async with opened(orders) as source, opened(volunteers) as log:
        await source.append(Append([StreamAppend(stream(), 0, [declined(n) for n in range(10)])], Metadata("system")))
        said = await source.read_raw(0, 100)
        await hear(log, said, 0, 3, 1, 3)
    old = await asyncio.to_thread(postgres_server.create_database, database.name)
    async with opened(volunteers) as log:
        await hear(log, said, 3, 7, 5, 6)
        await hear(log, said, 7, 9)
        bodies = [event.body for event in await log.read_raw(2, 100)]
        head = await log.head()
    async with superuser(old) as connection:
        signed = Checkpoint("chaoyangli/volunteers", head.size, head.root)
        tail = await checked(connection, volunteers, await base_of(connection, "volunteers"), bodies, signed)
        async with connection.transaction():
            await put_back(connection, tail)
            assert await move_heard(connection, tail.config, tail.events, ["orders", "ledger"]) == {"orders": 6}
        assert await connection.fetchval("SELECT position FROM volunteers.heard WHERE source = 'orders'") == 6
        async with connection.transaction():
            assert await move_heard(connection, tail.config, tail.events, ["orders"]) == {}
        with pytest.raises(TailRefused, match=r"2 of its missing events .* recover all services at once"):
            async with connection.transaction():
                await move_heard(connection, tail.config, tail.events, ["volunteers", "ledger"])
    await asyncio.to_thread(postgres_server.drop_database, old.name)
