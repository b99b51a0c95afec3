"""A period's statements: drafted by a FUND_CLERK, published by a SUPERVISOR, never edited (domain.md §4.7; 令81 §16).

The figures come with the command, computed from the entries at a signed head; who publishes names the draft that they
read, and is refused when the books say something else by now. What follows a published statement is a correction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, assert_never
from uuid import UUID

from contracts.command import Refused, Role
from contracts.ledger import (
    DisclosureCorrected,
    FundStatementEvent,
    FundStatementPublished,
    statement_digest,
)
from services.ledger.commands import (
    AnyStatementCommand,
    CorrectDisclosure,
    PublishStatement,
    StatementCommand,
    day_of,
)


@dataclass(frozen=True, slots=True)
class Statements:
    """What the rules need to know of a period's statements."""

    draft: FundStatementPublished | None = None
    standing: FundStatementPublished | None = None
    """The last one published."""
    correcting: DisclosureCorrected | None = None
    """The correction that a clerk drafted."""


Events = Sequence[FundStatementEvent]


def initial() -> Statements:
    """Nothing is drafted."""
    return Statements()


def decide(command: AnyStatementCommand, statements: Statements) -> Events:
    """The events that a command comes to. Raises Refused."""
    _require_over(command)
    match command:
        case PublishStatement():
            return _publish(command, statements)
        case CorrectDisclosure():
            return _correct(command, statements)
        case _:
            assert_never(command)


def evolve(statements: Statements, event: FundStatementEvent) -> Statements:
    """The statements after an event."""
    match event:
        case FundStatementPublished():
            if event.step == 1:
                return replace(statements, draft=event)
            return Statements(standing=event)
        case DisclosureCorrected():
            return replace(statements, correcting=event) if event.step == 1 else statements
        case _:
            assert_never(event)


def _require_over(command: StatementCommand) -> None:
    """The span is over and, unless it is shown for the time being, nothing can take effect in it any more."""
    statement = command.statement
    if statement.last_day >= day_of(command.at):
        raise Refused("span_not_over", last_day=statement.last_day.isoformat())
    closed = command.closed_through
    if statement.kind != "interim" and (closed is None or closed < statement.last_day):
        raise Refused("span_not_closed", last_day=statement.last_day.isoformat())


def _person(command: StatementCommand) -> UUID:
    if command.by.actor_id is None:
        raise Refused("person_needed")
    return command.by.actor_id


def _publish(command: PublishStatement, statements: Statements) -> Events:
    person_id, digest = _person(command), statement_digest(command.statement)
    if statements.standing is not None:
        raise Refused("published_already", revision=statements.standing.revision)
    draft = statements.draft
    if command.by.role is not Role.SUPERVISOR:
        if draft is not None and draft.statement_sha256 == digest:
            raise Refused("drafted_already", statement_sha256=digest)
        return [_statement(command, 1, 1, drafted_by=person_id)]
    if draft is None:
        raise Refused("nothing_drafted")
    _require_read(command, digest, draft.statement_sha256, draft.drafted_by)
    return [_statement(command, 1, 2, drafted_by=draft.drafted_by, published_by=person_id)]


def _require_read(command: StatementCommand, digest: str, drafted: str, drafted_by: UUID) -> None:
    """The supervisor is another person, and has read what the books say now."""
    if drafted_by == command.by.actor_id:
        raise Refused("drafted_by_you")
    if digest != drafted:
        raise Refused("draft_outdated")
    if command.confirms != drafted:
        raise Refused("draft_unread", statement_sha256=drafted)


def _statement(command: StatementCommand, revision: int, step: int, **more: Any) -> FundStatementPublished:
    return FundStatementPublished(
        statement_id=command.statement_id,
        period=command.statement.period,
        revision=revision,
        step=step,
        role=command.by.role,
        statement=command.statement,
        statement_sha256=statement_digest(command.statement),
        log_size=command.log_size,
        log_root=command.log_root,
        published_at=command.at,
        **more,
    )


def _correct(command: CorrectDisclosure, statements: Statements) -> Events:
    person_id, digest = _person(command), statement_digest(command.statement)
    standing, first = statements.standing, statements.correcting
    if standing is None:
        raise Refused("not_published")
    if digest == standing.statement_sha256:
        raise Refused("nothing_to_correct")
    if command.by.role is not Role.SUPERVISOR:
        if first is not None and first.statement_sha256 == digest:
            raise Refused("drafted_already", statement_sha256=digest)
        if command.explanation_ref is None or command.explanation_commitment is None or command.reason_code is None:
            raise Refused("explanation_needed")
        terms: dict[str, Any] = {
            "reason_code": command.reason_code,
            "explanation_ref": command.explanation_ref,
            "explanation_commitment": command.explanation_commitment,
        }
        return [_correction(command, standing, 1, digest, **terms)]
    if first is None:
        raise Refused("nothing_drafted")
    _require_read(command, digest, first.statement_sha256, first.corrected_by)
    terms = first.model_dump(include={"reason_code", "explanation_ref", "explanation_commitment"})
    new = {"drafted_by": first.corrected_by, "published_by": person_id, "supersedes": standing.statement_id}
    return [
        _correction(command, standing, 2, digest, **terms),
        _statement(command, standing.revision + 1, 2, **new),
    ]


def _correction(
    command: CorrectDisclosure, standing: FundStatementPublished, step: int, digest: str, **terms: Any
) -> DisclosureCorrected:
    return DisclosureCorrected(
        statement_id=standing.statement_id,
        period=standing.period,
        revision=standing.revision,
        step=step,
        role=command.by.role,
        replaced_by=command.statement_id if step == 2 else None,
        statement_sha256=digest,
        corrected_by=_person(command),
        corrected_at=command.at,
        **terms,
    )
