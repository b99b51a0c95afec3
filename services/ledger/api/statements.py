"""Statements of the fund over HTTP: drafted by a clerk from the books, published by a supervisor, corrected by both."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse

from contracts.command import Refused, Role
from contracts.ids import uuid7
from contracts.ledger import statement_digest
from eventstore.checkpoint import Checkpoint, SignerBusy, SigningRefused
from eventstore.executor import Plan
from eventstore.note import parse_note
from servicekit.definition import Runtime
from servicekit.http import Commanding, Reading, command
from servicekit.signing import sign
from services.ledger import access
from services.ledger.api.aid_shared import EXPLANATION
from services.ledger.api.shared import Running, as_json
from services.ledger.commands import (
    CorrectDisclosure,
    CorrectDisclosureAsk,
    PublishStatement,
    PublishStatementAsk,
    span_of,
)
from services.ledger.policy import campaigns
from services.ledger.read_models import statement_queries as queries

router = APIRouter(prefix="/v1/statements", tags=["statements"])

DISCLOSURE = "disclosure"
"""The vault's purpose for the public words of a correction."""
_PAUSES_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""The signer's own task, once a second, holds the file for some milliseconds."""
Period = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9.\-]{2,39}$")]


async def _head(runtime: Runtime) -> Checkpoint:
    """The log's head, signed now: what is published is bound to it. Raises Refused("head_not_signed")."""
    for pause in _PAUSES_SECONDS:
        try:
            return Checkpoint.parse(parse_note(await sign(runtime.signer, runtime.log)).text)
        except SignerBusy:
            await asyncio.sleep(pause)
        except SigningRefused as refused:
            raise Refused("head_not_signed") from refused
    raise Refused("head_not_signed")


async def _told(runtime: Runtime, period: str) -> dict[str, Any]:
    """What every command about a period's statements is told: the figures at a signed head, and what is closed."""
    span, head = span_of(period, campaigns()), await _head(runtime)
    async with runtime.log.queries() as connection:
        statement = await queries.compute(connection, span, head.size)
        closed = await queries.closed_through(connection)
    return {"statement": statement, "log_size": head.size, "log_root": head.root.hex(), "closed_through": closed}


@router.get("/{period}")
async def read_statement(period: Period, caller: Reading, runtime: Running) -> JSONResponse:
    """What the books say of a span now, its SHA-256, and the draft that waits: what a supervisor reads before."""
    caller.by(access.READ_DRAFT)
    told = await _told(runtime, period)
    async with runtime.log.queries() as connection:
        draft = await queries.draft(connection, period)
        published = [row for row in await queries.published(connection) if row["period"] == period]
    words: dict[UUID, dict[str, str]] = {}
    if draft is not None and draft["explanation_ref"] is not None:
        words = dict(await runtime.vault.open_many([draft["explanation_ref"]]))
    shown = None
    if draft is not None:
        shown = {name: draft[name] for name in ("statement_sha256", "drafted_by", "drafted_at", "reason_code")}
        shown["explanation"] = words.get(draft["explanation_ref"], {}).get(EXPLANATION)
    answer = {
        "statement": told["statement"].model_dump(mode="json", exclude_none=True),
        "statement_sha256": statement_digest(told["statement"]),
        "log_size": told["log_size"],
        "draft": shown,
        "published": [
            {name: row[name] for name in ("revision", "statement_id", "statement_sha256", "published_at")}
            for row in published
        ],
    }
    return as_json(answer)


@router.post("/{period}/publish")
async def publish_statement(period: Period, ask: PublishStatementAsk, context: Commanding) -> JSONResponse:
    """Draft the statement of a span whose months are closed; as a supervisor publish the draft that one has read."""
    statement_id = uuid7()

    async def build() -> Plan:
        by, at = context.by(PublishStatement), context.runtime.clock.now()
        told = await _told(context.runtime, period)
        publish = PublishStatement(by=by, at=at, statement_id=statement_id, confirms=ask.statement_sha256, **told)
        answer = {"statement_id": statement_id, "statement_sha256": statement_digest(publish.statement)}
        return Plan([publish], answer, expected_versions=context.expecting(publish.stream))

    return await command(context, build, PublishStatement)


@router.post("/{period}/correct")
async def correct_disclosure(period: Period, ask: CorrectDisclosureAsk, context: Commanding) -> JSONResponse:
    """Draft the correction of what is published, with public words; as a supervisor publish it beside the old one."""
    statement_id, explanation_ref = uuid7(), uuid7()

    async def build() -> Plan:
        by, at = context.by(CorrectDisclosure), context.runtime.clock.now()
        told, runtime = await _told(context.runtime, period), context.runtime
        words: dict[str, Any] = {}
        changes: Any = ()
        if ask.explanation is not None and by.role is not Role.SUPERVISOR:
            # Public, and about nobody: sealed for the statement itself, so no erasure of a person takes it away.
            sealed = await runtime.vault.seal(statement_id, DISCLOSURE, explanation_ref, {EXPLANATION: ask.explanation})
            changes = sealed.changes
            words = {
                "explanation_ref": explanation_ref,
                "explanation_commitment": sealed.commitments[EXPLANATION],
                "reason_code": ask.reason_code,
            }
        correct = CorrectDisclosure(
            by=by, at=at, statement_id=statement_id, confirms=ask.statement_sha256, **words, **told
        )
        answer = {"statement_id": statement_id, "statement_sha256": statement_digest(correct.statement)}
        return Plan([correct], answer, changes, expected_versions=context.expecting(correct.stream))

    return await command(context, build, CorrectDisclosure)
