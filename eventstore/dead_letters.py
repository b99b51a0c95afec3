"""Events heard that could not be handled: listed, shown, tried again, dismissed.

A blocking letter holds its source at that position; a passed one does not. Trying again is asked for here and done by
the consumer that holds the source's role, with the effect and the letter's new state in one transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from eventstore.errors import EngineError
from eventstore.model import VaultChange

State = Literal["open", "retried", "dismissed"]

UNREADABLE = "-unreadable"
"""The "handler" of a letter whose body could not be read at all."""
COPIES = "-copies"
"""The "handler" of a letter whose event this service's own tables could not take."""

_COLUMNS = (
    "source, position, handler, event_id, error, body, blocks, state, attempts, first_at, last_at, retry_asked_at"
)
_ASK = "retry_asked_at = now()"
_DISMISS = "state = 'dismissed', last_at = now(), retry_asked_at = NULL"


class NoSuchLetter(EngineError):
    """No open letter of that source, position and handler."""


class Connection(Protocol):
    """What is needed of an asyncpg pool or connection."""

    async def fetch(self, query: str, *args: Any) -> Sequence[Mapping[str, Any]]: ...
    async def execute(self, query: str, *args: Any) -> str: ...


@dataclass(frozen=True, slots=True)
class Letter:
    """One row of the table."""

    source: str
    position: int
    handler: str
    event_id: UUID | None
    error: str
    body: bytes
    blocks: bool
    state: State
    attempts: int
    first_at: datetime
    last_at: datetime
    retry_asked_at: datetime | None

    @property
    def retry_is_due(self) -> bool:
        """Somebody asked for another try since the last one."""
        return self.retry_asked_at is not None and self.retry_asked_at > self.last_at

    @property
    def dismissal_means(self) -> str:
        """What happens when it is dismissed, in words for whoever decides."""
        event = f"event {self.position} of {self.source}"
        match self.handler:
            case "-unreadable":
                effect = f"nothing here will ever follow from {event}, and this service's copies leave it out"
            case "-copies":
                effect = f"this service's copies of {self.source} leave out {event}, also when they are rebuilt"
            case handler:
                effect = f"{handler} never sees {event}; what it would have recorded here is not recorded"
        return f"{effect}. {f'Hearing {self.source} goes on after it.' if self.blocks else 'It was passed already.'}"


async def letters(
    connection: Connection, schema: str, *, source: str | None = None, state: State | None = "open", limit: int = 200
) -> list[Letter]:
    """Letters in order of source and position; `state` None: of every state."""
    rows = await connection.fetch(
        f"""SELECT {_COLUMNS} FROM {schema}.dead_letters
            WHERE ($1::text IS NULL OR source = $1) AND ($2::text IS NULL OR state = $2)
            ORDER BY source, position, handler LIMIT $3""",
        source,
        state,
        limit,
    )
    return [Letter(**row) for row in rows]


async def show(connection: Connection, schema: str, source: str, position: int) -> list[Letter]:
    """All letters of one event, of whatever state: one for each handler that failed."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM {schema}.dead_letters WHERE source = $1 AND position = $2 ORDER BY handler",
        source,
        position,
    )
    return [Letter(**row) for row in rows]


async def retry(
    connection: Connection, schema: str, source: str, position: int, handler: str | None = None
) -> list[Letter]:
    """Ask for another try of an event's open letters, or of one handler's. Raises NoSuchLetter."""
    return await _change(connection, schema, _ASK, (source, position, handler))


async def dismiss(
    connection: Connection, schema: str, source: str, position: int, handler: str | None = None
) -> list[Letter]:
    """Give up an event's open letters, or one handler's; see Letter.dismissal_means. Raises NoSuchLetter."""
    return await _change(connection, schema, _DISMISS, (source, position, handler))


async def _change(connection: Connection, schema: str, change: str, which: tuple[str, int, str | None]) -> list[Letter]:
    # The row's lock and `state = 'open'` let one of two deciders win: a retry that has just succeeded is not dismissed.
    rows = await connection.fetch(
        f"""UPDATE {schema}.dead_letters SET {change}
            WHERE source = $1 AND position = $2 AND ($3::text IS NULL OR handler = $3) AND state = 'open'
            RETURNING {_COLUMNS}""",
        *which,
    )
    if not rows:
        source, position, handler = which
        whose = f" by {handler}" if handler is not None else ""
        raise NoSuchLetter(f"no open dead letter of {source} at {position}{whose}")
    return [Letter(**row) for row in rows]


async def counts(connection: Connection, schema: str) -> dict[str, int]:
    """Open letters by source."""
    rows = await connection.fetch(
        f"SELECT source, count(*) AS number FROM {schema}.dead_letters WHERE state = 'open' GROUP BY source"
    )
    return {row["source"]: row["number"] for row in rows}


async def concerning(connection: Connection, schema: str, source: str, after: int) -> list[Letter]:
    """What a consumer at `after` must know: letters beyond it, and passed ones somebody wants tried again."""
    rows = await connection.fetch(
        f"""SELECT {_COLUMNS} FROM {schema}.dead_letters
            WHERE source = $1
              AND (position > $2 AND state <> 'retried' OR state = 'open' AND retry_asked_at IS NOT NULL)
            ORDER BY position, handler LIMIT 200""",
        source,
        after,
    )
    return [Letter(**row) for row in rows]


def settled(schema: str, source: str, position: int, handler: str) -> VaultChange:
    """The statement that closes a letter, to be committed together with the effect it waited for."""
    return VaultChange(
        f"""UPDATE {schema}.dead_letters SET state = 'retried', last_at = now(), retry_asked_at = NULL
            WHERE source = $1 AND position = $2 AND handler = $3 AND state = 'open'""",
        (source, position, handler),
    )


async def failed_again(connection: Connection, schema: str, letter: Letter, error: str) -> None:
    """Another try was in vain: count it and wait to be asked again."""
    await connection.execute(
        f"""UPDATE {schema}.dead_letters
            SET attempts = attempts + 1, error = $4, last_at = now(), retry_asked_at = NULL
            WHERE source = $1 AND position = $2 AND handler = $3 AND state = 'open'""",
        letter.source,
        letter.position,
        letter.handler,
        error,
    )
