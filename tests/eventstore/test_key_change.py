"""A log's key is changed: two sign for a while, and every head in between is believed by readers of either."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from eventstore.checkpoint import Checkpoint, ForkRefused, HeadUnreadable, Signer, open_checkpoint
from eventstore.note import VerifierKey, open_note
from tests.eventstore.test_signer import KEY, LOG, ORIGIN, Log, sign_size, signer, written_when

__all__ = ["signer"]

NEXT = Ed25519PrivateKey.from_private_bytes(bytes([9] * 32))


def keys_under(text: str, *keys: Ed25519PrivateKey) -> set[Ed25519PrivateKey]:
    """Whose signatures under this head verify."""
    vkeys = {VerifierKey.of(ORIGIN, key): key for key in keys}
    return {vkeys[one.key] for one in open_note(text, list(vkeys)).verified}


def test_while_a_key_is_changed_both_sign_and_readers_of_either_believe_the_head(signer):
    both = Signer(ORIGIN, KEY, signer.head_path, next_key=NEXT)
    text = sign_size(both, 50)
    assert keys_under(text, KEY, NEXT) == {KEY, NEXT}
    for key in (KEY, NEXT):
        assert open_checkpoint(text, VerifierKey.of(ORIGIN, key)).checkpoint.size == 50
    with pytest.raises(ForkRefused):
        sign_size(both, 60, Log("another"))


def test_a_head_gets_the_signature_that_it_lacks_since_a_key_changed(signer):
    sign_size(signer, 50)
    both = Signer(ORIGIN, KEY, signer.head_path, next_key=NEXT)
    both.sign_again()
    assert keys_under(signer.head_path.read_text(), KEY, NEXT) == {KEY, NEXT}
    written = written_when(signer.head_path)
    both.sign_again()
    assert sign_size(both, 50) == signer.head_path.read_text()
    assert written_when(signer.head_path) == written, "nothing is written that is there"
    after = Signer(ORIGIN, NEXT, signer.head_path)
    assert keys_under(sign_size(after, 51), KEY, NEXT) == {NEXT}


def test_a_former_keys_head_is_gone_on_from_and_a_strangers_is_not(signer):
    sign_size(signer, 50)
    with pytest.raises(HeadUnreadable):
        Signer(ORIGIN, NEXT, signer.head_path).last_signed()
    after = Signer(ORIGIN, NEXT, signer.head_path, former=(signer.verifier_key,))
    with pytest.raises(ForkRefused):
        sign_size(after, 60, Log("another"))
    assert keys_under(sign_size(after, 60), KEY, NEXT) == {NEXT}
    assert after.last_signed() == Checkpoint(ORIGIN, 60, LOG.root(60))
