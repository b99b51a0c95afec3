"""A read model with a table of one stream's rows and tables that every stream changes, and a history for it."""

import asyncio
import random
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from contracts.envelope import Recorded
from contracts.ids import uuid7
from contracts.orders import OfferDeclined
from eventstore.log import Log
from eventstore.model import Append, StreamAppend
from eventstore.read_model import ReadModel
from eventstore.rows import Rows
from tests.support.logs import BY_TEST, declined


class Turns(ReadModel):
    """What becomes of a person's row depends on the order of events in many streams."""

    source = "orders"
    metadata = sa.MetaData()
    version = 1
    turns = sa.Table(
        "turns",
        metadata,
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("events", sa.Integer, nullable=False, default=0),
        sa.Column("numbers", JSONB, nullable=False, default=[]),
    )
    people = sa.Table(
        "people",
        metadata,
        sa.Column("person_id", sa.Uuid, primary_key=True),
        sa.Column("last_order_id", sa.Uuid, nullable=False),
        sa.Column("times", sa.Integer, nullable=False, default=1),
    )
    seen = sa.Table(
        "seen",
        metadata,
        sa.Column("position", sa.BigInteger, primary_key=True),
        sa.Column("order_id", sa.Uuid, nullable=False),
    )
    of_one_stream = frozenset((turns,))

    def needs(self, recorded: Recorded):
        return [(self.turns, recorded.event.order_id)]  # type: ignore[attr-defined]

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        event = recorded.event
        assert isinstance(event, OfferDeclined)
        order, person, number = event.order_id, event.volunteer_id, event.wave
        before = rows.get(self.turns, order)
        if before is None:
            rows.insert(self.turns, order_id=order, numbers=[number])
        elif number % 9 == 0:
            rows.delete(self.turns, order)
        else:
            rows.update(self.turns, order, numbers=[*before["numbers"], number][-4:])
            rows.add(self.turns, order, events=1)
        rows.insert(self.seen, position=recorded.position, order_id=order)
        match number % 5:
            case 0:
                rows.delete(self.people, person)
            case 1 | 2:
                rows.upsert(self.people, person_id=person, last_order_id=order)
            case 3:
                rows.update(self.people, person, last_order_id=order)
            case _:
                rows.add(self.people, person, times=1)


class TurnsThatErr(Turns):
    """Says of a table that each row is of one stream, and it is not."""

    of_one_stream = frozenset((Turns.turns, Turns.people))


class TurnsThatRead(Turns):
    """Reads a row that many streams change."""

    def needs(self, recorded: Recorded):
        return [*super().needs(recorded), (self.people, recorded.event.volunteer_id)]  # type: ignore[attr-defined]

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        rows.get(self.people, recorded.event.volunteer_id)  # type: ignore[attr-defined]
        super().apply(recorded, rows)


async def write_turns(log: Log, events: int, seed: int, *, orders: int = 40, people: int = 7) -> None:
    """Append so many events, one at a time each to one of some streams, many at once."""
    chance = random.Random(seed)
    streams = [uuid7() for _ in range(orders)]
    versions = dict.fromkeys(streams, 0)
    while events > 0:
        chosen = chance.sample(streams, min(events, 10))
        appends = []
        for order in chosen:
            person = UUID(int=chance.randint(1, people))
            event = declined(chance.randint(1, 100), person).model_copy(update={"order_id": order})
            appends.append(Append([StreamAppend(f"order-{order}", versions[order], [event])], BY_TEST))
            versions[order] += 1
        await asyncio.gather(*(log.append(append) for append in appends))
        events -= len(chosen)
