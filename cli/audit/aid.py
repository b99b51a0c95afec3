"""Aid, from the events alone: nothing is paid without the signatures it needs, over its terms, by people apart.

domain.md §4.6; 慈善法 §59; 会计法 §25, §35. Signatures are checked once more, with the confirmed keys.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from cli.audit.breaches import apart, at, snake
from contracts.envelope import Recorded
from services.ledger.signatures import AID_APPROVAL, AID_REVERSAL, is_signed, signed_text

_TERMS = ("revision", "fund", "purpose", "amount_fen")


@dataclass(slots=True)
class _Case:
    """What was said of a case so far."""

    terms: dict[str, Any] = field(default_factory=dict)
    lane: str = "ordinary"
    visitors: set[UUID] = field(default_factory=set)
    clerks: set[UUID] = field(default_factory=set)
    cashiers: set[UUID] = field(default_factory=set)
    approvers: dict[UUID, int] = field(default_factory=dict)
    """Who signed the present terms."""
    public_until: datetime | None = None
    publicized: bool = False
    hold: UUID | None = None
    paid: Any = None
    returned_fen: int = 0
    reversing: set[UUID] = field(default_factory=set)


class Aid:
    """Follows every case, and the money that is set aside for it."""

    def __init__(self) -> None:
        self._cases: dict[UUID, _Case] = {}
        self._keys: dict[str, tuple[UUID, str]] = {}
        self._in_force: set[str] = set()
        self._community = ""
        self._holds: dict[UUID, UUID] = {}
        """Open hold → case."""

    def hear(self, recorded: Recorded) -> Iterator[str]:
        """Compare what is done with what was agreed on."""
        if recorded.service != "ledger":
            return
        self._community = recorded.community
        rule = getattr(self, f"_on_{snake(recorded.type)}", None)
        if rule is not None:
            yield from rule(recorded, recorded.event)

    def end(self) -> Iterator[str]:
        """Every hold belongs to a case that still has it."""
        for hold_id, case_id in self._holds.items():
            if self._cases[case_id].hold != hold_id:
                yield f"hold {hold_id} of case {case_id} was never released"

    def _of(self, event: Any) -> _Case:
        return self._cases.setdefault(event.case_id, _Case())

    def _on_signing_key_registered(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        self._keys[event.key_id] = (event.person_id, event.public_key)
        yield from ()

    def _on_signing_key_confirmed(self, recorded: Recorded, event: Any) -> Iterator[str]:
        self._in_force.add(event.key_id)
        yield from apart(
            recorded, who=event.confirmed_by, others=[event.person_id], what="a key was confirmed by its own owner"
        )

    def _on_signing_key_revoked(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        self._in_force.discard(event.key_id)
        yield from ()

    def _on_aid_applied(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        case = self._of(event)
        case.lane = event.lane
        self._agree(case, event)
        yield from ()

    def _agree(self, case: _Case, event: Any) -> None:
        case.terms = {name: getattr(event, name) for name in _TERMS} | {"payee": event.payee_commitment}
        case.approvers, case.hold = {}, None

    def _on_aid_amended(self, recorded: Recorded, event: Any) -> Iterator[str]:
        case = self._of(event)
        case.clerks.add(event.clerk_id)
        if event.revision != case.terms["revision"] + 1:
            yield at(recorded, f"revision {event.revision} follows {case.terms['revision']}")
        self._agree(case, event)

    def _on_aid_verified(self, recorded: Recorded, event: Any) -> Iterator[str]:
        case = self._of(event)
        yield from apart(recorded, who=event.visitor_id, others=case.visitors, what="one person made both visits")
        case.visitors.add(event.visitor_id)

    def _on_aid_publicized(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        case = self._of(event)
        case.clerks.add(event.clerk_id)
        case.publicized, case.public_until = True, event.until
        yield from ()

    def _on_aid_approved(self, recorded: Recorded, event: Any) -> Iterator[str]:
        case = self._of(event)
        yield from apart(recorded, who=event.approver_id, others=case.approvers, what="one person approved twice")
        others = case.visitors | case.clerks | case.cashiers
        yield from apart(
            recorded, who=event.approver_id, others=others, what="who approved has another hand in the case"
        )
        if case.lane == "ordinary" and (len(case.visitors) < 2 or not case.publicized):
            yield at(recorded, "it was approved before two visits and its publicity")
        if case.public_until is not None and event.approved_at < case.public_until:
            yield at(recorded, "it was approved while it was posted")
        facts = {"case": event.case_id, **case.terms, "lane": case.lane}
        yield from self._signed(recorded, event, AID_APPROVAL, facts)
        case.approvers[event.approver_id] = event.approvals_required
        case.hold = event.hold_id

    def _signed(self, recorded: Recorded, event: Any, kind: str, facts: dict[str, Any]) -> Iterator[str]:
        owner, public_key = self._keys.get(event.key_id, (None, ""))
        if owner != event.approver_id or event.key_id not in self._in_force:
            yield at(recorded, f"key {event.key_id} is not the approver's, or not in force")
        elif not is_signed(public_key, signed_text(kind, self._community, facts, event.approver_id), event.sig):
            yield at(recorded, "the signature is not over these terms")

    def _on_aid_approval_lapsed(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        case = self._of(event)
        case.approvers, case.hold = {}, None
        yield from ()

    _on_aid_rejected = _on_aid_approval_lapsed

    def _on_aid_disbursed(self, recorded: Recorded, event: Any) -> Iterator[str]:
        case = self._of(event)
        needed = max([2, *case.approvers.values()])
        if len(case.approvers) < needed:
            yield at(recorded, f"it was paid with {len(case.approvers)} of {needed} approvals")
        others = case.visitors | case.clerks | case.approvers.keys()
        yield from apart(recorded, who=event.cashier_id, others=others, what="who paid has another hand in it")
        if (event.amount_fen, event.payee_commitment) != (case.terms["amount_fen"], case.terms["payee"]):
            yield at(recorded, "another amount or payee was paid than was approved")
        if case.paid is not None:
            yield at(recorded, "it was paid twice")
        case.cashiers.add(event.cashier_id)
        case.paid, case.hold = event, None

    def _on_aid_returned(self, recorded: Recorded, event: Any) -> Iterator[str]:
        case = self._of(event)
        case.cashiers.add(event.cashier_id)
        case.returned_fen += event.amount_fen
        if case.paid is None or case.returned_fen > case.paid.amount_fen:
            yield at(recorded, "more came back than was paid")

    def _on_aid_reversed(self, recorded: Recorded, event: Any) -> Iterator[str]:
        case = self._of(event)
        yield from apart(recorded, who=event.approver_id, others=case.reversing, what="one person signed both")
        case.reversing.add(event.approver_id)
        facts = {"case": event.case_id, **case.terms, "lane": case.lane}
        facts |= {"entry": None if case.paid is None else case.paid.entry_id, "reason": event.reason_code}
        yield from self._signed(recorded, event, AID_REVERSAL, facts)

    def _on_hold_placed(self, recorded: Recorded, event: Any) -> Iterator[str]:
        case = self._of(event)
        if case.hold != event.hold_id or event.amount_fen != case.terms["amount_fen"]:
            yield at(recorded, "money was set aside for what nobody approved")
        self._holds[event.hold_id] = event.case_id

    def _on_hold_released(self, recorded: Recorded, event: Any) -> Iterator[str]:
        if self._holds.pop(event.hold_id, None) != event.case_id:
            yield at(recorded, "money was set free that was not set aside")

    def _on_entry_posted(self, recorded: Recorded, event: Any) -> Iterator[str]:
        if event.kind != "aid_paid":
            return
        case = self._cases.get(event.case_id)
        if case is None or case.paid is None or case.paid.entry_id != event.entry_id:
            yield at(recorded, "aid was posted that nobody paid")
        elif -sum(one.amount for one in event.postings if one.account.startswith("assets:")) != case.paid.amount_fen:
            yield at(recorded, "another amount was posted than was paid")
