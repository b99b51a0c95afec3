"""Signing keys: what people ask, and the commands it becomes."""

from uuid import UUID

from contracts.command import Ask, Command
from contracts.ledger import Ed25519Signature, KeyEndReason, KeyId, PublicKey


def signing_key_stream(person_id: UUID) -> str:
    """The stream of a person's keys, `signing_key-<uuid>`."""
    return f"signing_key-{person_id}"


class RegisterSigningKeyAsk(Ask):
    """A public key, and the registration text signed with its private half."""

    public_key: PublicKey
    proof: Ed25519Signature


class ConfirmSigningKeyAsk(Ask):
    """The key that was seen, at the person's side."""

    person_id: UUID


class RevokeSigningKeyAsk(Ask):
    """Why a key signs nothing any more."""

    person_id: UUID
    reason_code: KeyEndReason


class SigningKeyCommand(Command):
    """A command decided on the stream of a person's keys."""

    person_id: UUID

    @property
    def stream(self) -> str:
        """`signing_key-<uuid>`."""
        return signing_key_stream(self.person_id)


class RegisterSigningKey(SigningKeyCommand):
    """Show a key and that its private half is the person's."""

    community: str
    public_key: PublicKey
    proof: Ed25519Signature


class ConfirmSigningKey(SigningKeyCommand):
    """Say, as another person, that the key is theirs: it counts from then on."""

    key_id: KeyId


class RevokeSigningKey(SigningKeyCommand):
    """End a key; approvals signed with it that were not paid yet stand, and may be rejected by hand."""

    key_id: KeyId
    reason_code: KeyEndReason


SIGNING_KEY_COMMANDS: tuple[type[SigningKeyCommand], ...] = (RegisterSigningKey, ConfirmSigningKey, RevokeSigningKey)
AnySigningKeyCommand = RegisterSigningKey | ConfirmSigningKey | RevokeSigningKey
