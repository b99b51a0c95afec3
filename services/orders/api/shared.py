"""What the routes share: one command about one order, what lies in the vault, and how answers are written."""

import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.command import By, Command, Refused
from eventstore.executor import Plan
from eventstore.model import VaultChange
from eventstore.vault import PersonIsErased, Sealed
from servicekit.definition import Runtime
from servicekit.http import CommandContext, command
from services.orders import emergency
from services.orders.commands.placing import DetailsAsk, Ending, OrderCommand
from services.orders.commands.words import order_stream
from services.orders.decider.state import Order
from services.orders.policy import current_policy
from services.orders.read_models import beside, queries, relations
from services.orders.read_models.fetching import Row

PURPOSE = "orders"
"""The vault's purpose: everything that orders keeps of a person goes with one key."""
DETAILS, SERVICE_CODE, QR, WORDS = "details", "service_code", "qr", "words"
"""Fields in the vault: address, phone and note as JSON; the 服务码; what the QR says; a reason or comment."""
ERASED = "已删除"

RACES_MAX = 8
LOST_RACES = frozenset({"offers_moved"})
"""Refusals by a constraint of facts that moved after they were read: with fresh facts the answer may be another."""

T = TypeVar("T")
_ANY: TypeAdapter[Any] = TypeAdapter(Any)


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


Running = Annotated[Runtime, Depends(_runtime)]
"""Dependency of a query: the runtime of this process."""


@dataclass(frozen=True)
class Asked:
    """One command about one order while its facts are gathered."""

    runtime: Runtime
    connection: AsyncConnection
    row: Row
    by: By
    at: datetime
    relations: frozenset[str]

    async def order(self) -> Order:
        """The order as its stream tells it."""
        _, order = await self.runtime.executor.state(order_stream(self.row["order_id"]))
        assert isinstance(order, Order)
        return order


@dataclass(frozen=True)
class Facts:
    """What a command needs beside who, when and which order; and what goes to the vault with it."""

    fields: dict[str, Any] = field(default_factory=dict)
    vault: Sequence[VaultChange] = ()
    answer: dict[str, Any] = field(default_factory=dict)
    also: Sequence[Command] = ()
    """Commands on other streams, recorded in the same append or not at all."""


Gather = Callable[[Asked], Awaitable[Facts]]


async def asked_again(attempt: Callable[[], Awaitable[T]]) -> T:
    """Run `attempt`; again, up to eight times, when the facts it was decided on had moved. Raises Refused for good."""
    for _ in range(RACES_MAX):
        try:
            return await attempt()
        except Refused as refused:
            if refused.reason_code not in LOST_RACES:
                raise
    return await attempt()


async def ask_of_order(
    context: CommandContext,
    order_id: UUID,
    command_class: type[OrderCommand],
    gather: Gather | None = None,
    *,
    named: Collection[UUID] = (),
    **given: Any,
) -> JSONResponse:
    """One command about one order: look up how the caller stands to it, check access, gather facts, decide, answer.

    `named` are the volunteers whom the command names: whoever leads them all stands in `leads`.
    """
    runtime = context.runtime

    async def build() -> Plan:
        at = runtime.clock.now()
        async with runtime.log.queries() as connection:
            row = await queries.order(connection, order_id)
            if row is None:
                raise Refused("order_unknown", order_id=str(order_id))
            stands = await relations.to_order(connection, context.actor_id, row, at)
            if named and all([await relations.leads(connection, context.actor_id, one, at) for one in named]):
                stands |= {"leads"}
            by = context.by(command_class, stands)
            acts_for(by, row["beneficiary_id"])
            asked = Asked(runtime, connection, row, by, at, stands)
            facts = await gather(asked) if gather is not None else Facts()
            if issubclass(command_class, Ending):
                facts.fields.update(await beside.open_matters(connection, order_id))
        wanted = command_class(by=by, at=at, order_id=order_id, policy=current_policy(), **given, **facts.fields)
        expected = context.expecting(wanted.stream)
        answer = {"order_id": str(order_id), **facts.answer}
        return Plan([wanted, *facts.also], answer, facts.vault, expected)

    return await command(context, build, command_class)


def acts_for(by: By, person_id: UUID) -> None:
    """A token that says on whose behalf it acts is good for that person only. Raises Refused("forbidden")."""
    if by.on_behalf_of is not None and by.on_behalf_of != person_id:
        raise Refused("forbidden", on_behalf_of=str(by.on_behalf_of))


async def sealed(runtime: Runtime, person_id: UUID, ref: UUID, fields: dict[str, str]) -> Sealed:
    """Seal fields under a person's key. Raises Refused for a person whose key was destroyed."""
    try:
        return await runtime.vault.seal(person_id, PURPOSE, ref, fields)
    except PersonIsErased:
        raise Refused("person_unknown", person_id=str(person_id)) from None


def written(details: DetailsAsk) -> str | None:
    """Details as they are sealed; None when there is nothing in them."""
    said = details.model_dump(exclude_none=True)
    return json.dumps(said, ensure_ascii=False, sort_keys=True) if said else None


def read(opened: dict[str, str] | None) -> Any:
    """Details as they are shown: what was sealed, None when nothing was, 已删除 once the person is erased."""
    if opened is None:
        return ERASED
    return json.loads(opened[DETAILS]) if DETAILS in opened else None


def with_numbers(answer: JSONResponse, details: DetailsAsk | None) -> JSONResponse:
    """The same answer, with the numbers to call first where the note has an emergency word."""
    return with_numbers_for(answer, details.note if details is not None else None)


def with_numbers_for(answer: JSONResponse, words: str | None) -> JSONResponse:
    """The same answer, with the numbers to call before everything else where an emergency word was written (I8).

    They are computed from this request and kept nowhere: they say something about a person.
    """
    numbers = emergency.numbers_for(words or "")
    if not numbers:
        return answer
    content = {**emergency.advice(numbers), **json.loads(bytes(answer.body))}
    return JSONResponse(content, answer.status_code, headers={"Position": answer.headers["Position"]})


def json_answer(content: Any) -> JSONResponse:
    """Ids as text, times in UTC with Z."""
    return JSONResponse(_ANY.dump_python(content, mode="json"))
