"""A quarter for tests: orders asked for over HTTP, people heard as volunteers' stream brings them, time directed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from contracts import volunteers
from contracts.command import Channel, Role
from contracts.envelope import encode
from contracts.event import Event
from contracts.ids import uuid7
from eventstore.clock import direct
from eventstore.consumer.hearing import Hearing, Message
from eventstore.timers import Timer
from services.orders import reactions
from services.orders.timers import due_of
from tests.orders.samples import (
    ANNA,
    ANNA_HOME,
    BO,
    BO_HOME,
    CHEN,
    DUAN,
    GUO,
    MONDAY_NINE,
    RUI,
    WANG,
    WANG_HOME,
    WANG_SON,
    ZHAN,
    uid,
)
from tests.servicekit.world import Served
from tests.support.waiting import eventually

PEOPLE = {WANG: WANG_HOME, WANG_SON: uid(210), ANNA: ANNA_HOME, BO: BO_HOME, CHEN: uid(212), GUO: uid(213)}
TOMORROW = MONDAY_NINE + timedelta(days=1)


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


class Quarter:
    """The service and what people do with it. `ask` posts, `read` gets; roles come with the token."""

    def __init__(self, served: Served, clock_file: Path) -> None:
        self.served = served
        self.client: httpx.AsyncClient = served.client
        self.runtime = served.runtime
        self.heard: list[Message] = []
        """Everything heard of volunteers, as it lies on its stream."""
        self._clock_file = clock_file
        self._timer = Timer(served.runtime.executor, served.runtime.clock, due_of(served.runtime))

    # people and time

    async def settle(self) -> None:
        """Wang and his son, three volunteers who cut hair, staff; and three services to ask for."""
        await self.hear(*(self.registered(person_id) for person_id in PEOPLE))
        await self.hear(self.consented(WANG), self.proxy(WANG, WANG_SON))
        for volunteer_id in (ANNA, BO, CHEN):
            await self.hear(*self.volunteering(volunteer_id))
        await self.hear(self.granted(ZHAN, Role.STATION_MANAGER, "station", "station-civilization"))
        await self.hear(self.granted(DUAN, Role.DISPATCHER), self.granted(GUO, Role.GRID_WORKER, "grid", "grid-01"))
        await self.hear(*self.leading(RUI, "arts-team", ANNA), *self.leading(RUI, "meals-team", CHEN))
        items: dict[str, dict[str, Any]] = {
            "haircut": {"skills": ["haircut"]},
            "haircut-at-home": {"skills": ["haircut"], "slots": 2, "home_visit": True},
            "health-clinic": {"licence": "medical"},
            "green-patrol": {},
        }
        for code, fields in items.items():
            item = {"item_code": code, "expected_minutes": 30, "home_visit": False, **fields}
            await self.done("/service-items", item, DUAN, Role.DISPATCHER)

    def registered(self, person_id: UUID) -> Event:
        return volunteers.PersonRegistered(
            person_id=person_id,
            household_id=PEOPLE.get(person_id),
            entrance_id="entrance-001" if person_id in {WANG, BO} else "entrance-002",
            grid_id="grid-01",
            role=Role.STATION_MANAGER,
            channel=Channel.WEB,
            registered_at=MONDAY_NINE,
        )

    def consented(self, person_id: UUID) -> Event:
        return volunteers.ConsentGiven(
            person_id=person_id, purpose="service", form="spoken", role=Role.RESIDENT, given_at=MONDAY_NINE
        )

    def proxy(self, principal_id: UUID, proxy_id: UUID, *scope: str) -> Event:
        return volunteers.ProxyAuthorised(
            proxy_authorisation_id=uuid7(),
            principal_id=principal_id,
            proxy_id=proxy_id,
            scope=scope or ("all",),
            role=Role.RESIDENT,
            authorised_at=MONDAY_NINE,
        )

    def granted(self, person_id: UUID, role: Role, scope: Any = "community", scope_id: str = "chaoyangli") -> Event:
        return volunteers.RoleGranted(
            grant_id=uuid7(),
            person_id=person_id,
            granted_role=role,
            scope=scope,
            scope_id=scope_id,
            role=Role.ADMIN,
            granted_at=MONDAY_NINE,
        )

    def leading(self, leader_id: UUID, team_code: str, *member_ids: UUID) -> Sequence[Event]:
        """A team of the leader and these members."""
        ends = MONDAY_NINE + timedelta(days=365)
        team: dict[str, Any] = {"team_id": uuid7(), "team_code": team_code, "role": Role.STATION_MANAGER}
        founded = volunteers.TeamFounded(**team, founder_id=leader_id, founded_at=MONDAY_NINE)
        joined = [
            volunteers.MemberJoined(**team, volunteer_id=member_id, members=number, due_at=ends, joined_at=MONDAY_NINE)
            for number, member_id in enumerate((leader_id, *member_ids), 1)
        ]
        appointed = volunteers.LeaderAppointed(**team, leader_id=leader_id, due_at=ends, appointed_at=MONDAY_NINE)
        return [founded, *joined, appointed]

    def volunteering(self, volunteer_id: UUID, *, skill: str = "haircut") -> Sequence[Event]:
        fields: dict[str, Any] = {"volunteer_id": volunteer_id, "role": Role.STATION_MANAGER}
        return (
            volunteers.VolunteerRegistered(
                volunteer_no="300001", channel=Channel.WEB, registered_at=MONDAY_NINE, **fields
            ),
            volunteers.VolunteerActivated(activated_at=MONDAY_NINE, **fields),
            volunteers.SkillDeclared(skill=skill, level=3, declared_at=MONDAY_NINE, **fields),
            volunteers.SkillVerified(skill=skill, level=2, verified_at=MONDAY_NINE, **fields),
        )

    def paused(self, volunteer_id: UUID) -> Event:
        return volunteers.VolunteerPaused(volunteer_id=volunteer_id, role=Role.VOLUNTEER, paused_at=self.now())

    def erased(self, person_id: UUID) -> Event:
        return volunteers.PersonErased(person_id=person_id, role=Role.ADMIN, erased_at=self.now())

    def now(self) -> datetime:
        return self.runtime.clock.now()

    async def until(self, moment: datetime) -> None:
        """Let it be `moment`, standing still."""
        direct(self._clock_file, moment, 0)
        await eventually(lambda: self.now() >= moment, every=0.005)

    async def later(self, **delta: float) -> None:
        await self.until(self.now() + timedelta(**delta))

    async def fire(self) -> int:
        """Let the timer do all that is due now."""
        fired = 0
        while True:
            again = await self._timer.fire_due()
            fired += again
            if not again:
                return fired

    # volunteers' stream

    def hearing(self) -> Hearing:
        """A consumer's inner part: what it does with messages, without NATS."""
        runtime = self.runtime
        return Hearing(runtime.log, runtime.executor, reactions.volunteers, runtime.clock, vault=runtime.vault)

    async def hear(self, *events: Event) -> list[Message]:
        """Hear events as the next ones of volunteers, in one batch; returns the messages."""
        heard = await self.runtime.log.heard("volunteers")
        messages = [message(event, heard + number) for number, event in enumerate(events, 1)]
        await self.hear_again(messages)
        self.heard += messages
        assert await self.runtime.log.heard("volunteers") == heard + len(events)
        return messages

    async def hear_again(self, messages: list[Message]) -> None:
        hearing = self.hearing()
        await hearing.load()
        await hearing.hear(messages)

    # HTTP

    def headers(self, actor: UUID, *roles: Role, **more: str) -> dict[str, str]:
        return self.served.headers(*roles, actor_id=actor, **more)

    async def ask(self, path: str, body: Any, actor: UUID, *roles: Role, **more: str) -> httpx.Response:
        return await self.client.post(f"/v1{path}", json=body, headers=self.headers(actor, *roles, **more))

    async def read(self, path: str, actor: UUID, *roles: Role) -> httpx.Response:
        return await self.client.get(f"/v1{path}", headers=self.headers(actor, *roles))

    async def seen(self, path: str, actor: UUID, *roles: Role) -> Any:
        answer = await self.read(path, actor, *roles)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def done(self, path: str, body: Any, actor: UUID, *roles: Role, **more: str) -> dict[str, Any]:
        """Ask for something that must succeed."""
        answer = await self.ask(path, body, actor, *roles, **more)
        assert answer.status_code in {200, 201}, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def refused(
        self, status: int, reason_code: str, path: str, body: Any, actor: UUID, *roles: Role, **more: str
    ) -> Any:
        """Ask for something that must be refused: a precise problem document, and nothing recorded."""
        before = await self.served.size()
        answer = await self.ask(path, body, actor, *roles, **more)
        return await self.is_problem(answer, status, reason_code, before)

    async def is_problem(self, answer: httpx.Response, status: int, reason_code: str, size: int) -> Any:
        document = answer.json()
        assert (answer.status_code, document["reason_code"]) == (status, reason_code), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert document["title_zh"]
        assert document["title"]
        assert "…" not in document["title"] + document["title_zh"]
        assert await self.served.size() == size
        return document

    # the loop

    def wish(self, **changes: Any) -> dict[str, Any]:
        window = {"window_start": iso(TOMORROW), "window_end": iso(TOMORROW + timedelta(hours=2))}
        details = {"address": "示例路1号1门501", "phone": "13800000001", "note": "想理个发"}
        return {"item_code": "haircut", "details": details, **window, **changes}

    async def place(self, actor: UUID = WANG, role: Role = Role.RESIDENT, **changes: Any) -> UUID:
        answer = await self.done("/orders", self.wish(**changes), actor, role)
        return UUID(answer["order_id"])

    async def verified(self, slots: int | None = None, **changes: Any) -> UUID:
        order_id = await self.place(**changes)
        body = {"on_absence": "call"} | ({"slots": slots} if slots else {})
        await self.done(f"/orders/{order_id}/verify", body, DUAN, Role.DISPATCHER)
        return order_id

    async def opened(self, slots: int | None = None, **changes: Any) -> UUID:
        order_id = await self.verified(slots, **changes)
        await self.done(f"/orders/{order_id}/open", {}, DUAN, Role.DISPATCHER)
        return order_id

    async def accepted(self, volunteer_id: UUID = ANNA, **changes: Any) -> UUID:
        order_id = await self.opened(**changes)
        await self.done(f"/orders/{order_id}/accept", {}, volunteer_id, Role.VOLUNTEER)
        return order_id

    async def served_order(self, volunteer_id: UUID = ANNA, **changes: Any) -> UUID:
        """An order that was served in 35 minutes, with the code in and out."""
        order_id = await self.accepted(volunteer_id, **changes)
        code = (await self.seen(f"/orders/{order_id}", WANG, Role.RESIDENT))["service_code"]
        await self.until(max(self.now(), _starts(changes)))
        await self.done(f"/orders/{order_id}/start", {"service_code": code}, volunteer_id, Role.VOLUNTEER)
        await self.later(minutes=35)
        finish = {"service_code": code, "outcome": "done"}
        await self.done(f"/orders/{order_id}/finish", finish, volunteer_id, Role.VOLUNTEER)
        return order_id

    async def state(self, order_id: UUID) -> str:
        state: str = (await self.seen(f"/orders/{order_id}", DUAN, Role.DISPATCHER))["state"]
        return state

    async def events(self, order_id: UUID) -> list[Event]:
        return [recorded.event for recorded in await self.runtime.log.read_stream(f"order-{order_id}")]

    async def types(self, order_id: UUID) -> list[str]:
        return [event.type for event in await self.events(order_id)]


def _starts(changes: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(changes["window_start"]) if "window_start" in changes else TOMORROW


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
        time=MONDAY_NINE,
        actor="system",
    )
    return Message(position, body)
