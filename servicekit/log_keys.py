"""The keys of one log as files: in force, to follow, and those that were before. The name is the log's, for ever.

`<service>.signing_key` is in force. While `<service>.next_signing_key` lies beside it both sign every head, until
everybody who reads heads knows the new one. `<service>.former_vkeys` lists, in public, `former` keys, whose receipts
stay good, and `stolen` ones, which nobody must believe any more.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from eventstore.checkpoint import (
    CheckpointError,
    KeyFileError,
    Signer,
    create_key_file,
    load_key_file,
    open_checkpoint,
)
from eventstore.durable import sync_directory, write_whole
from eventstore.errors import EngineError
from eventstore.note import NoteError, VerifierKey, open_note
from eventstore.origins import log_name

FORMER, STOLEN = "former", "stolen"


class KeyChangeRefused(EngineError):
    """A log's key was not changed, and every file is as it was; the message says what comes first."""


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where the keys of one log lie."""

    directory: Path
    community: str
    service: str
    generation: int = 1
    """Which origin of the log, from 1: the key goes on with it, under another name."""

    @property
    def origin(self) -> str:
        """The log's name, which is every key's."""
        return f"{self.community}/{log_name(self.service, self.generation)}"

    @property
    def in_force(self) -> Path:
        """The key that signs."""
        return self.directory / f"{self.service}.signing_key"

    @property
    def following(self) -> Path:
        """The key that is to follow, if there is one."""
        return self.directory / f"{self.service}.next_signing_key"

    @property
    def ended(self) -> Path:
        """The public list of keys that signed before."""
        return self.directory / f"{log_name(self.service, self.generation).replace('/', '.')}.former_vkeys"


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The keys of one log, read."""

    origin: str
    key: Ed25519PrivateKey = field(repr=False)
    next_key: Ed25519PrivateKey | None = field(repr=False)
    former: tuple[VerifierKey, ...]
    stolen: tuple[VerifierKey, ...]

    @property
    def vkey(self) -> VerifierKey:
        """The key in force, its public half."""
        return VerifierKey.of(self.origin, self.key)

    @property
    def next_vkey(self) -> VerifierKey | None:
        """The key to follow, its public half."""
        return None if self.next_key is None else VerifierKey.of(self.origin, self.next_key)

    @property
    def good(self) -> tuple[VerifierKey, ...]:
        """All that a reader may believe: in force, to follow, former."""
        following = self.next_vkey
        return (self.vkey, *(() if following is None else (following,)), *self.former)

    def signer(self, head_path: Path) -> Signer:
        """What signs the log's heads with them."""
        return Signer(self.origin, self.key, head_path, next_key=self.next_key, former=self.former)


def read_log_keys(files: KeyFiles) -> LogKeys:
    """The keys of one log. Raises KeyFileError when the one in force is missing, or a file is no key's."""
    ended = list(_read_ended(files))
    return LogKeys(
        files.origin,
        load_key_file(files.in_force),
        load_key_file(files.following) if files.following.exists() else None,
        tuple(key for word, key in ended if word == FORMER),
        tuple(key for word, key in ended if word == STOLEN),
    )


def prepare(files: KeyFiles) -> VerifierKey:
    """Make the key that is to follow. From its next start on the service signs with both. Raises KeyChangeRefused."""
    load_key_file(files.in_force)
    if files.following.exists():
        raise KeyChangeRefused(f"{files.origin}: {files.following} is there already: a change is under way")
    made = create_key_file(files.following)
    _give_to_owner_of(files.in_force, files.following)
    return VerifierKey.of(files.origin, made)


def retire(files: KeyFiles, head_path: Path, published: str | None, *, stolen: bool = False) -> VerifierKey:
    """Let the next key take the place of the one in force, whose private half is overwritten. The service stands still.

    Unless the old one was `stolen`, a head signed by both must have been `published`: only then could everybody get to
    know the new key. Raises KeyChangeRefused, KeyFileError, HeadUnreadable, SignerBusy.
    """
    keys = read_log_keys(files)
    if keys.next_vkey is None:
        raise KeyChangeRefused(f"{files.origin}: there is no key to follow; make one with `chaoyangli log-key prepare`")
    if not stolen and not _is_signed(published, keys.next_vkey):
        raise KeyChangeRefused(
            f"{files.origin}: no head signed by both keys is published yet; let the services run for some minutes"
        )
    keys.signer(head_path).sign_again()
    if head_path.exists():
        _give_to_owner_of(head_path.parent, head_path)
    _end(files, STOLEN if stolen else FORMER, keys.vkey)
    files.following.replace(files.in_force)
    sync_directory(files.directory)
    return keys.next_vkey


def replace_lost(files: KeyFiles, lost: VerifierKey, head_path: Path) -> VerifierKey:
    """Begin a new key where the one in force is gone for good, once `lost` is seen to have signed the last head.

    Raises KeyChangeRefused when the key is still there, or the head is another key's.
    """
    if files.in_force.exists():
        raise KeyChangeRefused(f"{files.origin}: {files.in_force} is there: change it with prepare and retire")
    try:
        open_checkpoint(head_path.read_bytes(), lost)
    except FileNotFoundError:
        raise KeyChangeRefused(f"{files.origin}: there is no last signed head in {head_path}") from None
    except (NoteError, CheckpointError) as error:
        raise KeyChangeRefused(f"{files.origin}: {lost} did not sign the last head: {error}") from None
    _end(files, FORMER, lost)
    if not files.following.exists():
        create_key_file(files.following)
        _give_to_owner_of(files.directory, files.following)
    made = load_key_file(files.following)
    files.following.replace(files.in_force)
    sync_directory(files.directory)
    return VerifierKey.of(files.origin, made)


def _read_ended(files: KeyFiles) -> Iterator[tuple[str, VerifierKey]]:
    try:
        text = files.ended.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    for number, line in enumerate(text.splitlines(), 1):
        word, _, vkey = line.partition(" ")
        try:
            key = VerifierKey.parse(vkey)
        except NoteError as error:
            raise KeyFileError(f"{files.ended}, line {number}: {error}") from None
        if word not in {FORMER, STOLEN} or key.name != files.origin:
            raise KeyFileError(f"{files.ended}, line {number}: neither a former nor a stolen key of {files.origin}")
        yield word, key


def _end(files: KeyFiles, word: str, key: VerifierKey) -> None:
    """Put a key on the list of those that signed before; again changes nothing."""
    lines = [f"{one} {known}" for one, known in _read_ended(files) if known != key]
    write_whole(files.ended, "".join(f"{line}\n" for line in [*lines, f"{word} {key}"]).encode())
    files.ended.chmod(0o644)


def _is_signed(note: str | None, key: VerifierKey) -> bool:
    if note is None:
        return False
    try:
        open_note(note, [key])
    except NoteError:
        return False
    return True


def _give_to_owner_of(model: Path, made: Path) -> None:
    """Where an operator is root and the services are not: the key is for who reads the others."""
    owner = model.stat()
    if os.geteuid() == 0:
        os.chown(made, owner.st_uid, owner.st_gid)


__all__ = ["KeyChangeRefused", "KeyFiles", "LogKeys", "prepare", "read_log_keys", "replace_lost", "retire"]
