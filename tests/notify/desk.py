"""A desk for tests: notify on a real database, hearing what others would say, with a clock that is set by hand."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from contracts.command import Role
from contracts.envelope import encode
from contracts.event import Event
from contracts.ids import uuid7
from contracts.notify import NoticeChannel
from eventstore.consumer.hearing import Hearing, Message
from eventstore.executor import Executor
from services.notify import reactions
from services.notify.app import definition
from services.notify.senders import OutsideChannel, Sender
from services.notify.templates import Text
from tests.notify.examples import NOON, ZHAO
from tests.servicekit.world import Served

HEARD = {"orders": reactions.orders, "volunteers": reactions.volunteers, "ledger": reactions.ledger}


class SetClock:
    """Business time as the test sets it."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


class Killed(BaseException):
    """The process ends here: nothing after this line of the channel happens."""


class Screen:
    """A channel outside the database that remembers what reached it, and fails or dies when told to."""

    def __init__(self, *, deduplicates: bool = False) -> None:
        self.deduplicates = deduplicates
        self.shown: list[UUID] = []
        self.texts: list[Text] = []
        self.fails_with: Exception | None = None
        self.dies = False

    async def hand_over(self, notification_id: UUID, ref: UUID | None, text: Text) -> None:
        if self.fails_with is not None:
            raise self.fails_with
        self.shown.append(notification_id)
        self.texts.append(text)
        if self.dies:
            raise Killed


class Desk:
    """The service and what people do with it."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.clock = SetClock()
        self.runtime = replace(served.runtime, clock=self.clock)
        served.app.state.runtime = self.runtime
        self.client: httpx.AsyncClient = served.client
        self.screen = Screen()
        self.sender = self.new_sender({"console": self.screen})
        self._hearings: dict[str, Hearing] = {}

    def new_sender(self, channels: Mapping[NoticeChannel, OutsideChannel]) -> Sender:
        """A sender with nothing in its memory, as after a start."""
        executor = Executor(self.runtime.log, definition.aggregates)
        return Sender(self.runtime.log, executor, self.clock, channels)

    def later(self, **amount: float) -> None:
        self.clock.at += timedelta(**amount)

    async def hear(self, *events: Event) -> None:
        """Events of one or more services, one batch a service, under new positions."""
        for source in dict.fromkeys(event.service for event in events):
            hearing = self._hearings.get(source)
            if hearing is None:
                hearing = Hearing(
                    self.runtime.log, self.runtime.executor, HEARD[source], self.clock, vault=self.runtime.vault
                )
                await hearing.load()
                self._hearings[source] = hearing
            mine = [event for event in events if event.service == source]
            await hearing.hear([_message(hearing.position + number, event) for number, event in enumerate(mine, 1)])
            assert hearing.position == await self.runtime.log.heard(source)
        assert await self.runtime.log.pool.fetchval("SELECT count(*) FROM notify.dead_letters") == 0

    async def notices(self, **wanted: Any) -> list[dict[str, Any]]:
        """The rows of `notices` with these values, in the order queued."""
        rows = await self.runtime.log.pool.fetch("SELECT * FROM notify_read.notices ORDER BY queued_at, template, ref")
        found = [dict(row) for row in rows]
        return [row for row in found if all(row[name] == value for name, value in wanted.items())]

    async def templates(self, **wanted: Any) -> list[str]:
        return sorted(row["template"] for row in await self.notices(**wanted))

    async def types(self) -> list[str]:
        return [recorded.type for recorded in await self.runtime.log.read()]

    def headers(self, actor: UUID, *roles: Role, **more: Any) -> dict[str, str]:
        return self.served.headers(*roles, actor_id=actor, **more)

    async def ask(
        self, method: str, path: str, body: Any = None, actor: UUID = ZHAO, role: Role = Role.DISPATCHER, **more: Any
    ) -> httpx.Response:
        return await self.client.request(method, f"/v1{path}", json=body, headers=self.headers(actor, role, **more))

    async def done(self, *what: Any, **more: Any) -> dict[str, Any]:
        answer = await self.ask(*what, **more)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def refused(self, status: int, reason_code: str, *what: Any, **more: Any) -> dict[str, Any]:
        """Ask for something that must be refused: a problem document, and nothing recorded."""
        before = await self.served.size()
        answer = await self.ask(*what, **more)
        document: dict[str, Any] = answer.json()
        assert (answer.status_code, document["reason_code"]) == (status, reason_code), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert document["title_zh"]
        assert document["title"]
        assert await self.served.size() == before
        return document

    async def contact(self, ref: UUID, channel: str = "in_app", address: str | None = None) -> None:
        body = {"ref": str(ref), "channel": channel}
        await self.done("PUT", "/contacts", body if address is None else {**body, "address": address})


def _message(position: int, event: Event) -> Message:
    body = encode(
        event.to_json(),
        type=event.type,
        service=event.service,
        version=event.version,
        community="chaoyangli",
        position=position,
        stream=f"thing-{uuid7()}",
        streamversion=1,
        event_id=uuid7(),
        time=datetime.now(NOON.tzinfo),
        actor="system",
    )
    return Message(position, body)
