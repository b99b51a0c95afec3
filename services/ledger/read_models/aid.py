"""Cases of aid and people's signing keys: tables and fold. No row names anybody but those who act for the fund."""

from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from contracts.envelope import Recorded
from contracts.ledger import (
    AidAmended,
    AidApplied,
    AidApprovalLapsed,
    AidApproved,
    AidDisbursed,
    AidFact,
    AidFollowedUp,
    AidPublicized,
    AidReceiptConfirmed,
    AidRejected,
    AidReturned,
    AidReversed,
    AidVerified,
    SigningKeyConfirmed,
    SigningKeyFact,
    SigningKeyRegistered,
    SigningKeyRevoked,
)
from eventstore.rows import Rows
from services.ledger.read_models.tables import metadata

_TIME = sa.DateTime(timezone=True)

aid_cases = sa.Table(
    "aid_cases",
    metadata,
    sa.Column("case_id", sa.Uuid, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("lane", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("fund", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("amount_fen", sa.BigInteger, nullable=False),
    sa.Column("payee_ref", sa.Uuid, nullable=False),
    sa.Column("payee_commitment", sa.Text, nullable=False),
    sa.Column("beneficiary_ref", sa.Uuid, nullable=False),
    sa.Column("visits", sa.Integer, nullable=False, default=0),
    sa.Column("publicity", sa.Text),
    sa.Column("pseudonym", sa.Text),
    sa.Column("public_until", _TIME),
    sa.Column("approvals", sa.Integer, nullable=False, default=0),
    sa.Column("approvals_required", sa.Integer),
    sa.Column("hold_id", sa.Uuid),
    # When approvals lapse: the timer's.
    sa.Column("lapses_at", _TIME),
    # What people owe next, and by when.
    sa.Column("due_for", sa.Text),
    sa.Column("due_at", _TIME),
    sa.Column("reason_code", sa.Text),
    sa.Column("appeal_until", _TIME),
    sa.Column("entry_id", sa.Uuid),
    sa.Column("returned_fen", sa.BigInteger, nullable=False, default=0),
    sa.Column("explanation_ref", sa.Uuid),
    sa.Column("applied_at", _TIME, nullable=False),
    sa.Column("disbursed_at", _TIME),
    sa.Column("ended_at", _TIME),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Index("aid_cases_by_state", "state", "due_at"),
    sa.Index("aid_cases_by_lapse", "lapses_at"),
    sa.Index("aid_cases_by_beneficiary", "beneficiary_ref"),
)
signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("person_id", sa.Uuid, primary_key=True),
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("registered_at", _TIME, nullable=False),
    sa.Column("confirmed_by", sa.Uuid),
    sa.Column("confirmed_at", _TIME),
    sa.Column("reason_code", sa.Text),
    sa.Column("revoked_at", _TIME),
    # One key never signs for two people.
    sa.UniqueConstraint("key_id", name="signing_keys_one_owner", deferrable=True, initially="DEFERRED"),
)

_ENDED: Final = frozenset({"CLOSED", "REJECTED", "RETURNED", "REVERSED"})


def apply_aid(recorded: Recorded, event: AidFact, rows: Rows) -> None:
    """A case's row after an event."""
    changes = {"state": event.state.value, "position": recorded.position, **_changes(event)}
    if event.state.value in _ENDED and "ended_at" not in changes:
        changes["ended_at"] = recorded.recorded_at
    if isinstance(event, AidApplied):
        rows.insert(aid_cases, case_id=event.case_id, **changes)
    else:
        rows.update(aid_cases, event.case_id, **changes)
    if isinstance(event, AidReturned):
        rows.add(aid_cases, event.case_id, returned_fen=event.amount_fen)


def _changes(event: AidFact) -> dict[str, Any]:
    match event:
        case AidApplied():
            return {
                **_terms(event),
                "lane": event.lane,
                "beneficiary_ref": event.beneficiary_ref,
                "due_for": "verify" if event.lane == "ordinary" else "approve",
                "due_at": event.due_at,
                "applied_at": event.applied_at,
            }
        case AidVerified():
            visited = {"visits": event.step}
            return visited | ({"due_for": "publicize", "due_at": None} if event.state.value == "VERIFIED" else {})
        case AidPublicized():
            ready = event.state.value == "PUBLICIZED"
            owed: dict[str, Any] = {"due_for": "approve", "due_at": event.until} if ready else {}
            return {
                "publicity": event.publicity,
                "pseudonym": event.pseudonym,
                "public_until": event.until,
                **owed,
            }
        case AidAmended():
            return {**_terms(event), **_unapproved(event)}
        case AidApproved():
            last = event.step == event.approvals_required
            return {
                "approvals": event.step,
                "approvals_required": event.approvals_required,
                "hold_id": event.hold_id,
                "lapses_at": event.due_at,
                "due_for": "disburse" if last else "approve",
                "due_at": event.due_at,
            }
        case AidApprovalLapsed():
            return _unapproved(event)
        case AidRejected():
            ended = {**_NOTHING_OWED, "reason_code": event.reason_code, "appeal_until": event.appeal_until}
            return {**_unapproved(event), **ended}
        case _:
            return _after_payment(event)


def _after_payment(event: AidFact) -> dict[str, Any]:
    match event:
        case AidDisbursed():
            return {
                "entry_id": event.entry_id,
                "hold_id": None,
                "lapses_at": None,
                "due_for": "follow_up",
                "due_at": event.due_at,
                "disbursed_at": event.disbursed_at,
            }
        case AidReturned():
            return {"reason_code": event.reason_code} | (_NOTHING_OWED if event.state.value == "RETURNED" else {})
        case AidReversed():
            return {} if event.entry_id is None else {"explanation_ref": event.explanation_ref, **_NOTHING_OWED}
        case AidFollowedUp():
            return _NOTHING_OWED
        case AidReceiptConfirmed():
            return {}
        case _:
            return {}


_NOTHING_OWED: Final[dict[str, Any]] = {"due_for": None, "due_at": None}


def _unapproved(event: AidFact) -> dict[str, Any]:
    """What a case is without its approvals."""
    owed = {"APPLIED": "verify", "VERIFIED": "publicize"}.get(event.state.value, "approve")
    none = {"approvals": 0, "approvals_required": None, "hold_id": None, "lapses_at": None}
    return {**none, "due_for": owed, "due_at": None}


def _terms(event: AidApplied | AidAmended) -> dict[str, Any]:
    return {
        "revision": event.revision,
        "fund": event.fund,
        "purpose": event.purpose,
        "amount_fen": event.amount_fen,
        "payee_ref": event.payee_ref,
        "payee_commitment": event.payee_commitment,
    }


def apply_key(event: SigningKeyFact, rows: Rows) -> None:
    """A key's row after an event."""
    key: tuple[UUID, str] = (event.person_id, event.key_id)
    match event:
        case SigningKeyRegistered():
            rows.insert(
                signing_keys,
                person_id=event.person_id,
                key_id=event.key_id,
                public_key=event.public_key,
                state="REGISTERED",
                registered_at=event.registered_at,
            )
        case SigningKeyConfirmed():
            rows.update(
                signing_keys, key, state="CONFIRMED", confirmed_by=event.confirmed_by, confirmed_at=event.confirmed_at
            )
        case SigningKeyRevoked():
            rows.update(signing_keys, key, state="REVOKED", reason_code=event.reason_code, revoked_at=event.revoked_at)
        case _:
            pass
