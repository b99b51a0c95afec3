"""Hear the events of a community from outside, with plain nats-py and what `chaoyangli subscribers add` wrote.

    python examples/subscribe.py nats://127.0.0.1:4222 city.json events.ndjson

The work here is a line in a file; what was written down there is known by its id after a restart, too, and not written
twice. An event is acknowledged once its work is done: what was under way when this died comes again, from where the
server has it. Positions that are missing were other events'. Ignore fields you do not know.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import nats
import nats.errors


async def hear(js: Any, stream: str, durable: str, journal: Any, done: set[str]) -> None:
    pull = await js.pull_subscribe_bind(consumer=durable, stream=stream)
    while True:
        try:
            messages = await pull.fetch(100, timeout=5)
        except TimeoutError:
            continue  # nothing new
        except nats.errors.Error as error:
            print(f"{stream}: {error}; again in a second", file=sys.stderr)
            await asyncio.sleep(1)
            continue
        for message in messages:
            event = json.loads(message.data)
            if event["id"] not in done:
                journal.write(message.data + b"\n")
                journal.flush()
                os.fsync(journal.fileno())
                done.add(event["id"])
            await message.ack()
            print(event["source"], event["position"], event["type"], flush=True)


async def main(url: str, who: dict[str, Any], journal: Any, done: set[str]) -> None:
    key = {"nkeys_seed_str": who["nats_seed"], "inbox_prefix": who["nats_inbox_prefix"]}
    connection = await nats.connect(url, max_reconnect_attempts=-1, **key)
    js = connection.jetstream(prefix=who["nats_api_prefix"])
    logs = who["nats_consumers"]
    await asyncio.gather(*(hear(js, log["stream"], log["durable"], journal, done) for log in logs))


url, credentials, file = sys.argv[1:]
with Path(file).open("a+b") as journal:
    journal.seek(0)
    written = journal.read()
    journal.truncate(written.rfind(b"\n") + 1)  # a line that was under way when this died
    done = {json.loads(line)["id"] for line in written.split(b"\n")[:-1]}
    asyncio.run(main(url, json.loads(Path(credentials).read_text(encoding="utf-8")), journal, done))
