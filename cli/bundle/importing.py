"""Puts a bundle's logs into an empty system: the same numbers, bytes and trees, for whoever takes a community over.

The bundle is checked as `audit verify` checks it before anything is written; then all logs go in, in one transaction,
past the triggers that hold every append; then each signer gets a head, and the read models are folded. Killed at any
moment it may be run again: a system that holds exactly the bundle's logs is led on to the end.
"""

import os
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from cli.bundle.checking import check
from cli.directory import made_for
from cli.output import Tell, err
from cli.place import DEFAULT_DATA, SERVICES, Place, located, place_of
from cli.recovery.bundles import BundledLog
from cli.recovery.heads import signer_of
from cli.recovery.recovering import superuser_dsn
from cli.recovery.refolding import refold
from cli.recovery.sources import connected
from cli.stack import Stack
from eventstore.checkpoint import Checkpoint, Signer, open_checkpoint
from eventstore.errors import EngineError
from eventstore.note import NoteError, format_note, parse_note, sign
from eventstore.proofs import root_at
from eventstore.recovery import Tail, TailRefused, base_of, checked, move_heard, put_back


class ImportRefused(EngineError):
    """The bundle is not whole, or the system is not empty; nothing was written."""


@dataclass
class Imported:
    """What was done for one log."""

    service: str
    size: int
    root: str
    """In Base64, as a checkpoint has it."""
    key: str
    """What signs its heads from now on."""
    same_key: bool
    """Whether that is the key under the bundle's head."""
    heard: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "service": self.service,
            "size": self.size,
            "root": self.root,
            "key": self.key,
            "same_key": self.same_key,
            "heard": self.heard,
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


async def import_bundle(place: Place, bundle: Path, policy: str | None, tell: Tell) -> list[Imported]:
    """Put every log of the bundle into the place, and fold its read models.

    Raises BundleUnreadable, ImportRefused, BundleRefused, TailRefused: then nothing was written.
    """
    problems = check(bundle, policy).problems
    if problems:
        raise ImportRefused(f"{bundle} is not whole, nothing was imported: {'; '.join(problems[:5])}")
    logs = {service: BundledLog(bundle, service) for service in SERVICES}
    heads = {service: Checkpoint.parse(parse_note(log.head).text) for service, log in logs.items()}
    async with connected(superuser_dsn(place)) as connection:
        await _require_room(place, connection, heads)
        async with connection.transaction():
            tails = [await _tail(place, connection, name, log, heads[name]) for name, log in logs.items()]
            for number, tail in enumerate(tails, 1):
                await put_back(connection, tail)
                tell("import", number, len(tails))
            heard = await _heard(connection, tails)
            await _require_roots(connection, heads)
        found = [_signed_on(place, name, log, heads[name]) for name, log in logs.items()]
        for one in found:
            one.heard = heard.get(one.service, {})
    async for _ in refold(place, {service: head.size for service, head in heads.items()}, (), tell):
        pass
    return found


async def _require_room(place: Place, connection: asyncpg.Connection, heads: Mapping[str, Checkpoint]) -> None:
    """Empty logs, or exactly the bundle's own ones from a run before. Raises ImportRefused."""
    there = []
    for service, head in heads.items():
        signer = signer_of(place, service)
        if head.origin != signer.origin:
            raise ImportRefused(
                f"the bundle holds the log {head.origin}, this place is to hold {signer.origin}: neither another"
                " community's log nor one of a later origin can be imported; nothing was written"
            )
        size = await connection.fetchval(f"SELECT size FROM {service}.head")  # noqa: S608 - a service's name
        if size and (size != head.size or await root_at(connection, service, size) != head.root):
            there.append(f"{service} has {size} events")
        signed = signer.last_signed()
        if not size and signed is not None and signed.size:
            there.append(f"{service} has signed a head of {signed.size} events")
    if there:
        raise ImportRefused(f"this place is not empty, nothing was imported: {', '.join(there)}")


async def _tail(place: Place, connection: asyncpg.Connection, service: str, log: BundledLog, head: Checkpoint) -> Tail:
    config = place.log_config(service, "migrator")
    base = await base_of(connection, config.schema)
    return await checked(connection, config, base, log.bodies(base.size), head)


async def _heard(connection: asyncpg.Connection, tails: list[Tail]) -> dict[str, dict[str, int]]:
    """Consumers go on behind what the logs show to have been acted upon."""
    found = {}
    for tail in tails:
        service = tail.config.service
        try:
            moved = await move_heard(connection, tail, [each for each in SERVICES if each != service])
        except TailRefused as error:
            raise ImportRefused(
                f"the bundle holds events of {service} whose causes came after its heads of other logs: nothing was"
                " imported; take the bundle to move with from a place whose services are stopped"
            ) from error
        found[service] = dict(moved)
    return found


async def _require_roots(connection: asyncpg.Connection, heads: Mapping[str, Checkpoint]) -> None:
    for service, head in heads.items():
        if head.size and await root_at(connection, service, head.size) != head.root:
            raise ImportRefused(f"{service}: the tables do not hash to the bundle's head; nothing was imported")


def _signed_on(place: Place, service: str, log: BundledLog, head: Checkpoint) -> Imported:
    """Give the signer a head to go on from: the bundle's where this place has its key, else the same under its own."""
    signer = signer_of(place, service)
    try:
        open_checkpoint(log.head, signer.verifier_key, others=signer.other_keys)
        text, same = log.head, True
    except NoteError:
        text, same = _under_own_key(signer, head), False
    if signer.last_signed() is None or signer.last_signed() != head:
        signer.head_path.parent.mkdir(parents=True, exist_ok=True)
        signer.adopt(text)
    return Imported(service, head.size, b64encode(head.root).decode(), str(signer.verifier_key), same)


def _under_own_key(signer: Signer, head: Checkpoint) -> bytes:
    """What was checked a moment ago, signed with the key that this place has; never in another key's name."""
    return format_note(head.body(), [sign(head.body(), signer.origin, signer.key)]).encode()
