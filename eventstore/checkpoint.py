"""Checkpoints: signed heads of a log (C2SP tlog-checkpoint v1.0.0), and the signer that never signs two histories.

The commonest honest way to fork a log is to restore an old backup and go on. So the last head signed lies in a file
outside PostgreSQL and outside its backups, and `Signer` signs only what provably extends it.
"""

import base64
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from eventstore.durable import LockBusy, locked, sync_directory, write_whole
from eventstore.errors import EngineError
from eventstore.merkle import EMPTY_ROOT, HASH_BYTES, ProofError, verify_consistency
from eventstore.note import (
    ED25519,
    NoteError,
    OpenedNote,
    VerifierKey,
    decode_base64,
    format_note,
    open_note,
    parse_note,
    sign,
)

_SIZE_MAX = (1 << 63) - 1

Prove = Callable[[int, int], Sequence[bytes]]
"""(old size, new size) → consistency proof. Called under the signer's lock."""


class CheckpointError(NoteError):
    """A checkpoint's text is malformed, of another log, or not signed by it."""


class SigningRefused(EngineError):
    """The signer did not sign, and nothing was written or released."""


class NoHead(SigningRefused):
    """The file of the last signed head is missing though the log is not empty: an old head must be adopted first."""


class HeadUnreadable(SigningRefused):
    """The file of the last signed head exists but holds no head of this log signed by its key."""


class SignerBusy(SigningRefused):
    """Another process holds the signer's lock."""


class ForkRefused(SigningRefused):
    """What was to be signed does not extend the last head signed: the log was changed, or an old copy was put back."""

    def __init__(self, old: "Checkpoint", new: "Checkpoint", why: str) -> None:
        super().__init__(
            f"{old.origin}: refused to sign size {new.size} root {new.root.hex()}, which does not extend"
            f" the last signed head, size {old.size} root {old.root.hex()}: {why}"
        )
        self.old = old
        self.new = new


class KeyFileError(EngineError):
    """A signing key's file is missing, exists already, or holds no Ed25519 key."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of the log `origin`: number of leaves and root. `extensions` are opaque lines; ours have none."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            if not line or any(character < " " for character in line):
                raise CheckpointError(f"a line must be non-empty and without control characters: {line[:80]!r}")
        if not 0 <= self.size <= _SIZE_MAX:
            raise CheckpointError(f"tree size {self.size} is not within 0..2^63-1")
        if len(self.root) != HASH_BYTES:
            raise CheckpointError(f"root of {len(self.root)} bytes, expected {HASH_BYTES}")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise CheckpointError(f"the empty tree has root {EMPTY_ROOT.hex()}, not {self.root.hex()}")

    def body(self) -> str:
        """Return the note text: origin, size, root and extension lines, each ending in a newline."""
        root = base64.b64encode(self.root).decode()
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), root, *self.extensions))

    @classmethod
    def parse(cls, body: str) -> "Checkpoint":
        """Read a note text. Raises CheckpointError for anything but the one canonical spelling."""
        if not body.endswith("\n"):
            raise CheckpointError("checkpoint does not end in a newline")
        lines = body[:-1].split("\n")
        if len(lines) < 3:
            raise CheckpointError(f"checkpoint has {len(lines)} lines, needs origin, size and root")
        origin, size, root, *extensions = lines
        if not (size.isascii() and size.isdigit()) or len(size) > len(str(_SIZE_MAX)) or size != str(int(size)):
            raise CheckpointError(f"not a tree size: {size[:80]!r}")
        try:
            raw = decode_base64(root, "root")
        except NoteError as error:
            raise CheckpointError(str(error)) from error
        return cls(origin, int(size), raw, tuple(extensions))


@dataclass(frozen=True, slots=True)
class OpenedCheckpoint:
    """A checkpoint whose log signature verified, with the note it came in (cosignatures are in `note.verified`)."""

    checkpoint: Checkpoint
    note: OpenedNote


def open_checkpoint(
    message: str | bytes,
    log_key: VerifierKey,
    witnesses: Iterable[VerifierKey] = (),
    others: Collection[VerifierKey] = (),
) -> OpenedCheckpoint:
    """Read a signed checkpoint and require the signature of its log, whose origin is the key's name.

    `others`: more keys of the same log, any of which will do: the next one, or those that signed before.

    Raises NoteError when the note is malformed or a known signature is bad, its subclass CheckpointError when the text
    is malformed, of another origin or not signed by the log.
    """
    log_keys = {log_key, *others}
    note = open_note(message, (*log_keys, *witnesses))
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != log_key.name:
        raise CheckpointError(f"checkpoint of {checkpoint.origin!r}, expected {log_key.name!r}")
    if not any(verified.key in log_keys for verified in note.verified):
        raise CheckpointError(f"checkpoint is not signed by its log, {log_key}")
    return OpenedCheckpoint(checkpoint, note)


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs heads of one log. Any number of processes may share `head_path`; they take turns by a lock beside it.

    Sign only sizes that are committed: then a crash after the file was written and before the signature was released is
    harmless, for the log will extend that head too. A new log signs its empty head before its first append; without a
    file, only size 0 is signed.
    """

    origin: str
    key: Ed25519PrivateKey = field(repr=False)
    head_path: Path
    lock_timeout_seconds: float = 10.0
    next_key: Ed25519PrivateKey | None = field(default=None, repr=False)
    """While the key is being changed: signs beside it, so that readers of either key believe the head."""
    former: tuple[VerifierKey, ...] = ()
    """Keys that signed before, and were not stolen: the last head may still be theirs."""

    @property
    def verifier_key(self) -> VerifierKey:
        """The log's public key; its name is the origin."""
        return VerifierKey.of(self.origin, self.key, ED25519)

    @property
    def next_verifier_key(self) -> VerifierKey | None:
        """The key that is to follow, under the same name."""
        return None if self.next_key is None else VerifierKey.of(self.origin, self.next_key, ED25519)

    @property
    def other_keys(self) -> tuple[VerifierKey, ...]:
        """Beside the key in force: the next one and the former ones."""
        following = self.next_verifier_key
        return self.former if following is None else (following, *self.former)

    def last_signed(self) -> Checkpoint | None:
        """Return the last head signed or adopted, None when there is no file. Raises HeadUnreadable."""
        found = self._read()
        return None if found is None else found[0]

    def last_signed_text(self) -> str | None:
        """Return the last head as the signed note to serve, None when there is no file. Raises HeadUnreadable."""
        found = self._read()
        return None if found is None else found[1]

    def sign(self, size: int, root: bytes, prove: Prove) -> str:
        """Return the signed checkpoint of (size, root), once it is the last signed head in the file, on disk.

        `prove(old_size, size)` must return the consistency proof from the last signed size; it is not called for an
        equal or an empty one. Signing the head already signed returns the same text. What `prove` raises passes
        through, unsigned. Raises ForkRefused (also when another process has meanwhile signed a larger size: read the
        head and try again), NoHead, HeadUnreadable, SignerBusy. Blocks: call it from a thread.
        """
        new = Checkpoint(self.origin, size, root)
        with self._locked():
            found = self._read()
            if found is None:
                if size != 0:
                    raise NoHead(
                        f"{self.origin}: no last signed head in {self.head_path}, and the log has {size} entries;"
                        " adopt a head from a witness, a bundle or a published checkpoint first,"
                        " by `chaoyangli checkpoint adopt`"
                    )
            else:
                old, text = found
                if old == new:
                    return text if self._signed_as_now(text) else self._write(new)
                self._require_extension(old, new, prove)
            return self._write(new)

    def sign_again(self) -> None:
        """Put under the last head the signatures of the keys that sign now. Raises HeadUnreadable, SignerBusy.

        The head itself stays what it is, so nothing is proved and no log is needed.
        """
        with self._locked():
            found = self._read()
            if found is not None and not self._signed_as_now(found[1]):
                self._write(found[0])

    def begin(self, size: int, root: bytes) -> str:
        """Sign the first head of an origin whose log has events already: those left after a loss (decision 0010).

        Whoever calls has recorded the loss in the log. Signed again, the same head is returned. Raises ForkRefused when
        another head of this origin was signed before, HeadUnreadable, SignerBusy.
        """
        new = Checkpoint(self.origin, size, root)
        with self._locked():
            found = self._read()
            if found is not None:
                if found[0] != new:
                    raise ForkRefused(found[0], new, "the origin has begun already")
                return found[1]
            return self._write(new)

    def adopt(self, checkpoint_text: str | bytes) -> Checkpoint:
        """Take a head that this log's key signed (kept by a witness, a bundle, the operator) as the last one signed.

        Never goes back: raises ForkRefused when the file holds a larger head, or another root at the same size. A
        larger head is taken without a proof: its signature is out already, so it can only make the signer refuse more,
        never less. Raises NoteError when the text is not a head of this log, HeadUnreadable, SignerBusy.
        """
        adopted = open_checkpoint(checkpoint_text, self.verifier_key, others=self.other_keys).checkpoint
        with self._locked():
            old = self.last_signed()
            if old == adopted:
                return adopted
            if old is not None and adopted.size <= old.size:
                raise ForkRefused(old, adopted, "an adopted head must not be older than the last one signed")
            self._write(adopted)
        return adopted

    def _require_extension(self, old: Checkpoint, new: Checkpoint, prove: Prove) -> None:
        if new.size < old.size:
            raise ForkRefused(old, new, "it is shorter")
        proof = () if old.size in (0, new.size) else prove(old.size, new.size)
        try:
            verify_consistency(old.size, new.size, proof, old.root, new.root)
        except ProofError as error:
            raise ForkRefused(old, new, str(error)) from error

    def _read(self) -> tuple[Checkpoint, str] | None:
        try:
            text = self.head_path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return open_checkpoint(text, self.verifier_key, others=self.other_keys).checkpoint, text.decode()
        except NoteError as error:
            raise HeadUnreadable(
                f"{self.origin}: last signed head in {self.head_path} is unusable, {error};"
                " move the file away and adopt a head from a witness, a bundle or a published checkpoint"
            ) from error

    def _write(self, head: Checkpoint) -> str:
        """Put the signed head on disk, atomically, and only then return it. The caller holds the lock."""
        body = head.body()
        keys = [self.key] if self.next_key is None else [self.key, self.next_key]
        text = format_note(body, [sign(body, self.origin, key) for key in keys])
        write_whole(self.head_path, text.encode())
        return text

    def _signed_as_now(self, text: str) -> bool:
        """Whether the keys that sign now are under it, and no other. `_read` has verified every signature of theirs."""
        found = {(one.name, one.key_id) for one in parse_note(text).signatures}
        following = self.next_verifier_key
        wanted = [self.verifier_key] if following is None else [self.verifier_key, following]
        return {(key.name, key.key_id) for key in wanted} == found

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with locked(self.head_path, self.lock_timeout_seconds):
                yield
        except LockBusy as busy:
            raise SignerBusy(f"{self.origin}: {busy}") from busy


def create_key_file(path: Path) -> Ed25519PrivateKey:
    """Make a new Ed25519 key and write it as PKCS #8 PEM, readable by its owner only (0600), on disk before returning.

    Raises KeyFileError when the file exists: a log's key is changed with an overlap, so it is never overwritten here.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise KeyFileError(f"{path} exists already; a signing key is never overwritten") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    sync_directory(path.parent)
    return key


def load_key_file(path: Path) -> Ed25519PrivateKey:
    """Read an Ed25519 key from a PKCS #8 PEM file. Raises KeyFileError when there is none in it."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise KeyFileError(f"{path}: no readable signing key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path}: {type(key).__name__} is not an Ed25519 key")
    return key
