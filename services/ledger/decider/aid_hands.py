"""Who may have which hand in a case, and what their signature must be over."""

from hashlib import sha256
from uuid import UUID

from contracts.command import Refused
from services.ledger.commands import AidCommand, SigningKey
from services.ledger.decider.aid_state import AidCase
from services.ledger.signatures import Facts, is_signed, signed_text


def require_own_hand(command: AidCommand, case: AidCase, hand: str) -> UUID:
    """The person who asks, if nothing ties them to the case and no other hand in it is theirs. Raises Refused."""
    person_id = command.by.actor_id
    if person_id is None:
        raise Refused("person_needed")
    if command.independence.obstacle is not None:
        raise Refused("not_independent", obstacle=command.independence.obstacle)
    for other, who in case.hands.items():
        if other != hand and person_id in who:
            raise Refused("other_hand", hand=other)
    return person_id


def require_key(key: SigningKey | None, key_id: str) -> SigningKey:
    """The key in force of who signs, when it is the one that they name. Raises Refused."""
    if key is None:
        raise Refused("key_missing")
    if key.key_id != key_id:
        raise Refused("key_not_in_force", key_id=key_id)
    return key


def request_facts(case_id: UUID, case: AidCase) -> Facts:
    """What a signature about a case says: its present terms, and nothing that somebody else could change."""
    terms = case.asked
    return {
        "case": case_id,
        "revision": terms.revision,
        "fund": terms.fund,
        "purpose": terms.purpose,
        "amount_fen": terms.amount_fen,
        "payee": terms.payee_commitment,
        "lane": case.lane,
    }


def require_signed(kind: str, community: str, facts: Facts, key: SigningKey, sig: str, signer: UUID) -> str:
    """The SHA-256 of the text, when the signature is over exactly it. Raises Refused."""
    text = signed_text(kind, community, facts, signer)
    if not is_signed(key.public_key, text, sig):
        raise Refused("signature_wrong")
    return sha256(text).hexdigest()
