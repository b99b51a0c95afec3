"""What seems odd in the fund's payments, for who watches: the queue, and a word on what was looked at."""

import json
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from contracts.command import Refused
from contracts.ids import uuid7
from eventstore.executor import Plan
from servicekit.definition import Runtime
from servicekit.http import Commanding, Reading, command
from services.ledger import access
from services.ledger.anomalies import Anomaly, Approval, Payment, anomalies
from services.ledger.api.aid_shared import PAYEE
from services.ledger.api.shared import Limit, Running, as_json
from services.ledger.commands import FUND_REVIEW, ReviewAnomaly, ReviewAnomalyAsk
from services.ledger.policy import current_policy
from services.ledger.read_models import oversight
from services.ledger.read_models.queries import Row

router = APIRouter(prefix="/v1", tags=["oversight"])

REVIEW, NOTE = "review", "note"
"""The vault's purpose and field of what somebody saw who looked."""


@router.get("/anomalies")
async def read_anomalies(
    caller: Reading,
    runtime: Running,
    state: Annotated[Literal["open", "all"], Query()] = "open",
    limit: Limit = 50,
) -> JSONResponse:
    """What seems odd, and reviews that disputes asked for, the newest first; `open`: nobody has looked yet."""
    caller.by(access.READ_ANOMALIES)
    found = await _found(runtime)
    async with runtime.log.queries() as connection:
        looks = await oversight.looks(connection)
    shown = [
        {
            "review_id": one.review_id,
            "rule": one.rule,
            "sentence": one.sentence,
            "entries": one.entries,
            "found_at": one.found_at,
            "outcome": looks.get(one.review_id, {}).get("outcome"),
            "reviewed_at": looks.get(one.review_id, {}).get("reviewed_at"),
        }
        for one in found
        if state == "all" or one.review_id not in looks
    ]
    return as_json({"anomalies": shown[:limit]})


@router.post("/anomalies/{review_id}/review")
async def review_anomaly(review_id: UUID, ask: ReviewAnomalyAsk, context: Commanding) -> JSONResponse:
    """Say what something odd was. Nobody says it of what they signed or paid themselves."""
    note_ref = uuid7()

    async def build() -> Plan:
        by, runtime = context.by(ReviewAnomaly), context.runtime
        anomaly = next((one for one in await _found(runtime) if one.review_id == review_id), None)
        if anomaly is None:
            raise Refused("anomaly_unknown")
        sealed = await runtime.vault.seal(review_id, REVIEW, note_ref, {NOTE: ask.note})
        looked = ReviewAnomaly(
            by=by,
            at=runtime.clock.now(),
            review_id=review_id,
            rule=anomaly.rule,
            outcome=ask.outcome,
            note_ref=note_ref,
            note_commitment=sealed.commitments[NOTE],
            hands=anomaly.hands,
        )
        return Plan([looked], {"review_id": review_id}, sealed.changes)

    return await command(context, build, ReviewAnomaly)


async def _found(runtime: Runtime) -> list[Anomaly]:
    """Everything there is to look at, or was: by the figures in force, so a changed figure needs no replay."""
    async with runtime.log.queries() as connection:
        rows = await oversight.payments(connection)
        signed = await oversight.approvals(connection)
        requested = await oversight.requested_reviews(connection)
    tokens = await _payees(runtime, rows)
    paid = [
        Payment(
            case_id=row["case_id"],
            entry_no=row["entry_no"],
            amount_fen=row["amount_fen"],
            cashier_id=row["cashier_id"],
            payee=tokens.get(row["payee_ref"]),
            applied_at=row["applied_at"],
            paid_at=row["disbursed_at"],
            approvals=tuple(
                Approval(one["approver_id"], one["approved_at"])
                for one in signed.get(row["case_id"], ())
                if one["step"] <= row["approvals"]
            ),
        )
        for row in rows
    ]
    hands_of = {one.entry_no: {one.cashier_id, *(each.approver_id for each in one.approvals)} for one in paid}
    reviews = [
        Anomaly(
            review_id=row["review_id"],
            rule=FUND_REVIEW,
            sentence="争议裁定后，要复核这笔款项。",
            entries=tuple(sorted(row["entries"] or ())),
            found_at=row["requested_at"],
            hands=frozenset(hand for number in row["entries"] or () for hand in hands_of.get(number, ())),
        )
        for row in requested
    ]
    found = [*reviews, *anomalies(paid, current_policy())]
    return sorted(found, key=lambda one: one.found_at, reverse=True)


async def _payees(runtime: Runtime, rows: Any) -> dict[UUID, str]:
    """Payee's ref → a token that is equal for one account (one name, where money went in cash). It leaves nowhere."""
    opened = await runtime.vault.open_many({_ref(row) for row in rows})
    tokens = {}
    for ref, fields in opened.items():
        if PAYEE in fields:
            payee = json.loads(fields[PAYEE])
            account = "".join(mark for mark in payee.get("account") or "" if mark.isalnum())
            tokens[ref] = runtime.vault.pseudonym(REVIEW, account or payee["name"])
    return tokens


def _ref(row: Row) -> UUID:
    ref: UUID = row["payee_ref"]
    return ref
