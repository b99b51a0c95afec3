"""The second process of a replay: folds the share that the first gives it over standard input, until that is closed."""

import os
import pickle
import sys
from dataclasses import dataclass
from typing import Any, BinaryIO

import asyncpg
import uvloop

from eventstore.replay.share import LENGTH_BYTES, Job, ShareOfLog, replaying, to_frame


class _Ends(Exception):
    """The first process wants no more, or is gone."""


@dataclass(frozen=True, slots=True)
class _Wire:
    incoming: BinaryIO
    outgoing: BinaryIO

    def receive(self) -> Any:
        length = self.incoming.read(LENGTH_BYTES)
        if len(length) < LENGTH_BYTES:
            raise _Ends
        data = self.incoming.read(int.from_bytes(length))
        return pickle.loads(data)  # noqa: S301 — from the process that started this one

    def send(self, *message: Any) -> None:
        self.outgoing.write(to_frame(message))
        self.outgoing.flush()


async def _serve(wire: _Wire) -> None:
    job: Job = wire.receive()
    connection = await asyncpg.connect(**replaying(job.config))
    try:
        share = ShareOfLog(connection, job.config.schema, job.models, job.low, job.high)
        while True:
            match wire.receive():
                case "fold", after, up_to:
                    events = 0
                    async for count in share.fold(after, up_to):
                        events += count
                        wire.send("so far", events)
                    wire.send("folded", share.rows.taken(events))
                case "has", strays:
                    wire.send("has", share.rows.has_any(strays))
                case ("give",):
                    for name, chunks in share.rows.csv():
                        for chunk in chunks:
                            wire.send("rows", name, chunk)
                    wire.send("all given")
                case unknown:
                    raise AssertionError(unknown)
    finally:
        await connection.close()


def main() -> None:
    """Fold what the first process asks for. What goes wrong is told to it, and it goes on alone."""
    # Whatever a model may print must not come between the frames.
    wire = _Wire(sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
    sys.stdout = sys.stderr
    try:
        uvloop.run(_serve(wire))
    except (_Ends, BrokenPipeError):
        return
    except Exception as error:  # noqa: BLE001 — the first process is told, whatever it is
        wire.send("failed", repr(error))
