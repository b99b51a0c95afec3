"""A person's signing keys: REGISTERED → CONFIRMED by somebody else → REVOKED. One counts at a time (decision 0009)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import assert_never

from contracts.command import Refused
from contracts.ledger import SigningKeyConfirmed, SigningKeyEvent, SigningKeyRegistered, SigningKeyRevoked
from services.ledger.commands import AnySigningKeyCommand, ConfirmSigningKey, RegisterSigningKey, RevokeSigningKey
from services.ledger.signatures import is_signed, is_weak_key, key_id_of, registration_text


class KeyState(StrEnum):
    """Where a key stands."""

    REGISTERED = "REGISTERED"
    CONFIRMED = "CONFIRMED"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True)
class Keys:
    """A person's keys by id, every one they ever had."""

    states: Mapping[str, KeyState] = field(default_factory=lambda: MappingProxyType({}))

    def with_key(self, key_id: str, state: KeyState) -> "Keys":
        """The same with this key in this state."""
        return Keys(MappingProxyType({**self.states, key_id: state}))


Events = Sequence[SigningKeyEvent]


def initial() -> Keys:
    """No key."""
    return Keys()


def decide(command: AnySigningKeyCommand, keys: Keys) -> Events:
    """The events that a command comes to. Raises Refused."""
    match command:
        case RegisterSigningKey():
            return _register(command, keys)
        case ConfirmSigningKey():
            return _confirm(command, keys)
        case RevokeSigningKey():
            return _revoke(command, keys)
        case _:
            assert_never(command)


def _register(command: RegisterSigningKey, keys: Keys) -> Events:
    key_id = key_id_of(command.public_key)
    if key_id in keys.states:
        raise Refused("key_known", key_id=key_id)
    if is_weak_key(command.public_key):
        raise Refused("key_weak")
    text = registration_text(command.community, command.public_key, command.person_id)
    if not is_signed(command.public_key, text, command.proof):
        raise Refused("signature_wrong")
    registered = SigningKeyRegistered(
        person_id=command.person_id,
        key_id=key_id,
        role=command.by.role,
        public_key=command.public_key,
        proof=command.proof,
        registered_at=command.at,
    )
    return [registered]


def _confirm(command: ConfirmSigningKey, keys: Keys) -> Events:
    state = keys.states.get(command.key_id)
    if state is None:
        raise Refused("key_unknown", key_id=command.key_id)
    if state is not KeyState.REGISTERED:
        raise Refused("key_settled", state=state.value)
    if command.by.actor_id is None or command.by.actor_id == command.person_id:
        raise Refused("key_confirmed_by_owner")
    if KeyState.CONFIRMED in keys.states.values():
        raise Refused("key_in_force")
    confirmed = SigningKeyConfirmed(
        person_id=command.person_id,
        key_id=command.key_id,
        role=command.by.role,
        confirmed_by=command.by.actor_id,
        confirmed_at=command.at,
    )
    return [confirmed]


def _revoke(command: RevokeSigningKey, keys: Keys) -> Events:
    state = keys.states.get(command.key_id)
    if state is None:
        raise Refused("key_unknown", key_id=command.key_id)
    if state is KeyState.REVOKED:
        raise Refused("key_settled", state=state.value)
    revoked = SigningKeyRevoked(
        person_id=command.person_id,
        key_id=command.key_id,
        role=command.by.role,
        reason_code=command.reason_code,
        revoked_at=command.at,
    )
    return [revoked]


def evolve(keys: Keys, event: SigningKeyEvent) -> Keys:
    """The keys after an event."""
    match event:
        case SigningKeyRegistered():
            return keys.with_key(event.key_id, KeyState.REGISTERED)
        case SigningKeyConfirmed():
            return keys.with_key(event.key_id, KeyState.CONFIRMED)
        case SigningKeyRevoked():
            return keys.with_key(event.key_id, KeyState.REVOKED)
        case _:
            assert_never(event)
