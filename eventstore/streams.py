"""JetStream's side of a log: the stream that holds a copy of it, and the durables through which others read it.

Stream sequence = position. A log's name is its service's, `orders`; after a loss that was accepted it is `orders/2`,
with a stream and subjects of its own (`eventstore.origins`). A stream is made by its log's relay and never updated,
purged or deleted by it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    ConsumerInfo,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StoreCompression,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import NotFoundError

from eventstore.nats_api import API

MAX_BYTES = 1024**3
"""A stream's size limit, about a million events. Well below the disk: a full stream says so, a full disk does not."""
BATCH_MESSAGES = 256
MAX_ACK_PENDING = 1_024
ACK_WAIT_SECONDS = 15.0
JS_TIMEOUT_SECONDS = 5.0
STREAM_NOT_FOUND = 10059
GENERATIONS_GRANTED = 9
"""A service may make and fill the streams of so many origins of its log; a tenth takes other rights."""
OURS = "-reactions"
"""How the durables of our own services end; they are made at the listener's checkpoint, others' at their ack floor."""


class Pool(Protocol):
    """What is needed of an asyncpg pool."""

    async def fetch(self, query: str, *args: Any) -> Sequence[Mapping[str, Any]]: ...
    async def execute(self, query: str, *args: Any) -> str: ...
    async def executemany(self, query: str, args: Iterable[Sequence[Any]]) -> None: ...


def stream_name(log: str) -> str:
    """`ORDERS`, `ORDERS_2`."""
    return log.upper().replace("/", "_")


def subjects(community: str, log: str) -> str:
    """All subjects of a log: `chaoyangli.orders.>`, `chaoyangli.orders-2.>`. No two streams may share one."""
    return f"{community}.{log.replace('/', '-')}.>"


def subject(community: str, log: str, type_name: str) -> str:
    """`chaoyangli.orders.OrderPlaced`: no ids in subjects."""
    return f"{community}.{log.replace('/', '-')}.{type_name}"


def durable_name(listener: str) -> str:
    """The durable through which one of our services hears another."""
    return f"{listener}{OURS}"


def wake_subject(community: str, service: str) -> str:
    """Core NATS: "the log has grown", from a replica that does not relay to the one that does."""
    return f"{community}.wake.{service}"


def durable_subject(community: str, source: str, listener: str) -> str:
    """Core NATS: a listener asks the source's relay for its durable, with its checkpoint as decimal digits.

    The listener is in the subject so that rights can bind it. There is no answer: the listener looks for the durable.
    """
    return f"{community}.durable.{source}.{listener}"


def context(client: Client, api: str = API) -> JetStreamContext:
    """JetStream over a client, with our time-out. `api`: `API` for its own account's streams, else `api_prefix`."""
    return client.jetstream(prefix=api, timeout=JS_TIMEOUT_SECONDS)


def stream_config(community: str, log: str, max_bytes: int = MAX_BYTES) -> StreamConfig:
    """The stream's whole configuration. `sync_interval: always` is the server's to set."""
    return StreamConfig(
        name=stream_name(log),
        description=f"The log of {log}: sequence = position",
        subjects=[subjects(community, log)],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=max_bytes,
        num_replicas=1,
        duplicate_window=120,
        deny_delete=True,
        deny_purge=True,
        allow_rollup_hdrs=False,
        allow_direct=True,
        allow_atomic=True,
        compression=StoreCompression.S2,
    )


@dataclass(frozen=True, slots=True)
class EnsuredStream:
    """The stream as it is. `differs` names settings that are not ours; nothing here changes them."""

    info: StreamInfo
    created: bool
    differs: tuple[str, ...]

    @property
    def last_sequence(self) -> int:
        """The last message's sequence, 0 when the stream never had one."""
        return int(self.info.state.last_seq)


_WATCHED = (
    "subjects",
    "storage",
    "discard",
    "deny_delete",
    "deny_purge",
    "allow_atomic",
    "max_age",
    "max_msgs",
)


async def ensure_stream(js: JetStreamContext, community: str, log: str, max_bytes: int = MAX_BYTES) -> EnsuredStream:
    """Find the stream or make it. Never changes one that exists."""
    config = stream_config(community, log, max_bytes)
    name = stream_name(log)
    try:
        info, created = await js.stream_info(name), False
    except NotFoundError:
        info, created = await js.add_stream(config), True
    return EnsuredStream(info, created, differing(info, config))


def differing(info: StreamInfo, config: StreamConfig) -> tuple[str, ...]:
    """The settings of a stream that are not those of `config`, by name."""
    differs = [name for name in _WATCHED if _setting(info.config, name) != _setting(config, name)]
    if 0 < (info.config.max_bytes or 0) < (config.max_bytes or 0):
        differs.append("max_bytes")  # larger is the operator's right: it is how a full stream is helped
    return tuple(differs)


def _setting(config: StreamConfig, name: str) -> Any:
    value = getattr(config, name)
    return None if value in (0, -1, None) else value


def durable_config(listener: str, position: int) -> ConsumerConfig:
    """Our listeners' durable: unfiltered, acknowledged up to the last, from the event after `position`."""
    name = durable_name(listener)
    return ConsumerConfig(
        name=name,
        durable_name=name,
        description=f"{listener} hears this log",
        ack_policy=AckPolicy.ALL,
        ack_wait=ACK_WAIT_SECONDS,
        max_ack_pending=MAX_ACK_PENDING,
        max_deliver=-1,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=position + 1,
    )


async def ensure_durable(js: JetStreamContext, source: str, listener: str, position: int) -> ConsumerInfo:
    """Find `<listener>-reactions` on the source's stream or make it from `position` + 1. NotFoundError: no stream."""
    name = stream_name(source)
    try:
        info: ConsumerInfo = await js.consumer_info(name, durable_name(listener))
    except NotFoundError as error:
        if error.err_code == STREAM_NOT_FOUND:
            raise
        info = await js.add_consumer(name, durable_config(listener, position))
    return info


async def durables(js: JetStreamContext, log: str) -> list[ConsumerInfo]:
    """All durables on the stream."""
    found: list[ConsumerInfo] = []
    while True:
        page = await js.consumers_info(stream_name(log), offset=len(found))
        found += page
        if len(page) < 256:
            return [info for info in found if info.config.durable_name]


async def record_durables(pool: Pool, schema: str, found: Iterable[ConsumerInfo]) -> None:
    """Keep each durable's configuration and ack floor in PostgreSQL, to make it again after NATS lost it."""
    rows = []
    for info in found:
        floor = info.ack_floor.stream_seq if info.ack_floor is not None else 0
        rows.append((info.name, json.dumps(info.config.as_dict(), sort_keys=True), floor))
    if rows:
        await pool.executemany(
            f"""INSERT INTO {schema}.relay_durables AS d (durable, config, ack_floor) VALUES ($1, $2, $3)
                ON CONFLICT (durable) DO UPDATE
                SET config = excluded.config, ack_floor = excluded.ack_floor, recorded_at = now()
                WHERE d.config <> excluded.config OR d.ack_floor <> excluded.ack_floor""",
            rows,
        )


async def restore_durables(
    js: JetStreamContext, pool: Pool, schema: str, log: str, found: Iterable[ConsumerInfo]
) -> list[str]:
    """Make again what PostgreSQL remembers and the stream lacks, each from its ack floor; returns their names.

    Our own listeners' are left to them: they ask for theirs with their checkpoint, which may be further.
    """
    there = {info.name for info in found}
    restored: list[str] = []
    for row in await pool.fetch(f"SELECT durable, config, ack_floor FROM {schema}.relay_durables ORDER BY durable"):
        if row["durable"] in there or row["durable"].endswith(OURS):
            continue
        config = ConsumerConfig.from_response(json.loads(row["config"]))
        config.deliver_policy = DeliverPolicy.BY_START_SEQUENCE
        config.opt_start_seq = row["ack_floor"] + 1
        config.opt_start_time = None
        config.name = config.durable_name = row["durable"]
        await js.add_consumer(stream_name(log), config)
        restored.append(row["durable"])
    return restored


async def forget_durable(pool: Pool, schema: str, durable: str) -> bool:
    """Stop making a durable again: first this, then delete it on the server, both under `durables_lock`.

    Whether it was noted.
    """
    return await pool.execute(f"DELETE FROM {schema}.relay_durables WHERE durable = $1", durable) != "DELETE 0"
