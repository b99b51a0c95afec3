"""Signed notes: a text with signature lines under it (C2SP signed-note v1.0.0), and cosignatures (tlog-cosignature).

A note is `text`, a blank line, then lines `— <key name> base64(key id ‖ signature)`. The text may be trusted only as
far as `open_note` says which keys signed it; signatures of unknown keys are no error and prove nothing.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from eventstore.ed25519 import is_small_order

ED25519 = 0x01
"""Signature type: Ed25519 over the note text."""
COSIGNATURE_V1 = 0x04
"""Signature type: u64be time ‖ Ed25519 over "cosignature/v1\\ntime <t>\\n" ‖ checkpoint body."""

KEY_ID_BYTES = 4
SIGNATURE_COUNT_MAX = 100
"""More signatures are refused. The specification demands at least 16; 100 is what the Go implementation takes."""
NOTE_BYTES_MAX = 1_000_000

_SIGNATURE_PREFIX = "— "
_ED25519_PUBLIC_BYTES = 32
_ED25519_SIGNATURE_BYTES = 64
_TIMESTAMP_BYTES = 8


class NoteError(ValueError):
    """A note, a signature line or a verifier key is malformed."""


class BadSignature(NoteError):
    """A key we know is named under the note, and its signature does not verify: the whole note is refused."""


class UnverifiedNote(NoteError):
    """No signature of a key we know is under the note."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line. `payload` is what follows the four bytes of key id."""

    name: str
    key_id: bytes
    payload: bytes

    def line(self) -> str:
        """Return the line with its final newline."""
        _check_name(self.name)
        if len(self.key_id) != KEY_ID_BYTES or not self.payload:
            raise NoteError(f"signature of {self.name}: needs a key id of {KEY_ID_BYTES} bytes and a payload")
        return f"{_SIGNATURE_PREFIX}{self.name} {base64.b64encode(self.key_id + self.payload).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A well-formed note whose signatures nobody has checked. `text` ends in a newline."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that verified. `timestamp` is in Unix seconds for a cosignature, None for a plain signature."""

    key: "VerifierKey"
    signature: Signature
    timestamp: int | None


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A note with at least one verified signature; `unknown` are those of keys we were not given."""

    text: str
    verified: tuple[Verified, ...]
    unknown: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name and type. `str` gives the vkey, `name+hex(key id)+base64(type ‖ public key)`."""

    name: str
    algorithm: int
    public_key: bytes

    def __post_init__(self) -> None:
        _check_name(self.name)
        if self.algorithm not in (ED25519, COSIGNATURE_V1):
            raise NoteError(f"key {self.name}: signature type 0x{self.algorithm:02x} is not supported")
        if len(self.public_key) != _ED25519_PUBLIC_BYTES:
            raise NoteError(f"key {self.name}: {len(self.public_key)} bytes, expected {_ED25519_PUBLIC_BYTES}")
        if is_small_order(self.public_key):
            raise NoteError(f"key {self.name}: anybody could sign under it, it is of small order")

    @classmethod
    def of(cls, name: str, key: Ed25519PrivateKey, algorithm: int = ED25519) -> "VerifierKey":
        """Return the verifier key that belongs to a private key."""
        return cls(name, algorithm, key.public_key().public_bytes_raw())

    @classmethod
    def parse(cls, vkey: str) -> "VerifierKey":
        """Read a vkey.

        Raises NoteError when it is malformed, of an unsupported type or of small order, or its key id is not its own.
        """
        # The base64 may itself hold a "+"; name and key id cannot.
        name, *rest = vkey.split("+", 2)
        if len(rest) != 2:
            raise NoteError(f"not a verifier key (name+id+key): {vkey!r}")
        typed_key = decode_base64(rest[1], "verifier key")
        if not typed_key:
            raise NoteError(f"verifier key of {name!r} is empty")
        key = cls(name, typed_key[0], typed_key[1:])
        if key.key_id.hex() != rest[0]:
            raise NoteError(f"key {name}: key id {rest[0]!r} is not that of the key, {key.key_id.hex()}")
        return key

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA256(name ‖ newline ‖ type ‖ public key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + self._typed_key()).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self._typed_key()).decode()}"

    def verify(self, text: str, signature: Signature) -> int | None:
        """Check one signature of this key, else BadSignature; return a cosignature's timestamp in Unix seconds."""
        message, raw, timestamp = text.encode(), signature.payload, None
        if self.algorithm == COSIGNATURE_V1:
            timestamp = int.from_bytes(raw[:_TIMESTAMP_BYTES], "big")
            message, raw = _cosigned_message(text, timestamp), raw[_TIMESTAMP_BYTES:]
        try:
            if len(raw) != _ED25519_SIGNATURE_BYTES:
                raise BadSignature(f"signature of {self.name}: {len(raw)} bytes, expected {_ED25519_SIGNATURE_BYTES}")
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(raw, message)
        except InvalidSignature:
            raise BadSignature(f"signature of {self.name}+{self.key_id.hex()} does not verify") from None
        return timestamp

    def _typed_key(self) -> bytes:
        return bytes((self.algorithm,)) + self.public_key


def sign(text: str, name: str, key: Ed25519PrivateKey) -> Signature:
    """Sign a note's text with Ed25519 (type 0x01). Raises NoteError when text or name cannot stand in a note."""
    _check_text(text)
    return Signature(name, VerifierKey.of(name, key).key_id, key.sign(text.encode()))


def cosign(text: str, name: str, key: Ed25519PrivateKey, timestamp: int) -> Signature:
    """Cosign a checkpoint's body as a witness at `timestamp`, Unix seconds (type 0x04)."""
    _check_text(text)
    if not 0 < timestamp < 1 << 63:
        raise NoteError(f"cosignature time {timestamp} is not within 1..2^63-1")
    payload = timestamp.to_bytes(_TIMESTAMP_BYTES, "big") + key.sign(_cosigned_message(text, timestamp))
    return Signature(name, VerifierKey.of(name, key, COSIGNATURE_V1).key_id, payload)


def format_note(text: str, signatures: Sequence[Signature]) -> str:
    """Return text, blank line and signature lines. Raises NoteError for what could not be read back."""
    _check_text(text)
    if not 1 <= len(signatures) <= SIGNATURE_COUNT_MAX:
        raise NoteError(f"a note carries 1..{SIGNATURE_COUNT_MAX} signatures, not {len(signatures)}")
    return text + "\n" + "".join(signature.line() for signature in signatures)


def parse_note(message: str | bytes) -> Note:
    """Read a note's form without checking any signature. Raises NoteError, naming what is wrong."""
    message = _decode_message(message)
    text, separator, lines = message.rpartition("\n\n")
    if not separator:
        raise NoteError("no blank line between text and signatures")
    if not lines.endswith("\n"):
        raise NoteError("no signature line, or the last one does not end in a newline")
    split = lines[:-1].split("\n")
    if len(split) > SIGNATURE_COUNT_MAX:
        raise NoteError(f"{len(split)} signatures, at most {SIGNATURE_COUNT_MAX} are read")
    text += "\n"
    _check_text(text)
    return Note(text, tuple(_parse_signature(line) for line in split))


def open_note(message: str | bytes, keys: Iterable[VerifierKey]) -> OpenedNote:
    """Read a note and check every signature whose key is among `keys`; ignore the others.

    Raises NoteError when malformed, BadSignature when a known key's signature fails, UnverifiedNote when none signed.
    """
    note = parse_note(message)
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise NoteError(f"two different keys share the name and id {key.name}+{key.key_id.hex()}")
    verified: list[Verified] = []
    unknown: list[Signature] = []
    # A line repeated word for word says nothing new; two different lines of one known key must both verify.
    for signature in dict.fromkeys(note.signatures):
        signer = known.get((signature.name, signature.key_id))
        if signer is None:
            unknown.append(signature)
        else:
            verified.append(Verified(signer, signature, signer.verify(note.text, signature)))
    if not verified:
        names = ", ".join(sorted({signature.name for signature in unknown}))
        raise UnverifiedNote(f"no signature of a known key; signed by: {names}")
    return OpenedNote(note.text, tuple(verified), tuple(unknown))


def decode_base64(encoded: str, what: str) -> bytes:
    """Decode standard base64 in its one canonical spelling, so that a signed thing has one form; else NoteError."""
    try:
        raw = base64.b64decode(encoded.encode(), validate=True)
    except (binascii.Error, UnicodeError) as error:
        raise NoteError(f"{what}: not base64: {encoded[:80]!r}") from error
    if base64.b64encode(raw).decode() != encoded:
        raise NoteError(f"{what}: not canonical base64: {encoded[:80]!r}")
    return raw


def _parse_signature(line: str) -> Signature:
    if not line.startswith(_SIGNATURE_PREFIX):
        raise NoteError(f"not a signature line: {line[:80]!r}")
    name, separator, encoded = line.removeprefix(_SIGNATURE_PREFIX).partition(" ")
    if not separator:
        raise NoteError(f"signature line without a signature: {line[:80]!r}")
    _check_name(name)
    raw = decode_base64(encoded, f"signature of {name}")
    if len(raw) <= KEY_ID_BYTES:
        raise NoteError(f"signature of {name}: {len(raw)} bytes hold no signature")
    return Signature(name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])


def _cosigned_message(text: str, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def _decode_message(message: str | bytes) -> str:
    try:
        encoded = message.encode() if isinstance(message, str) else message
        if len(encoded) > NOTE_BYTES_MAX:
            raise NoteError(f"note of {len(encoded)} bytes, at most {NOTE_BYTES_MAX} are read")
        return encoded.decode()
    except UnicodeError as error:
        raise NoteError(f"note is not UTF-8: {error}") from error


def _check_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() or character < " " for character in name):
        raise NoteError(f"key name must be non-empty, without spaces, control characters or '+': {name[:80]!r}")
    _check_encodable(name)


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise NoteError("text does not end in a newline")
    control = next((character for character in text if character < " " and character != "\n"), None)
    if control is not None:
        raise NoteError(f"text holds the control character U+{ord(control):04X}")
    _check_encodable(text)


def _check_encodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NoteError(f"not encodable as UTF-8: {error}") from error
