"""What the ledger's routes share: the runtime, the point in time a query is about, whose turn it is to post."""

import asyncio
from datetime import date
from typing import Annotated, Any
from uuid import UUID
from weakref import WeakKeyDictionary

from fastapi import Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter

from contracts.command import Refused
from eventstore.log import Log
from eventstore.model import VaultChange
from servicekit.definition import Runtime
from servicekit.validation import Moment
from services.ledger.read_models.queries import AsOf

_ANY: TypeAdapter[Any] = TypeAdapter(Any)
BANK, REFERENCE = "bank", "reference"
"""The vault's purpose for the bank's words, which are about the account and not about a person; a reference's field."""


_turns: WeakKeyDictionary[Log, asyncio.Lock] = WeakKeyDictionary()


def turn(runtime: Runtime) -> asyncio.Lock:
    """One posting at a time in this process: all go to one stream, and taking turns is faster than losing races.

    Never needed for correctness: another replica, or the consumer, may post in between.
    """
    return _turns.setdefault(runtime.log, asyncio.Lock())


def running(request: Request) -> Runtime:
    """The runtime of the service that answers this request."""
    runtime: Runtime = request.app.state.runtime
    return runtime


Running = Annotated[Runtime, Depends(running)]


async def _as_of(
    runtime: Running,
    as_of_position: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    as_of_time: Annotated[Moment | None, Query(description="Recorded up to this time.")] = None,
    effective_on: Annotated[date | None, Query(description="Effective up to the end of this day.")] = None,
) -> AsOf:
    """The point in two times that a query is about: recorded (as a position or a time), and effective."""
    if as_of_time is not None:
        if as_of_position is not None:
            raise Refused("two_points_in_time")
        return AsOf(await runtime.log.position_at(as_of_time), effective_on)
    if as_of_position is not None:
        size = (await runtime.log.head()).size
        if as_of_position > size:
            raise Refused("position_unknown", size=size)
    return AsOf(as_of_position, effective_on)


AsOfQuery = Annotated[AsOf, Depends(_as_of)]
Limit = Annotated[int, Query(ge=1, le=200)]


async def sealed_reference(runtime: Runtime, entry_id: UUID, reference: str | None) -> tuple[VaultChange, ...]:
    """What keeps the bank's reference of a transfer beside its entry, for when the statement comes."""
    if reference is None:
        return ()
    return (await runtime.vault.seal(entry_id, BANK, entry_id, {REFERENCE: reference})).changes


def as_json(content: Any) -> JSONResponse:
    """Ids as text, times in UTC with Z, days as dates."""
    return JSONResponse(_ANY.dump_python(content, mode="json"))
