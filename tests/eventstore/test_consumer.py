"""Hearing another service: every effect once, in order, whatever is delivered when and how often."""

import asyncio
import contextlib
import logging

import nats.errors
from nats.js.errors import NotFoundError

from contracts.command import Refused
from contracts.orders import OfferDeclined
from eventstore import streams
from eventstore.consumer import Consumer, NotYet, Reactions, derived_id
from eventstore.executor import Plan
from eventstore.model import Append, Metadata, Step, StreamAppend, VaultChange
from tests.support.house import noting
from tests.support.logs import BY_TEST, declined, one, stream, superuser
from tests.support.messaging import (
    NOTES,
    append,
    copied,
    note,
    noted,
    plain_client,
)
from tests.support.waiting import PATIENCE_SECONDS, eventually


async def test_every_event_has_its_effect_once(house):
    await append(house.source, 700, each=3)
    await house.relay()
    async with house.hears(noting()) as consumer:
        await eventually(house.caught_up)
        await append(house.source, 1)
        await eventually(house.caught_up)
        await house.everything_once()
        await eventually(lambda: consumer.lag is not None)
        assert (consumer.lag, consumer.problems(), consumer.position) == (0, [], 701)
        first = (await house.listener.read(0, 1))[0]
        cause = (await house.source.read(0, 1))[0]
        assert (first.causation_id, first.correlation_id, first.actor) == (cause.event_id, cause.event_id, "system")


async def test_the_order_of_starting_does_not_matter(house):
    house.server.kill()
    await append(house.source, 5)
    async with house.hears(noting()) as consumer:
        await eventually(lambda: consumer.errors or True)
        await asyncio.to_thread(house.server.start)
        await eventually(lambda: consumer.last_error)  # no stream so far
        await house.relay()
        await eventually(house.caught_up)
        await house.everything_once()


async def test_commands_of_a_batch_on_one_stream_see_each_other(house):
    reactions = Reactions("orders", refusals={"noted_before": "ignore"})
    seen = []

    @reactions.on(OfferDeclined)
    async def note_for_one_person(recorded, context):
        seen.append(len(await context.state(note(1, 0).stream)))
        return [note(1, recorded.event.wave), note(1, recorded.event.wave + 1)]

    await append(house.source, 200, each=200)
    await house.relay()
    async with house.hears(reactions):
        await eventually(house.caught_up)
    assert await noted(house.listener) == list(range(1, 202))
    assert seen == [0, *range(2, 201)]


async def test_duplicates_and_gaps_are_of_no_consequence(house):
    await append(house.source, 60, each=5)
    await house.relay()
    async with house.hears(noting()):
        await eventually(house.caught_up)
    async with plain_client(house.server) as client:
        js = streams.context(client)
        for start in (1, 130):
            # The durable is lost and made again too early, then too late: with duplicates, then with a gap.
            await js.delete_consumer("ORDERS", "volunteers-reactions")
            await streams.ensure_durable(js, "orders", "volunteers", start)
            await append(house.source, 60, each=7)
            async with house.hears(noting()) as consumer:
                await eventually(house.caught_up)
                assert start != 1 or consumer.duplicates
    await house.everything_once()


async def test_a_gap_behind_a_quiet_durable_is_found(house):
    await append(house.source, 30)
    await house.relay()
    async with plain_client(house.server) as client:
        js = streams.context(client)
        await eventually(lambda: _last(js, 30))
        await streams.ensure_durable(js, "orders", "volunteers", 0)
        subscription = await js.pull_subscribe_bind("volunteers-reactions", "ORDERS")
        fetched = await subscription.fetch(30)
        # Acknowledged by a life of the listener that its restored database forgot.
        await fetched[-1].ack_sync(PATIENCE_SECONDS)
        async with house.hears(noting()):
            await eventually(house.caught_up)
    await house.everything_once()


async def test_what_was_delivered_to_a_dead_holder_is_fetched(house, monkeypatch):
    """The server would deliver it again after ten minutes only."""
    monkeypatch.setattr(streams, "ACK_WAIT_SECONDS", 600.0)
    await append(house.source, 12)
    await house.relay()
    async with plain_client(house.server) as client:
        js = streams.context(client)
        await eventually(lambda: _last(js, 12))
        await streams.ensure_durable(js, "orders", "volunteers", 0)
        subscription = await js.pull_subscribe_bind("volunteers-reactions", "ORDERS")
        assert len(await subscription.fetch(12)) == 12  # and nothing acknowledged
        async with house.hears(noting()):
            await eventually(house.caught_up)
    await house.everything_once()


async def _last(js, sequence):
    with contextlib.suppress(NotFoundError):
        return (await js.stream_info("ORDERS")).state.last_seq == sequence


async def test_a_commit_whose_acknowledgement_is_lost_is_not_repeated(house, monkeypatch):
    async def lost(self, have):
        for message in have.values():
            await message.nak()
        raise nats.errors.ConnectionClosedError

    await append(house.source, 50, each=9)
    await house.relay()
    with monkeypatch.context() as patch:
        patch.setattr(Consumer, "_acknowledge", lost)
        async with house.hears(noting()):
            await eventually(house.caught_up)
    async with house.hears(noting()) as consumer:
        await eventually(lambda: consumer.duplicates)
        await append(house.source, 3)
        await eventually(house.caught_up)
    await house.everything_once()


async def test_nats_killed_wiped_and_restarted_while_hearing(house):
    await house.relay()
    async with house.hears(noting()) as consumer:
        for fault in (house.server.restart, house.server.wipe, house.server.kill):
            before = consumer.position
            writing = asyncio.ensure_future(append(house.source, 200, each=3))
            while consumer.position == before:
                await asyncio.sleep(0)
            await asyncio.to_thread(fault)
            await writing
            if not house.server.running:
                await asyncio.to_thread(house.server.start)
            await eventually(house.caught_up)
    await house.everything_once()


async def test_two_consumers_at_once_do_no_harm(house):
    await house.relay()
    async with house.hears(noting()), house.hears(noting()):
        for _ in range(10):
            await append(house.source, 30, each=4)
        await eventually(house.caught_up)
    await house.everything_once()


async def test_a_stream_that_moved_meanwhile_is_decided_again(house):
    person = note(1, 0).stream
    reactions = Reactions("orders")
    calls = []

    @reactions.on(OfferDeclined)
    async def note_the_next(recorded, context):
        known = await context.state(person)
        calls.append(known)
        if len(calls) == 1:
            # somebody else writes between the decision and the append
            event = NOTES.decide(note(1, 500), ())
            await house.listener.append(Append([StreamAppend(person, 0, event)], BY_TEST))
        return [note(1, len(known))]

    await append(house.source, 1)
    await house.relay()
    async with house.hears(reactions):
        await eventually(house.caught_up)
    assert calls == [(), (500,)]
    assert await noted(house.listener) == [500, 1]


async def test_a_step_taken_by_another_is_not_taken_again(house):
    await append(house.source, 10)
    await house.relay()
    reactions = Reactions("orders")

    @reactions.on(OfferDeclined)
    async def slow(recorded, context):
        if recorded.position == 1 and await house.heard() == 0:
            await house.listener.append(Append((), BY_TEST, step=Step("orders", 0, 4)))
        return [note(recorded.position, recorded.event.wave)]

    async with house.hears(reactions):
        await eventually(house.caught_up)
    assert len(await noted(house.listener)) == 6


async def test_fresh_handlers_see_what_came_before_committed(house):
    reactions = Reactions("orders")
    seen = {}

    @reactions.on(OfferDeclined)
    async def note_it(recorded, context):
        return [note(recorded.position, recorded.event.wave)]

    @reactions.on(OfferDeclined, fresh=True)
    async def look(recorded, context):
        seen[recorded.position] = len(await copied(context.log))

    await append(house.source, 20, each=20)
    await house.relay()
    async with house.hears(reactions):
        await eventually(house.caught_up)
    assert seen == {position: position - 1 for position in range(1, 21)}


async def test_not_yet_waits_until_the_fact_is_heard(house):
    reactions = Reactions("orders")

    @reactions.on(OfferDeclined)
    async def needs_a_fact(recorded, context):
        if recorded.event.wave == 3 and await context.log.heard("ledger") < 7:
            return NotYet("ledger", 7, "the account")
        return [note(recorded.position, recorded.event.wave)]

    await append(house.source, 5, each=5)
    await house.relay()
    async with house.hears(reactions) as consumer:
        await eventually(lambda: any("not yet heard: ledger at 7" in problem for problem in consumer.problems()))
        assert await house.heard() == 2
        await house.listener.append(Append((), BY_TEST, step=Step("ledger", 0, 7)))
        await eventually(house.caught_up)
        await eventually(lambda: consumer.problems() == [])
    await house.everything_once()


async def test_refusals_come_to_what_is_declared(house):
    reactions = Reactions("orders", refusals={"unlucky": "ignore"})
    instead = lambda refused, recorded: [note(recorded.position, 1_000 + refused.facts["number"])]  # noqa: E731

    @reactions.on(OfferDeclined, refusals={"noted_before": instead, "mine": "ignore", "taken": instead_taken})
    async def note_it(recorded, context):
        if recorded.event.wave == 5:
            raise Refused("mine")
        if recorded.event.wave == 9_090:
            return [note(recorded.position, 9_090)]
        return [note(1, recorded.event.wave), note(1, 2)]

    for number in (2, 9_013, 5, 4, 9_090, 9_090):
        await house.source.append(one(stream(), 0, number))
    await house.relay()
    async with house.hears(reactions):
        await eventually(house.caught_up)
    assert await noted(house.listener) == [2, 1_002, 1_002, 4, 1_002, 9_090, 2_000]


def instead_taken(refused, recorded):
    return [note(recorded.position, 2_000)]


async def test_one_events_broken_constraint_spoils_no_other(house):
    """Number 9095 may be noted once: a deferred constraint, found only when the batch is written."""
    reactions = Reactions("orders")
    other = []

    @reactions.on(OfferDeclined, refusals={"taken": "ignore"})
    async def note_it(recorded, context):
        return [note(recorded.position, recorded.event.wave)]

    @reactions.on(OfferDeclined)
    async def note_also(recorded, context):
        other.append(recorded.position)
        return [note(1_000 + recorded.position, 2_000 + recorded.position)]

    for number in (1, 9_095, 2, 9_095, 3):
        await house.source.append(one(stream(), 0, number))
    await house.relay()
    async with house.hears(reactions):
        await eventually(house.caught_up)
    assert await noted(house.listener) == [1, 2_001, 9_095, 2_002, 2, 2_003, 2_004, 3, 2_005]
    assert len(await copied(house.listener)) == 5


async def test_a_plan_brings_its_vault_changes_in_the_same_transaction(house):
    reactions = Reactions("orders")
    person = derived_id_of(1)
    insert = "INSERT INTO volunteers.vault_keys (person_id, purpose, wrapped) VALUES ($1, 'contact', '\\x00')"

    @reactions.on(OfferDeclined)
    async def with_vault(recorded, context):
        return Plan([note(1, recorded.event.wave)], vault=[VaultChange(insert, (person,))])

    await append(house.source, 1)
    await house.relay()
    async with house.hears(reactions):
        await eventually(house.caught_up)
    assert await house.listener.pool.fetchval("SELECT count(*) FROM volunteers.vault_keys") == 1
    assert await noted(house.listener) == [1]


def derived_id_of(number):
    return note(number, 0).person_id


async def test_ids_derived_from_an_event_are_always_the_same(house):
    await append(house.source, 2)
    first, second = await house.source.read()
    assert derived_id(first, "claim") == derived_id(first, "claim")
    assert len({derived_id(first, "claim"), derived_id(first, "claim", 2), derived_id(second, "claim")}) == 3


async def test_the_trace_of_what_was_heard_goes_on(house):
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    await house.source.append(Append([StreamAppend(stream(), 0, [declined(1)])], Metadata("system", traceparent=trace)))
    await house.relay()
    async with house.hears(noting()):
        await eventually(house.caught_up)
    assert (await house.listener.read())[0].traceparent == trace


async def test_a_consumer_of_copies_only_has_no_handlers(house):
    await append(house.source, 40, each=6)
    await house.relay()
    async with house.hears(Reactions("orders")):
        await eventually(house.caught_up)
    assert await noted(house.listener) == []
    assert len(await copied(house.listener)) == 40


async def test_postgresql_away_for_a_while_loses_nothing(house, database):
    """The listener's connections are cut again and again; nobody's handler is to blame."""
    await house.relay()
    async with house.hears(noting()) as consumer, superuser(database) as connection:
        for _ in range(4):
            await append(house.source, 50, each=5)
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'volunteers:%'"
            )

        async def all_heard():
            return await connection.fetchval("SELECT position FROM volunteers.heard") == 200

        await eventually(all_heard)
        assert await connection.fetchval("SELECT count(*) FROM volunteers.dead_letters") == 0
        await eventually(lambda: consumer.problems() == [])
        await house.everything_once()


async def test_a_cancelled_consumer_leaves_nothing_behind(house, caplog):
    caplog.set_level(logging.ERROR)
    await append(house.source, 300, each=3)
    await house.relay()
    for life in range(1, 6):
        async with house.hears(noting(), batch_messages=20) as consumer:
            while consumer.position < life * 20:
                await asyncio.sleep(0)
    async with house.hears(noting()):
        await eventually(house.caught_up)
    await house.everything_once()
    assert not [record for record in caplog.records if record.name.startswith("asyncio")]
    assert not [task for task in asyncio.all_tasks() if "hears orders" in task.get_name()]
