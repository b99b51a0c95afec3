"""The bank account: statements follow one another, what agrees is matched, and another person reconciles (会计法 §17).

Two statements never overlap or leave a day between, and each begins with what the last one ended with. Whoever handed
a statement in or settled one of its items does not reconcile it; the cashier never does (会计法 §25, §35).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from types import MappingProxyType
from typing import assert_never
from uuid import UUID

from contracts.command import Refused
from contracts.ledger import (
    BankEvent,
    BankItemSettled,
    BankLine,
    BankStatementAttested,
    FundReconciled,
    ItemReason,
    OpenEntry,
    OpenLine,
)
from services.ledger.commands import (
    AnyBankCommand,
    AttestStatement,
    BankCommand,
    BankEntry,
    ReconcileBank,
    SettleItem,
    day_of,
)
from services.ledger.decider.bank_matching import Matches, match

SHOWN = 100
"""So many open items of each side stand in the event, the oldest first."""
LineKey = tuple[UUID, int]
Events = Sequence[BankEvent]


@dataclass(frozen=True, slots=True)
class Bank:
    """What the rules need to know of the bank account."""

    first_on: date | None = None
    """From this day on statements were handed in."""
    through_on: date | None = None
    """The last reconciled day, and what the bank had at its end."""
    closing_fen: int = 0
    waiting: BankStatementAttested | None = None
    """The statement that nobody reconciled yet."""
    open_lines: Mapping[LineKey, OpenLine] = field(default_factory=lambda: MappingProxyType({}))
    matched: Mapping[UUID, LineKey] = field(default_factory=lambda: MappingProxyType({}))
    """Entry → the line that it is."""
    reasons: Mapping[UUID, ItemReason] = field(default_factory=lambda: MappingProxyType({}))
    """Entry → why no line is it."""
    hands: frozenset[UUID] = frozenset()
    """Who handed the waiting statement in, and who settled items since the last was reconciled."""


def initial() -> Bank:
    """No statement was handed in."""
    return Bank()


def decide(command: AnyBankCommand, bank: Bank) -> Events:
    """The events that a command comes to. Raises Refused."""
    match command:
        case AttestStatement():
            return _attest(command, bank)
        case SettleItem():
            return _settle(command, bank)
        case ReconcileBank():
            return _reconcile(command, bank)
        case _:
            assert_never(command)


def _person(command: BankCommand) -> UUID:
    if command.by.actor_id is None:
        raise Refused("person_needed")
    return command.by.actor_id


def _require_possible(command: AttestStatement) -> None:
    """The statement is over, its lines lie in it, and it adds up. Raises Refused."""
    if command.from_on > command.until_on:
        raise Refused("days_reversed")
    if command.until_on > day_of(command.at):
        raise Refused("statement_not_over", until_on=command.until_on.isoformat())
    for line in command.lines:
        if not command.from_on <= line.booked_on <= command.until_on:
            raise Refused("line_outside", line_no=line.line_no)
        if line.amount_fen == 0:
            raise Refused("line_empty", line_no=line.line_no)
    difference_fen = command.closing_fen - command.opening_fen - sum(line.amount_fen for line in command.lines)
    if difference_fen:
        raise Refused("statement_sums_differ", difference_fen=difference_fen)


def _attest(command: AttestStatement, bank: Bank) -> Events:
    _require_possible(command)
    waiting = bank.waiting
    if waiting is None and command.replaces is not None:
        raise Refused("statement_waits_not")
    if waiting is not None and command.replaces != waiting.statement_id:
        raise Refused("statement_waits")
    if bank.through_on is not None:
        next_on = bank.through_on + timedelta(days=1)
        if command.from_on < next_on:
            raise Refused("statement_overlaps", through_on=bank.through_on.isoformat())
        if command.from_on > next_on:
            raise Refused("statement_leaves_gap", next_on=next_on.isoformat())
        if command.opening_fen != bank.closing_fen:
            raise Refused("opening_differs", opening_fen=command.opening_fen, closing_fen=bank.closing_fen)
    undone = _without_waiting(bank)
    free = [
        entry
        for entry in _standing(command.book.entries, undone)
        if entry.effective_date <= command.until_on and entry.entry_id not in undone.matched
    ]
    found = match(command.lines, free, command.policy.bank_match_days)
    attested = BankStatementAttested(
        statement_id=command.statement_id,
        role=command.by.role,
        file_sha256=command.file_sha256,
        from_on=command.from_on,
        until_on=command.until_on,
        opening_fen=command.opening_fen,
        closing_fen=command.closing_fen,
        lines=_lines(command, found),
        words_ref=command.words_ref,
        words_commitment=command.words_commitment,
        replaces=command.replaces,
        attested_by=_person(command),
        attested_at=command.at,
    )
    return [attested]


def _lines(command: AttestStatement, found: Matches) -> tuple[BankLine, ...]:
    lines = []
    for line in command.lines:
        entry, how = found.get(line.line_no, (None, None))
        lines.append(
            BankLine(
                line_no=line.line_no,
                booked_on=line.booked_on,
                amount_fen=line.amount_fen,
                reference_commitment=line.reference_commitment,
                entry_id=None if entry is None else entry.entry_id,
                entry_no=None if entry is None else entry.entry_no,
                matched_by=how,
            )
        )
    return tuple(lines)


def _settle(command: SettleItem, bank: Bank) -> Events:
    entry = command.entry
    if command.line_no is not None:
        line = bank.open_lines.get((command.statement_id, command.line_no))
        if line is None:
            raise Refused("line_not_open")
        if entry is not None and line.amount_fen != entry.amount_fen:
            raise Refused("amounts_differ", line_fen=line.amount_fen, entry_fen=entry.amount_fen)
    if entry is not None and entry.entry_id in bank.matched:
        raise Refused("matched_already", entry_no=entry.entry_no)
    if command.line_no is None and (bank.first_on is None or entry is None or entry.effective_date < bank.first_on):
        raise Refused("before_first_statement")
    settled = BankItemSettled(
        statement_id=command.statement_id,
        role=command.by.role,
        line_no=command.line_no,
        entry_id=None if entry is None else entry.entry_id,
        entry_no=None if entry is None else entry.entry_no,
        reason_code=command.reason_code,
        note_ref=command.note_ref,
        note_commitment=command.note_commitment,
        settled_by=_person(command),
        settled_at=command.at,
    )
    return [settled]


def _reconcile(command: ReconcileBank, bank: Bank) -> Events:
    waiting = bank.waiting
    if waiting is None or waiting.statement_id != command.statement_id:
        raise Refused("statement_waits_not")
    if _person(command) in bank.hands:
        raise Refused("reconciled_by_you")
    book, until = command.book, waiting.until_on
    ours = [entry for entry in book.entries if entry.effective_date <= until]
    later = [entry for entry in book.entries if entry.effective_date > until and entry.entry_id in bank.matched]
    missing = unmatched(ours, bank)
    lines = sorted(bank.open_lines.values(), key=lambda line: (line.booked_on, line.line_no))
    entries = [
        OpenEntry(
            entry_no=entry.entry_no,
            effective_date=entry.effective_date,
            amount_fen=entry.amount_fen,
            reason_code=bank.reasons.get(entry.entry_id),
        )
        for entry in missing
    ]
    book_fen, later_fen = book.before_fen + _sum(ours), _sum(later)
    lines_fen, entries_fen = sum(line.amount_fen for line in lines), _sum(missing)
    reconciled = FundReconciled(
        statement_id=waiting.statement_id,
        role=command.by.role,
        file_sha256=waiting.file_sha256,
        from_on=waiting.from_on,
        until_on=until,
        closing_fen=waiting.closing_fen,
        book_fen=book_fen,
        later_fen=later_fen,
        matched=sum(1 for statement_id, _ in bank.matched.values() if statement_id == waiting.statement_id),
        open_lines=len(lines),
        open_entries=len(entries),
        unexplained=[*(line.reason_code for line in lines), *(entry.reason_code for entry in entries)].count(None),
        oldest_lines=tuple(lines[:SHOWN]),
        oldest_entries=tuple(entries[:SHOWN]),
        open_lines_fen=lines_fen,
        open_entries_fen=entries_fen,
        difference_fen=waiting.closing_fen - (book_fen + later_fen - entries_fen + lines_fen),
        log_size=book.log_size,
        log_root=book.log_root,
        reconciled_at=command.at,
    )
    return [reconciled]


def unmatched(entries: Sequence[BankEntry], bank: Bank) -> list[BankEntry]:
    """Those that no line is, since the first statement, the oldest first."""
    if bank.first_on is None:
        return []
    missing = [
        entry
        for entry in _standing(entries, bank)
        if entry.entry_id not in bank.matched and entry.effective_date >= bank.first_on
    ]
    return sorted(missing, key=lambda entry: (entry.effective_date, entry.entry_no))


def _sum(entries: Sequence[BankEntry]) -> int:
    return sum(entry.amount_fen for entry in entries)


def _standing(entries: Sequence[BankEntry], bank: Bank) -> list[BankEntry]:
    """Without an entry and its reversal, where the bank saw neither: together they are nothing."""
    there = {entry.entry_id for entry in entries if entry.entry_id not in bank.matched}
    gone: set[UUID] = set()
    for entry in entries:
        if entry.reverses is not None and {entry.reverses, entry.entry_id} <= there:
            gone |= {entry.entry_id, entry.reverses}
    return [entry for entry in entries if entry.entry_id not in gone]


def _without_waiting(bank: Bank) -> Bank:
    """The account as if the waiting statement had never been handed in."""
    if bank.waiting is None:
        return bank
    wrong = bank.waiting.statement_id
    return replace(
        bank,
        waiting=None,
        first_on=None if bank.through_on is None else bank.first_on,
        open_lines=MappingProxyType({key: line for key, line in bank.open_lines.items() if key[0] != wrong}),
        matched=MappingProxyType({entry_id: key for entry_id, key in bank.matched.items() if key[0] != wrong}),
    )


def evolve(bank: Bank, event: BankEvent) -> Bank:
    """The account after an event."""
    match event:
        case BankStatementAttested():
            return _handed_in(_without_waiting(bank), event)
        case BankItemSettled():
            return _settled(bank, event)
        case FundReconciled():
            return replace(
                bank, waiting=None, through_on=event.until_on, closing_fen=event.closing_fen, hands=frozenset()
            )
        case _:
            assert_never(event)


def _handed_in(bank: Bank, event: BankStatementAttested) -> Bank:
    lines, matched = dict(bank.open_lines), dict(bank.matched)
    for line in event.lines:
        key = (event.statement_id, line.line_no)
        if line.entry_id is not None:
            matched[line.entry_id] = key
            continue
        lines[key] = OpenLine(
            statement_id=event.statement_id,
            line_no=line.line_no,
            booked_on=line.booked_on,
            amount_fen=line.amount_fen,
        )
    return replace(
        bank,
        first_on=event.from_on if bank.first_on is None else bank.first_on,
        waiting=event,
        open_lines=MappingProxyType(lines),
        matched=MappingProxyType(matched),
        hands=bank.hands | {event.attested_by},
    )


def _settled(bank: Bank, event: BankItemSettled) -> Bank:
    lines, matched, reasons = dict(bank.open_lines), dict(bank.matched), dict(bank.reasons)
    if event.line_no is not None:
        key = (event.statement_id, event.line_no)
        if event.entry_id is not None:
            lines.pop(key)
            matched[event.entry_id] = key
        else:
            lines[key] = lines[key].model_copy(update={"reason_code": event.reason_code})
    elif event.entry_id is not None and event.reason_code is not None:
        reasons[event.entry_id] = event.reason_code
    return replace(
        bank,
        open_lines=MappingProxyType(lines),
        matched=MappingProxyType(matched),
        reasons=MappingProxyType(reasons),
        hands=bank.hands | {event.settled_by},
    )
