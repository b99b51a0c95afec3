"""The tools of the nemesis do what they say: a way that closes, loses and cuts; a deck that the seed alone shuffles."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from cli.embedded import HOST
from tests.chaos.faults import KINDS, Deck
from tests.chaos.ways import Way, way_to
from tests.support.waiting import eventually


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.close()


@pytest.fixture
async def way() -> AsyncIterator[Way]:
    server = await asyncio.start_server(_echo, HOST, 0)
    async with server, way_to(lambda: server.sockets[0].getsockname()[1], random.Random(1)) as way:
        yield way


async def test_what_a_closed_way_holds_back_comes_through_late_and_whole(way):
    reader, writer = await asyncio.open_connection(HOST, way.port)
    writer.write(b"before\n")
    assert await reader.readline() == b"before\n"
    way.close()
    writer.write(b"while it was closed\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readline(), 0.2)
    way.open()
    assert await reader.readline() == b"while it was closed\n"
    writer.close()


async def test_a_lost_answer_takes_its_connection_with_it(way):
    reader, writer = await asyncio.open_connection(HOST, way.port)
    way.lose_one_in = 1
    writer.write(b"asked\n")
    assert await reader.read() == b""
    assert way.lost == 1
    writer.close()


async def test_a_way_that_is_cut_breaks_what_is_on_it_and_takes_others(way):
    reader, writer = await asyncio.open_connection(HOST, way.port)
    writer.write(b"here\n")
    assert await reader.readline() == b"here\n"
    way.cut()
    await eventually(reader.at_eof)
    again, other = await asyncio.open_connection(HOST, way.port)
    other.write(b"there\n")
    assert await again.readline() == b"there\n"
    writer.close()
    other.close()


def test_the_seed_alone_says_what_fails_and_every_kind_comes():
    possible = list(KINDS.values())
    some = len(possible) * 3
    drawn = [
        [deck.draw()[0].name for _ in range(some)] for deck in (Deck(7, possible), Deck(7, possible), Deck(8, possible))
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert set(drawn[0]) == set(KINDS)
