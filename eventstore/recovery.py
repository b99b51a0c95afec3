"""A log's missing tail put back: the very bytes that were recorded once, at the same numbers, and nothing else.

A database that was put back from an old copy lacks events that are out already: in the stream, in a bundle, under a
signed head. `checked` holds what somebody kept of them against the log and its last signed head, without writing;
`put_back` then appends it inside the caller's transaction, as the owner of the tables, past the same triggers as every
append (architecture.md §3, "Recovery").
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import asyncpg

from contracts.envelope import Recorded, decode
from contracts.event import ContractError
from eventstore.checkpoint import Checkpoint
from eventstore.config import LogConfig
from eventstore.errors import EngineError
from eventstore.log import reader
from eventstore.log.head import FullTileRoot, TreeHead
from eventstore.merkle import EMPTY_ROOT
from eventstore.origins import recorded_generation, stream_of_losses
from eventstore.proofs import root_at

CHUNK_EVENTS = 2_000
"""Events of one INSERT."""


class TailRefused(EngineError):
    """What was offered as the log's tail is not it, or lacks a part; nothing was written."""


@dataclass(frozen=True, slots=True)
class Base:
    """Where a log ends now."""

    head: TreeHead
    last_body: bytes | None

    @property
    def size(self) -> int:
        """Number of events."""
        return self.head.size


@dataclass(frozen=True, slots=True)
class Tail:
    """Events that follow `base`, every one checked."""

    config: LogConfig
    base: Base
    events: tuple[Recorded, ...]

    @property
    def size(self) -> int:
        """Number of events that the log will have."""
        return self.base.size + len(self.events)


async def base_of(connection: asyncpg.Connection, schema: str) -> Base:
    """The end of the log as it is. Raises Tampered."""
    head = await reader.head(connection, schema)
    last = await reader.read_raw(connection, schema, head.size - 1, 1) if head.size else []
    return Base(head, last[0].body if last else None)


async def checked(
    connection: asyncpg.Connection, config: LogConfig, base: Base, bodies: Sequence[bytes], signed: Checkpoint
) -> Tail:
    """Hold `bodies` against the log that they are to continue and against its last signed head. Writes nothing.

    Raises TailRefused: as `continuing` does; or the events do not reach the signed head, or do not hash to it.
    """
    tail = await continuing(connection, config, base, bodies)
    if signed.size > tail.size:
        raise TailRefused(
            f"{config.service}: the last signed head counts {signed.size} events; the log has {base.size}, and of the"
            f" rest only {len(tail.events)} were found: events {tail.size + 1} to {signed.size} are missing"
        )
    if await root_of(connection, tail, signed.size) != signed.root:
        raise TailRefused(
            f"{config.service}: the first {signed.size} events, those found included, do not hash to the head"
        )
    return tail


async def continuing(connection: asyncpg.Connection, config: LogConfig, base: Base, bodies: Sequence[bytes]) -> Tail:
    """Hold `bodies` against the log that they are to continue, without any signature. Writes nothing.

    Raises TailRefused: an event is none, of another log, origin or place, breaks its stream or goes back in time.
    """
    generation = await recorded_generation(connection, config.community, config.service)
    losses = stream_of_losses(config.community, config.service)
    versions = await _versions(connection, config.schema, bodies)
    recorded_at = base.head.recorded_at
    events = []
    for position, body in enumerate(bodies, base.size + 1):
        event = _read(config, position, body)
        before = versions.get(event.stream, 0)
        if event.version != before + 1:
            raise TailRefused(f"{config.service}/{position}: {event.stream} goes from {before} to {event.version}")
        if recorded_at is not None and event.recorded_at < recorded_at:
            raise TailRefused(f"{config.service}/{position} was recorded before the one before it")
        generation += event.stream == losses
        if event.generation != generation:
            raise TailRefused(f"{config.service}/{position}: it is of origin {event.generation}, not {generation}")
        versions[event.stream], recorded_at = event.version, event.recorded_at
        events.append(event)
    return Tail(config, base, tuple(events))


def _read(config: LogConfig, position: int, body: bytes) -> Recorded:
    try:
        event = decode(body)
    except ContractError as error:
        raise TailRefused(f"{config.service}/{position}: not an event that this program knows: {error}") from error
    if (event.community, event.service, event.position) != (config.community, config.service, position):
        said = f"{event.community}/{event.service}/{event.position}"
        raise TailRefused(f"{config.service}/{position}: it says that it is {said}")
    return event


async def _versions(connection: asyncpg.Connection, schema: str, bodies: Sequence[bytes]) -> dict[str, int]:
    """The last version of each stream that the tail touches."""
    streams = set()
    for body in bodies:
        try:
            streams.add(decode(body).stream)
        except ContractError:
            break  # it is refused where it stands
    rows = await connection.fetch(
        f"SELECT stream, max(version) AS version FROM {schema}.events WHERE stream = ANY($1) GROUP BY stream",
        [*streams],
    )
    return {row["stream"]: row["version"] for row in rows}


async def root_of(connection: asyncpg.Connection, tail: Tail, size: int) -> bytes:
    """What the first `size` events hash to, those of the tail among them; at most as many as it has."""
    base = tail.base
    if not size:
        return EMPTY_ROOT
    if size <= base.size:
        return await root_at(connection, tail.config.schema, size)
    return base.head.tree.extend([_leaf(event.body) for event in tail.events[: size - base.size]]).root()


async def put_back(connection: asyncpg.Connection, tail: Tail) -> None:
    """Append a checked tail inside the caller's transaction. `connection` is a superuser's.

    It acts as the owner, whom the triggers hold as they hold the service. Raises TailRefused when the log has grown.
    """
    schema, head = tail.config.schema, tail.base.head
    await connection.execute(f"SET LOCAL ROLE {schema}_owner")
    stored = reader.stored_head(
        await connection.fetchrow(f"SELECT size, range, recorded_at FROM {schema}.head FOR UPDATE")
    )
    if stored != head:
        raise TailRefused(f"{tail.config.service} was written to meanwhile: it has {stored.size} events; recover again")
    for start in range(0, len(tail.events), CHUNK_EVENTS):
        events = tail.events[start : start + CHUNK_EVENTS]
        leaves = [_leaf(event.body) for event in events]
        await _insert(connection, schema, events, leaves)
        head, tiles = head.grown(leaves, events[-1].recorded_at)
        await connection.execute(
            f"UPDATE {schema}.head SET size = $1, range = $2, recorded_at = $3",
            head.size,
            head.tree.to_bytes(),
            head.recorded_at,
        )
        for tile in tiles:
            await _insert_tile(connection, schema, tile)
    await connection.execute("RESET ROLE")


async def _insert(
    connection: asyncpg.Connection, schema: str, events: Sequence[Recorded], leaves: Sequence[bytes]
) -> None:
    """One statement, so that the trigger sees the events as one continuation of the head."""
    await connection.execute(
        f"""INSERT INTO {schema}.events (position, stream, version, event_id, type, recorded_at, body, leaf_hash)
            SELECT * FROM unnest($1::bigint[], $2::text[], $3::integer[], $4::uuid[], $5::text[], $6::timestamptz[],
                                 $7::bytea[], $8::bytea[])""",
        [event.position for event in events],
        [event.stream for event in events],
        [event.version for event in events],
        [event.event_id for event in events],
        [event.type for event in events],
        [event.recorded_at for event in events],
        [event.body for event in events],
        leaves,
    )


async def _insert_tile(connection: asyncpg.Connection, schema: str, tile: FullTileRoot) -> None:
    below = (
        f"""SELECT string_agg(leaf_hash, ''::bytea ORDER BY position) FROM {schema}.events
            WHERE position > $1 * 256 AND position <= ($1 + 1) * 256"""
        if tile.level == 0
        else f"""SELECT string_agg(root, ''::bytea ORDER BY index) FROM {schema}.tiles
                 WHERE level = {tile.level - 1} AND index >= $1 * 256 AND index < ($1 + 1) * 256"""
    )
    hashes = await connection.fetchval(below, tile.index)
    await connection.execute(
        f"INSERT INTO {schema}.tiles (level, index, hashes, root) VALUES ($1, $2, $3, $4)",
        tile.level,
        tile.index,
        hashes,
        tile.root,
    )


async def move_heard(
    connection: asyncpg.Connection,
    config: LogConfig,
    events: Iterable[Recorded],
    sources: Sequence[str],
    *,
    all_there: bool = True,
) -> Mapping[str, int]:
    """Put a service's consumers where these events of its log show that they were, inside the caller's transaction.

    An event that was recorded because another was heard (`causationid`) proves that its source was heard up to there:
    heard again, it would be acted upon twice. `connection` is a superuser's, who sees the logs of `sources`, with
    their tails in them by now. Returns source → new position, of those that moved. Raises TailRefused when an event was
    caused by one that none of them has: its source must be recovered together with this log; `all_there` False: it
    may be gone for good.
    """
    causes = {event.causation_id for event in events if event.causation_id is not None}
    missing, moved = set(causes), {}
    for source in sources:
        if not causes or not await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{source}.events"):
            continue
        rows = await connection.fetch(
            f"SELECT event_id, position FROM {source}.events WHERE event_id = ANY($1)", [*causes]
        )
        if not rows:
            continue
        missing -= {row["event_id"] for row in rows}
        position = await connection.fetchval(
            f"""INSERT INTO {config.schema}.heard AS h (source, position) VALUES ($1, $2)
                ON CONFLICT (source) DO UPDATE SET position = excluded.position WHERE h.position < excluded.position
                RETURNING position""",
            source,
            max(row["position"] for row in rows),
        )
        if position:
            moved[source] = position
    if missing and all_there:
        raise TailRefused(
            f"{config.service}: {len(missing)} of its missing events were caused by events that their own log"
            " lacks, too: recover all services at once, by `chaoyangli recover`"
        )
    return moved


def _leaf(body: bytes) -> bytes:
    return sha256(b"\x00" + body).digest()
