"""Puts a backup back, in steps that are each on disk before the next: led on after a kill, or taken back.

All is done in a new database beside the one in use, which stays as it is until the last step and is the restore point
after it. The steps: load; take what was recorded since from the stream, a bundle or another database; erase again who
was erased since; fold the read models; verify; change places; bring the streams up to the logs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nats

from cli.backup import databases, journal
from cli.backup.erasing import erase_again
from cli.backup.heads import give_heads, take_heads_back, without_heads
from cli.backup.journal import Journal
from cli.backup.keeping import check_backup
from cli.backup.loading import load, require_known_schemas
from cli.backup.sealing import BackupRefused
from cli.output import Tell
from cli.place import SERVICES, Place
from cli.recovery.heads import signer_of
from cli.recovery.recovering import recover, superuser_dsn
from cli.recovery.refolding import refold
from cli.recovery.sources import Source, Stream, connected, gathered
from cli.recovery.streams import Rebuilt, rebuild
from cli.upgrade import unknown_events
from eventstore.recovery import base_of
from eventstore.verify import verify
from servicekit.log_keys import read_log_keys


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants put back, and how."""

    backup: Path
    keys: Path | None
    """A copy of the keys; None: names stay unreadable."""
    sources: Sequence[Source] = ()
    """Where the tail may lie, beside the streams."""
    leave_missing: bool = False
    """Go on without events that are nowhere; the loss is then accepted by `recover --accept-loss`."""


@dataclass
class Restored:
    """What came of it."""

    sizes: dict[str, int]
    recovered: dict[str, int] = field(default_factory=dict)
    """Events of each log that the backup did not have."""
    erased: dict[str, int] = field(default_factory=dict)
    lost: dict[str, tuple[int, int]] = field(default_factory=dict)
    adopted: list[str] = field(default_factory=list)
    restore_point: str | None = None
    streams: list[Rebuilt] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "sizes": self.sizes,
            "recovered": self.recovered,
            "erased": self.erased,
            "lost": {name: list(span) for name, span in self.lost.items()},
            "adopted": self.adopted,
            "restore_point": self.restore_point,
            "streams": {one.service: one.to_json() for one in self.streams},
        }


class TailMissing(BackupRefused):
    """Events that were signed are in no source; all is prepared, and nothing in use was changed."""

    def __init__(self, lost: dict[str, tuple[int, int]]) -> None:
        named = ", ".join(f"{name} {first} to {last}" for name, (first, last) in lost.items())
        super().__init__(
            f"events that were signed are in no source: {named}. Nothing in use was changed. Look everywhere first"
            " (bundles, mirrors, a WAL archive) and go on with `chaoyangli restore --continue --from-bundle …`; where"
            " they are nowhere, go on with `--continue --leave-missing`; or take it back with `--rollback`"
        )
        self.lost = lost


async def begin(place: Place, asked: Asked, tell: Tell) -> Restored:
    """Restore from the beginning. Raises BackupRefused and what each step raises: then all is as it was before.

    TailMissing alone leaves everything prepared.
    """
    if journal.read(place.state_dir) is not None:
        raise BackupRefused(
            "a restore is under way here, or was not finished: `chaoyangli restore --continue`, `--rollback` or"
            " `--finish`"
        )
    document = check_backup(asked.backup, place)
    require_known_schemas(document)
    async with databases.maintenance(place) as connection:
        await databases.require_still(connection)
    stamp = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
    begun = Journal(
        "begun",
        str(asked.backup.resolve()),
        None if asked.keys is None else str(asked.keys.resolve()),
        f"{place.database_name}_restore_{stamp}",
        f"{place.database_name}_before_{stamp}",
    )
    journal.write(place.state_dir, begun)
    try:
        return await lead_on(place, asked, tell)
    except TailMissing:
        raise
    except Exception:
        now = journal.read(place.state_dir)
        if now is not None and not now.reached("swapped") and not await _swapped(place, now):
            await roll_back(place)
        raise


async def lead_on(place: Place, asked: Asked, tell: Tell) -> Restored:
    """Do what is left of the restore under way. Raises BackupRefused when there is none."""
    now = _under_way(place)
    if now.phase == "restored":
        raise BackupRefused("this restore is done: `chaoyangli restore --finish`, or `--rollback`")
    new = databases.in_database(place, now.new)
    done = Restored({})
    if not now.reached("swapped") and now.reached("verified") and await _swapped(place, now):
        now = await _noted_swap(place, now)
    if not now.reached("loaded"):
        now = await _load(place, new, asked, now, tell)
    if not now.reached("recovered"):
        now = await _recover(place, new, asked, now, done, tell)
    if not now.reached("verified"):
        now = await _verify(place, new, asked, now, done, tell)
    if not now.reached("swapped"):
        async with databases.maintenance(place) as connection:
            await databases.require_still(connection)
            await databases.change_places(connection, place.database_name, now.before, now.new)
        now = await _noted_swap(place, now)
    return await _finish_swapped(place, now, done, tell)


async def roll_back(place: Place) -> str | None:
    """Take the restore under way back; the name of the database that is in use again, None: the one that always was.

    Raises BackupRefused: none is under way, services are up, nothing was there before, or something was recorded since.
    """
    now = _under_way(place)
    async with databases.maintenance(place) as connection:
        if not now.reached("swapped") and not await _swapped(place, now):
            await databases.drop(connection, now.new)
            take_heads_back(place, now.adopted)
            journal.end(place.state_dir)
            return None
        await databases.require_still(connection)
        if not await databases.exists(connection, now.before):
            raise BackupRefused("there was no database before this restore: there is nothing to go back to")
        since = await databases.sizes_of(place)
        if now.sizes is not None and (grown := [name for name in since if since[name] > now.sizes[name]]):
            raise BackupRefused(
                f"{', '.join(grown)} recorded events since: they would be lost. Keep this database:"
                " `chaoyangli restore --finish`"
            )
        await databases.change_places(connection, place.database_name, now.new, now.before)
        await databases.drop(connection, now.new)
        take_heads_back(place, now.adopted)
        journal.end(place.state_dir)
        return now.before


async def finish(place: Place) -> str:
    """Delete the restore point, with all that was erased since it was made; its name. Raises BackupRefused."""
    now = _under_way(place)
    if now.phase != "restored":
        raise BackupRefused("this restore is not done: `chaoyangli restore --continue`, or `--rollback`")
    async with databases.maintenance(place) as connection:
        await databases.drop(connection, now.before)
    journal.end(place.state_dir)
    return now.before


def _under_way(place: Place) -> Journal:
    now = journal.read(place.state_dir)
    if now is None:
        raise BackupRefused("no restore is under way here")
    return now


async def _swapped(place: Place, now: Journal) -> bool:
    """Whether the databases have changed places: the new one's name is free again only then."""
    if not now.reached("verified"):
        return False
    async with databases.maintenance(place) as connection:
        return not await databases.exists(connection, now.new)


async def _noted_swap(place: Place, now: Journal) -> Journal:
    return journal.write(place.state_dir, replace(now.at("swapped"), sizes=await databases.sizes_of(place)))


async def _load(place: Place, new: Place, asked: Asked, now: Journal, tell: Tell) -> Journal:
    document = check_backup(asked.backup, place)
    async with databases.maintenance(place) as connection:
        await databases.make(connection, now.new)
    await load(new, asked.backup, asked.keys, document, tell)
    # Noted before: a rollback takes away what was given, and nothing else.
    adopted = tuple(dict.fromkeys([*now.adopted, *without_heads(place)]))
    now = journal.write(place.state_dir, replace(now, adopted=adopted))
    give_heads(place, asked, document)
    return journal.write(place.state_dir, now.at("loaded"))


async def _recover(place: Place, new: Place, asked: Asked, now: Journal, done: Restored, tell: Tell) -> Journal:
    before = await databases.sizes_of(new)
    lost = await _missing(new, asked)
    if lost and not asked.leave_missing:
        raise TailMissing(lost)
    if lost:
        async for _ in refold(new, before, (), tell):
            pass
    else:
        await recover(new, SERVICES, asked.sources, tell)
        after = await databases.sizes_of(new)
        done.recovered = {service: after[service] - before[service] for service in SERVICES}
    return journal.write(place.state_dir, replace(now.at("recovered"), lost=lost))


async def _missing(new: Place, asked: Asked) -> dict[str, tuple[int, int]]:
    """Of each log what its last signed head counts and no source has."""
    lost = {}
    client = await nats.connect(**new.nats_arguments())
    try:
        async with connected(superuser_dsn(new)) as connection:
            sources = [*asked.sources, Stream(client, new)]
            for service in SERVICES:
                signed = signer_of(new, service).last_signed()
                base = await base_of(connection, service)
                size = base.size + len((await gathered(service, base, sources))[0])
                if signed is not None and signed.size > size:
                    lost[service] = (size + 1, signed.size)
    finally:
        await client.close()
    return lost


async def _verify(place: Place, new: Place, asked: Asked, now: Journal, done: Restored, tell: Tell) -> Journal:
    await _require_known_events(new)
    done.erased = await erase_again(new, asked.keys)
    for service in SERVICES:
        keys = read_log_keys(new.key_files(service))
        behind = service in (now.lost or {})
        report = await verify(
            new.log_config(service),
            log_key=keys.vkey,
            other_keys=(*keys.good, *keys.stolen),
            head_path=None if behind else place.head_directory / service / "head",
            progress=lambda count, total, what=service: tell(f"verify: {what}", count, total),  # type: ignore[misc]
        )
        if not report.ok:
            raise BackupRefused(f"{service} does not verify: {report.problems[0].message}")
    return journal.write(place.state_dir, now.at("verified"))


async def _require_known_events(new: Place) -> None:
    """What was recorded since by a later program may be nothing that this one could run on."""
    async with connected(superuser_dsn(new)) as connection:
        unknown = [sentence for service in SERVICES async for sentence in unknown_events(connection, service)]
    if unknown:
        raise BackupRefused("; ".join(unknown))


async def _finish_swapped(place: Place, now: Journal, done: Restored, tell: Tell) -> Restored:
    done.sizes = dict(now.sizes or {})
    done.lost, done.adopted = dict(now.lost or {}), list(now.adopted)
    if not done.lost:
        done.streams = await rebuild(place, SERVICES, tell, delete=False)
    async with databases.maintenance(place) as connection:
        kept = await databases.exists(connection, now.before)
        if kept and not await databases.holds_a_log(databases.in_database(place, now.before)):
            await databases.drop(connection, now.before)
            kept = False
    if kept:
        journal.write(place.state_dir, now.at("restored"))
        done.restore_point = now.before
    else:
        journal.end(place.state_dir)
    return done
