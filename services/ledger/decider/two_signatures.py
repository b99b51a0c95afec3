"""Two people's signatures under one request: each their own, neither with another hand in it (会计法 §25, §35)."""

from collections.abc import Collection, Sequence
from uuid import UUID

from contracts.command import Refused
from contracts.ledger import EntryApproval
from services.ledger.commands import Signed
from services.ledger.signatures import Facts, is_signed, signed_text


def require_two(
    kind: str, community: str, facts: Facts, signatures: Sequence[Signed], others: Collection[str | None]
) -> tuple[EntryApproval, ...]:
    """What an entry carries of them. `others`: actors who had a hand in it already. Raises Refused."""
    if len({one.person_id for one in signatures}) < 2:
        raise Refused("signers_equal")
    for one in signatures:
        if str(one.person_id) in others:
            raise Refused("signer_has_hand")
        if not one.in_force:
            raise Refused("key_not_in_force", key_id=one.key_id)
        if not one.in_office:
            raise Refused("signer_left_office")
        if one.tie is not None:
            raise Refused("signer_not_independent", obstacle=one.tie)
        if not is_signed(one.public_key, signed_text(kind, community, facts, one.person_id), one.sig):
            raise Refused("signature_wrong")
    return tuple(EntryApproval(role=one.role, key_id=one.key_id, sig=one.sig) for one in signatures)


def refund_facts(
    donation_id: UUID, fund: str, purpose: str | None, amount_fen: int, refunded_fen: int, reason_code: str
) -> Facts:
    """What who approves a refund signs. `refunded_fen` went back before: no signature serves twice."""
    return {
        "donation": donation_id,
        "fund": fund,
        "purpose": purpose or "-",
        "amount_fen": amount_fen,
        "refunded_before_fen": refunded_fen,
        "reason": reason_code,
    }


def correction_facts(entry_id: UUID, entry_no: int, reason_code: str, explanation_sha256: str) -> Facts:
    """What who approves a reversal signs: which entry, why, and the words that everybody will read."""
    return {"entry": entry_id, "entry_no": entry_no, "reason": reason_code, "explanation_sha256": explanation_sha256}
