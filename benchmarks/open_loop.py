"""Requests sent at a fixed rate whether or not the answers come: a slow system cannot slow down who measures it."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from math import ceil
from typing import Any
from urllib.parse import urlsplit


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


async def at_rate(rate: float, count: int, send: Callable[[int, float], Coroutine[Any, Any, None]]) -> None:
    """Call `send(number, due)` `count` times, `rate` a second, each in a task of its own; return when all are done.

    `due` is when it should have been sent, on time.perf_counter's clock: a late start counts as waiting.
    """
    begin = time.perf_counter() + 0.05
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            due = begin + number / rate
            pause = due - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            tasks.create_task(send(number, due))


class Door:
    """One service's HTTP door: kept connections, as many as there are requests under way, and nothing else.

    A general client takes longer for a request than the service does; on few cores that would be measured as well.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, path: str, headers: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """Status and JSON of the answer."""
        content = json.dumps(body).encode()
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._host}:{self._port}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines.append(f"Content-Length: {len(content)}\r\n\r\n")
        reader, writer = self._kept() or await asyncio.open_connection(self._host, self._port)
        try:
            writer.write("\r\n".join(lines).encode() + content)
            status, answer = await _answer(reader)
        except BaseException:
            writer.close()
            raise
        self._idle.append((reader, writer))
        return status, json.loads(answer)

    def _kept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection that still stands: the service closes what was idle for half a minute."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return None

    async def close(self) -> None:
        """Close what is kept."""
        for _, writer in self._idle:
            writer.close()
            await writer.wait_closed()
        self._idle.clear()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    lengths = [line.split(":", 1)[1] for line in head[1:] if line.lower().startswith("content-length:")]
    return int(head[0].split(" ")[1]), await reader.readexactly(int(lengths[0]))
