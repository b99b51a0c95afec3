"""Two batches under way at once: the later one is numbered on a guess, and a wrong guess is never written."""

import asyncio
from datetime import timedelta

import pytest

from eventstore.compact_range import CompactRange
from eventstore.errors import StepConflict
from eventstore.log.batch import numbered, prepared
from eventstore.log.folding import Folding
from eventstore.log.head import TreeHead
from eventstore.log.session import Session
from eventstore.merkle import leaf_hash, root_hash
from tests.support.logs import migrated, one, opened, step, stream, superuser

CROWD = 20
"""Appends that wait together: a crowd is written in two halves, the second numbered as if the first succeeds."""


async def crowd(log, *more):
    """What a crowd of appends was answered with."""
    appends = [*more, *(one(stream()) for _ in range(CROWD - len(more)))]
    return await asyncio.gather(*map(log.append, appends), return_exceptions=True)


async def leaves(database):
    async with superuser(database) as connection:
        return await connection.fetch("SELECT leaf_hash, recorded_at FROM orders.events ORDER BY position")


@pytest.fixture
def late_second_half(monkeypatch):
    """Once asked: the second half reaches PostgreSQL only after the rest of the first is numbered again and written."""
    send, written, sent = Session.append, asyncio.Event(), []

    async def append(session, whole, folding):
        sent.append(whole)
        if len(sent) == 2:
            await written.wait()
        row = await send(session, whole, folding)
        if len(sent) > 2 and row["problem"] is None:
            written.set()
        return row

    def ask():
        monkeypatch.setattr(Session, "append", append)
        return sent

    return ask


async def test_the_second_half_is_numbered_again_when_the_first_ended_at_the_same_size(database, late_second_half):
    """What failed had no events: the rest of its batch ends at the guessed position, with other recording times."""
    config = await migrated(database)
    async with opened(config) as log:
        await crowd(log)  # both connections are open now
        sent = late_second_half()
        failed, *committed = await crowd(log, step("volunteers", 5, 6))
        first, second = sent[:2]
        assert second.arguments[0] == first.head.size, "the second half was not numbered on the first"
        head = await log.head()
    assert isinstance(failed, StepConflict)
    assert sorted(answer.last_position for answer in committed) == list(range(CROWD + 1, 2 * CROWD))
    rows = await leaves(database)
    assert head.root == root_hash([row["leaf_hash"] for row in rows])
    assert [row["recorded_at"] for row in rows] == sorted(row["recorded_at"] for row in rows)


async def test_a_head_of_the_right_size_over_other_events_is_answered_moved(database):
    """The size names no head: two batches may end at the same position. Even with a later time nothing is written."""
    config = await migrated(database)
    async with opened(config) as log:
        await log.append(one(stream()))
        session = await Session.open(config)
        try:
            actual = await session.head()
            guessed, _ = TreeHead(CompactRange(0, ()), None).grown([leaf_hash(b"another event")], actual.recorded_at)
            assert guessed.size == actual.size
            item = prepared(one(stream()), config, asyncio.get_running_loop().create_future())
            later = actual.recorded_at + timedelta(seconds=1)
            row = await session.append(numbered([item], guessed, None, later, config), Folding([], {}, ""))
            assert (row["problem"], row["size"]) == ("moved", 1)
            assert row["range"] == actual.tree.to_bytes()
            assert await session.head() == actual
            row = await session.append(numbered([item], actual, None, later, config), Folding([], {}, ""))
            assert (row["problem"], row["size"]) == (None, 2)
        finally:
            await session.close(5)


async def test_the_second_half_follows_the_first_without_being_numbered_again(database, monkeypatch):
    """The guess is right whenever nothing fails: a crowd takes two calls, not three."""
    send, sent = Session.append, []

    async def append(session, whole, folding):
        sent.append(whole)
        return await send(session, whole, folding)

    async with opened(await migrated(database)) as log:
        await crowd(log)  # both connections are open now
        monkeypatch.setattr(Session, "append", append)
        committed = await crowd(log)
        assert [len(whole.items) for whole in sent] == [CROWD // 2, CROWD // 2]
        assert sorted(answer.last_position for answer in committed) == list(range(CROWD + 1, 2 * CROWD + 1))
    hashes = [row["leaf_hash"] for row in await leaves(database)]
    assert sent[-1].head.public().root == root_hash(hashes)
