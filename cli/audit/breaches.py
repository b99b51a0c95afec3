"""What a check is, and what it finds: sentences, each with the place in a log where a rule was broken."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Protocol
from uuid import UUID

from contracts.envelope import Recorded

SYSTEM = "system"


class Check(Protocol):
    """One kind of rule."""

    def hear(self, recorded: Recorded) -> Iterable[str]:
        """Read the next event; what is wrong with it. The logs come one after the other, each in its order."""
        ...

    def end(self) -> Iterable[str]:
        """What is wrong when there is nothing more to read."""
        ...


def at(recorded: Recorded, what: str) -> str:
    """A breach with its place."""
    return f"{recorded.service}/{recorded.position} {recorded.type}: {what}"


def apart(recorded: Recorded, *, who: UUID | None, others: Iterable[UUID | None], what: str) -> Iterator[str]:
    """Separation of duties: nobody of `others` may be `who`."""
    if who is not None and who in set(others):
        yield at(recorded, what)


def person(recorded: Recorded) -> UUID | None:
    """The person who acted; None for SYSTEM."""
    return None if recorded.actor in {None, SYSTEM} else UUID(recorded.actor)


@cache
def snake(event_type: str) -> str:
    """`HoursLogged` → `hours_logged`: the rules of a check are named after the events that they read."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event_type).lower()
