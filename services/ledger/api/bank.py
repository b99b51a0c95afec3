"""The bank account over HTTP: statements handed in, items settled, reconciled by another person; and what is open."""

import json
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from contracts.command import Refused
from contracts.ids import uuid7
from eventstore.executor import Plan
from servicekit.definition import Runtime
from servicekit.http import Commanding, Reading, command
from services.ledger import access
from services.ledger.api.shared import BANK, REFERENCE, Limit, Running, as_json
from services.ledger.commands import (
    AttestStatement,
    AttestStatementAsk,
    BankBook,
    BankEntry,
    ReconcileBank,
    ReconcileBankAsk,
    SettleItem,
    SettleItemAsk,
    StatementLine,
    bank_stream,
)
from services.ledger.decider.bank import Bank, unmatched
from services.ledger.policy import current_policy
from services.ledger.read_models import bank_queries
from services.ledger.read_models.queries import Row

router = APIRouter(prefix="/v1/bank", tags=["bank"])

NOTE, WORDS = "note", "words"
"""Fields of the vault: why an item stands alone, and all that the bank wrote beside the lines."""


async def _account(runtime: Runtime) -> Bank:
    _, bank = await runtime.executor.state(bank_stream())
    assert isinstance(bank, Bank)
    return bank


async def _book(runtime: Runtime, since: date, *, with_references: bool) -> BankBook:
    """What the book says of the bank account, with some days before `since` on which its money may have been booked."""
    floor = since - timedelta(days=current_policy().bank_match_days)
    # The size first: what the first events say, no later one changes.
    head = await runtime.log.head()
    async with runtime.log.queries() as connection:
        rows = await bank_queries.entries(connection, head.size, floor)
        before_fen = await bank_queries.before(connection, head.size, floor)
    references = await _references(runtime, [row["entry_id"] for row in rows]) if with_references else {}
    return BankBook(
        log_size=head.size,
        log_root=head.root.hex(),
        before_fen=before_fen,
        entries=tuple(BankEntry(**row, reference=references.get(row["entry_id"])) for row in rows),
    )


async def _references(runtime: Runtime, entry_ids: Iterable[UUID]) -> Mapping[UUID, str]:
    """What was written down of the bank's references when these entries were posted."""
    opened = await runtime.vault.open_many(entry_ids)
    return {entry_id: fields[REFERENCE] for entry_id, fields in opened.items() if REFERENCE in fields}


@router.post("/statements", status_code=201)
async def attest_statement(ask: AttestStatementAsk, context: Commanding) -> JSONResponse:
    """Hand in a statement of the fund's bank account. What is plainly an entry is matched with it at once."""
    statement_id, words_ref = uuid7(), uuid7()

    async def build() -> Plan:
        by, runtime = context.by(AttestStatement), context.runtime
        bank = await _account(runtime)
        since = ask.from_on if bank.first_on is None else min(bank.first_on, ask.from_on)
        sealed = await runtime.vault.seal(statement_id, BANK, words_ref, _words(ask))
        kept = sealed.commitments
        attested = AttestStatement(
            by=by,
            at=runtime.clock.now(),
            statement_id=statement_id,
            policy=current_policy(),
            **ask.model_dump(exclude={"lines"}),
            lines=tuple(
                StatementLine(
                    line_no=line_no,
                    booked_on=line.booked_on,
                    amount_fen=line.amount_fen,
                    reference=line.reference,
                    reference_commitment=kept.get(f"{REFERENCE}.{line_no}"),
                )
                for line_no, line in enumerate(ask.lines, 1)
            ),
            words_ref=words_ref,
            words_commitment=kept[WORDS],
            book=await _book(runtime, since, with_references=True),
        )
        return Plan([attested], {"statement_id": statement_id}, sealed.changes)

    return await command(context, build, AttestStatement, status=201)


def _words(ask: AttestStatementAsk) -> dict[str, str]:
    """What the bank wrote beside the lines, and each reference once more by itself, for a commitment of its own."""
    lines = [
        {"line_no": line_no, **line.model_dump(include={REFERENCE, "counterparty", "summary"}, exclude_none=True)}
        for line_no, line in enumerate(ask.lines, 1)
    ]
    references = {f"{REFERENCE}.{line['line_no']}": line[REFERENCE] for line in lines if REFERENCE in line}
    return {WORDS: json.dumps(lines, ensure_ascii=False), **references}


@router.post("/settlements")
async def settle_item(ask: SettleItemAsk, context: Commanding) -> JSONResponse:
    """Match a line with an entry by hand, or say why one of them stands alone."""
    note_ref = uuid7()

    async def build() -> Plan:
        by, runtime = context.by(SettleItem), context.runtime
        entry = None if ask.entry_no is None else await _entry(runtime, ask.entry_no)
        statement_id = ask.statement_id or await _last_statement(runtime)
        sealed = None
        if ask.note is not None:
            sealed = await runtime.vault.seal(statement_id, BANK, note_ref, {NOTE: ask.note})
        settled = SettleItem(
            by=by,
            at=runtime.clock.now(),
            statement_id=statement_id,
            policy=current_policy(),
            line_no=ask.line_no,
            entry=entry,
            reason_code=ask.reason_code,
            note_ref=None if sealed is None else note_ref,
            note_commitment=None if sealed is None else sealed.commitments[NOTE],
        )
        changes = () if sealed is None else sealed.changes
        return Plan([settled], {"statement_id": statement_id}, changes)

    return await command(context, build, SettleItem)


async def _entry(runtime: Runtime, entry_no: int) -> BankEntry:
    size = (await runtime.log.head()).size
    async with runtime.log.queries() as connection:
        row = await bank_queries.entry(connection, size, entry_no)
    if row is None:
        raise Refused("not_at_bank", entry_no=entry_no)
    return BankEntry(**row)


async def _last_statement(runtime: Runtime) -> UUID:
    """Of what an item without a line is: the newest statement that stands."""
    async with runtime.log.queries() as connection:
        for row in await bank_queries.statements(connection, 10):
            if row["state"] != "REPLACED":
                return UUID(str(row["statement_id"]))
    raise Refused("statement_unknown")


@router.post("/statements/{statement_id}/reconcile")
async def reconcile_bank(
    statement_id: UUID,
    ask: ReconcileBankAsk,  # noqa: ARG001 - nothing more to say
    context: Commanding,
) -> JSONResponse:
    """As another person, say that book and bank were held against each other; the figures follow from the log."""

    async def build() -> Plan:
        by, runtime = context.by(ReconcileBank), context.runtime
        bank = await _account(runtime)
        if bank.first_on is None:
            raise Refused("statement_unknown")
        reconciled = ReconcileBank(
            by=by,
            at=runtime.clock.now(),
            statement_id=statement_id,
            policy=current_policy(),
            book=await _book(runtime, bank.first_on, with_references=False),
        )
        return Plan([reconciled], {"statement_id": statement_id}, expected_versions=context.expecting(bank_stream()))

    return await command(context, build, ReconcileBank)


@router.get("/statements")
async def read_bank_statements(caller: Reading, runtime: Running, limit: Limit = 50) -> JSONResponse:
    """Statements, the newest first; each with what was found when it was reconciled."""
    caller.by(access.READ_BANK)
    async with runtime.log.queries() as connection:
        rows = await bank_queries.statements(connection, limit)
    return as_json({"statements": [_shown(row) for row in rows]})


@router.get("/statements/{statement_id}")
async def read_bank_statement(statement_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """A statement with its lines: days, amounts, and the entry that each is. Never the bank's words."""
    caller.by(access.READ_BANK)
    async with runtime.log.queries() as connection:
        row = await bank_queries.statement(connection, statement_id)
        lines = await bank_queries.lines(connection, statement_id)
    if row is None:
        raise Refused("statement_unknown")
    found = [{name: value for name, value in line.items() if name not in _HIDDEN} for line in lines]
    return as_json({**_shown(row), "found": found})


@router.get("/statements/{statement_id}/words")
async def read_bank_statement_words(statement_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """What the bank wrote beside each line, for whoever looks for the entry that it is."""
    caller.by(access.REVEAL_BANK_WORDS)
    async with runtime.log.queries() as connection:
        row = await bank_queries.statement(connection, statement_id)
    if row is None:
        raise Refused("statement_unknown")
    opened = None if row["words_ref"] is None else await runtime.vault.open(row["words_ref"])
    return as_json({"lines": json.loads((opened or {}).get(WORDS, "[]"))})


@router.get("/open")
async def read_bank_items(caller: Reading, runtime: Running) -> JSONResponse:
    """What does not agree so far: lines without an entry, entries without a line, with the reasons that were given."""
    caller.by(access.READ_BANK)
    bank = await _account(runtime)
    waiting = None if bank.waiting is None else bank.waiting.statement_id
    answer: dict[str, Any] = {"through_on": bank.through_on, "waiting": waiting, "lines": [], "entries": []}
    until = bank.through_on if bank.waiting is None else bank.waiting.until_on
    if bank.first_on is not None and until is not None:
        book = await _book(runtime, bank.first_on, with_references=False)
        missing = unmatched([entry for entry in book.entries if entry.effective_date <= until], bank)
        lines = sorted(bank.open_lines.values(), key=lambda line: (line.booked_on, line.line_no))
        answer["lines"] = [line.model_dump() for line in lines]
        answer["entries"] = [
            {
                **entry.model_dump(include={"entry_no", "effective_date", "amount_fen"}),
                "reason_code": bank.reasons.get(entry.entry_id),
            }
            for entry in missing
        ]
    return as_json(answer)


_HIDDEN = {"statement_id", "note_ref"}


def _shown(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in {"words_ref", "position", "reconciled_position"}}
