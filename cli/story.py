"""One thing's whole story: every event of every log that belongs to it, in order, with who and why."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from cli.place import SERVICES, Place
from contracts.envelope import Recorded, decode

ROUNDS_MAX = 6
DEADLINES = frozenset({"due_at", "next_due_at", "expires_at", "attempted_at"})
"""Times of an event that are not when it happened itself."""
OWN_STREAMS = ("order-", "inquiry-", "claim-", "notification-", "donation-", "aid-", "in_kind-", "market-")
"""Streams that belong to one story as a whole; a person's or a book's belongs to many."""
_ORDER_NO = re.compile(r"\d{4}[- ]?\d{4}")
_ENTRY_NO = re.compile(r"(fund|hours)/([1-9]\d{0,14})")


class NothingFound(Exception):
    """There is nothing of that name."""


class NotAnId(ValueError):
    """What was asked for is neither an id, nor an order's number, nor an entry's."""


def happened_at(recorded: Recorded) -> datetime:
    """Business time of an event: its own; its recording time where it names none."""
    for name in reversed(type(recorded.event).model_fields):
        if name.endswith("_at") and name not in DEADLINES:
            value = getattr(recorded.event, name)
            if isinstance(value, datetime):
                return value
    return recorded.recorded_at


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a story."""

    recorded: Recorded
    why: str
    """The reason or cause that the event itself names, as its code."""

    @property
    def meaning(self) -> str:
        """The event's bilingual line."""
        return (type(self.recorded.event).__doc__ or "").strip()

    @property
    def happened_at(self) -> datetime:
        """As of the function of this name."""
        return happened_at(self.recorded)

    @property
    def who(self) -> str:
        """In which role, and the actor's opaque id."""
        role = getattr(self.recorded.event, "role", None)
        actor = self.recorded.actor or "system"
        return f"{role or 'SYSTEM'} {actor}" if actor != "system" else "SYSTEM"


async def trail(place: Place, asked: str) -> list[Step]:
    """The story of an order (by id or number), of an entry (`fund/12`), or of what else events name by its id.

    Begins with the events that hold the id and follows causes and correlations through all logs.
    Raises NothingFound, NotAnId.
    """
    connections = {service: await place.connect(service) for service in SERVICES}
    try:
        found: dict[tuple[str, int], Recorded] = {}
        needles = [await _subject(connections, asked)]
        for service, connection in connections.items():
            await _holding(service, connection, needles, found)
        if not found:
            raise NothingFound(f"no event of any log names {asked}")
        # Of an entry the whole business behind it, the case or the gift that it names, and who else speaks of either.
        asked_for = set(needles)
        for _ in range(2):
            behind = sorted(_behind(found.values()) - asked_for)
            for service, connection in connections.items():
                await _holding(service, connection, behind, found)
            asked_for.update(behind)
        for _ in range(ROUNDS_MAX):
            size = len(found)
            for service, connection in connections.items():
                await _related(service, connection, found)
            if len(found) == size:
                break
    finally:
        for connection in connections.values():
            await connection.close()
    ordered = sorted(found.values(), key=lambda event: (event.recorded_at, event.service, event.position))
    return [Step(recorded, _why(recorded)) for recorded in ordered]


async def _subject(connections: Mapping[str, asyncpg.Connection], asked: str) -> str:
    """The id to look for. The number of an order or of an entry is turned into its id."""
    try:
        return str(UUID(asked))
    except ValueError:
        pass
    if (entry := _ENTRY_NO.fullmatch(asked.strip())) is not None:
        return await _entry(connections["ledger"], entry[1], entry[2])
    if not _ORDER_NO.fullmatch(asked.strip()):
        raise NotAnId(f"{asked!r} is neither an id, nor an order number of 4-4 digits, nor an entry such as fund/12")
    digits = re.sub(r"\D", "", asked)
    row = await connections["orders"].fetchrow(
        "SELECT body FROM orders.events WHERE type = 'OrderPlaced' AND position($1::bytea IN body) > 0 LIMIT 1",
        f'"order_no":"{digits}"'.encode(),
    )
    if row is None:
        raise NothingFound(f"no order has the number {digits[:4]}-{digits[4:]}")
    return str(decode(row["body"]).event.order_id)  # type: ignore[attr-defined]


def _behind(found: Iterable[Recorded]) -> set[str]:
    """The entries of the fund among these events, and the cases and gifts that they were posted for."""
    entries = [recorded.event for recorded in found if recorded.type in {"EntryPosted", "EntryReversed"}]
    names = ("case_id", "donation_id", "entry_id")
    named = {getattr(entry, name) for entry in entries for name in names if getattr(entry, "book", None) == "fund"}
    return {str(one) for one in named if one is not None}


async def _entry(ledger: asyncpg.Connection, book: str, number: str) -> str:
    """The id of an entry of this number. Raises NothingFound."""
    row = await ledger.fetchrow(
        """SELECT body FROM ledger.events
           WHERE type IN ('EntryPosted', 'EntryReversed') AND position($1::bytea IN body) > 0 LIMIT 1""",
        f'"book":"{book}","entry_no":{number},'.encode(),
    )
    if row is None:
        raise NothingFound(f"the book {book} has no entry {number}")
    return str(decode(row["body"]).event.entry_id)  # type: ignore[attr-defined]


async def _holding(
    service: str, connection: asyncpg.Connection, needles: list[str], found: dict[tuple[str, int], Recorded]
) -> None:
    for needle in needles:
        rows = await connection.fetch(
            f"SELECT body FROM {service}.events WHERE position($1::bytea IN body) > 0 ORDER BY position",  # noqa: S608
            needle.encode(),
        )
        _add(rows, found)


async def _related(service: str, connection: asyncpg.Connection, found: dict[tuple[str, int], Recorded]) -> None:
    """Events caused by, or correlated with, what was found, and the rest of streams that belong to the story whole."""
    ids = [str(event.event_id) for event in found.values()]
    correlations = sorted({str(event.correlation_id) for event in found.values() if event.correlation_id})
    streams = sorted(
        {event.stream for event in found.values() if event.service == service and event.stream.startswith(OWN_STREAMS)}
    )
    rows = await connection.fetch(
        f"""SELECT body FROM {service}.events
            WHERE stream = ANY($3::text[])
               OR convert_from(body, 'UTF8')::json ->> 'causationid' = ANY($1::text[])
               OR convert_from(body, 'UTF8')::json ->> 'correlationid' = ANY($2::text[])""",  # noqa: S608
        ids,
        correlations,
        streams,
    )
    _add(rows, found)


def _add(rows: list[asyncpg.Record], found: dict[tuple[str, int], Recorded]) -> None:
    for row in rows:
        recorded = decode(row["body"])
        found.setdefault((recorded.service, recorded.position), recorded)


def _why(recorded: Recorded) -> str:
    for name in ("reason_code", "cause", "reason", "template"):
        value = getattr(recorded.event, name, None)
        if value is not None:
            return str(value)
    return ""
