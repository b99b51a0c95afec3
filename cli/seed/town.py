"""The invented community as it comes to life: who got which id, and how each of them speaks to the services."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar
from uuid import UUID

from cli.client import Actor, Answer, Client
from cli.seed.community import Community, Helper, Person, Staff
from contracts.command import Role
from contracts.ids import uuid7
from servicekit.reference import reference

AT_ONCE = 8
"""Commands under way at a service at the same time: enough for two cores, few enough for a small machine."""
ALL_DAY = {"from_minute": 420, "to_minute": 1260}
LICENCE_EXPIRES = date(2030, 12, 31)
INSURED_FROM, INSURED_UNTIL = date(2020, 1, 1), date(2030, 12, 31)

Tell = Callable[[str, int, int], None]
T = TypeVar("T")


@dataclass
class Town:
    """Loads a community through the services' own commands, each by whoever may give it."""

    client: Client
    community: Community
    tell: Tell = field(default=lambda _what, _done, _total: None)
    ids: dict[str, UUID] = field(default_factory=dict)
    """person_key → person_id."""
    _staff: dict[Role, list[Staff]] = field(default_factory=dict)
    _helpers: dict[UUID, Helper] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in self.community.staff:
            self._staff.setdefault(one.role, []).append(one)

    def staff(self, role: Role, grid: str | None = None, number: int = 0) -> Actor:
        """Somebody who holds this role, of this grid if the role is held there."""
        holders = self._staff[role]
        local = [one for one in holders if grid is not None and one.scope_id == grid]
        one = (local or holders)[number]
        return Actor(self.ids[one.person.person_key], ((role, one.scope_id if one.scope != "community" else None),))

    def resident(self, person: Person) -> Actor:
        """The person as a resident."""
        return Actor.of(self.ids[person.person_key], Role.RESIDENT)

    def volunteer(self, helper: Helper) -> Actor:
        """The person as a volunteer."""
        return Actor.of(self.ids[helper.person.person_key], Role.VOLUNTEER)

    def proxy(self, principal: Person, proxy: Person) -> Actor:
        """The proxy, acting for the principal."""
        return Actor.of(self.ids[proxy.person_key], Role.PROXY, on_behalf_of=self.ids[principal.person_key])

    async def load(self) -> None:
        """Everybody registers; staff get their roles, volunteers say what they can do; the catalogue is published."""
        await self._first_admin()
        admin = self._staff[Role.ADMIN][0].person.person_key
        others = [person for person in self.community.persons if person.person_key != admin]
        await self._each("people", others, self._register)
        staff = [one for one in self.community.staff if one.role is not Role.ADMIN]
        await self._each("roles", staff, self._grant)
        await self._each("proxies", self.community.proxies, self._authorise)
        # Three services at once, each at its own pace.
        await asyncio.gather(
            self._each("volunteers", self.community.helpers, self._volunteer),
            self._each("catalogue", reference().catalogue, self._publish),
            self._each("contacts", self.community.persons, self._contact),
        )

    async def _first_admin(self) -> None:
        person = self._staff[Role.ADMIN][0].person
        self.ids[person.person_key] = uuid7()
        actor = Actor.of(self.ids[person.person_key], Role.ADMIN)
        body = {"name": person.name, "phone": person.phone, "entrance_id": person.entrance_id}
        await self.client.command("volunteers", "/v1/bootstrap", body, actor=actor, bootstrap=True)

    async def _register(self, person: Person) -> None:
        answer = await self._volunteers(
            "/v1/persons",
            {
                "name": person.name,
                "phone": person.phone,
                "birth_date": person.birth_date.isoformat(),
                "household_id": str(person.household_id),
                "entrance_id": person.entrance_id,
                "consents": ["personal_data", "contact", "service", "volunteering"],
                "consent_form": "written",
            },
            self.staff(Role.ADMIN),
        )
        self.ids[person.person_key] = UUID(answer.body["person_id"])

    async def _grant(self, one: Staff) -> None:
        body = {
            "person_id": str(self.ids[one.person.person_key]),
            "granted_role": one.role.value,
            "scope": one.scope,
            "scope_id": one.scope_id,
        }
        await self._volunteers("/v1/roles", body, self.staff(Role.ADMIN))

    async def _authorise(self, pair: tuple[Person, Person]) -> None:
        principal, proxy = pair
        ids = {"principal_id": self.ids[principal.person_key], "proxy_id": self.ids[proxy.person_key]}
        await self._volunteers(
            "/v1/proxies", {name: str(value) for name, value in ids.items()}, self.resident(principal)
        )

    async def _volunteer(self, helper: Helper) -> None:
        volunteer_id = self.ids[helper.person.person_key]
        path, actor = f"/v1/volunteers/{volunteer_id}", self.volunteer(helper)
        station = self.staff(Role.STATION_MANAGER)
        body = {"person_id": str(volunteer_id), "consent_form": "written"}
        await self._volunteers("/v1/volunteers", body, Actor.of(volunteer_id, Role.RESIDENT))
        await self._volunteers(f"{path}/verify-identity", {}, station)
        for skill in helper.skills:
            await self._volunteers(f"{path}/skills", {"skill": skill, "level": 1}, actor)
            await self._volunteers(f"{path}/skills/{skill}/verify", {"level": 2}, self.staff(Role.TEAM_LEADER))
        for licence in helper.licences:
            body = {"licence": licence, "expires_on": LICENCE_EXPIRES.isoformat()}
            await self._volunteers(f"{path}/licences", body, station)
        if helper.insured:
            insured = {"valid_from": INSURED_FROM.isoformat(), "expires_on": INSURED_UNTIL.isoformat()}
            await self._volunteers(f"{path}/insurances", {"insurance": "accident", **insured}, station)
        weekly = [{"weekday": weekday, **ALL_DAY} for weekday in helper.weekdays]
        await self._volunteers(f"{path}/availability", {"weekly": weekly}, actor)

    async def _publish(self, item: Any) -> None:
        body = {
            "item_code": item.code,
            "expected_minutes": item.minutes,
            "slots": item.slots,
            "home_visit": item.home_visit,
            # A licence for a part of the work is asked for when the order is verified, not of every candidate.
            "licence": item.licence if item.licence_for is None else None,
            "skills": list(item.skills),
            "insurance_required": item.insurance_required,
        }
        actor = self.staff(Role.STATION_MANAGER)
        await self.client.command("orders", "/v1/service-items", body, actor=actor)

    async def _contact(self, person: Person) -> None:
        ref = self.ids[person.person_key]
        for body in ({"channel": "in_app"}, {"channel": "phone", "address": person.phone}):
            await self.client.command(
                "notify",
                "/v1/contacts",
                {"ref": str(ref), **body},
                actor=Actor.of(ref, Role.RESIDENT),
                method="PUT",
                after={},
            )

    async def _volunteers(self, path: str, body: dict[str, Any], actor: Actor) -> Answer:
        return await self.client.command("volunteers", path, body, actor=actor, after={})

    async def _each(self, what: str, things: Iterable[T], do: Callable[[T], Awaitable[None]]) -> None:
        everything = list(things)
        limit, done = asyncio.Semaphore(AT_ONCE), 0

        async def one(thing: T) -> None:
            nonlocal done
            async with limit:
                await do(thing)
            done += 1
            self.tell(what, done, len(everything))

        await asyncio.gather(*(one(thing) for thing in everything))

    async def caught_up(self) -> datetime:
        """Return when every service has heard what the others said up to now."""
        started = datetime.now().astimezone()
        positions = dict(self.client.positions)
        for service in self.client.urls:
            await self._heard(service, positions)
        return started

    async def _heard(self, service: str, positions: dict[str, int]) -> None:
        while True:
            health = await self.client.health(service)
            heard = {name: at for name, at in health.get("positions", {}).items() if name != service}
            if all(at >= positions.get(name, 0) for name, at in heard.items()):
                return
            await asyncio.sleep(0.05)

    def helpers_by_id(self) -> dict[UUID, Helper]:
        """Volunteers by the id they got; only once everybody is loaded."""
        if not self._helpers:
            self._helpers = {self.ids[helper.person.person_key]: helper for helper in self.community.helpers}
        return self._helpers

    @staticmethod
    def item_name(item_code: str) -> str:
        """A service's name as people say it."""
        return reference().items[item_code].name
