"""What people sign with their own keys, byte for byte, and whether a signature is theirs.

A signed text is lines of `name value`, ASCII, each ended by a newline, so that who signs can read it and any program
can make it anew from the events alone. The key is Ed25519 (RFC 8032), held by the person; the community never has it.
"""

import base64
from collections.abc import Mapping
from hashlib import sha256
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from eventstore.ed25519 import is_small_order

REGISTRATION = "chaoyangli/signing-key/v1"
AID_APPROVAL = "chaoyangli/aid-approval/v1"
AID_REVERSAL = "chaoyangli/aid-reversal/v1"
DONATION_REFUND = "chaoyangli/donation-refund/v1"
ENTRY_REVERSAL = "chaoyangli/entry-reversal/v1"

Facts = Mapping[str, str | int | UUID]


def signed_text(kind: str, community: str, facts: Facts, signer: UUID) -> bytes:
    """The text of a request, to be signed by `signer`. Raises ValueError for a value with a space or a line's end."""
    lines = [kind, f"community {community}", *[f"{name} {value}" for name, value in facts.items()], f"signer {signer}"]
    for line in lines[1:]:
        if not line.isascii() or not line.isprintable() or len(line.split(" ")) != 2:
            raise ValueError(f"{line!r} cannot stand in a signed text")
    return ("\n".join(lines) + "\n").encode("ascii")


def registration_text(community: str, public_key: str, person_id: UUID) -> bytes:
    """What proves that a person has the private half of the key that they register."""
    return signed_text(REGISTRATION, community, {"public_key": public_key}, person_id)


def key_id_of(public_key: str) -> str:
    """The short name of a public key (base64): 16 hex digits."""
    return sha256(base64.b64decode(public_key, validate=True)).hexdigest()[:16]


def is_weak_key(public_key: str) -> bool:
    """Whether anybody could sign under this public key (base64), so that it proves nothing of whoever shows it."""
    return is_small_order(base64.b64decode(public_key, validate=True))


def is_signed(public_key: str, text: bytes, signature: str) -> bool:
    """Whether `signature` (base64) over `text` was made with the private half of `public_key` (base64).

    Under a weak key nothing is signed. Both are read in their one canonical spelling, as strict readers do.
    """
    try:
        Ed25519PublicKey.from_public_bytes(_decoded(public_key)).verify(_decoded(signature), text)
    except (InvalidSignature, ValueError):
        return False
    return not is_weak_key(public_key)


def _decoded(text: str) -> bytes:
    """Raises ValueError."""
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise ValueError("not the canonical base64 of anything")
    return raw
