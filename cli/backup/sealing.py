"""A directory that says itself whether it is whole: each file's SHA-256 in a list, the list's under the logs' keys.

`files.sha256` is what `sha256sum -c` reads. `manifest` is a signed note (C2SP signed-note): a first line that is no
log's name, so that it can be taken for no head, then one JSON document with the list's own hash, then a signature of
every log's key. It proves that whoever holds these keys wrote the directory, and that no byte of it is another since.
It does not prove that what was recorded is true: the events are held against their own signed heads for that.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cli.place import SERVICES, Place
from eventstore.checkpoint import KeyFileError
from eventstore.durable import sync_directory
from eventstore.errors import EngineError
from eventstore.note import NoteError, VerifierKey, format_note, open_note, parse_note, sign
from eventstore.origins import log_name
from servicekit.log_keys import read_log_keys

MANIFEST, FILES = "manifest", "files.sha256"
_FIRST_LINE = "chaoyangli {kind} v1"
_READ_BYTES = 1024 * 1024


class BackupRefused(EngineError):
    """A backup is not whole, not of this community, or of a newer program; nothing was changed."""


def write_file(path: Path, content: bytes) -> None:
    """A new file that its owner alone may read, on disk before returning."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def seal(directory: Path, kind: str, document: Mapping[str, Any], place: Place) -> int:
    """List every file, sign the list together with `document`; returns how many bytes all files have."""
    lines, size = [], 0
    for path in _files(directory):
        lines.append(f"{_digest(directory / path)}  {path}\n")
        size += (directory / path).stat().st_size
    listed = "".join(lines).encode()
    write_file(directory / FILES, listed)
    whole = {**document, "files": len(lines), "bytes": size, "files_sha256": hashlib.sha256(listed).hexdigest()}
    text = _FIRST_LINE.format(kind=kind) + "\n" + json.dumps(whole, indent=1, sort_keys=True) + "\n"
    signatures = []
    for service in SERVICES:
        keys = read_log_keys(place.key_files(service))
        signatures.append(sign(text, keys.origin, keys.key))
    write_file(directory / MANIFEST, format_note(text, signatures).encode())
    for folder in {directory, *(path for path in directory.rglob("*") if path.is_dir())}:
        sync_directory(folder)
    return size


def kind_of(directory: Path) -> str | None:
    """Of which kind a finished directory says that it is, believed by nobody so far; None where it says none."""
    before, after = _FIRST_LINE.split("{kind}")
    try:
        with (directory / MANIFEST).open(encoding="utf-8") as file:
            first = file.readline().rstrip("\n")
    except (OSError, UnicodeDecodeError):
        return None
    named = first.startswith(before) and first.endswith(after)
    return first.removeprefix(before).removesuffix(after) if named else None


def read_unchecked(directory: Path, kind: str) -> dict[str, Any]:
    """What a manifest says, believed by nobody so far. Raises BackupRefused when there is none of this kind."""
    try:
        text = parse_note((directory / MANIFEST).read_bytes()).text
    except FileNotFoundError:
        raise BackupRefused(f"{directory} is no {kind}, or was never finished: it has no {MANIFEST}") from None
    except (OSError, NoteError) as error:
        raise BackupRefused(f"{directory / MANIFEST} cannot be read: {error}") from error
    first, _, rest = text.partition("\n")
    if first != _FIRST_LINE.format(kind=kind):
        raise BackupRefused(f"{directory} is no {kind}: its manifest begins with {first[:60]!r}")
    try:
        document = json.loads(rest)
    except ValueError as error:
        raise BackupRefused(f"{directory / MANIFEST} holds no document: {error}") from error
    if not isinstance(document, dict):
        raise BackupRefused(f"{directory / MANIFEST} holds no document")
    return document


def check_seal(directory: Path, kind: str, place: Place) -> dict[str, Any]:
    """The manifest's document, once every log's key is seen under it and every file is the one listed.

    Raises BackupRefused.
    """
    document = read_unchecked(directory, kind)
    _check_signatures(directory, document, place)
    listed = (directory / FILES).read_bytes() if (directory / FILES).exists() else b""
    if hashlib.sha256(listed).hexdigest() != document["files_sha256"]:
        raise BackupRefused(f"{directory / FILES} is not the list that was signed")
    expected = {path: digest for digest, _, path in (line.partition("  ") for line in listed.decode().splitlines())}
    there = set(_files(directory))
    if missing := sorted(expected.keys() - there):
        raise BackupRefused(f"{directory} lacks {missing[0]}" + (f" and {len(missing) - 1} more" * (len(missing) > 1)))
    if foreign := sorted(there - expected.keys()):
        raise BackupRefused(f"{directory} holds {foreign[0]}, which is not in its list")
    for path, digest in expected.items():
        if _digest(directory / path) != digest:
            raise BackupRefused(f"{directory / path} is not what was written: its SHA-256 is another")
    return document


def _check_signatures(directory: Path, document: Mapping[str, Any], place: Place) -> None:
    if document.get("community") != place.community:
        raise BackupRefused(f"{directory} is of the community {document.get('community')!r}, not {place.community}")
    try:
        keys = {service: list(_keys_of(place, service, document)) for service in SERVICES}
        opened = open_note((directory / MANIFEST).read_bytes(), [key for some in keys.values() for key in some])
    except KeyFileError as error:
        raise BackupRefused(
            f"whether {directory} is ours cannot be seen: {error}. Put the keys back first: --keys DIRECTORY"
        ) from error
    except NoteError as error:
        raise BackupRefused(f"{directory / MANIFEST} is not signed by the keys of this place: {error}") from error
    signed = {one.key for one in opened.verified}
    for service, some in keys.items():
        if not signed.intersection(some):
            raise BackupRefused(f"{directory / MANIFEST} lacks the signature of the key of {service}")


def _keys_of(place: Place, service: str, document: Mapping[str, Any]) -> Iterator[VerifierKey]:
    """The keys under which a manifest of this origin may be signed: those of now and those before."""
    prefix = f"{place.community}/"
    for generation in range(1, 10):
        if f"{prefix}{log_name(service, generation)}" == document["origins"][service]:
            yield from read_log_keys(place.key_files(service, generation)).good


def _files(directory: Path) -> Iterable[str]:
    """Every file below, without list and manifest, in order."""
    found = (path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    return sorted(path for path in found if path not in {MANIFEST, FILES})


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
