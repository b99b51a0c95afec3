"""Repeated requests: a key is scoped to (actor, command); same body, same answer; another body is refused."""

import hmac
import json
from collections.abc import Mapping
from typing import Any, Protocol

import orjson

from eventstore.errors import KeyReused
from eventstore.model import Call, Committed

KEY_LENGTH_MAX = 256
_DELETE_ROWS = 1_000


class Connection(Protocol):
    """What is needed of an asyncpg pool or connection."""

    async def fetch(self, query: str, *args: Any) -> list[Any]: ...
    async def fetchrow(self, query: str, *args: Any) -> Any: ...
    async def execute(self, query: str, *args: Any) -> str: ...


def body_hmac(secret: bytes, call: Call) -> bytes:
    """HMAC-SHA256 of the request under the service's secret: kept instead of the body, which may be personal."""
    return hmac.digest(secret, f"{call.scope}\n{call.key}\n".encode() + call.body, "sha256")


def kept_answer(call: Call) -> orjson.Fragment:
    """The caller's part of the answer as JSON; positions are kept in columns of their own."""
    return orjson.Fragment(orjson.dumps(dict(call.answer)) if call.answer else b"{}")


async def first_answer(connection: Connection, schema: str, secret: bytes, call: Call) -> Committed | None:
    """The first answer given to this key, None when it is free. Raises KeyReused when the body was another."""
    row = await connection.fetchrow(
        f"""SELECT body_hmac, answer, first_position, last_position FROM {schema}.idempotency
            WHERE scope = $1 AND key = $2""",
        call.scope,
        call.key,
    )
    if row is None:
        return None
    if not hmac.compare_digest(row["body_hmac"], body_hmac(secret, call)):
        raise KeyReused(call.scope, call.key)
    answer = json.loads(row["answer"])
    return await repeated(connection, schema, answer, row["first_position"], row["last_position"])


async def repeated(connection: Connection, schema: str, answer: Mapping[str, Any], first: int, last: int) -> Committed:
    """The kept answer as it was given the first time; the events' ids are read from the log."""
    rows = await connection.fetch(
        f"SELECT event_id FROM {schema}.events WHERE position BETWEEN $1 AND $2 ORDER BY position", first, last
    )
    return Committed(first, last, tuple(row["event_id"] for row in rows), answer, replayed=True)


async def delete_expired(connection: Connection, schema: str, days: int) -> int:
    """Delete at most a thousand rows older than `days` and return how many; two replicas may do so at once."""
    status = await connection.execute(
        f"""DELETE FROM {schema}.idempotency WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM {schema}.idempotency WHERE kept_at < now() - make_interval(days => $1)
                ORDER BY kept_at LIMIT {_DELETE_ROWS}))""",
        days,
    )
    return int(status.rpartition(" ")[2])
