"""People's own signing keys: what an approval is signed with, and whose it is (decision 0009)."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Role
from contracts.event import Event, Instant

KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""The first 8 bytes of the SHA-256 of the public key, in lower-case hex."""
PublicKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""An Ed25519 public key (RFC 8032), 32 bytes in base64."""
Ed25519Signature = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{86}==$")]
"""An Ed25519 signature (RFC 8032), 64 bytes in base64."""
KeyEndReason = Literal["lost", "stolen", "replaced", "left_office"]


class SigningKeyFact(Event):
    """What every event of a signing key carries."""

    person_id: UUID
    key_id: KeyId
    role: Role


class SigningKeyRegistered(SigningKeyFact, service="ledger", audience="partner"):
    """登记签名密钥 — a person showed a public key and that its private half is theirs."""

    public_key: PublicKey
    proof: Ed25519Signature
    """Over the registration text: only who has the private key could make it."""
    registered_at: Instant


class SigningKeyConfirmed(SigningKeyFact, service="ledger", audience="partner"):
    """确认签名密钥 — somebody else saw that the key belongs to the person."""

    confirmed_by: UUID
    confirmed_at: Instant


class SigningKeyRevoked(SigningKeyFact, service="ledger", audience="partner"):
    """停用签名密钥 — a key signs nothing any more; what it signed before stands."""

    reason_code: KeyEndReason
    revoked_at: Instant


SigningKeyEvent = SigningKeyRegistered | SigningKeyConfirmed | SigningKeyRevoked
