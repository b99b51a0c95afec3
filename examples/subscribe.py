"""Follow the orders of a running community with plain nats-py: every event since the first, then each new one.

    python examples/subscribe.py nats://127.0.0.1:4222 .chaoyangli/secrets/nats_auditor.nk [position]

The stream's sequence is the log's position: keep the last one you handled, begin at the next. An event may come twice
(after NATS was rebuilt): skip what is not above your last position. Ignore fields you do not know.
"""

import asyncio
import json
import sys
from pathlib import Path

import nats
from nats.js.api import ConsumerConfig, DeliverPolicy


async def follow(url: str, seed: str, first: int) -> None:
    who = {"nkeys_seed_str": seed, "inbox_prefix": "_INBOX_auditor"}
    connection = await nats.connect(url, max_reconnect_attempts=-1, **who)
    begin = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=first, idle_heartbeat=5.0)
    orders = await connection.jetstream().subscribe("chaoyangli.orders.>", ordered_consumer=True, config=begin)
    async for message in orders.messages:
        event = json.loads(message.data)
        print(event["position"], event["time"], event["type"], event["data"].get("order_no", ""), flush=True)


url, seed_file, *position = sys.argv[1:]
asyncio.run(follow(url, Path(seed_file).read_text().strip(), int(position[0]) if position else 1))
