"""A way to PostgreSQL on which the answer to a commit can get lost: it is carried out, and nobody hears of it.

It understands as much of PostgreSQL's protocol (version 3) as that takes: CommandComplete is held back until
ReadyForQuery; when they tell of a finished transaction of a writer, the dice may have the connection break instead.
"""

import asyncio
import contextlib
import random
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from cli.embedded import HOST
from eventstore.tasks import end

SSL_REQUEST = 80877103
WRITER = ":writer"


@dataclass
class LossyWay:
    """Listens on `port` and leads to PostgreSQL's. `one_in`: how many commits there are to a lost one; 0 loses none."""

    to_port: int
    dice: random.Random
    one_in: int = 0
    port: int = 0
    lost: list[str] = field(default_factory=list)
    """Whose commits' answers were lost: application names."""

    async def carry(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        """One connection."""
        server_in, server_out = await asyncio.open_connection(HOST, self.to_port)
        try:
            name = await _begin(client_in, server_in, server_out, client_out)
            both = [
                asyncio.create_task(_pump(client_in, server_out)),
                asyncio.create_task(self._answers(name, server_in, client_out)),
            ]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in both:
                    task.cancel()
                await asyncio.gather(*both, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError):
            return  # somebody hung up before it began
        finally:
            for out in (client_out, server_out):
                out.transport.abort()

    async def _answers(self, name: str, server_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        held = tag = b""
        while True:
            head = await server_in.readexactly(5)
            body = await server_in.readexactly(struct.unpack("!I", head[1:])[0] - 4)
            held += head + body
            if head[:1] == b"C":
                tag = body
            ready = head[:1] == b"Z"
            if ready and self._loses(name, tag, body):
                self.lost.append(name)
                return
            if ready or not tag:
                client_out.write(held)
                await client_out.drain()
                held = tag = b""

    def _loses(self, name: str, tag: bytes, status: bytes) -> bool:
        """Whether this was a transaction of a writer, now done (I: idle), and its answer is to be lost."""
        done = status == b"I" and tag in {b"COMMIT\0", b"SELECT 1\0"}
        return bool(self.one_in) and name.endswith(WRITER) and done and self.dice.randrange(self.one_in) == 0


async def _begin(
    client_in: asyncio.StreamReader,
    server_in: asyncio.StreamReader,
    server_out: asyncio.StreamWriter,
    client_out: asyncio.StreamWriter,
) -> str:
    """Carry what comes before the first message with a type; the application's name."""
    while True:
        head = await client_in.readexactly(8)
        length, code = struct.unpack("!II", head)
        rest = await client_in.readexactly(length - 8)
        server_out.write(head + rest)
        await server_out.drain()
        if code != SSL_REQUEST:
            words = rest.split(b"\0")
            return dict(zip(words[::2], words[1::2], strict=False)).get(b"application_name", b"").decode()
        client_out.write(await server_in.readexactly(1))
        await client_out.drain()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while chunk := await source.read(65_536):
        sink.write(chunk)
        await sink.drain()


@contextlib.asynccontextmanager
async def lossy_way(to_port: int, dice: random.Random) -> AsyncIterator[LossyWay]:
    """Open for as long as this lasts; whoever is still on it then is cut off."""
    way = LossyWay(to_port, dice)
    carrying: set[asyncio.Task[None]] = set()

    async def carry(client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        carrying.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await way.carry(client_in, client_out)
        carrying.discard(task)

    listener = await asyncio.start_server(carry, HOST, 0)
    way.port = listener.sockets[0].getsockname()[1]
    try:
        yield way
    finally:
        listener.close()
        await end(carrying)
