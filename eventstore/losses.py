"""A loss that is accepted: events that were signed are nowhere any more, and their numbers begin another history.

What is left of the log stays as it is, byte for byte; LossAccepted is appended under the new origin, and everybody who
had heard what is lost is put back to what is left (decision 0010). All of it is for one transaction; `begin_origin`
then puts the files beside PostgreSQL right, and may be run again after a crash.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg

from contracts.envelope import decode, encode
from contracts.event import LossAcceptedFields, event_class
from contracts.ids import uuid7
from eventstore.checkpoint import Checkpoint, Signer
from eventstore.deliveries import put_back
from eventstore.durable import sync_directory, write_whole
from eventstore.log import reader
from eventstore.note import parse_note
from eventstore.origins import log_name, stream_of_losses, write_generation
from eventstore.recovery import Tail, TailRefused, root_of
from eventstore.streams import OURS

KEPT = "origins"
"""Where the last heads of earlier origins lie: `<state>/<service>/origins/1/head`, and `published` beside it."""
HEADS = ("head", "published")


@dataclass(frozen=True, slots=True)
class Orphan:
    """An event whose cause is lost: it stands, and somebody should look at what came of it."""

    service: str
    position: int
    type: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What one listener no longer counts as heard."""

    listener: str
    before: int
    letters: int
    """Dead letters about events that are lost, deleted with them."""


async def with_loss(
    connection: asyncpg.Connection, tail: Tail, signed: Checkpoint, published: Checkpoint | None, actor: UUID
) -> Tail:
    """`tail`, all that was found, with LossAccepted after its last event. Writes nothing.

    `signed`: the last head of the old origin; `published`: the last one given out. Raises TailRefused when nothing that
    was signed is missing, or when what is left is not what was published.
    """
    config = tail.config
    if signed.size <= tail.size:
        raise TailRefused(
            f"{config.service}: all {signed.size} events that were signed are there, or can be had: nothing is lost;"
            f" run `chaoyangli recover {config.service}`"
        )
    proven = 0
    if published is not None and published.size <= tail.size:
        if await root_of(connection, tail, published.size) != published.root:
            raise TailRefused(
                f"{config.service}: its first {published.size} events are not those that were published: this is"
                " another history, and no loss of the last events only"
            )
        proven = published.size
    now = datetime.now(UTC)
    last = tail.events[-1].recorded_at if tail.events else tail.base.head.recorded_at
    cls = event_class("LossAccepted", config.service)
    assert issubclass(cls, LossAcceptedFields)
    event = cls(
        old_origin=signed.origin,
        new_origin=f"{config.community}/{log_name(config.service, config.generation + 1)}",
        signed_size=signed.size,
        signed_root=signed.root.hex(),
        first_lost=tail.size + 1,
        last_lost=signed.size,
        proven_size=proven,
        accepted_at=now,
    )
    body = encode(
        event.to_json(),
        type="LossAccepted",
        service=config.service,
        version=cls.version,
        community=config.community,
        position=tail.size + 1,
        stream=stream_of_losses(config.community, config.service),
        streamversion=config.generation,
        event_id=uuid7(),
        time=now if last is None else max(now, last),
        generation=config.generation + 1,
        actor=str(actor),
    )
    return replace(tail, events=(*tail.events, decode(body)))


async def forget(connection: asyncpg.Connection, listener: str, source: str, size: int) -> Forgotten | None:
    """Put a listener back to the first `size` events of a source, inside the caller's transaction; None: it was there.

    What it did because of later ones stands in its log. Whom it sent later ones, outside, goes on after what is left.
    """
    await put_back(connection, listener, source, size)
    before = await connection.fetchval(
        f"SELECT position FROM {listener}.heard WHERE source = $1 AND position > $2 FOR UPDATE", source, size
    )
    status = await connection.execute(
        f"DELETE FROM {listener}.dead_letters WHERE source = $1 AND position > $2", source, size
    )
    letters = int(status.rpartition(" ")[2])
    if before is None:
        return Forgotten(listener, size, letters) if letters else None
    await connection.execute(f"UPDATE {listener}.heard SET position = $2 WHERE source = $1", source, size)
    return Forgotten(listener, before, letters)


async def forget_durables(connection: asyncpg.Connection, service: str) -> list[str]:
    """Outsiders' durables are of the old stream: they are not made again on the new one. Returns their names."""
    rows = await connection.fetch(f"DELETE FROM {service}.relay_durables RETURNING durable")
    return sorted(row["durable"] for row in rows if not row["durable"].endswith(OURS))


async def first_lost_at(connection: asyncpg.Connection, lost: Mapping[str, int]) -> datetime | None:
    """When the last event before the earliest loss was recorded; None: before everything. `lost`: first numbers."""
    times: list[datetime] = []
    for service, first in lost.items():
        at: datetime | None = await connection.fetchval(
            f"SELECT recorded_at FROM {service}.events WHERE position = $1", first - 1
        )
        if at is None:
            return None
        times.append(at)
    return min(times)


async def orphans(connection: asyncpg.Connection, services: Sequence[str], since: datetime | None) -> list[Orphan]:
    """Events recorded from `since` on whose cause is in none of these logs, in the order of the logs."""
    found: list[tuple[Orphan, UUID]] = []
    for service in services:
        rows = connection.cursor(
            f"SELECT position, type, body FROM {service}.events WHERE $1::timestamptz IS NULL OR recorded_at >= $1"
            " ORDER BY position",
            since,
        )
        async for row in rows:
            cause = decode(row["body"]).causation_id
            if cause is not None:
                found.append((Orphan(service, row["position"], row["type"]), cause))
    missing = {cause for _, cause in found}
    for service in services:
        there = await connection.fetch(
            f"SELECT event_id FROM {service}.events WHERE event_id = ANY($1::uuid[])", [*missing]
        )
        missing -= {row["event_id"] for row in there}
    return [orphan for orphan, cause in found if cause in missing]


def begin_origin(
    state_dir: Path, community: str, service: str, generation: int, signer: Signer, tail: Checkpoint
) -> str:
    """Put the old origin's heads aside, sign the first head of this one, and only then let it count.

    `signer`: of the new origin. Run again, it does what was left to do. Returns the signed head.
    """
    put_heads_aside(state_dir, service, generation, signer.origin)
    head = signer.begin(tail.size, tail.root)
    write_generation(state_dir, community, service, generation)
    return head


def put_heads_aside(state_dir: Path, service: str, generation: int, new_origin: str) -> None:
    """Move the heads of the origin before `generation` to where they are kept; those of the new origin stay."""
    home = state_dir / service
    aside = home / KEPT / str(generation - 1)
    aside.mkdir(parents=True, exist_ok=True)
    for name in HEADS:
        _put_aside(home / name, aside / name, new_origin)


def _put_aside(file: Path, target: Path, new_origin: str) -> None:
    """Move a head of the old origin; one of the new origin, signed before a crash, stays."""
    if not file.exists() or file.read_bytes().split(b"\n", 1)[0] == new_origin.encode():
        return
    file.replace(target)
    sync_directory(target.parent)
    sync_directory(file.parent)


def keep_earlier(state_dir: Path, service: str, generation: int, head: str) -> None:
    """Have the last head of an earlier origin, which came from elsewhere, read by `read_earlier`.

    One that is kept stays, unless it counts nothing: a place signs such a head before anything is put into it.
    """
    home = state_dir / service
    kept = read_earlier(home, generation)
    if kept is None or not Checkpoint.parse(parse_note(kept).text).size:
        target = home / KEPT / str(generation) / HEADS[-1]
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, head.encode())


def read_earlier(home: Path, generation: int) -> str | None:
    """The last published head of an earlier origin, else the last signed one; None when the file was lost."""
    for name in reversed(HEADS):
        file = home / KEPT / str(generation) / name
        if file.exists():
            return file.read_text(encoding="utf-8")
    return None


async def losses(connection: asyncpg.Connection, community: str, service: str) -> list[LossAcceptedFields]:
    """Every loss of a log that was accepted, the first one first."""
    found = []
    for recorded in await reader.read_streams(connection, service, [(stream_of_losses(community, service), 0)]):
        assert isinstance(recorded.event, LossAcceptedFields)
        found.append(recorded.event)
    return found


async def losses_at(connection: asyncpg.Connection, community: str, services: Sequence[str]) -> Mapping[str, datetime]:
    """When the last loss of each log was recorded, of those that had one."""
    found = {}
    for service in services:
        at = await connection.fetchval(
            f"SELECT max(recorded_at) FROM {service}.events WHERE stream = $1", stream_of_losses(community, service)
        )
        if at is not None:
            found[service] = at
    return found
