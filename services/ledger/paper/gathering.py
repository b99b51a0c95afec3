"""What papers are made of, read from the log itself: bodies as stored, never a table folded from them."""

import asyncio
from typing import Any, Protocol
from uuid import UUID

from contracts.envelope import decode
from contracts.ledger import EntryPosted, EntryReversed
from services.ledger.commands import FUND, book_stream, donation_stream, goods_stream
from services.ledger.paper.gift import Gift, gift_of

GIFTS_IN = ("donation_received", "goods_received")


class Connection(Protocol):
    """What is needed of an asyncpg pool or connection."""

    async def fetch(self, query: str, *args: Any) -> list[Any]: ...


class NoGift(ValueError):
    """There is no such entry, or it took in no gift; the message says which."""


async def entry_position(connection: Connection, schema: str, entry_no: int) -> int:
    """Where an entry of the fund's book stands in the log. Raises NoGift."""
    rows = await connection.fetch(
        f"""SELECT position FROM {schema}.events WHERE stream = $1 AND type IN ('EntryPosted', 'EntryReversed')
            AND position($2::bytea IN body) > 0""",  # noqa: S608 - the schema comes from configuration
        book_stream(FUND),
        f'"entry_no":{entry_no},'.encode(),
    )
    if not rows:
        raise NoGift(f"the fund's book has no entry {entry_no}")
    return int(rows[0][0])


async def gift_at(connection: Connection, schema: str, position: int) -> Gift:
    """The gift that the entry at this position took in. Raises NoGift."""
    rows = await connection.fetch(f"SELECT body FROM {schema}.events WHERE position = $1", position)  # noqa: S608
    entry = decode(rows[0]["body"]).event if rows else None
    if not isinstance(entry, EntryPosted) or entry.kind not in GIFTS_IN or entry.donation_id is None:
        raise NoGift(f"event {position} is no entry that took in a donor's gift: only those have a paper")
    streams = [donation_stream(entry.donation_id)]
    if entry.lot_id is not None:
        streams.append(goods_stream(entry.lot_id))
    story = await connection.fetch(
        f"SELECT body FROM {schema}.events WHERE stream = ANY($1::text[]) ORDER BY position",  # noqa: S608
        streams,
    )
    events = [decode(row["body"]).event for row in story]
    return gift_of(rows[0]["body"], entry, events, await _reversed_no(connection, schema, entry.entry_id))


async def fund_book(
    connection: Connection, schema: str, size: int
) -> list[tuple[int, bytes, EntryPosted | EntryReversed]]:
    """Every entry of the fund's book among the first `size` events: position, exact bytes, what they say."""
    rows = await connection.fetch(
        f"""SELECT position, body FROM {schema}.events
            WHERE stream = $1 AND type IN ('EntryPosted', 'EntryReversed') AND position <= $2
            ORDER BY position""",  # noqa: S608
        book_stream(FUND),
        size,
    )
    # Thousands of entries take a while to read: meanwhile others are answered.
    return await asyncio.to_thread(_read, rows)


def _read(rows: list[Any]) -> list[tuple[int, bytes, EntryPosted | EntryReversed]]:
    found = []
    for row in rows:
        entry = decode(row["body"]).event
        assert isinstance(entry, EntryPosted | EntryReversed)
        found.append((row["position"], row["body"], entry))
    return found


async def _reversed_no(connection: Connection, schema: str, entry_id: UUID) -> int | None:
    rows = await connection.fetch(
        f"""SELECT body FROM {schema}.events
            WHERE stream = $1 AND type = 'EntryReversed' AND position($2::bytea IN body) > 0""",  # noqa: S608
        book_stream(FUND),
        f'"reverses":"{entry_id}"'.encode(),
    )
    events = [decode(row["body"]).event for row in rows]
    return next((event.entry_no for event in events if isinstance(event, EntryReversed)), None)
