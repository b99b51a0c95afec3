"""A process that appends: `python -m tests.support.log_writers '<json>'`. It prints one JSON line an answer."""

import asyncio
import json
import os
import signal
import sys
from typing import Any

from contracts.envelope import Recorded
from eventstore.config import LogConfig
from eventstore.errors import EngineError
from eventstore.log import Log
from eventstore.rows import Rows
from tests.support.logs import SECRET, Tallies, number_of, one, stream

STOP = 99


class StoppingTallies(Tallies):
    """Stops the whole process when it folds the number 99, which is under the head's lock."""

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        if number_of(recorded.event) == STOP:
            say(stopping=True)
            os.kill(os.getpid(), signal.SIGSTOP)
        super().apply(recorded, rows)


StoppingTallies.__name__ = Tallies.__name__  # the same read models, as far as the log is concerned


def say(**answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def write(log: Log, writer: str, appends: int) -> None:
    """Append one after another to a stream of its own, two events each."""
    name = stream()
    for number in range(appends):
        committed = await log.append(one(name, 2 * number, 1, 2))
        say(writer=writer, stream=name, first=committed.first_position, last=committed.last_position)


async def many(config: LogConfig, order: dict[str, Any]) -> None:
    """Several logs in this process, each with several callers."""
    logs = [await Log.open(config) for _ in range(order["logs"])]
    await asyncio.gather(
        *(
            write(log, f"{os.getpid()}.{number}.{caller}", order["appends"])
            for number, log in enumerate(logs)
            for caller in range(order["callers"])
        )
    )
    for log in logs:
        await log.close()


async def stop_in_the_middle(config: LogConfig) -> None:
    """Stop with the head locked; go on when continued."""
    log = await Log.open(config, [StoppingTallies()])
    for number in (STOP, 1):
        try:
            committed = await log.append(one(stream(), 0, number, key=f"stopping-{number}"))
        except EngineError as error:
            say(error=type(error).__name__)
        else:
            say(first=committed.first_position)
    await log.close()


def main() -> None:
    order = json.loads(sys.argv[1])
    config = LogConfig(**order["config"], idempotency_secret=SECRET)
    asyncio.run(stop_in_the_middle(config) if order["logs"] == 0 else many(config, order))


if __name__ == "__main__":
    main()
