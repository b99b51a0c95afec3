"""Ways between two processes that can be closed, cut, or lose answers. They know nothing of what they carry."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable

from cli.embedded import HOST


class Way:
    """Listens on `port` and leads to whatever port `to` names at that moment.

    Closed, it holds everything back without a word, as a network does that is parted; opened again, it carries what it
    held, late. `lose_one_in`: how many answers there are to one that is lost with its connection; 0 loses none.
    """

    def __init__(self, to: Callable[[], int], dice: random.Random) -> None:
        self._to = to
        self._dice = dice
        self._open = asyncio.Event()
        self._open.set()
        self._carrying: set[asyncio.Task[None]] = set()
        self.lose_one_in = 0
        self.lost = 0
        self.port = 0

    def close(self) -> None:
        """Nothing gets through any more."""
        self._open.clear()

    def open(self) -> None:
        """Everything gets through again, what was held back first."""
        self._open.set()

    def cut(self) -> None:
        """Break all connections."""
        for task in self._carrying:
            task.cancel()

    @property
    def url(self) -> str:
        """Its base URL, where HTTP goes this way."""
        return f"http://{HOST}:{self.port}"

    async def carry(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        """One connection, until either end closes it."""
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        server_out: asyncio.StreamWriter | None = None
        try:
            await self._open.wait()
            server_in, server_out = await asyncio.open_connection(HOST, self._to())
            async with asyncio.TaskGroup() as both:
                there = both.create_task(self._pump(client_in, server_out, answers=False))
                back = both.create_task(self._pump(server_in, client_out, answers=True))
                await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
                there.cancel()
                back.cancel()
        except OSError:
            pass  # nobody listens there, or hung up: the other end sees it closed
        except BaseException:
            client_out.transport.abort()
            raise
        finally:
            self._carrying.discard(task)
            client_out.close()
            if server_out is not None:
                server_out.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        try:
            while chunk := await source.read(65_536):
                await self._open.wait()
                if answers and self.lose_one_in and self._dice.randrange(self.lose_one_in) == 0:
                    self.lost += 1
                    sink.transport.abort()
                    return
                sink.write(chunk)
                await sink.drain()
        except OSError:
            return  # hung up: the other direction ends with this one


@contextlib.asynccontextmanager
async def way_to(to: Callable[[], int], dice: random.Random) -> AsyncIterator[Way]:
    """Open for as long as this lasts; whoever is still on it then is cut off."""
    way = Way(to, dice)

    async def carry(client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await way.carry(client_in, client_out)

    listener = await asyncio.start_server(carry, HOST, 0)
    way.port = listener.sockets[0].getsockname()[1]
    try:
        yield way
    finally:
        listener.close()
        way.cut()
