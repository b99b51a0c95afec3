"""Signatures that were made elsewhere, on their owners' devices, and are handed in by somebody else."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.command import Ask, Role
from contracts.ledger import Ed25519Signature, KeyId, PublicKey


class SignatureAsk(Ask):
    """One signature, and the key that made it."""

    key_id: KeyId
    sig: Ed25519Signature


Obstacle = Literal["beneficiary", "applicant", "household", "proxy", "relation"]
"""Why somebody may have no part in a decision: what ties them to whom it is about (慈善法 §59)."""
TwoSignatures = Annotated[tuple[SignatureAsk, ...], Field(min_length=2, max_length=2)]


class Signed(BaseModel):
    """A signature with whose key it was made by, as the tables know it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    person_id: UUID
    role: Role
    """In which the key was registered."""
    key_id: KeyId
    public_key: PublicKey
    in_force: bool
    in_office: bool = True
    """Whether no office of approver that they were given has ended without another."""
    tie: Obstacle | None = None
    """What ties them to who would get the money."""
    sig: Ed25519Signature
