"""The rules of signing keys: shown by their owner, confirmed by another, one in force, ended for good."""

import base64
from typing import Any

import pytest

from contracts.command import Role
from services.ledger.commands import (
    SIGNING_KEY_COMMANDS,
    ConfirmSigningKey,
    RegisterSigningKey,
    RevokeSigningKey,
)
from services.ledger.decider import keys
from services.ledger.signatures import is_signed
from tests.ledger.aid_examples import APPROVER, COMMUNITY, SECOND, SIGNERS, Signer
from tests.ledger.examples import BO, NOON, Story, by

Fields = dict[str, Any]
OWNER = SIGNERS[APPROVER]
NEW = Signer(APPROVER, 77)


def register(signer: Signer = OWNER, **changes: Any) -> RegisterSigningKey:
    asked: Fields = {
        "by": by(APPROVER, Role.FUND_APPROVER),
        "at": NOON,
        "person_id": APPROVER,
        "community": COMMUNITY,
        "public_key": signer.public_key,
        "proof": signer.proof(),
    }
    return RegisterSigningKey(**asked | changes)


def confirm(signer: Signer = OWNER, **changes: Any) -> ConfirmSigningKey:
    asked: Fields = {
        "by": by(BO, Role.SUPERVISOR),
        "at": NOON,
        "person_id": APPROVER,
        "key_id": signer.key.key_id,
    }
    return ConfirmSigningKey(**asked | changes)


def revoke(signer: Signer = OWNER, **changes: Any) -> RevokeSigningKey:
    asked: Fields = {
        "by": by(APPROVER, Role.FUND_APPROVER),
        "at": NOON,
        "person_id": APPROVER,
        "key_id": signer.key.key_id,
    }
    return RevokeSigningKey(**{**asked, "reason_code": "lost"} | changes)


COMMANDS = {"RegisterSigningKey": register, "ConfirmSigningKey": confirm, "RevokeSigningKey": revoke}
STORIES = {
    "NONE": (),
    "REGISTERED": (register(),),
    "CONFIRMED": (register(), confirm()),
    "REVOKED": (register(), confirm(), revoke()),
}
REFUSALS = {
    **dict.fromkeys((("NONE", "ConfirmSigningKey"), ("NONE", "RevokeSigningKey")), "key_unknown"),
    **{(state, "RegisterSigningKey"): "key_known" for state in ("REGISTERED", "CONFIRMED", "REVOKED")},
    ("CONFIRMED", "ConfirmSigningKey"): "key_settled",
    ("REVOKED", "ConfirmSigningKey"): "key_settled",
    ("REVOKED", "RevokeSigningKey"): "key_settled",
}


@pytest.mark.parametrize("command", SIGNING_KEY_COMMANDS, ids=lambda command: command.__name__)
@pytest.mark.parametrize("state", STORIES)
def test_every_command_in_every_state(state: str, command: type):
    story, made = Story(keys, *STORIES[state]), COMMANDS[command.__name__]()
    code = REFUSALS.get((state, command.__name__))
    if code is not None:
        story.refuses(made, code)
    else:
        assert len(story.when(made).events) == 1


def test_a_proof_by_another_key_community_or_person_shows_nothing():
    story = Story(keys)
    story.refuses(register(proof=NEW.proof()), "signature_wrong")
    story.refuses(register(community="elsewhere"), "signature_wrong")
    story.refuses(register(person_id=SECOND), "signature_wrong")
    story.refuses(register(public_key=NEW.public_key), "signature_wrong")


def test_nobody_confirms_their_own_key():
    story = Story(keys, register())
    story.refuses(confirm(by=by(APPROVER, Role.SUPERVISOR)), "key_confirmed_by_owner")


def test_one_key_is_in_force_at_a_time():
    story = Story(keys, register(), confirm(), register(NEW))
    story.refuses(confirm(NEW), "key_in_force")
    assert story.when(revoke()).when(confirm(NEW)).then("SigningKeyConfirmed").key_id == NEW.key.key_id


@pytest.mark.parametrize("key", ["01" + "00" * 31, "00" * 32, "ec" + "ff" * 30 + "7f", "01" + "00" * 30 + "80"])
def test_a_key_under_which_anybody_could_sign_is_no_key(key: str):
    raw = bytes.fromhex(key)
    public_key, constant = (base64.b64encode(each).decode() for each in (raw, (b"\x01" + bytes(63))))
    Story(keys).refuses(register(public_key=public_key, proof=constant), "key_weak")
    for number in range(64):
        assert not is_signed(public_key, b"amount_fen %d\n" % number, constant)


def test_a_signature_has_one_spelling():
    text = b"amount_fen 80000\n"
    sig = OWNER.sign(text)
    last = {"A": "B", "Q": "R", "g": "h", "w": "x"}[sig[-3]]
    assert is_signed(OWNER.public_key, text, sig)
    assert base64.b64decode(f"{sig[:-3]}{last}==") == base64.b64decode(sig)
    assert not is_signed(OWNER.public_key, text, f"{sig[:-3]}{last}==")
