"""Two processes fold one log: each the streams of its share, so that a replay has two cores instead of one.

The first process folds a share itself, starts the other (second.py), and makes the changes to tables that are of no one
stream, of both shares, in the log's order. Whatever does not fit raises NotInTwo, before anything is written: the
caller then begins again in one process, which comes to the same tables or says exactly what is wrong with the history.
"""

import asyncio
import os
import pickle
import sys
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import asyncpg

from eventstore.bulk import shape_of
from eventstore.config import LogConfig
from eventstore.copying import copy_csv
from eventstore.errors import ReplayFailed
from eventstore.read_model import ReadModel
from eventstore.replay.memory import MemoryRows
from eventstore.replay.share import LENGTH_BYTES, SHARES, Folded, Job, NotInTwo, ShareOfLog, to_frame

WORTH_EVENTS = 60_000
"""Fewer are folded before a second process is of use."""
START_EVENTS = 25_000
"""About so many events one process folds while the other starts: so many more are its share."""
SEGMENT_EVENTS = 200_000
"""Folded before both processes are brought together, and it is seen whether memory is full."""
_PIPE_BYTES = 2**26
_SECOND = "import gc; gc.disable(); from eventstore.replay.second import main; main()"
"""Without garbage collection from the first: it takes a fifth of the time that loading modules takes."""


def is_worth_it(models: Sequence[ReadModel], events: int) -> bool:
    """Whether two processes would be quicker than one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return events >= WORTH_EVENTS and cores > 1 and any(model.of_one_stream for model in models)


class Pair:
    """This process's share and the process with the other. Use `start`, and `close` it."""

    def __init__(
        self,
        models: Sequence[ReadModel],
        own: ShareOfLog,
        process: asyncio.subprocess.Process,
    ) -> None:
        self._own = own
        self._process = process
        self.tables = {table.name: table for model in models for table in model.metadata.sorted_tables}
        """Every table that is folded here, by name."""
        self._rows_there = 0

    @classmethod
    async def start(
        cls, config: LogConfig, connection: asyncpg.Connection, models: Sequence[ReadModel], events: int
    ) -> "Pair":
        """Start the other process for a log of so many events; `connection` reads the log here. Raises NotInTwo."""
        first = min(SHARES, round(SHARES * (0.5 + START_EVENTS / (2 * events))))
        try:
            job = to_frame(Job(config, models, first, SHARES))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise NotInTwo(f"a read model cannot be named to another process: {error!r}") from error
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                _SECOND,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_PIPE_BYTES,
                start_new_session=True,  # Ctrl-C is for this process, which ends the other
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
        except OSError as error:
            raise NotInTwo(f"no other process can be started: {error}") from error
        pair = cls(models, ShareOfLog(connection, config.schema, models, 0, first), process)
        pair._send_frame(job)
        return pair

    @property
    def size(self) -> int:
        """Rows kept in both processes."""
        return self._own.rows.size + self._rows_there

    async def fold(self, after: int, up_to: int, rows: MemoryRows, told: Callable[[int], None]) -> None:
        """Fold the events `after` < position ≤ `up_to`; `rows` has the tables of no one stream.

        `told` hears how many are folded so far. Raises NotInTwo.
        """
        here, there = 0, 0

        def heard(count: int) -> None:
            nonlocal there
            there = count
            told(here + there)

        self._send("fold", after, up_to)
        answer = asyncio.create_task(self._folded(heard))
        try:
            async for count in self._own.fold(after, up_to):
                here += count
                told(here + there)
            other = await answer
        finally:
            answer.cancel()
            await asyncio.gather(answer, return_exceptions=True)
        mine = self._own.rows.taken(here)
        if mine.events + other.events != up_to - after:
            raise NotInTwo(f"{up_to - after - mine.events - other.events} events are missing or in no share")
        await self._see_that_streams_are_apart(mine, other)
        self._rows_there = other.rows
        for _, change, table, key, values in sorted([*mine.noted, *other.noted], key=itemgetter(0)):
            getattr(rows, change)(self.tables[table], *key, **values)

    async def write(self, connection: asyncpg.Connection, schema: str) -> None:
        """Copy the rows of both shares into the empty tables of `schema`, and end the other process.

        Raises ReplayFailed when that has ended by itself: then it is too late to begin again here.
        """
        self._send("give")
        given = asyncio.create_task(self._given())
        try:
            await self._own.rows.write(connection, schema)
            for table, chunks in (await given).items():
                await copy_csv(connection, schema, shape_of(self.tables[table]), chunks)
        except NotInTwo as error:
            raise ReplayFailed(f"{error}, and its rows are lost: replay again") from error
        finally:
            given.cancel()
            await asyncio.gather(given, return_exceptions=True)
            await self.close()

    async def close(self) -> None:
        """End the other process."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def _see_that_streams_are_apart(self, mine: Folded, other: Folded) -> None:
        stray = self._own.rows.has_any(other.strays)
        if stray is None and mine.strays:
            self._send("has", mine.strays)
            (stray,) = await self._receive("has")
        if stray is not None:
            raise NotInTwo(f"events of two streams change or read one row of {stray[0]}, {stray[1]!r}")

    async def _folded(self, heard: Callable[[int], None]) -> Folded:
        while True:
            kind, found = await self._receive_any()
            if kind == "folded":
                folded: Folded = found
                return folded
            heard(found)

    async def _given(self) -> dict[str, list[bytes]]:
        tables: dict[str, list[bytes]] = {}
        while (message := await self._receive_any())[0] == "rows":
            tables.setdefault(message[1], []).append(message[2])
        return tables

    async def _receive(self, kind: str) -> tuple[Any, ...]:
        message = await self._receive_any()
        assert message[0] == kind, message[0]
        return message[1:]

    async def _receive_any(self) -> tuple[Any, ...]:
        assert self._process.stdout is not None
        try:
            length = int.from_bytes(await self._process.stdout.readexactly(LENGTH_BYTES))
            data = await self._process.stdout.readexactly(length)
        except asyncio.IncompleteReadError as error:
            raise NotInTwo(f"the other process ended ({await self._process.wait()})") from error
        message: tuple[Any, ...] = pickle.loads(data)  # noqa: S301 — from the process that was started here
        if message[0] == "failed":
            raise NotInTwo(f"the other process failed: {message[1]}")
        return message

    def _send(self, *message: Any) -> None:
        self._send_frame(to_frame(message))

    def _send_frame(self, frame: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(frame)
