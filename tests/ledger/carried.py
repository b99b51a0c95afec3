"""Bodies with two approvers' signatures, as their own devices make them of the texts that they are shown."""

from hashlib import sha256
from typing import Any
from uuid import UUID

from contracts.command import Role
from tests.ledger.aid_examples import APPROVER, SECOND, SIGNERS
from tests.ledger.examples import DIGEST
from tests.ledger.office import Office

BOTH = (APPROVER, SECOND)


async def signature(office: Office, path: str, person: UUID, **params: Any) -> dict[str, str]:
    """What the approver's own device makes of the text that it is shown."""
    signer = SIGNERS[person]
    text = await office.counter.get(path, person, Role.FUND_APPROVER, **params)
    assert text.status_code == 200, text.text
    return {"key_id": signer.key.key_id, "sig": signer.sign(text.content)}


async def refunding(office: Office, gift: str, *signers: UUID, amount_fen: int = 5_000) -> dict[str, Any]:
    terms: dict[str, Any] = {"amount_fen": amount_fen, "reason_code": "sent_twice"}
    path = f"/donations/{gift}/refund-request"
    made = [await signature(office, path, person, **terms) for person in signers or BOTH]
    return {**terms, "method": "bank_transfer", "voucher_sha256": [DIGEST], "signatures": made}


async def reversing(
    office: Office, entry_id: str, *signers: UUID, words: str = "同一笔转账登记了两次。"
) -> dict[str, Any]:
    terms = {"reason_code": "entered_twice", "explanation_sha256": sha256(words.encode()).hexdigest()}
    path = f"/entries/{entry_id}/reversal-request"
    made = [await signature(office, path, person, **terms) for person in signers or BOTH]
    return {"reason_code": "entered_twice", "explanation": words, "signatures": made}
