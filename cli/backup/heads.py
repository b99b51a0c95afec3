"""What lies beside PostgreSQL, given back where it was lost with the machine: origin, signed head, secret files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.backup.keeping import check_keys
from cli.backup.sealing import BackupRefused, write_file
from cli.place import SERVICES, Place, files_alone
from cli.recovery.heads import signer_of
from eventstore.checkpoint import Checkpoint
from eventstore.durable import sync_directory
from eventstore.note import NoteError, parse_note
from eventstore.origins import origin_path, read_generation, write_generation

if TYPE_CHECKING:
    from cli.backup.restoring import Asked


def without_heads(place: Place) -> list[str]:
    """Services whose signer has no head."""
    return [service for service in SERVICES if not (place.state_dir / service / "head").exists()]


def give_heads(place: Place, asked: "Asked", document: dict[str, Any]) -> None:
    """Give each signer without a head the newest of backup and key copy, and beside it what else the copy has.

    Such a head may be older than what was published: witnesses may hold newer ones. Raises BackupRefused.
    """
    for service in without_heads(place):
        if asked.keys is not None:
            _give_missing(asked.keys / "state" / service, place.state_dir / service)
        generation = int(document["origins"][service].partition("/")[2].partition("/")[2] or 1)
        if generation > 1 and not origin_path(place.state_dir, service).exists():
            write_generation(place.state_dir, place.community, service, generation)
        notes = [asked.backup / "logs" / service / "checkpoint"]
        if asked.keys is not None:
            notes += [asked.keys / "state" / service / name for name in ("head", "published")]
        newest = max((note for path in notes if (note := _head(path)) is not None), default=None)
        if newest is None:
            continue
        (place.state_dir / service).mkdir(parents=True, exist_ok=True)
        try:
            signer_of(place, service, read_generation(place.state_dir, place.community, service)).adopt(newest[1])
        except NoteError as error:
            raise BackupRefused(f"the head of {service} that was kept is not one of its log: {error}") from error


def _head(path: Path) -> tuple[int, bytes] | None:
    if not path.exists():
        return None
    note = path.read_bytes()
    return Checkpoint.parse(parse_note(note).text).size, note


def take_heads_back(place: Place, services: Sequence[str]) -> None:
    """Heads that were given by a restore which is taken back are gone again."""
    for service in services:
        (place.state_dir / service / "head").unlink(missing_ok=True)


def give_secrets(keys: Path, secrets_dir: Path) -> list[str]:
    """Copy the secret files that are missing; returns their names. What is there is left as it is."""
    return _give_missing(keys / "secrets", secrets_dir)


def give_checked_secrets(keys: Path, secrets_dir: Path, community: str) -> list[str]:
    """The same for a place that has nothing else so far, once the copy is whole and, where there are keys, of theirs.

    Raises BackupRefused, and gives nothing then.
    """
    for held in (keys / "secrets", secrets_dir):
        if any(held.glob("*.signing_key")):
            check_keys(keys, files_alone(community, held, keys / "state"))
    return give_secrets(keys, secrets_dir)


def _give_missing(source: Path, target: Path) -> list[str]:
    """Copy what is not there; a head is never copied, the signer takes it (`give_heads`)."""
    given = []
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_file() and not copy.exists() and path != source / "head":
            write_file(copy, path.read_bytes())
            copy.chmod(path.stat().st_mode & 0o777)
            given.append(copy.name)
    if given:
        sync_directory(target)
    return given
