"""A small town for tests: people asked over HTTP, orders and the ledger heard as they would come from the stream."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from contracts import orders
from contracts.command import Channel, Role
from contracts.envelope import encode
from contracts.event import Event
from contracts.ids import uuid7
from eventstore.consumer.hearing import Hearing, Message
from servicekit.process import Runtime
from servicekit.secrets import ISSUER_KEY
from servicekit.tokens import issue, load_issuer_key
from services.volunteers import reactions
from tests.servicekit.world import Served

ADMIN, MANAGER, WORKER, AUDITOR = (UUID(f"0199a0c0-0000-7000-8000-0000000000{number:02}") for number in range(1, 5))
"""Staff by their tokens; invented, like everybody here."""
DESK = str(WORKER)
"""Who did what orders tells, unless a test says otherwise: somebody other than the volunteer."""
MORNING = datetime(2026, 3, 18, 0, 0, tzinfo=UTC)
"""08:00 in Shanghai."""


class Town:
    """The service and what people do with it. `ask` posts, `read` gets; roles come with the token."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.client: httpx.AsyncClient = served.client
        self.runtime: Runtime = served.runtime
        self.hearings: dict[str, Hearing] = {}

    def headers(self, actor: UUID, *roles: Role, **more: Any) -> dict[str, str]:
        return self.served.headers(*roles, actor_id=actor, **more)

    async def ask(
        self, path: str, body: Any, actor: UUID = MANAGER, role: Role = Role.STATION_MANAGER, **more: Any
    ) -> httpx.Response:
        return await self.client.post(f"/v1{path}", json=body, headers=self.headers(actor, role, **more))

    async def read(
        self, path: str, actor: UUID = MANAGER, role: Role = Role.STATION_MANAGER, **more: str
    ) -> httpx.Response:
        return await self.client.get(f"/v1{path}", headers=self.headers(actor, role, **more))

    async def done(self, path: str, body: Any, *who: Any, **more: Any) -> dict[str, Any]:
        """Ask for something that must succeed."""
        answer = await self.ask(path, body, *who, **more)
        assert answer.status_code in {200, 201}, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def refused(self, status: int, reason_code: str, path: str, body: Any, *who: Any, **more: Any) -> Any:
        """Ask for something that must be refused: a problem document, and nothing recorded."""
        before = await self.served.size()
        answer = await self.ask(path, body, *who, **more)
        document = answer.json()
        assert (answer.status_code, document["reason_code"]) == (status, reason_code), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert document["title_zh"]
        assert document["title"]
        assert await self.served.size() == before
        return document

    async def person(self, name: str = "王示例", **changes: Any) -> UUID:
        """Register somebody; returns their id."""
        body = {
            "name": name,
            "phone": "13800000000",
            "birth_date": "1955-05-01",
            "entrance_id": "entrance-001",
            "consents": ["personal_data", "service"],
            "consent_form": "spoken",
        }
        answer = await self.done("/persons", {**body, **changes})
        return UUID(answer["person_id"])

    async def volunteer(self, name: str = "安示例", *, active: bool = True, **changes: Any) -> UUID:
        """Register a volunteer, verified unless told otherwise; returns their id."""
        person_id = await self.person(name, **changes)
        await self.done("/volunteers", {"person_id": str(person_id), "consent_form": "written"})
        if active:
            await self.done(f"/volunteers/{person_id}/verify-identity", {})
        return person_id

    async def leader_of(self, *volunteer_ids: UUID, team_code: str = "meals-team") -> UUID:
        """Let these volunteers be in a team that somebody leads; returns the leader."""
        leader_id = await self.volunteer("队长示例")
        await self.done("/teams", {"team_code": team_code, "founder_id": str(leader_id)})
        for volunteer_id in volunteer_ids:
            await self.done(f"/teams/{team_code}/join", {"volunteer_id": str(volunteer_id)})
        await self.done(f"/teams/{team_code}/leader", {"leader_id": str(leader_id)})
        return leader_id

    def bootstrap_headers(self, actor: UUID, *, bootstrap: bool = True) -> dict[str, str]:
        key = load_issuer_key(self.served.world.secrets / ISSUER_KEY)
        token = issue(key, actor, [] if bootstrap else [Role.ADMIN], bootstrap=bootstrap)
        return {**self.headers(actor), "Authorization": f"Bearer {token}"}

    async def events(self, prefix: str = "") -> list[Event]:
        """Everything recorded, on the streams of one kind."""
        return [recorded.event for recorded in await self.runtime.log.read(0, 10_000) if prefix in recorded.stream]

    async def types(self, prefix: str = "") -> list[str]:
        return [event.type for event in await self.events(prefix)]

    def hearing(self, source: str) -> Hearing:
        """A consumer's inner part: what it does with messages, without NATS."""
        declared = reactions.orders if source == "orders" else reactions.ledger
        runtime = self.runtime
        return Hearing(runtime.log, runtime.executor, declared, runtime.clock)

    async def hear(self, *events: Event, source: str = "orders", actor: str = DESK) -> list[Message]:
        """Hear events as the next ones of a source, in one batch; returns the messages."""
        heard = await self.runtime.log.heard(source)
        messages = [message(event, heard + number, actor) for number, event in enumerate(events, 1)]
        await self.hear_again(messages, source)
        assert await self.runtime.log.heard(source) == heard + len(events)
        return messages

    async def hear_again(self, messages: list[Message], source: str = "orders") -> None:
        hearing = self.hearing(source)
        await hearing.load()
        await hearing.hear(messages)


def message(event: Event, position: int, actor: str = DESK) -> Message:
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
        time=MORNING,
        actor=actor,
    )
    return Message(position, body)


class Service:
    """One service at a resident's home as orders tells it, for one or more volunteers."""

    def __init__(
        self, beneficiary_id: UUID, *volunteer_ids: UUID, start: datetime = MORNING, minutes: int = 60
    ) -> None:
        self.order_id = uuid7()
        self.beneficiary_id = beneficiary_id
        self.assignments = {volunteer_id: uuid7() for volunteer_id in volunteer_ids}
        self.start, self.minutes = start, minutes
        self.finish = start + timedelta(minutes=minutes)

    def _notice(self, state: orders.OrderState, role: Role) -> dict[str, Any]:
        return {
            "order_id": self.order_id,
            "role": role,
            "state": state,
            "order_no": "12345678",
            "item_code": "haircut",
            "beneficiary_id": self.beneficiary_id,
            "requested_by": self.beneficiary_id,
            "grid_id": "grid-01",
            "window_start": self.start,
            "window_end": self.finish,
        }

    def started(self, volunteer_id: UUID, evidence: Any = "code") -> orders.ServiceStarted:
        return orders.ServiceStarted(
            order_id=self.order_id,
            role=Role.VOLUNTEER,
            state=orders.OrderState.IN_SERVICE,
            assignment_id=self.assignments[volunteer_id],
            volunteer_id=volunteer_id,
            evidence=evidence,
            started_at=self.start,
        )

    def finished(self, volunteer_id: UUID, evidence: Any = "code") -> orders.ServiceFinished:
        return orders.ServiceFinished(
            **self._notice(orders.OrderState.SERVED, Role.VOLUNTEER),
            assignment_id=self.assignments[volunteer_id],
            volunteer_id=volunteer_id,
            outcome="done",
            started_at=self.start,
            finished_at=self.finish,
            minutes=self.minutes,
            start_evidence="code",
            finish_evidence=evidence,
            served=True,
        )

    def auto_closed(self, volunteer_id: UUID) -> orders.ServiceAutoClosed:
        return orders.ServiceAutoClosed(
            **self._notice(orders.OrderState.SERVED, Role.SYSTEM),
            assignment_id=self.assignments[volunteer_id],
            volunteer_id=volunteer_id,
            started_at=self.start,
            closed_at=self.finish,
            served=True,
        )

    def _staffing(self) -> tuple[orders.Staffing, ...]:
        return tuple(
            orders.Staffing(assignment_id=assignment_id, volunteer_id=volunteer_id, minutes=self.minutes)
            for volunteer_id, assignment_id in self.assignments.items()
        )

    def confirmed(self, role: Role = Role.RESIDENT, by: UUID | None = None) -> orders.CompletionConfirmed:
        return orders.CompletionConfirmed(
            **self._notice(orders.OrderState.COMPLETED, role),
            confirmed_by=by or self.beneficiary_id,
            channel=Channel.PHONE,
            assignments=self._staffing(),
            confirmed_at=self.finish + timedelta(hours=1),
        )

    def presumed(self) -> orders.CompletionPresumed:
        return orders.CompletionPresumed(
            **self._notice(orders.OrderState.COMPLETED, Role.SYSTEM),
            assignments=self._staffing(),
            presumed_at=self.finish + timedelta(hours=72),
        )
