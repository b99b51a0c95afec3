"""A process of a service, to be killed: it writes to a log, relays it, and hears it, each where it is told to.

`python -m tests.faults.worker <json>`; see Task. `crash` names a point (see failpoints) and the how-many-eth time it is
passed: there the process kills itself, as a power cut would.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass

from contracts.ids import uuid7
from eventstore.broker import Connection, make_broker
from eventstore.consumer import Consumer
from eventstore.executor import Executor
from eventstore.locks import OneActive
from eventstore.log import Log, LogConfig
from eventstore.model import Append, Call, StreamAppend
from eventstore.relay import Relay
from eventstore.vault import Vault
from tests.faults.failpoints import POINTS, Countdown
from tests.support.house import QUICK, noting
from tests.support.logs import BY_TEST, SECRET, declined
from tests.support.messaging import LISTENER_CONSTRAINTS, LISTENER_MODELS, NOTES, Stopped
from tests.support.waiting import eventually


@dataclass
class Task:
    """What a worker does. `roles`: any of write, relay, hear."""

    host: str
    port: int
    database: str
    password: str
    nats_url: str
    roles: tuple[str, ...]
    events: int = 0
    crash: tuple[str, int] | None = None
    idle_seconds: float = 2.0

    def as_argument(self) -> str:
        return json.dumps(asdict(self))

    def log_config(self, service: str) -> LogConfig:
        return LogConfig(service, "chaoyangli", self.host, self.port, self.database, self.password, SECRET)


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def write(log: Log, events: int, relay: Relay | None = None) -> None:
    """Append the numbers 1 to `events`, once each however often this is begun again: now a few at a time, now more.

    With a relay each append waits until the one before is published, so that every step is taken several times.
    """
    number = 1
    while number <= events:
        count = min(1 + number % 25, events - number + 1)
        parts = [StreamAppend(f"order-{uuid7()}", 0, [declined(n)]) for n in range(number, number + count)]
        await log.append(Append(parts, BY_TEST, Call("fault/write", str(number), b"")))
        number += count
        if relay is not None:
            await eventually(lambda: relay.published is not None and relay.published >= relay.size, 60)


async def work(task: Task) -> None:
    one = OneActive(task.log_config("orders"), idle_session_seconds=task.idle_seconds, ping_seconds=0.3)
    others: list[asyncio.Task[None]] = []
    source = await Log.open(task.log_config("orders"))
    relay: Relay | None = None
    if "relay" in task.roles:
        connection = Connection(make_broker(task.nats_url, "orders"))
        others.append(asyncio.create_task(connection.run()))
        relay = Relay(source, connection, poll_seconds=0.02, check_seconds=0.5, record_seconds=0.2)
        relay.attach()
        one.add("relay", relay.run)
    if "hear" in task.roles:
        listener = await Log.open(task.log_config("volunteers"), LISTENER_MODELS)
        connection = Connection(make_broker(task.nats_url, "volunteers"))
        others.append(asyncio.create_task(connection.run()))
        executor = Executor(listener, [NOTES], LISTENER_CONSTRAINTS)
        vault = Vault(listener.pool, "volunteers", b"k" * 32)
        consumer = Consumer(executor, noting(), connection, Stopped(), vault=vault, limits=QUICK, batch_messages=40)
        one.add("consumer:orders", consumer.run)
    others.append(asyncio.create_task(one.run()))
    say("ready")
    if "write" in task.roles:
        await write(source, task.events, relay if task.crash is not None else None)
        say("written")
    await asyncio.gather(*others)


def main() -> None:
    fields = json.loads(sys.argv[1])
    task = Task(**{**fields, "roles": tuple(fields["roles"])})
    if task.crash is not None:
        point, times = task.crash
        POINTS[point](Countdown(times))
    asyncio.run(work(task))


if __name__ == "__main__":
    main()
