"""Whose effects were refused: found by writing one event's effects, part by part, in a transaction that is undone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from contracts.envelope import Recorded
from contracts.ids import uuid7
from eventstore.dead_letters import COPIES
from eventstore.log import Log
from eventstore.log.folding import ApplyFailed
from eventstore.model import StreamAppend, VaultChange
from eventstore.read_model import ReadModel
from eventstore.rows import Rows
from eventstore.trouble import STORE_TROUBLE

_ANSWERS_OF_THE_DATA = (
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.DataError,
    asyncpg.SyntaxOrAccessError,
    asyncpg.RaiseError,
    ApplyFailed,
)


@dataclass(frozen=True, slots=True)
class HandlerEffects:
    """What one handler wants recorded for one event."""

    handler: str
    parts: Sequence[StreamAppend]
    vault: Sequence[VaultChange]


async def culprit(log: Log, copied: Sequence[Recorded], effects: Sequence[HandlerEffects]) -> str | None:
    """The name of the first handler, or COPIES, whose effects PostgreSQL or a read model refuses.

    None when all could be written now, so that what refused them lies elsewhere (an event too large) or is over.
    """
    try:
        connection = await log.pool.acquire()
    except STORE_TROUBLE:
        return None
    transaction = connection.transaction()
    try:
        await transaction.start()
        row = await connection.fetchrow(f"SELECT size, now() AS at FROM {log.config.schema}.head FOR UPDATE")
        position = row["size"]
        if copied and not await _fits(log, connection, list(copied), ()):
            return COPIES
        for effect in effects:
            events = _as_recorded(log, effect.parts, position, row["at"])
            position += len(events)
            if not await _fits(log, connection, events, effect.vault):
                return effect.handler
    finally:
        if not connection.is_closed():
            await transaction.rollback()
        await log.pool.release(connection)
    return None


async def _fits(log: Log, connection: Any, events: Sequence[Recorded], vault: Sequence[VaultChange]) -> bool:
    try:
        for change in vault:
            await connection.execute(change.statement, *change.arguments)
        for model in log.read_models:
            if events and model.source == events[0].service:
                await _fold(model, events, connection, log.config.read_schema)
        await connection.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    except _ANSWERS_OF_THE_DATA:
        return False
    return True


async def _fold(model: ReadModel, events: Sequence[Recorded], connection: Any, schema: str) -> None:
    rows = Rows()
    try:
        needs = [need for recorded in events for need in model.needs(recorded)]
        await rows.fetch(connection, schema, needs)
        for recorded in events:
            model.apply(recorded, rows)
    except asyncpg.PostgresError:
        raise
    except Exception as error:
        raise ApplyFailed(error) from error
    await rows.flush(connection, schema)


def _as_recorded(log: Log, parts: Sequence[StreamAppend], position: int, at: Any) -> list[Recorded]:
    found: list[Recorded] = []
    for part in parts:
        for version, event in enumerate(part.events, part.expected_version + 1):
            found.append(
                Recorded(
                    position=position + len(found) + 1,
                    stream=part.stream,
                    version=version,
                    event_id=uuid7(),
                    type=event.type,
                    service=log.service,
                    community=log.community,
                    generation=log.config.generation,
                    recorded_at=at,
                    event=event,
                    actor="system",
                    correlation_id=part.correlation_id,
                    causation_id=part.causation_id,
                    traceparent=None,
                    body=b"",
                )
            )
    return found
