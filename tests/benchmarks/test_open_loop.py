"""The sender of the latency figure goes on when the service has closed a connection that was idle."""

import asyncio
from functools import partial

from benchmarks.open_loop import Door
from tests.support.waiting import eventually

ANSWER = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"


async def test_a_kept_connection_that_the_service_has_closed_is_not_used_again():
    lengths: list[int] = []
    closed = asyncio.Event()

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths.append(len(head))
        await reader.readexactly(2)
        writer.write(ANSWER)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        closed.set()

    server = await asyncio.start_server(answer_once, "127.0.0.1", 0)
    async with server:
        door = Door(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        for _ in range(3):
            closed.clear()
            assert await door.post("/v1/orders", {}, {}) == (201, {})
            await closed.wait()
            await eventually(partial(_noticed, door), what="the end of the connection")
        await door.close()
    assert len(lengths) == 3


async def _noticed(door: Door) -> bool:
    return all(reader.at_eof() for reader, _ in door._idle)
