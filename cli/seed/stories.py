"""What every story beside the orders is told with: commands and questions to one service, as steps of its journal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cli.client import Actor
from cli.seed.community import Helper, Person
from cli.seed.days import Days
from cli.seed.journal import Steps
from cli.seed.plan import DAYS
from contracts.command import Role


@dataclass(frozen=True, slots=True)
class Story:
    """One story: a life of its own, told about the people of volunteers."""

    days: Days
    steps: Steps

    @classmethod
    def of(cls, days: Days, name: str) -> "Story":
        """The story of this name."""
        return cls(days, days.journal.steps(name))

    @property
    def now(self) -> datetime:
        """Business time."""
        return self.days.simulation.now

    async def ask(self, path: str, body: Mapping[str, Any], actor: Actor) -> Any:
        """One command as a step; its answer. Raises ProblemError."""
        return await self.days.send(self.steps, "volunteers", path, body, actor)

    async def read(self, path: str, actor: Actor, **params: str | int) -> Any:
        """One question as a step; its answer."""

        async def do(_key: str) -> Any:
            return await self.days.town.client.query("volunteers", path, actor=actor, params=params)

        return await self.steps.take(f"read {path.rpartition('/')[2]}", self.now, do)

    async def pause(self, *, days: int = 0, hours: int = 0) -> None:
        """Let some time pass."""
        await self.days.simulation.until(self.now + timedelta(days=days, hours=hours))

    def id(self, one: Person | Helper) -> str:
        """The id that a person got."""
        person = one.person if isinstance(one, Helper) else one
        return str(self.days.town.ids[person.person_key])

    def leader(self, helper: Helper) -> Actor:
        """A volunteer as the leader of a team."""
        return Actor.of(self.days.town.ids[helper.person.person_key], Role.TEAM_LEADER)

    def staff(self, role: Role, number: int = 0) -> Actor:
        """Somebody who holds a role."""
        return self.days.town.staff(role, number=number)

    def tell(self, words: str) -> None:
        """One line of the story."""
        self.days.say(-1, words)


def last_day(days: Days) -> int:
    """The day after the last one of orders, counted from 0."""
    return DAYS[days.town.community.scale]


def rounds(days: Days) -> range:
    """How often a story is lived: once in the small community, every two months in a full year."""
    return range(1 if days.town.community.scale == "small" else 6)
