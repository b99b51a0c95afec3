"""The fund's counter for tests: gifts over HTTP, volunteers heard as they would come from the stream."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from contracts.command import Channel, Role
from contracts.envelope import encode
from contracts.event import Event
from contracts.ids import uuid7
from contracts.volunteers import HoursAdjusted, HoursLogged, HoursVoided, PersonRegistered
from eventstore.consumer import Reactions
from eventstore.consumer.hearing import Hearing, Message
from eventstore.vault import ErasureList
from servicekit.definition import Runtime
from services.ledger.commands import day_of
from services.ledger.reactions import volunteers_reactions
from tests.ledger.examples import ANNA, BO, CASHIER, CLERK, NOON, TELLER
from tests.servicekit.world import Served

GIFT = {"fund": "fund-relief", "amount_fen": 20_000}
DONOR = {"name": "赵示例", "phone": "13900000000", "public_name": "赵女士"}
BANK = {"method": "bank_transfer"}
AS_CLERK, AS_CASHIER = (CLERK, Role.FUND_CLERK), (CASHIER, Role.CASHIER)
AS_AUDITOR = (BO, Role.AUDITOR)


class Counter:
    """The service and what people do with it. `ask` posts, `read` gets; roles come with the token."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.client: httpx.AsyncClient = served.client
        self.runtime: Runtime = served.runtime
        self.heard: list[Message] = []
        self.reactions: Reactions = volunteers_reactions(ErasureList(self.runtime.settings.erasures_path))

    async def open(self) -> None:
        """Let the staff be registered persons."""
        await self.hear(*(registered(person) for person in (CLERK, CASHIER, TELLER, ANNA, BO)))

    async def ask(self, path: str, body: Any, *who: Any, **more: str) -> httpx.Response:
        actor, *roles = who
        headers = {**self.served.headers(*roles, actor_id=actor), **more}
        return await self.client.post(f"/v1{path}", json=body, headers=headers)

    async def done(self, path: str, body: Any, *who: Any, **more: str) -> dict[str, Any]:
        """Ask for something that must succeed."""
        answer = await self.ask(path, body, *who, **more)
        assert answer.status_code in {200, 201}, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def refused(self, status: int, reason_code: str, path: str, body: Any, *who: Any, **more: str) -> Any:
        """Ask for something that must be refused: a problem document, and nothing recorded."""
        before = await self.served.size()
        answer = await self.ask(path, body, *who, **more)
        document = answer.json()
        assert (answer.status_code, document["reason_code"]) == (status, reason_code), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert document["title_zh"]
        assert await self.served.size() == before
        return document

    async def get(self, path: str, *who: Any, **params: Any) -> httpx.Response:
        """Ask as somebody, an auditor unless told otherwise."""
        actor, *roles = who or AS_AUDITOR
        headers = self.served.headers(*roles, actor_id=actor)
        return await self.client.get(f"/v1{path}", params=params, headers=headers)

    async def read(self, path: str, *who: Any, **params: Any) -> dict[str, Any]:
        """Read something that must be there."""
        answer = await self.get(path, *who, **params)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def refused_reading(self, status: int, reason_code: str, donation_id: str, *who: Any, **params: Any) -> None:
        """Ask for a gift's receipt in every shape, in vain."""
        for kind in ("pdf",) if params else ("pdf", "tlog-proof", "entry"):
            answer = await self.get(f"/donations/{donation_id}/ledger-receipt.{kind}", *who, **params)
            assert (answer.status_code, answer.json()["reason_code"]) == (status, reason_code), answer.text

    async def pledged(self, **changes: Any) -> str:
        """A gift that is promised; its id."""
        donation_id: str = (await self.done("/donations", {**GIFT, **changes}, *AS_CLERK))["donation_id"]
        return donation_id

    async def given(self, receive: dict[str, Any] | None = None, **changes: Any) -> str:
        """A gift whose money arrived; its id."""
        donation_id = await self.pledged(**changes)
        await self.done(f"/donations/{donation_id}/receive", {**BANK, **(receive or {})}, *AS_CASHIER)
        return donation_id

    async def events(self) -> list[Any]:
        """Everything recorded."""
        return [recorded.event for recorded in await self.runtime.log.read(0, 10_000)]

    async def types(self) -> list[str]:
        return [event.type for event in await self.events()]

    async def hear(self, *events: Event) -> list[Message]:
        """Hear events as the next ones of volunteers, in one batch; returns the messages."""
        heard = await self.runtime.log.heard("volunteers")
        messages = [message(event, heard + number) for number, event in enumerate(events, 1)]
        await self.hear_again(messages)
        self.heard += messages
        assert await self.runtime.log.heard("volunteers") == heard + len(events)
        return messages

    async def hear_again(self, messages: list[Message], reactions: Reactions | None = None) -> None:
        runtime = self.runtime
        hearing = Hearing(
            runtime.log, runtime.executor, reactions or self.reactions, runtime.clock, vault=runtime.vault
        )
        await hearing.load()
        await hearing.hear(messages)


def message(event: Event, position: int) -> Message:
    """An event as it lies on its service's stream."""
    body = encode(
        event.to_json(),
        type=event.type,
        service=event.service,
        version=event.version,
        community="chaoyangli",
        position=position,
        stream=f"any-{uuid7()}",
        streamversion=1,
        event_id=uuid7(),
        time=NOON,
        actor="system",
    )
    return Message(position, body)


def adjusted(event: HoursLogged, delta: int, **changes: Any) -> HoursAdjusted:
    """Two persons corrected credited minutes."""
    interval = event.model_dump(
        include={
            "claim_id", "volunteer_id", "order_id", "assignment_id", "started_at", "finished_at", "service_date",
            "grade",
        }
    )  # fmt: skip
    fields = {
        **interval,
        **_correction(delta),
        "minutes": event.minutes + delta,
        "delta": delta,
        "reason_code": "minutes_wrong" if delta else "upheld",
        "adjusted_at": event.logged_at + timedelta(days=2),
    }
    return HoursAdjusted(**fields | changes)


def voided(event: HoursLogged, **changes: Any) -> HoursVoided:
    """Two persons took credited minutes back."""
    interval = event.model_dump(include={"claim_id", "volunteer_id", "minutes", "service_date", "grade"})
    fields = {**interval, **_correction(-event.minutes), "reason_code": "not_served"}
    return HoursVoided(**fields | {"voided_at": event.logged_at + timedelta(days=2)} | changes)


def _correction(change: int) -> dict[str, Any]:
    return {
        "correction_id": uuid7(),
        "day_minutes": max(0, 60 + change),
        "requested_by": CLERK,
        "approved_by": CASHIER,
        "explanation_ref": uuid7(),
        "explanation_commitment": "ab" * 32,
    }


def registered(person_id: UUID) -> PersonRegistered:
    return PersonRegistered(person_id=person_id, role=Role.STATION_MANAGER, channel=Channel.PAPER, registered_at=NOON)


def logged(volunteer_id: UUID = ANNA, start: datetime = NOON, minutes: int = 60, **changes: Any) -> HoursLogged:
    """Credited minutes, of a new service unless the changes say otherwise."""
    fields: dict[str, Any] = {
        "claim_id": uuid7(),
        "volunteer_id": volunteer_id,
        "source": "order",
        "order_id": uuid7(),
        "assignment_id": uuid7(),
        "started_at": start,
        "finished_at": start + timedelta(minutes=minutes),
        "minutes": minutes,
        "service_date": day_of(start),
        "grade": "A",
        "day_minutes": minutes,
        "logged_at": start + timedelta(minutes=minutes + 60),
    }
    return HoursLogged(**fields | changes)
