"""A service that hears another, with work of every kind for its read models; and its logs carried into streams."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE, Range

from contracts.command import Role
from contracts.envelope import Recorded
from contracts.orders import OfferDeclined
from contracts.volunteers import ConsentGiven, ConsentWithdrawn
from eventstore.log import Log
from eventstore.model import Append, DeadLetter, Step, StreamAppend
from eventstore.publish import BATCH_MOST, Target, publish
from eventstore.read_model import ReadModel
from eventstore.rows import Rows
from eventstore.streams import context, ensure_stream
from tests.support.logs import BY_TEST, declined, stream

DAY = datetime(2026, 3, 5, tzinfo=UTC)


class Calendar(ReadModel):
    """Every kind of change, every kind of column: what an event does follows from its number (`wave`)."""

    source = "orders"
    metadata = sa.MetaData()
    version = 1
    ddl = (
        """ALTER TABLE {schema}.spans ADD CONSTRAINT spans_apart EXCLUDE USING gist (
            {engine}.uuidrange(person_id, person_id, '[]') WITH =, span WITH &&
        ) WHERE (live) DEFERRABLE INITIALLY DEFERRED""",
    )
    people = sa.Table(
        "people",
        metadata,
        sa.Column("person_id", sa.Uuid, primary_key=True),
        sa.Column("events", sa.Integer, nullable=False, default=0),
        sa.Column("numbers", JSONB, nullable=False, default=[]),
        sa.Column("nothing", sa.Integer),
    )
    spans = sa.Table(
        "spans",
        metadata,
        sa.Column("person_id", sa.Uuid, sa.ForeignKey(people.c.person_id), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("span", TSTZRANGE, nullable=False),
        sa.Column("live", sa.Boolean, nullable=False, default=True),
        sa.Index("spans_by_number", "number"),
    )

    def needs(self, recorded: Recorded):
        return [(self.people, recorded.event.volunteer_id)]  # type: ignore[attr-defined]

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        event = recorded.event
        assert isinstance(event, OfferDeclined)
        person, number = event.volunteer_id, event.wave
        before = rows.get(self.people, person)
        if before is None:
            rows.insert(self.people, person_id=person, numbers=[number])
        else:
            rows.update(self.people, person, numbers=[*before["numbers"], number][-5:])
        rows.add(self.people, person, events=1, nothing=1)
        begin = DAY + timedelta(hours=number)
        match number % 5:
            case 0 | 1 | 2:
                rows.upsert(
                    self.spans,
                    person_id=person,
                    number=number,
                    span=Range(begin, begin + timedelta(hours=1)),
                    live=True,
                )
            case 3:
                rows.update(self.spans, (person, number - 1), live=False)
            case _:
                rows.delete(self.spans, (person, number - 4))


class Consents(ReadModel):
    """A copy of another service's events."""

    source = "volunteers"
    metadata = sa.MetaData()
    version = 1
    consents = sa.Table(
        "consents",
        metadata,
        sa.Column("person_id", sa.Uuid, primary_key=True),
        sa.Column("purpose", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("times", sa.Integer, nullable=False, default=1),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True)),
    )

    def needs(self, recorded: Recorded):
        event = recorded.event
        return [(self.consents, (event.person_id, event.purpose))]  # type: ignore[attr-defined]

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        match recorded.event:
            case ConsentGiven() as event:
                key = (event.person_id, event.purpose)
                if rows.get(self.consents, key) is None:
                    rows.insert(
                        self.consents, person_id=event.person_id, purpose=event.purpose, position=recorded.position
                    )
                else:
                    rows.update(self.consents, key, position=recorded.position, withdrawn_at=None)
                    rows.add(self.consents, key, times=1)
            case ConsentWithdrawn() as event:
                rows.update(self.consents, (event.person_id, event.purpose), withdrawn_at=event.withdrawn_at)
            case _:
                pass


MODELS = (Calendar(), Consents())


def given(person: int, number: int) -> ConsentGiven:
    """A consent of a person."""
    return ConsentGiven(person_id=UUID(int=person), purpose=f"n{number}", form="web", role=Role.SYSTEM, given_at=DAY)


async def write_calendar(log: Log, events: int, seed: int, *, people: int = 12, numbers: int = 60) -> None:
    """Append `events` events, a few at a time, many at once."""
    chance = random.Random(seed)
    appends = []
    while events > 0:
        count = min(events, chance.choice([1, 1, 1, 2, 5]))
        events -= count
        person = UUID(int=chance.randint(1, people))
        appends.append(
            Append(
                [StreamAppend(stream(), 0, [declined(chance.randint(1, numbers), person) for _ in range(count)])],
                BY_TEST,
            )
        )
    await asyncio.gather(*(log.append(append) for append in appends))


async def write_consents(log: Log, events: int, seed: int) -> None:
    """Append consents to the log of volunteers, one stream each."""
    chance = random.Random(seed)
    parts = [given(chance.randint(1, 9), chance.randint(1, 5)) for _ in range(events)]
    await asyncio.gather(*(log.append(Append([StreamAppend(stream(), 0, [part])], BY_TEST)) for part in parts))


async def carry(log: Log, client: Any, after: int = 0) -> int:
    """Publish a log into its stream, as the relay does."""
    await ensure_stream(context(client), log.community, log.service)
    target = Target(client, log.community, log.service)
    while events := await log.read_raw(after, BATCH_MOST):
        after = await publish(target, events)
    return after


async def hear(log: Log, source: Log, up_to: int, *, batch: int = 7, leave_out: Sequence[int] = ()) -> None:
    """Fold another log's events into a service's copies, with its steps; what is left out gets a passed letter."""
    at = await log.heard(source.service)
    while at < up_to:
        events = await source.read(at, min(batch, up_to - at))
        letters = [
            DeadLetter(source.service, each.position, each.event_id, "-copies", "a test's", each.body, blocks=False)
            for each in events
            if each.position in leave_out
        ]
        kept = [each for each in events if each.position not in leave_out]
        await log.append(
            Append(
                [],
                BY_TEST,
                step=Step(source.service, at, events[-1].position),
                heard=kept,
                dead_letters=letters,
            )
        )
        at = events[-1].position
