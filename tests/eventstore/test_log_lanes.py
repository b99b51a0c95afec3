"""Two batches under way at once: the later is numbered on a guess, and a wrong guess is never written."""

import asyncio
from datetime import timedelta

import pytest

from eventstore.compact_range import CompactRange
from eventstore.errors import StepConflict, VersionConflict
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
def sent(monkeypatch):
    """What is sent to PostgreSQL: batches, each with the problem it was answered with."""
    send, sent = Session.append, []

    async def append(session, whole, folding):
        row = await send(session, whole, folding)
        sent.append((whole, row["problem"]))
        return row

    monkeypatch.setattr(Session, "append", append)
    return sent


async def is_whole(database, head):
    """The tree is that of the events, and recording times do not decrease."""
    rows = await leaves(database)
    times = [row["recorded_at"] for row in rows]
    return head.root == root_hash([row["leaf_hash"] for row in rows]) and times == sorted(times)


@pytest.mark.parametrize("size_changes", [False, True], ids=["same size", "smaller"])
async def test_the_second_half_is_numbered_again_when_the_first_fails_in_part(database, sent, size_changes):
    """Also when what failed had no events, so that the second half had guessed the right size and the wrong tree."""
    async with opened(await migrated(database)) as log:
        wrong = one(stream(), 5) if size_changes else step("volunteers", 5, 6)
        failed, *committed = await crowd(log, wrong)
        assert isinstance(failed, VersionConflict if size_changes else StepConflict)
        assert sorted(answer.last_position for answer in committed) == list(range(1, CROWD))
        assert [problem for _, problem in sent] == ["conflicts", None, None], "a batch was sent on a guess known wrong"
        assert await is_whole(database, await log.head())


async def test_a_replica_that_was_faster_has_a_crowd_numbered_again(database, sent):
    config = await migrated(database)
    async with opened(config) as log, opened(config) as replica:
        await replica.append(one(stream()))
        committed = await crowd(log)
        assert sorted(answer.last_position for answer in committed) == list(range(2, CROWD + 2))
        assert [problem for _, problem in sent][:2] == [None, "moved"]
        assert await is_whole(database, await replica.head())


async def test_the_second_half_follows_the_first_without_being_numbered_again(database, sent):
    """The guess is right whenever nothing fails: a crowd takes two calls, not three."""
    async with opened(await migrated(database)) as log:
        committed = await crowd(log)
        assert [(len(whole.items), problem) for whole, problem in sent] == [(CROWD // 2, None), (CROWD // 2, None)]
        assert sorted(answer.last_position for answer in committed) == list(range(1, CROWD + 1))
        assert await is_whole(database, await log.head())


async def test_a_head_of_the_right_size_over_other_events_is_answered_moved(database):
    """The size names no head: two batches may end at the same position. Even with a later time nothing is written."""
    config = await migrated(database)
    async with opened(config) as log:
        await log.append(one(stream()))
        session = await Session.open(config)
        try:
            actual = await session.head()
            assert actual.recorded_at is not None
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
