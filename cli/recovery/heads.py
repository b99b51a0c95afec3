"""Heads of our logs that somebody kept, and how they stand to the log: checked before the signer takes one."""

from dataclasses import dataclass
from hashlib import sha256

import asyncpg
import httpx

from cli.place import Place
from eventstore.checkpoint import Checkpoint, Signer, open_checkpoint
from eventstore.errors import EngineError
from eventstore.note import NoteError
from eventstore.proofs import root_at
from eventstore.trust_policy import TrustPolicy
from servicekit.log_keys import read_log_keys

WITNESS_SECONDS = 10.0
NOTE_BYTES_MAX = 20_000


class AdoptionRefused(EngineError):
    """The head was not taken, and the file is as it was."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A head that our log's key signed, and who of the named witnesses cosigned it."""

    checkpoint: Checkpoint
    text: bytes
    cosigned: tuple[str, ...]


def signer_of(place: Place, service: str, generation: int | None = None) -> Signer:
    """The signer of one log, in the origin that counts or in another. Raises KeyFileError, OriginUnreadable."""
    return read_log_keys(place.key_files(service, generation)).signer(place.head_directory / service / "head")


def opened(signer: Signer, text: bytes, witnesses: TrustPolicy) -> Kept:
    """Read a head. Raises AdoptionRefused for a malformed one, of another log, or not signed by this log's key."""
    names = {witness.key: witness.name for witness in witnesses.witnesses}
    try:
        found = open_checkpoint(text, signer.verifier_key, names, signer.other_keys)
    except NoteError as error:
        raise AdoptionRefused(f"this is no signed head of {signer.origin}: {error}") from error
    cosigned = tuple(names[one.key] for one in found.note.verified if one.key in names)
    return Kept(found.checkpoint, text, cosigned)


def is_address(text: str) -> bool:
    """Whether somebody could be asked there over HTTP."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in {"http", "https"} and url.host != ""


def from_witness(url: str, origin: str) -> bytes:
    """The head that a witness kept of this log. Raises AdoptionRefused."""
    address = f"{url.rstrip('/')}/{sha256(origin.encode()).hexdigest()}/checkpoint"
    try:
        answer = httpx.get(address, timeout=WITNESS_SECONDS, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise AdoptionRefused(f"the witness {url} does not answer ({type(error).__name__})") from error
    if answer.status_code != httpx.codes.OK:
        raise AdoptionRefused(f"the witness {url} keeps no head of {origin}: it answers {answer.status_code}")
    if len(answer.content) > NOTE_BYTES_MAX:
        raise AdoptionRefused(f"the witness {url} answers with more than a head")
    return answer.content


def require_cosignature(kept: Kept, url: str, witnesses: TrustPolicy) -> None:
    """What a witness of ours hands out must carry its own cosignature. Raises AdoptionRefused."""
    asked = [one.name for one in witnesses.witnesses if (one.url or "").rstrip("/") == url.rstrip("/")]
    for name in asked:
        if name not in kept.cosigned:
            raise AdoptionRefused(f"{url} is the witness {name}, whose cosignature is not under what it answered")


async def why_not_contained(connection: asyncpg.Connection, service: str, head: Checkpoint) -> str | None:
    """Why the log is not one that this head was signed of; None when it is."""
    size = await connection.fetchval(f"SELECT size FROM {service}.head")  # noqa: S608 - a service's name
    if size < head.size:
        return f"the log has {size} events, the head {head.size}: events {size + 1} to {head.size} are missing"
    if head.size and await root_at(connection, service, head.size) != head.root:
        return f"the first {head.size} events of the log do not hash to it"
    return None
