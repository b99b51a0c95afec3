"""What the rules need to know of a case of aid, and its fold."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import assert_never
from uuid import UUID

from contracts.command import Role
from contracts.ledger import (
    AidAmended,
    AidApplied,
    AidApprovalLapsed,
    AidApproved,
    AidDisbursed,
    AidEvent,
    AidFollowedUp,
    AidLane,
    AidPublicized,
    AidReceiptConfirmed,
    AidRejected,
    AidReturned,
    AidReversed,
    AidState,
    AidVerified,
    Publicity,
    ReversalReason,
)

CLERK, VISITOR, APPROVER, CASHIER = "clerk", "visitor", "approver", "cashier"
"""The hands of a case: nobody has two of them (会计法 §25, §35; 慈善法 §59)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked for, in its present revision: what approvers sign."""

    revision: int
    fund: str
    purpose: str
    amount_fen: int
    payee_ref: UUID
    payee_commitment: str


@dataclass(frozen=True, slots=True)
class Reversal:
    """The first signature under a reversal."""

    approver_id: UUID
    role: Role
    key_id: str
    sig: str
    reason_code: ReversalReason
    explanation_ref: UUID
    explanation_commitment: str


@dataclass(frozen=True, slots=True)
class AidCase:
    """A case."""

    state: AidState | None = None
    """None: nobody applied."""
    lane: AidLane = "ordinary"
    applied_at: datetime | None = None
    terms: Terms | None = None
    hands: Mapping[str, frozenset[UUID]] = field(default_factory=lambda: MappingProxyType({}))
    """Hand → who had it."""
    visits: int = 0
    doubted: bool = False
    """A visitor did not find what was said."""
    publicity: Publicity | None = None
    public_until: datetime | None = None
    approvals: tuple[AidApproved, ...] = ()
    hold_id: UUID | None = None
    lapses_at: datetime | None = None
    disbursed: AidDisbursed | None = None
    returned_fen: int = 0
    reversal: Reversal | None = None

    @property
    def stands(self) -> AidState:
        """The state of a case that was applied for."""
        assert self.state is not None
        return self.state

    @property
    def asked(self) -> Terms:
        """The terms of a case that was applied for."""
        assert self.terms is not None
        return self.terms

    @property
    def is_approved(self) -> bool:
        """Whether every approval that it needs is there."""
        return bool(self.approvals) and len(self.approvals) >= self.approvals[0].approvals_required

    @property
    def is_proven(self) -> bool:
        """Whether both visits and the publicity are there: in the urgent lane they follow the payment."""
        return self.visits >= 2 and self.publicity is not None

    def with_hand(self, hand: str, person_id: UUID) -> "AidCase":
        """The same with somebody's hand in it."""
        known = self.hands.get(hand, frozenset())
        return replace(self, hands=MappingProxyType({**self.hands, hand: known | {person_id}}))


def initial() -> AidCase:
    """A case that nobody applied for."""
    return AidCase()


def before_approvals(case: AidCase) -> AidState:
    """Where a case stands without its approvals."""
    if case.publicity is not None and case.visits >= 2:
        return AidState.PUBLICIZED
    return AidState.VERIFIED if case.visits >= 2 else AidState.APPLIED


def evolve(case: AidCase, event: AidEvent) -> AidCase:
    """The case after an event."""
    case = replace(case, state=event.state)
    match event:
        case AidApplied():
            return replace(case, lane=event.lane, applied_at=event.applied_at, terms=_terms(event))
        case AidVerified():
            doubted = case.doubted or event.finding == "not_confirmed"
            return replace(case.with_hand(VISITOR, event.visitor_id), visits=event.step, doubted=doubted)
        case AidPublicized():
            return replace(case.with_hand(CLERK, event.clerk_id), publicity=event.publicity, public_until=event.until)
        case AidAmended():
            return replace(_unapproved(case).with_hand(CLERK, event.clerk_id), terms=_terms(event))
        case AidApproved():
            approved = case.with_hand(APPROVER, event.approver_id)
            approvals = (*case.approvals, event)
            return replace(approved, approvals=approvals, hold_id=event.hold_id, lapses_at=event.due_at)
        case AidApprovalLapsed() | AidRejected():
            return _unapproved(case)
        case AidDisbursed():
            return replace(case.with_hand(CASHIER, event.cashier_id), disbursed=event, hold_id=None, lapses_at=None)
        case AidReceiptConfirmed() | AidFollowedUp():
            return case
        case AidReturned():
            return replace(case.with_hand(CASHIER, event.cashier_id), returned_fen=case.returned_fen + event.amount_fen)
        case AidReversed():
            return _reversing(case, event)
        case _:
            assert_never(event)


def _terms(event: AidApplied | AidAmended) -> Terms:
    return Terms(event.revision, event.fund, event.purpose, event.amount_fen, event.payee_ref, event.payee_commitment)


def _unapproved(case: AidCase) -> AidCase:
    # Who approved a void revision may approve the next one: they are judges of it as before.
    hands = MappingProxyType({hand: who for hand, who in case.hands.items() if hand != APPROVER})
    return replace(case, approvals=(), hold_id=None, lapses_at=None, hands=hands)


def _reversing(case: AidCase, event: AidReversed) -> AidCase:
    if event.explanation_ref is None or event.explanation_commitment is None:
        return case
    first = Reversal(
        event.approver_id,
        event.role,
        event.key_id,
        event.sig,
        event.reason_code,
        event.explanation_ref,
        event.explanation_commitment,
    )
    return replace(case, reversal=first)
