"""What every life of the days has in common."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cli.client import Actor
from cli.seed.journal import Journal, Steps
from cli.seed.simulation import Simulation
from cli.seed.town import Town
from cli.seed.watching import Watch

Say = Callable[[int, str], None]
"""(number of the order, -1 for what is none, words): one line of the story."""


@dataclass(frozen=True, slots=True)
class Days:
    """The community, its clock, what was answered so far, and who listens."""

    town: Town
    simulation: Simulation
    midnight: datetime
    """Of the first day, Asia/Shanghai."""
    journal: Journal
    watch: Watch
    say: Say

    async def at(self, day: int, hour: int, minute: int = 0) -> None:
        """Let time come to an hour of a day, the first being day 0."""
        await self.simulation.until(self.midnight + timedelta(days=day, hours=hour, minutes=minute))

    async def send(self, steps: Steps, service: str, path: str, body: Any, actor: Actor, **more: Any) -> Any:
        """One command as a step; its answer without positions and event ids."""
        client = self.town.client
        what = path.rpartition("/")[2]

        async def do(key: str) -> Any:
            return await client.command(service, path, body, actor=actor, key=key, **more)

        return await steps.take(what, self.simulation.now, do)
