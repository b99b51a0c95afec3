"""The invented community as it comes to life: who got which id, and how each of them speaks to the services."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar
from uuid import UUID

from cli.client import Actor, Client
from cli.seed.community import Community, Helper, Person, Staff
from cli.seed.journal import Journal, Steps
from contracts.command import Role
from contracts.ids import uuid7
from servicekit.reference import CatalogueItem, Named, reference

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
    journal: Journal
    begins_at: datetime
    """Business time while everybody registers."""
    tell: Tell = field(default=lambda _what, _done, _total: None)
    ids: dict[str, UUID] = field(default_factory=dict)
    """person_key → person_id."""
    grants: dict[tuple[str, Role], UUID] = field(default_factory=dict)
    """(person_key, role) → grant_id."""
    proxies: dict[str, UUID] = field(default_factory=dict)
    """person_key of who is acted for → proxy_authorisation_id."""
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
        known = reference()
        # Three services at once, each at its own pace.
        await asyncio.gather(
            self._each("volunteers", self.community.helpers, self._volunteer),
            self._each("catalogue", [*known.catalogue, *known.retired], self._publish),
            self._each("contacts", self.community.persons, self._contact),
        )

    async def send(
        self, steps: Steps, service: str, path: str, body: Mapping[str, Any], actor: Actor, **more: Any
    ) -> Any:
        """One command while everybody registers, as a step; its answer. Nothing has to be heard before it."""

        async def do(key: str) -> Any:
            return await self.client.command(service, path, body, actor=actor, key=key, after={}, **more)

        return await steps.take(path.rpartition("/")[2], self.begins_at, do)

    async def _first_admin(self) -> None:
        person = self._staff[Role.ADMIN][0].person
        steps = self.journal.steps("admin")

        async def new_id(_key: str) -> str:
            return str(uuid7())

        person_id = UUID(await steps.take("new id", self.begins_at, new_id))
        self.ids[person.person_key] = person_id
        body = {"name": person.name, "phone": person.phone, "entrance_id": person.entrance_id}
        await self.send(steps, "volunteers", "/v1/bootstrap", body, Actor.of(person_id, Role.ADMIN), bootstrap=True)

    async def _register(self, person: Person) -> None:
        body = {
            "name": person.name,
            "phone": person.phone,
            "birth_date": person.birth_date.isoformat(),
            "household_id": str(person.household_id),
            "entrance_id": person.entrance_id,
            "consents": ["personal_data", "contact", "service", "volunteering"],
            "consent_form": "written",
        }
        steps = self.journal.steps(f"register-{person.person_key}")
        answer = await self.send(steps, "volunteers", "/v1/persons", body, self.staff(Role.ADMIN))
        self.ids[person.person_key] = UUID(answer["person_id"])

    async def _grant(self, one: Staff) -> None:
        key = one.person.person_key
        body = {
            "person_id": str(self.ids[key]),
            "granted_role": one.role.value,
            "scope": one.scope,
            "scope_id": one.scope_id,
        }
        steps = self.journal.steps(f"role-{key}-{one.role.value}")
        answer = await self.send(steps, "volunteers", "/v1/roles", body, self.staff(Role.ADMIN))
        self.grants[key, one.role] = UUID(answer["grant_id"])

    async def _authorise(self, pair: tuple[Person, Person]) -> None:
        """A child acts for a parent, and both say that they are that: duties are kept apart by it."""
        principal, proxy = pair
        principal_id, proxy_id = (str(self.ids[one.person_key]) for one in pair)
        steps = self.journal.steps(f"proxy-{proxy.person_key}")
        related = {"person_a_id": principal_id, "person_b_id": proxy_id, "kind": "parent"}
        authorised = {"principal_id": principal_id, "proxy_id": proxy_id}
        await self.send(steps, "volunteers", "/v1/relations", related, self.resident(principal))
        answer = await self.send(steps, "volunteers", "/v1/proxies", authorised, self.resident(principal))
        self.proxies[principal.person_key] = UUID(answer["proxy_authorisation_id"])

    async def _volunteer(self, helper: Helper) -> None:
        volunteer_id = self.ids[helper.person.person_key]
        path, actor = f"/v1/volunteers/{volunteer_id}", self.volunteer(helper)
        station, leader = self.staff(Role.STATION_MANAGER), self.staff(Role.TEAM_LEADER)
        steps = self.journal.steps(f"volunteer-{helper.person.person_key}")

        async def ask(where: str, body: Mapping[str, Any], who: Actor) -> None:
            await self.send(steps, "volunteers", where, body, who)

        body = {"person_id": str(volunteer_id), "consent_form": "written"}
        await ask("/v1/volunteers", body, Actor.of(volunteer_id, Role.RESIDENT))
        await ask(f"{path}/verify-identity", {}, station)
        for skill in helper.skills:
            await ask(f"{path}/skills", {"skill": skill, "level": 1}, actor)
            await ask(f"{path}/skills/{skill}/verify", {"level": 2}, leader)
        for licence in helper.licences:
            await ask(f"{path}/licences", {"licence": licence, "expires_on": LICENCE_EXPIRES.isoformat()}, station)
        if helper.insured:
            insured = {"valid_from": INSURED_FROM.isoformat(), "expires_on": INSURED_UNTIL.isoformat()}
            await ask(f"{path}/insurances", {"insurance": "accident", **insured}, station)
        weekly = [{"weekday": weekday, **ALL_DAY} for weekday in helper.weekdays]
        await ask(f"{path}/availability", {"weekly": weekly}, actor)

    async def _publish(self, item: CatalogueItem | Named) -> None:
        """What can be asked for; and 老三送, which belongs to the history: published, and no longer to be had."""
        actor, steps = self.staff(Role.STATION_MANAGER), self.journal.steps(f"item-{item.code}")
        if not isinstance(item, CatalogueItem):
            body: dict[str, Any] = {"item_code": item.code, "expected_minutes": 30, "slots": 1, "home_visit": True}
            await self.send(steps, "orders", "/v1/service-items", body, actor)
            retired = {"reason_code": "times_have_changed"}
            await self.send(steps, "orders", f"/v1/service-items/{item.code}/retire", retired, actor)
            return
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
        await self.send(steps, "orders", "/v1/service-items", body, actor)

    async def _contact(self, person: Person) -> None:
        ref = self.ids[person.person_key]
        steps = self.journal.steps(f"contact-{person.person_key}")
        for body in ({"channel": "in_app"}, {"channel": "phone", "address": person.phone}):
            asked = {"ref": str(ref), **body}
            await self.send(steps, "notify", "/v1/contacts", asked, Actor.of(ref, Role.RESIDENT), method="PUT")

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

    async def caught_up(self) -> None:
        """Return when every service has heard what the others said up to now."""
        positions = dict(self.client.positions)
        for service in self.client.urls:
            await self._heard(service, positions)

    async def _heard(self, service: str, positions: Mapping[str, int]) -> None:
        while True:
            heard = (await self.client.health(service)).get("positions", {})
            if all(at >= positions.get(name, 0) for name, at in heard.items() if name != service):
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
