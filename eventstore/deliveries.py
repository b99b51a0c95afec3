"""How far receivers outside were sent other services' logs: one row a receiver and log, beside the listener's log.

The rows are no read model: nothing in the log tells what a receiver took, so a replay neither knows nor touches them.
A row is changed by the one who sends, and by whoever moves the receiver to another position; see `turn`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from eventstore.model import VaultChange

_COLUMNS = "receiver, source, position, event_id, turn, delivered, failures, failing_since, due_at, reason_code"


class Connection(Protocol):
    """What is needed of an asyncpg pool or connection."""

    async def fetch(self, query: str, *args: Any) -> Sequence[Mapping[str, Any]]: ...
    async def execute(self, query: str, *args: Any) -> str: ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """One receiver's place in one log."""

    receiver: UUID
    source: str
    position: int
    """The last event that was sent, or left out because it was not asked for."""
    event_id: UUID | None
    """That event's id; None at the beginning, and when the position was set by somebody. It tells a restored or other
    history from the one that was sent."""
    turn: int
    """Grows when somebody but the sender changes the row."""
    delivered: int
    """Events that the receiver took, repeats included."""
    failures: int
    """Failed tries in a row of the event after `position`."""
    failing_since: datetime | None
    due_at: datetime | None
    """Nothing is sent before."""
    reason_code: str | None
    """Why nothing goes on; None when all is well."""


async def deliveries(connection: Connection, schema: str) -> list[Delivery]:
    """Every row, by receiver and source."""
    rows = await connection.fetch(f"SELECT {_COLUMNS} FROM {schema}.deliveries ORDER BY receiver, source")
    return [Delivery(**dict(row)) for row in rows]


async def begin(connection: Connection, schema: str, receiver: UUID, source: str, position: int) -> None:
    """Make a receiver's row in one log; one that is there stays as it is."""
    await connection.execute(
        f"INSERT INTO {schema}.deliveries (receiver, source, position) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        receiver,
        source,
        position,
    )


async def save(connection: Connection, schema: str, delivery: Delivery) -> bool:
    """Write what came of sending; whether it was written. False: somebody changed the row since it was read."""
    status = await connection.execute(
        f"""UPDATE {schema}.deliveries
            SET position = $4, event_id = $5, delivered = $6, failures = $7, failing_since = $8, due_at = $9,
                reason_code = $10, changed_at = now()
            WHERE receiver = $1 AND source = $2 AND turn = $3""",
        delivery.receiver,
        delivery.source,
        delivery.turn,
        delivery.position,
        delivery.event_id,
        delivery.delivered,
        delivery.failures,
        delivery.failing_since,
        delivery.due_at,
        delivery.reason_code,
    )
    return status == "UPDATE 1"


def moved(schema: str, receiver: UUID, source: str, position: int) -> tuple[VaultChange, ...]:
    """What puts a receiver to another position of one log, with the append it is handed to: the next event is sent at
    once.
    """
    statement = f"""INSERT INTO {schema}.deliveries AS d (receiver, source, position) VALUES ($1, $2, $3)
        ON CONFLICT (receiver, source) DO UPDATE
        SET position = excluded.position, event_id = NULL, turn = d.turn + 1, failures = 0, failing_since = NULL,
            due_at = NULL, reason_code = NULL, changed_at = now()"""
    return (VaultChange(statement, (receiver, source, position)),)


def tried_anew(schema: str, receiver: UUID) -> tuple[VaultChange, ...]:
    """What makes a receiver's sending begin anew where it stands, or end what is under way, with an append."""
    statement = f"""UPDATE {schema}.deliveries
        SET turn = turn + 1, failures = 0, failing_since = NULL, due_at = NULL, reason_code = NULL, changed_at = now()
        WHERE receiver = $1"""
    return (VaultChange(statement, (receiver,)),)


async def put_back(connection: Connection, schema: str, source: str, size: int) -> None:
    """After a loss: whoever was sent more than the first `size` events of a source goes on after those."""
    if not (await connection.fetch("SELECT to_regclass($1) IS NOT NULL AS there", f"{schema}.deliveries"))[0]["there"]:
        return  # a database that this program has not migrated so far: nobody was sent anything
    await connection.execute(
        f"""UPDATE {schema}.deliveries
            SET position = $2, event_id = NULL, turn = turn + 1, failures = 0, failing_since = NULL, due_at = NULL,
                reason_code = NULL, changed_at = now()
            WHERE source = $1 AND position > $2""",
        source,
        size,
    )
