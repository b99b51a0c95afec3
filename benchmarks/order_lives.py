"""A log of orders as they are lived: eleven events each, three offers, one assignment; every fifth is under way."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import contracts
import contracts.orders
from contracts.event import Event, event_class
from contracts.ids import uuid7
from eventstore.log import Log
from eventstore.model import Append, Metadata, StreamAppend

LIFE = (
    "OrderPlaced",
    "OrderVerified",
    "OrderDispatched",
    "OfferDeclined",
    "OrderAccepted",
    "OrderStaffed",
    "ServiceStarted",
    "ServiceFinished",
    "CompletionConfirmed",
    "OrderRated",
    "OrderClosed",
)
VOLUNTEERS = 1_200
"""Each gets at most a hundred offers: enough for 400,000 events."""
UNDER_WAY = 6
"""Events of an order whose service has not begun."""
_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_EXAMPLES = Path(contracts.__file__).parent / "examples" / "orders"


@cache
def _example(type_name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((_EXAMPLES / f"{type_name}.json").read_text())["data"]
    return data


def life(number: int) -> list[Event]:
    """The events of order `number`. Times of one volunteer do not overlap."""
    volunteer, begin = UUID(int=1_000 + number % VOLUNTEERS), _DAY + timedelta(hours=number // VOLUNTEERS)
    end = begin + timedelta(minutes=50)
    offers = [uuid7() for _ in range(3)]
    own = {
        "order_id": str(uuid7()),
        "order_no": f"{number:08d}",
        "beneficiary_id": str(UUID(int=100_000 + number % 3_000)),
        "volunteer_id": str(volunteer),
        "assignment_id": str(uuid7()),
        "offer_id": str(offers[0]),
        "busy_from": begin.isoformat().replace("+00:00", "Z"),
        "busy_until": end.isoformat().replace("+00:00", "Z"),
    }
    events = []
    for type_name in LIFE[: UNDER_WAY if number % 5 == 0 else None]:
        data = _example(type_name)
        data = data | {name: value for name, value in own.items() if name in data}
        if type_name == "OrderDispatched":
            data["offers"] = [
                data["offers"][0]
                | {
                    "offer_id": str(offer),
                    "volunteer_id": str(UUID(int=1_000 + (number + i) % VOLUNTEERS)),
                    "number_today": number // VOLUNTEERS * 3 + i + 1,  # a volunteer has each number of a day once
                }
                for i, offer in enumerate(offers)
            ]
        elif type_name == "OfferDeclined":
            data["offer_id"] = str(offers[1])
        elif type_name == "OrderStaffed":
            data["offers_ended"] = [str(offers[2])]
        events.append(event_class(type_name, "orders").model_validate_json(json.dumps(data)))
    return events


def lives(events: int) -> Iterator[list[Event]]:
    """Whole lives, one after the other, until there are about so many events."""
    number = 0
    while events > 0:
        number += 1
        found = life(number)
        events -= len(found)
        yield found


async def write_lives(log: Log, events: int) -> int:
    """Append about so many events, order by order; the log's size afterwards."""
    metadata = Metadata(actor="0190f5a2-7b1c-7d6e-8f9a-0b1c2d3e4f50", correlation_id=uuid7())
    waiting: list[Any] = []
    for found in lives(events):
        waiting.append(log.append(Append([StreamAppend(f"order-{uuid7()}", 0, found)], metadata)))
        if len(waiting) == 500:
            await asyncio.gather(*waiting)
            waiting.clear()
    await asyncio.gather(*waiting)
    return (await log.head()).size
