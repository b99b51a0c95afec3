"""One order from the door to the ledger: each step is a command of whoever may give it, over HTTP, as users give it.

The same journey is made on the embedded stack and in containers. People are invented.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

from cli.client import Actor, Client
from contracts.command import Role
from contracts.ids import uuid7
from tests.support.waiting import eventually

SHANGHAI = timezone(timedelta(hours=8))
MORNING = datetime(2026, 11, 10, 9, 0, tzinfo=SHANGHAI)
"""A Tuesday, when the office is open."""
WINDOW_START = MORNING + timedelta(hours=5)
WINDOW_END = WINDOW_START + timedelta(hours=1)
ITEM = "haircut"
MINUTES = 42
HEARD_SECONDS = 60.0
"""Patience for what one service does after it heard another; far more than it takes."""

Cli = Callable[..., Any]
"""Runs `chaoyangli` with these words and --json; what it printed."""
Direct = Callable[[datetime], None]
"""Lets business time stand at a moment, for all services."""


@dataclass
class Journey:
    """Who takes part and what came of it, filled in step by step."""

    client: Client
    cli: Cli
    direct: Direct
    admin: Actor = field(init=False)
    manager: Actor = field(init=False)
    dispatcher: Actor = field(init=False)
    resident: Actor = field(init=False)
    volunteer: Actor = field(init=False)
    order_id: UUID = field(init=False)
    order_no: str = ""
    service_code: str = ""

    @property
    def auditor(self) -> Actor:
        """Somebody who reads the books and changes nothing."""
        return Actor.of(uuid7(), Role.HOURS_AUDITOR)

    async def make(self) -> None:
        """All of it, from an empty system to the entry in the book and the notice in the inbox."""
        self.direct(MORNING)
        await self.people_register()
        await self.volunteer_offers_help()
        await self.service_is_published()
        await self.order_is_placed()
        await self.order_is_staffed()
        await self.service_is_given()
        await self.recipient_judges()
        await self.minutes_are_in_the_book()

    # people

    async def people_register(self) -> None:
        """The first ADMIN is made by the command line, once; staff by the ADMIN; everybody else by the station."""
        first = self.cli("token", "--bootstrap", "--name", "虚构管理员")
        assert first["role"] == "ADMIN"
        assert first["positions"]["volunteers"] > 0
        self.admin = Actor.of(UUID(first["actor_id"]), Role.ADMIN)
        self.manager = await self._staff("虚构站长", Role.STATION_MANAGER)
        self.dispatcher = await self._staff("虚构派单员", Role.DISPATCHER)
        self.resident = Actor.of(await self._person("王桂兰", "10000000001", self.manager), Role.RESIDENT)
        self.volunteer = Actor.of(await self._person("李新民", "10000000002", self.manager), Role.VOLUNTEER)
        for person in (self.resident, self.volunteer):
            reached = {"ref": str(person.person_id), "channel": "in_app"}
            await self._command("notify", "/v1/contacts", reached, Actor.of(person.person_id, Role.RESIDENT), "PUT")

    async def _person(self, name: str, phone: str, by: Actor) -> UUID:
        person = {
            "name": name,
            "phone": phone,
            "birth_date": "1955-05-06",
            "household_id": str(uuid7()),
            "entrance_id": "entrance-001",
            "consents": ["personal_data", "contact", "service", "volunteering"],
            "consent_form": "written",
        }
        return UUID((await self._command("volunteers", "/v1/persons", person, by))["person_id"])

    async def _staff(self, name: str, role: Role) -> Actor:
        person_id = await self._person(name, "10000000009", self.admin)
        granted = {"granted_role": role.value, "scope": "community", "scope_id": "chaoyangli"}
        await self._command("volunteers", "/v1/roles", {"person_id": str(person_id), **granted}, self.admin)
        return Actor.of(person_id, role)

    async def volunteer_offers_help(self) -> None:
        """注册, identity and skill seen by the station, free all week."""
        person_id = self.volunteer.person_id
        path, themselves = f"/v1/volunteers/{person_id}", Actor.of(person_id, Role.RESIDENT)
        registration = {"person_id": str(person_id), "consent_form": "written"}
        await self._command("volunteers", "/v1/volunteers", registration, themselves)
        await self._command("volunteers", f"{path}/verify-identity", {}, self.manager)
        await self._command("volunteers", f"{path}/skills", {"skill": ITEM, "level": 1}, self.volunteer)
        await self._command("volunteers", f"{path}/skills/{ITEM}/verify", {"level": 2}, self.manager)
        week = [{"weekday": day, "from_minute": 420, "to_minute": 1260} for day in range(1, 8)]
        await self._command("volunteers", f"{path}/availability", {"weekly": week}, self.volunteer)

    async def service_is_published(self) -> None:
        """服务上架: what is asked of whoever gives it."""
        item = {"item_code": ITEM, "expected_minutes": 30, "slots": 1, "home_visit": False, "skills": [ITEM]}
        await self._command("orders", "/v1/service-items", item, self.manager)

    # the order

    async def order_is_placed(self) -> None:
        """点单 by the resident, 受理 by the dispatcher."""
        order = {
            "item_code": ITEM,
            "window_start": WINDOW_START.isoformat(),
            "window_end": WINDOW_END.isoformat(),
            "details": {"address": "虚构楼门 501", "note": "请敲门大声一点"},
        }
        placed = await self._command("orders", "/v1/orders", order, self.resident)
        self.order_id, self.order_no = UUID(placed["order_id"]), placed["order_no"]
        await self._order("verify", self.dispatcher, {"on_absence": "call"})

    async def order_is_staffed(self) -> None:
        """派单 is an offer, 接单 the volunteer's own word; each side reads what the other did."""
        offers = (await self._order("dispatch", self.dispatcher))["offers"]
        assert [offer["volunteer_id"] for offer in offers] == [str(self.volunteer.person_id)]
        await self._is_told(self.volunteer, "offer")
        await self._order("accept", self.volunteer)
        assert (await self.order(self.dispatcher))["state"] == "ACCEPTED"
        await self._is_told(self.resident, "all_found")

    async def service_is_given(self) -> None:
        """签到 and 签退 with the 服务码 that only the resident's side can read."""
        self.service_code = (await self.order(self.resident))["service_code"]
        await self.notices(self.resident)
        assert "service_code" not in await self.order(self.volunteer)
        self.direct(WINDOW_START)
        await self._order("start", self.volunteer, {"service_code": self.service_code})
        self.direct(WINDOW_START + timedelta(minutes=MINUTES))
        done = {"service_code": self.service_code, "outcome": "done"}
        await self._order("finish", self.volunteer, done)

    async def recipient_judges(self) -> None:
        """确认 and 评单, by nobody else than whom it was for."""
        await self._order("confirm", self.resident)
        await self._order("rate", self.resident, {"score": 5, "comment": "剪得好"})
        order = await self.order(self.dispatcher)
        assert (order["state"], order["score"]) == ("RATED", 5)

    # what followed by itself

    async def minutes_are_in_the_book(self) -> None:
        """HoursLogged in volunteers, its entry in the ledger, and the notice of it: the same minutes, once."""
        person_id = self.volunteer.person_id
        path = f"/v1/volunteers/{person_id}/minutes"

        async def posted() -> Any:
            answer = await self._query("ledger", path, self.volunteer)
            return answer if answer["minutes"] else None

        answer = await eventually(posted, HEARD_SECONDS, every=0.1, what="the minutes in the ledger")
        assert (answer["minutes"], answer["by_grade"]["A"]) == (MINUTES, MINUTES)
        query = {"book": "hours", "volunteer_id": str(person_id)}
        assert len((await self._query("ledger", "/v1/entries", self.auditor, query))["entries"]) == 1
        claims = (await self._query("volunteers", f"/v1/volunteers/{person_id}/hours", self.volunteer))["claims"]
        assert [(claim["state"], claim["minutes"]) for claim in claims] == [("LOGGED", MINUTES)]

        async def credited() -> list[Any]:
            notices = await self._inbox(self.volunteer)
            return [notice["body"] for notice in notices if notice["template"] == "minutes_credited"]

        told = await eventually(credited, HEARD_SECONDS, every=0.1, what="minutes_credited in the inbox")
        assert len(told) == 1
        assert f"{MINUTES} 分钟" in told[0]

    async def _is_told(self, person: Actor, template: str) -> None:
        """Return when the notice about this order lies in the person's own inbox."""

        async def told() -> bool:
            return template in {notice["template"] for notice in await self.notices(person)}

        await eventually(told, HEARD_SECONDS, every=0.1, what=f"{template} in the inbox")

    async def notices(self, person: Actor) -> list[Any]:
        """What the person was told of this order; never the code, never a name."""
        about = [notice for notice in await self._inbox(person) if notice["order_no"] == self.order_no]
        for notice in about:
            words = notice["body"].replace(self.order_no, "")
            assert not any(name in words for name in ("王桂兰", "李新民", "虚构"))
            assert not self.service_code or self.service_code not in words
        return about

    # speaking to the services

    async def _inbox(self, person: Actor) -> list[Any]:
        notices: list[Any] = (await self._query("notify", f"/v1/inbox/{person.person_id}", person))["notices"]
        return notices

    async def order(self, reader: Actor) -> Any:
        """The order, as much of it as the reader may know."""
        return await self._query("orders", f"/v1/orders/{self.order_id}", reader)

    async def _order(self, step: str, actor: Actor, body: Mapping[str, Any] | None = None) -> Any:
        return await self._command("orders", f"/v1/orders/{self.order_id}/{step}", body or {}, actor)

    async def _command(
        self, service: str, path: str, body: Mapping[str, Any], actor: Actor, method: str = "POST"
    ) -> Any:
        return (await self.client.command(service, path, body, actor=actor, method=method)).body

    async def _query(self, service: str, path: str, actor: Actor, params: Mapping[str, Any] | None = None) -> Any:
        return await self.client.query(service, path, actor=actor, params=params)
