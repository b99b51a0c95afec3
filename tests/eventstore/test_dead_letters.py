"""What cannot be handled waits or is passed as declared, is counted, tried again or dismissed; never lost."""

import asyncio
from dataclasses import replace

import pytest

from contracts.orders import OfferDeclined
from eventstore import dead_letters, streams
from eventstore.consumer import NotYet, Reactions
from eventstore.consumer.hearing import Hearing, Message
from eventstore.consumer.retrying import retry
from eventstore.dead_letters import COPIES, UNREADABLE, NoSuchLetter
from tests.support.house import QUICK, noting
from tests.support.logs import one, stream
from tests.support.messaging import Stopped, append, copied, note, noted, plain_client
from tests.support.waiting import eventually


async def letters(house, state="open"):
    return await dead_letters.letters(house.listener.pool, "volunteers", state=state)


async def only(house, state="open"):
    """The one letter there is; None while there is none."""
    found = await letters(house, state)
    assert len(found) <= 1
    return found[0] if found else None


async def filled(client, house, replaced):
    """A stream with the log's events, some bodies replaced; no relay, which would not have it."""
    js = streams.context(client)
    await streams.ensure_stream(js, "chaoyangli", "orders")
    for event in await house.source.read_raw(0, 1_000):
        body = replaced.get(event.position, event.body)
        await js.publish("chaoyangli.orders.OfferDeclined", body)
    await streams.ensure_durable(js, "orders", "volunteers", 0)


def clumsy(broken, *, blocks=True, name=None) -> Reactions:
    """Notes every number; fails by a mistake of its own at those that are broken."""
    reactions = Reactions("orders")

    @reactions.on(OfferDeclined, blocks=blocks, name=name)
    async def note_it(recorded, context):
        if recorded.event.wave in broken:
            raise KeyError("a mistake in the handler")
        return [note(recorded.position, recorded.event.wave)]

    return reactions


async def test_a_failing_handler_that_blocks_holds_its_source(house):
    await append(house.source, 6, each=6)
    await house.relay()
    broken = {3}
    async with house.hears(clumsy(broken)) as consumer:
        letter = await eventually(lambda: only(house))
        assert (letter.source, letter.position, letter.handler, letter.blocks) == ("orders", 3, "note_it", True)
        assert "KeyError" in letter.error
        assert letter.body == (await house.source.read_raw(2, 1))[0].body
        assert await noted(house.listener) == [1, 2]
        await eventually(lambda: consumer.problems())
        assert "a dead letter blocks orders at 3" in consumer.problems()[0]
        assert await dead_letters.counts(house.listener.pool, "volunteers") == {"orders": 1}
        attempts = letter.attempts
        later = await eventually(lambda: _more_attempts(house, attempts))
        assert later.first_at == letter.first_at
        broken.clear()  # mended: the next try succeeds, and the letter is closed by the very transaction
        await eventually(house.caught_up)
        await house.everything_once()
        assert await letters(house) == []
        closed = await only(house, "retried")
        assert closed is not None
        await eventually(lambda: consumer.problems() == [])


async def _more_attempts(house, than):
    letter = await only(house)
    return letter if letter.attempts > than else None


async def test_a_blocked_source_stays_blocked_over_a_restart_and_loses_nothing(house):
    await append(house.source, 30, each=5)
    await house.relay()
    for _ in range(2):
        async with house.hears(clumsy({4})) as consumer:
            await eventually(lambda consumer=consumer: consumer.problems())  # type: ignore[misc]
            assert len(await noted(house.listener)) < 30
    async with house.hears(noting()):
        await eventually(house.caught_up)
    await house.everything_once()


async def test_a_retry_asked_for_is_made_at_once(house):
    await append(house.source, 3, each=3)
    await house.relay()
    broken = {2}
    limits = replace(QUICK, blocked_seconds_most=3_600, retry_seconds=3_600)
    limits = replace(limits, tries=1)
    async with house.hears(clumsy(broken), limits=limits):
        letter = await eventually(lambda: only(house))
        broken.clear()
        asked = await dead_letters.retry(house.listener.pool, "volunteers", "orders", 2, "note_it")
        assert [found.position for found in asked] == [letter.position]
        await eventually(house.caught_up)
    await house.everything_once()


async def test_a_dismissed_letter_lets_its_source_go_on_without_the_effect(house):
    reactions = clumsy({2})
    other = []

    @reactions.on(OfferDeclined)
    async def look(recorded, context):
        other.append(recorded.position)

    await append(house.source, 4, each=4)
    await house.relay()
    async with house.hears(reactions):
        letter = await eventually(lambda: only(house))
        assert "note_it never sees event 2 of orders" in letter.dismissal_means
        assert letter.dismissal_means.endswith("Hearing orders goes on after it.")
        await dead_letters.dismiss(house.listener.pool, "volunteers", "orders", 2)
        await eventually(house.caught_up)
    assert await noted(house.listener) == [1, 3, 4]
    assert await copied(house.listener) == [(1, 1), (2, 2), (3, 3), (4, 4)]  # its copy is a fact, handled or not
    assert {1, 2, 3, 4} == set(other)
    for decide in (dead_letters.retry, dead_letters.dismiss):
        with pytest.raises(NoSuchLetter):
            await decide(house.listener.pool, "volunteers", "orders", 2)


async def test_a_failing_handler_that_is_passed_holds_nobody_and_is_retried_round_the_checkpoint(house):
    broken = {2, 3}
    await append(house.source, 5, each=5)
    await house.relay()
    async with house.hears(clumsy(broken, blocks=False)):
        await eventually(house.caught_up)
        assert await noted(house.listener) == [1, 4, 5]
        assert [(letter.position, letter.blocks) for letter in await letters(house)] == [(2, False), (3, False)]
        await dead_letters.retry(house.listener.pool, "volunteers", "orders", 2)
        again = await eventually(lambda: _attempted(house, 2, 2))
        assert again.retry_asked_at is None
        broken.clear()
        await dead_letters.retry(house.listener.pool, "volunteers", "orders", 2)
        await eventually(lambda: _positions(house, [3]))
        assert await noted(house.listener) == [1, 4, 5, 2]
        await dead_letters.dismiss(house.listener.pool, "volunteers", "orders", 3)
        assert await letters(house) == []
        assert await house.heard() == 5
        assert len(await copied(house.listener)) == 5
        cause = (await house.source.read(1, 1))[0].event_id
        assert (await house.listener.read(3, 1))[0].causation_id == cause


async def _attempted(house, position, attempts):
    for letter in await dead_letters.show(house.listener.pool, "volunteers", "orders", position):
        if letter.attempts >= attempts and letter.retry_asked_at is None:
            return letter
    return None


async def _positions(house, expected):
    return [letter.position for letter in await letters(house)] == expected


async def test_two_retries_of_one_letter_at_once_have_one_effect(house):
    await append(house.source, 1)
    await house.relay()
    broken = {1}
    reactions = clumsy(broken, blocks=False)
    async with house.hears(reactions):
        letter = await eventually(lambda: only(house))
    broken.clear()
    hearings = [Hearing(house.listener, house.executor, reactions, Stopped(), limits=QUICK) for _ in range(4)]
    for _ in range(3):  # a retry that died before it could close the letter comes again as well
        await asyncio.gather(*(retry(hearing, letter) for hearing in hearings))
        await house.listener.pool.execute("UPDATE volunteers.dead_letters SET state = 'open'")
    assert await noted(house.listener) == [1]


async def test_an_unreadable_message_blocks_and_nothing_before_it_is_lost(house):
    await append(house.source, 4, each=4)
    async with plain_client(house.server) as client:
        await filled(client, house, {3: b"3"})
        async with house.hears(noting()) as consumer:
            letter = await eventually(lambda: only(house))
            assert (letter.position, letter.handler, letter.event_id, letter.blocks) == (3, UNREADABLE, None, True)
            assert letter.body == b"3"
            await eventually(lambda: consumer.problems())
            assert await noted(house.listener) == [1, 2]
            await dead_letters.dismiss(house.listener.pool, "volunteers", "orders", 3)
            await eventually(house.caught_up)
    assert await noted(house.listener) == [1, 2, 4]
    assert [position for position, _ in await copied(house.listener)] == [1, 2, 4]


@pytest.mark.parametrize("what", ["not json", "another's", "another number", "a newer version"])
async def test_unreadable_messages_are_passed_where_that_is_declared(house, what):
    await append(house.source, 3, each=3)
    body = (await house.source.read_raw(1, 1))[0].body
    spoiled = {
        "not json": b"{",
        "another's": body.replace(b'"source":"/chaoyangli/', b'"source":"/elsewhere/'),
        "another number": body.replace(b'"position":2', b'"position":9'),
        "a newer version": body.replace(b"/OfferDeclined/1", b"/OfferDeclined/2"),
    }[what]
    assert spoiled != body
    async with plain_client(house.server) as client:
        await filled(client, house, {2: spoiled})
        async with house.hears(noting(unreadable="pass")) as consumer:
            await eventually(house.caught_up)
            letter = await only(house)
            assert letter is not None
            assert (letter.position, letter.handler, letter.blocks) == (2, UNREADABLE, False)
            assert consumer.problems() == []
    assert await noted(house.listener) == [1, 3]


async def test_events_of_unknown_types_are_skipped(house):
    await append(house.source, 3, each=3)
    body = (await house.source.read_raw(1, 1))[0].body
    async with plain_client(house.server) as client:
        await filled(client, house, {2: body.replace(b"OfferDeclined", b"OfferForgotten")})
        async with house.hears(noting()):
            await eventually(house.caught_up)
    assert await noted(house.listener) == [1, 3]
    assert await letters(house) == []


async def test_an_event_that_the_copies_cannot_take_blocks_and_spares_the_others(house):
    for number in (1, 2, 9_077, 4, 5):
        await house.source.append(one(stream(), 0, number))
    await house.relay()
    async with house.hears(noting()):
        letter = await eventually(lambda: only(house))
        assert (letter.position, letter.handler, letter.blocks) == (3, COPIES, True)
        assert "not_9077" in letter.error
        assert await noted(house.listener) == [1, 2]
        assert "also when they are rebuilt" in letter.dismissal_means
        await dead_letters.dismiss(house.listener.pool, "volunteers", "orders", 3)
        await eventually(house.caught_up)
    assert await noted(house.listener) == [1, 2, 9_077, 4, 5]
    assert [number for _, number in await copied(house.listener)] == [1, 2, 4, 5]


async def test_refusals_nobody_declared_are_dead_letters_of_the_whole_answer(house):
    reactions = Reactions("orders")

    @reactions.on(OfferDeclined, blocks=False)
    async def note_two(recorded, context):
        return [note(recorded.position, recorded.event.wave), note(recorded.position, 9_013)]

    @reactions.on(OfferDeclined, blocks=False)
    async def note_unique(recorded, context):
        return [note(100 + recorded.position, 9_095)]

    await append(house.source, 2, each=2)
    await house.relay()
    async with house.hears(reactions):
        await eventually(house.caught_up)
    assert await noted(house.listener) == [9_095]
    assert [(letter.position, letter.handler, letter.error) for letter in await letters(house)] == [
        (1, "note_two", "Refused: unlucky (number=9013)"),
        (2, "note_two", "Refused: unlucky (number=9013)"),
        (2, "note_unique", "Refused: taken"),
    ]


async def test_what_is_never_heard_becomes_a_dead_letter_after_the_limit(house):
    reactions = Reactions("orders")

    @reactions.on(OfferDeclined, blocks=False)
    async def wait_for_ever(recorded, context):
        return NotYet("ledger", 99) if recorded.event.wave == 1 else [note(recorded.position, recorded.event.wave)]

    await append(house.source, 2, each=2)
    await house.relay()
    async with house.hears(reactions, limits=replace(QUICK, not_yet_seconds=0.3)):
        await eventually(house.caught_up)
    letter = await only(house)
    assert letter is not None
    assert (letter.position, letter.error) == (1, "TimeoutError: not yet heard: ledger at 99")
    assert await noted(house.listener) == [2]


async def test_a_letter_keeps_no_values_that_a_validation_error_repeats(house):
    reactions = Reactions("orders")

    @reactions.on(OfferDeclined, blocks=False)
    async def wrong(recorded, context):
        return [note(1, "张三的电话")]  # type: ignore[arg-type]

    await append(house.source, 1)
    await house.relay()
    async with house.hears(reactions):
        letter = await eventually(lambda: only(house))
    assert "number" in letter.error
    assert "张三" not in letter.error


def test_handlers_are_named_once_and_hear_only_their_source():
    reactions = clumsy(set(), name="note_it")
    with pytest.raises(ValueError, match="note_it"):
        reactions.on(OfferDeclined, name="note_it")(_nothing)
    with pytest.raises(ValueError, match="cannot be the name"):
        reactions.on(OfferDeclined, name="-copies")(_nothing)
    with pytest.raises(ValueError, match="not an event of ledger"):
        Reactions("ledger").on(OfferDeclined)


async def _nothing(recorded, context):
    return None


async def test_another_holders_effect_is_no_reason_for_a_letter(house):
    """Two holders: one commits between the other's look at the position and its decision, which is then refused."""
    await append(house.source, 1)
    bodies = [Message(event.position, event.body) for event in await house.source.read_raw(0, 1)]
    hearings = [Hearing(house.listener, house.executor, noting(), Stopped(), limits=QUICK) for _ in range(2)]
    for hearing in hearings:
        await hearing.load()
    for hearing in hearings:
        await hearing.hear(bodies)
    assert await noted(house.listener) == [1]
    assert [hearing.position for hearing in hearings] == [1, 1]
    assert await letters(house) == []
