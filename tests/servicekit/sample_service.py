"""A service of one aggregate, and a neighbour that it hears: what servicekit is tested on. All people are invented."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from contracts.command import SYSTEM, Ask, Channel, Command, Refused, Role
from contracts.envelope import Recorded
from contracts.event import Event
from contracts.ids import uuid7
from contracts.orders import ServiceItemPublished, ServiceItemRetired
from contracts.volunteers import PersonRegistered
from eventstore.aggregate import Aggregate
from eventstore.executor import Plan
from eventstore.read_model import ReadModel
from eventstore.rows import Rows
from eventstore.timers import Due, DueCommand
from servicekit.access import AccessTable
from servicekit.http import Commanding, Reading, command, not_found
from servicekit.process import Runtime, ServiceDefinition

LIFE = timedelta(days=30)


class PublishItem(Command):
    item_id: UUID
    item_code: str
    minutes: int

    @property
    def stream(self) -> str:
        return f"item-{self.item_id}"


class RetireItem(Command):
    item_id: UUID

    @property
    def stream(self) -> str:
        return f"item-{self.item_id}"


@dataclass(frozen=True)
class Item:
    code: str | None = None
    retired: bool = False


def decide(asked: PublishItem | RetireItem, state: Item) -> Sequence[Event]:
    match asked:
        case PublishItem():
            if state.code is not None:
                raise Refused("already_published", code=state.code)
            return [
                ServiceItemPublished(
                    item_id=asked.item_id,
                    item_code=asked.item_code,
                    item_version=1,
                    expected_minutes=asked.minutes,
                    slots=1,
                    home_visit=False,
                    published_at=asked.at,
                )
            ]
        case RetireItem():
            if state.code is None:
                raise Refused("no_such_item")
            if state.retired:
                raise Refused("already_retired", code=state.code)
            retired = ServiceItemRetired(
                item_id=asked.item_id, item_code=state.code, item_version=1, retired_at=asked.at
            )
            return [retired]


def evolve(state: Item, event: Event) -> Item:
    match event:
        case ServiceItemPublished():
            return Item(event.item_code)
        case ServiceItemRetired():
            return Item(state.code, retired=True)
        case _:
            raise AssertionError(event)


metadata = sa.MetaData()
items = sa.Table(
    "items",
    metadata,
    sa.Column("item_id", sa.Uuid, primary_key=True),
    sa.Column("item_code", sa.Text, nullable=False),
    sa.Column("minutes", sa.Integer, nullable=False),
    sa.Column("publisher", sa.Text, nullable=False),
    sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.UniqueConstraint("item_code", name="item_code_once", deferrable=True, initially="DEFERRED"),
)
copies = sa.MetaData()
neighbours = sa.Table(
    "neighbours",
    copies,
    sa.Column("person_id", sa.Uuid, primary_key=True),
    sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
)


class Items(ReadModel):
    source = "orders"
    metadata = metadata
    version = 1

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        match recorded.event:
            case ServiceItemPublished() as event:
                rows.insert(
                    items,
                    item_id=event.item_id,
                    item_code=event.item_code,
                    minutes=event.expected_minutes,
                    publisher=recorded.actor,
                    published_at=event.published_at,
                    live=True,
                )
            case ServiceItemRetired() as event:
                rows.update(items, event.item_id, live=False)
            case _:
                pass


class Neighbours(ReadModel):
    source = "volunteers"
    metadata = copies
    version = 1

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        match recorded.event:
            case PersonRegistered() as event:
                rows.insert(neighbours, person_id=event.person_id, registered_at=event.registered_at)
            case _:
                pass


class ItemAsk(Ask):
    item_code: Annotated[str, Field(pattern=r"^[a-z\-]{1,64}$")]
    minutes: Annotated[int, Field(ge=1, le=480)]
    words: Annotated[str, Field(max_length=60_000)] = ""


ACCESS = (
    AccessTable()
    .rule(PublishItem, Role.DISPATCHER)
    .rule(PublishItem, Role.STATION_MANAGER)
    .rule(RetireItem, Role.DISPATCHER, "own")
    .rule("read_item", Role.RESIDENT)
    .rule("read_item", Role.DISPATCHER)
)
SENTENCES = {
    "already_published": (409, "{code} 已经上架了。", "{code} is published already."),
    "already_retired": (409, "{code} 已经下架了。", "{code} is retired already."),
    "no_such_item": (404, "没有这项服务。", "There is no such item."),
    "code_taken": (409, "这个编码已有人用了。", "This code is taken."),
}


async def _item(runtime: Runtime, item_id: UUID) -> dict[str, Any] | None:
    async with runtime.log.queries() as connection:
        row = (await connection.execute(sa.select(items).where(items.c.item_id == item_id))).mappings().first()
    return dict(row) if row is not None else None


def routes(runtime: Runtime) -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.post("/items", status_code=201)
    async def publish(ask: ItemAsk, context: Commanding) -> JSONResponse:
        async def build() -> Plan:
            by = context.by(PublishItem)
            item_id = uuid7()
            asked = PublishItem(
                by=by, at=runtime.clock.now(), item_id=item_id, item_code=ask.item_code, minutes=ask.minutes
            )
            return Plan([asked], answer={"item_id": item_id}, expected_versions=context.expecting(asked.stream))

        return await command(context, build, PublishItem, status=201)

    @router.post("/items/{item_id}/retire")
    async def retire(item_id: UUID, context: Commanding) -> JSONResponse:
        async def build() -> Plan:
            found = await _item(runtime, item_id)
            relations = {"own"} if found is not None and found["publisher"] == str(context.actor_id) else set()
            asked = RetireItem(by=context.by(RetireItem, relations), at=runtime.clock.now(), item_id=item_id)
            return Plan([asked], expected_versions=context.expecting(asked.stream))

        return await command(context, build, RetireItem)

    @router.get("/items/{item_id}")
    async def read(item_id: UUID, caller: Reading) -> dict[str, Any]:
        caller.by("read_item")
        found = await _item(runtime, item_id)
        if found is None:
            raise not_found(item_id=item_id)
        return {**found, "published_at": found["published_at"].isoformat()}

    @router.get("/neighbours/{person_id}")
    async def neighbour(person_id: UUID, caller: Reading) -> dict[str, bool]:
        caller.by("read_item")
        async with runtime.log.queries() as connection:
            query = sa.select(neighbours).where(neighbours.c.person_id == person_id)
            return {"known": (await connection.execute(query)).first() is not None}

    @router.get("/broken")
    async def broken() -> None:
        raise RuntimeError("王奶奶 lives at 3号楼")

    return router


def timers(runtime: Runtime) -> Due:
    async def due(now: datetime, limit: int) -> Sequence[DueCommand]:
        async with runtime.log.queries() as connection:
            query = sa.select(items).where(items.c.live, items.c.published_at <= now - LIFE).limit(limit)
            rows = (await connection.execute(query)).mappings().all()
        return [_retirement(row["item_id"], row["published_at"] + LIFE) for row in rows]

    return due


def _retirement(item_id: UUID, at: datetime) -> DueCommand:
    async def build() -> Plan:
        return Plan([RetireItem(by=SYSTEM, at=at, item_id=item_id)])

    return DueCommand(f"retire-item:{item_id}", build)


ITEM: Aggregate[Item, Any, Any] = Aggregate("item", Item, decide, evolve, (PublishItem, RetireItem))


class RegisterPerson(Command):
    person_id: UUID

    @property
    def stream(self) -> str:
        return f"person-{self.person_id}"


def decide_person(asked: RegisterPerson, state: bool) -> Sequence[Event]:
    if state:
        return []
    return [
        PersonRegistered(person_id=asked.person_id, role=asked.by.role, channel=Channel.API, registered_at=asked.at)
    ]


class Empty(Ask):
    """A body without fields."""


def neighbour_routes(runtime: Runtime) -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.post("/persons", status_code=201)
    async def register(ask: Empty, context: Commanding) -> JSONResponse:
        async def build() -> Plan:
            person_id = uuid7()
            by = context.by(RegisterPerson)
            asked = RegisterPerson(by=by, at=runtime.clock.now(), person_id=person_id)
            return Plan([asked], answer={"person_id": person_id})

        return await command(context, build, RegisterPerson, status=201)

    return router


PERSON: Aggregate[bool, Any, Any] = Aggregate(
    "person", lambda: False, decide_person, lambda _state, _event: True, (RegisterPerson,)
)
NEIGHBOUR = ServiceDefinition(
    name="volunteers",
    read_models=[],
    aggregates=[PERSON],
    access=AccessTable().rule(RegisterPerson, Role.GRID_WORKER),
    build_app=neighbour_routes,
)


def sample(**changes: Any) -> ServiceDefinition:
    """The sample service; `changes` replace fields of its definition."""
    fields: dict[str, Any] = {
        "name": "orders",
        "read_models": [Items(), Neighbours()],
        "aggregates": [ITEM],
        "access": ACCESS,
        "build_app": routes,
        "hears": ["volunteers"],
        "constraints": {"item_code_once": "code_taken"},
        "sentences": SENTENCES,
        "timers": timers,
        "title": "A sample.",
    }
    return ServiceDefinition(**{**fields, **changes})
