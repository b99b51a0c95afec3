"""Puts a bundle's logs into an empty system: the same numbers, bytes and trees, for whoever takes a community over.

The bundle is checked as `audit verify` checks it before anything is made or written; then all logs go in, in one
transaction, past the triggers that hold every append; then each signer gets a head, and the read models are folded.
Killed at any moment it may be run again: a system that holds exactly the bundle's logs is led on to the end.

A log of a later origin (decision 0010) comes with all its events, those of the origins before among them, and goes on
in the origin that its head is of. The file that says so is written last, as after a loss.
"""

import os
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from cli.bundle.checking import check
from cli.bundle.earlier import earlier_heads
from cli.directory import made_for
from cli.output import Tell, err
from cli.place import DEFAULT_DATA, SERVICES, Place, located, place_of
from cli.recovery.accepting import require_stopped
from cli.recovery.bundles import BundledLog
from cli.recovery.heads import signer_of
from cli.recovery.recovering import superuser_dsn
from cli.recovery.refolding import refold
from cli.recovery.sources import connected
from cli.stack import Stack
from contracts.envelope import decode
from eventstore.checkpoint import Checkpoint, Signer, open_checkpoint
from eventstore.errors import EngineError
from eventstore.losses import Orphan, keep_earlier, losses_at, orphans, put_heads_aside
from eventstore.note import NoteError, format_note, parse_note, sign
from eventstore.origins import log_name, read_generation, write_generation
from eventstore.proofs import root_at
from eventstore.recovery import CHUNK_EVENTS, TailRefused, base_of, continuing, move_heard, put_back


class ImportRefused(EngineError):
    """The bundle is not whole, or the system is not empty; nothing was written."""


@dataclass
class Imported:
    """What was done for one log."""

    service: str
    origin: str
    size: int
    root: str
    """In Base64, as a checkpoint has it."""
    key: str
    """What signs its heads from now on."""
    same_key: bool
    """Whether that is the key under the bundle's head."""
    heard: dict[str, int] = field(default_factory=dict)
    orphans: list[Orphan] = field(default_factory=list)
    """Events whose cause was lost before, and is in no log."""

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "service": self.service,
            "origin": self.origin,
            "size": self.size,
            "root": self.root,
            "key": self.key,
            "same_key": self.same_key,
            "heard": self.heard,
            "orphans": [asdict(one) for one in self.orphans],
        }


@contextmanager
def empty_place(data: Path | None) -> Iterator[Place]:
    """The system to import into, its services not running: a data directory, made here when it is not there yet.

    Where CHAOYANGLI_* variables describe the system it must have been migrated, and whoever runs its services has
    stopped them. Raises StackError, DirectoryTaken.
    """
    if data is None and "CHAOYANGLI_SECRETS_DIR" in os.environ:
        with located(data) as place:
            yield place
        return
    directory = data or DEFAULT_DATA
    stack = Stack(directory, mode=made_for(directory) or "real")
    stack.claim()
    try:
        stack.prepare(lambda step: err.print(f"… {step}"))
        yield place_of(stack.data, stack.servers.postgres.port, stack.servers.nats.url, {})
    finally:
        stack.stop()


def require_whole(bundle: Path, policy: str | None) -> None:
    """See, before anything is made for it, that a bundle may be imported. Raises BundleUnreadable, ImportRefused."""
    problems = check(bundle, policy).problems
    if problems:
        raise ImportRefused(f"the bundle is not whole, nothing was imported: {'; '.join(problems[:5])}")


async def import_bundle(place: Place, bundle: Path, tell: Tell) -> list[Imported]:
    """Put every log of the bundle, a directory that `require_whole` has seen, into the place; fold its read models.

    Raises ImportRefused, BundleRefused, TailRefused: then nothing was written.
    """
    logs = {service: BundledLog(bundle, service) for service in SERVICES}
    heads = {service: Checkpoint.parse(parse_note(log.head).text) for service, log in logs.items()}
    generations = {service: _generation(place, service, head) for service, head in heads.items()}
    async with connected(superuser_dsn(place)) as connection:
        await require_stopped(connection, "a bundle is imported")
        await _require_room(place, connection, heads, generations)
        async with connection.transaction():
            added = {name: await _put_in(place, connection, name, log, tell) for name, log in logs.items()}
            await _require_roots(connection, heads)
            at_loss = await losses_at(connection, place.community, SERVICES)
            heard = {
                name: await _heard(place, connection, name, logs[name].tiles(after), all_there=not at_loss)
                for name, after in added.items()
            }
            left = await _orphans(connection, at_loss)
        found = [_signed_on(place, log, heads[name], name, generations[name]) for name, log in logs.items()]
        for name in logs:
            _keep_earlier(place, bundle, name, generations[name])
        for one in found:
            one.heard = heard[one.service]
            one.orphans = [orphan for orphan in left if orphan.service == one.service]
    async for _ in refold(place, {service: head.size for service, head in heads.items()}, (), tell):
        pass
    return found


def _generation(place: Place, service: str, head: Checkpoint) -> int:
    """Which origin of the place's own log a head is of, from 1. Raises ImportRefused."""
    generation = int(head.origin.partition("/")[2].partition("/")[2] or 1)
    if head.origin != place.origin(service, generation):
        raise ImportRefused(
            f"the bundle holds the log {head.origin}, this place is to hold {place.origin(service, 1)}: another"
            " community's log cannot be imported; nothing was written"
        )
    return generation


async def _require_room(
    place: Place, connection: asyncpg.Connection, heads: Mapping[str, Checkpoint], generations: Mapping[str, int]
) -> None:
    """Empty logs, or exactly the bundle's own ones from a run before. Raises ImportRefused."""
    there = []
    for service, head in heads.items():
        counted = read_generation(place.state_dir, place.community, service)
        if counted not in {1, generations[service]}:
            there.append(f"{service} goes on as {log_name(service, counted)}")
            continue
        size = await connection.fetchval(f"SELECT size FROM {service}.head")  # noqa: S608 - a service's name
        if size and (size != head.size or await root_at(connection, service, size) != head.root):
            there.append(f"{service} has {size} events")
        signed = _last_signed(place, service, generations[service])
        if not size and signed is not None and signed.size:
            there.append(f"{service} has signed a head of {signed.size} events")
    if there:
        raise ImportRefused(f"this place is not empty, nothing was imported: {', '.join(there)}")


def _last_signed(place: Place, service: str, generation: int) -> Checkpoint | None:
    """The head in the place's file: of the origin to come, or the first one's from when it ran with nothing in it."""
    signer = signer_of(place, service, generation)
    first = signer_of(place, service, 1)
    begins = first.head_path.read_bytes().split(b"\n", 1)[0] if first.head_path.exists() else b""
    return (first if begins == first.origin.encode() else signer).last_signed()


async def _put_in(place: Place, connection: asyncpg.Connection, service: str, log: BundledLog, tell: Tell) -> int:
    """Append what the place lacks of a log, some thousand events at a time. How many it had before."""
    config = place.log_config(service, "migrator")
    there = size = (await base_of(connection, config.schema)).size
    waiting: list[bytes] = []
    for bodies in log.tiles(there):
        waiting += bodies
        size += len(bodies)
        if len(waiting) >= CHUNK_EVENTS or size == log.size:
            base = await base_of(connection, config.schema)
            await put_back(connection, await continuing(connection, config, base, waiting))
            waiting = []
            tell(f"import: {service}", size, log.size)
    return there


async def _heard(
    place: Place, connection: asyncpg.Connection, service: str, added: Iterator[list[bytes]], *, all_there: bool
) -> dict[str, int]:
    """Consumers go on behind what the log shows to have been acted upon."""
    config, found = place.log_config(service, "migrator"), dict[str, int]()
    others = [each for each in SERVICES if each != service]
    for bodies in added:
        try:
            found |= await move_heard(connection, config, map(decode, bodies), others, all_there=all_there)
        except TailRefused as error:
            raise _cut(service) from error
    return found


def _cut(service: str) -> ImportRefused:
    return ImportRefused(
        f"the bundle holds events of {service} whose causes came after its heads of other logs: nothing was"
        " imported; take the bundle to move with from a place whose services are stopped"
    )


async def _orphans(connection: asyncpg.Connection, at_loss: Mapping[str, datetime]) -> list[Orphan]:
    """Events without a cause, of which each was recorded before another log lost some. Raises ImportRefused."""
    if not at_loss:
        return []
    found = await orphans(connection, SERVICES, None)
    for orphan in found:
        at = await connection.fetchval(
            f"SELECT recorded_at FROM {orphan.service}.events WHERE position = $1",  # noqa: S608 - a service's name
            orphan.position,
        )
        if not any(at <= lost_at for source, lost_at in at_loss.items() if source != orphan.service):
            raise _cut(orphan.service)
    return found


async def _require_roots(connection: asyncpg.Connection, heads: Mapping[str, Checkpoint]) -> None:
    for service, head in heads.items():
        if head.size and await root_at(connection, service, head.size) != head.root:
            raise ImportRefused(f"{service}: the tables do not hash to the bundle's head; nothing was imported")


def _signed_on(place: Place, log: BundledLog, head: Checkpoint, service: str, generation: int) -> Imported:
    """Give the signer a head to go on from: the bundle's where this place has its key, else the same under its own."""
    signer = signer_of(place, service, generation)
    try:
        open_checkpoint(log.head, signer.verifier_key, others=signer.other_keys)
        text, same = log.head, True
    except NoteError:
        text, same = _under_own_key(signer, head), False
    if generation > 1:
        put_heads_aside(place.state_dir, service, generation, signer.origin)
    if signer.last_signed() is None or signer.last_signed() != head:
        signer.head_path.parent.mkdir(parents=True, exist_ok=True)
        signer.adopt(text)
    if generation > 1:
        write_generation(place.state_dir, place.community, service, generation)
    root = b64encode(head.root).decode()
    return Imported(service, signer.origin, head.size, root, str(signer.verifier_key), same)


def _keep_earlier(place: Place, bundle: Path, service: str, generation: int) -> None:
    """What the log's earlier origins signed last, as far as the bundle has it, is served from here on."""
    for number, text in earlier_heads(bundle / "logs" / service).items():
        if number < generation:
            keep_earlier(place.state_dir, service, number, text)


def _under_own_key(signer: Signer, head: Checkpoint) -> bytes:
    """What was checked a moment ago, signed with the key that this place has; never in another key's name."""
    return format_note(head.body(), [sign(head.body(), signer.origin, signer.key)]).encode()
