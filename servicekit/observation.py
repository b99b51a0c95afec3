"""Looks at the process every second and writes what it sees into the gauges and the status that /readyz tells."""

import asyncio
from collections import Counter
from dataclasses import dataclass

from eventstore.broker import Connection
from eventstore.locks import OneActive
from eventstore.relay import Relay
from servicekit.definition import Runtime

INTERVAL_SECONDS = 1.0


@dataclass
class Observation:
    """Reads the counters that the engine's parts keep; it changes none of them."""

    runtime: Runtime
    connection: Connection
    locks: OneActive
    relay: Relay | None = None

    def __post_init__(self) -> None:
        self._seen: dict[str, Counter[str]] = {}

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await asyncio.sleep(INTERVAL_SECONDS)

    async def look(self) -> None:
        """Look once. Raises LogUnavailable or OSError when PostgreSQL is away: the supervisor tries again."""
        metrics = self.runtime.metrics
        self._tell("nats", self.connection.problems())
        self._tell("locks", self.locks.problems())
        metrics.nats_connected.set(1 if self.connection.connected else 0)
        if self.relay is not None:
            self._look_at_relay(self.relay)
        metrics.ledger_tree_size.set((await self.runtime.log.head()).size)
        for source in self.runtime.hears:
            metrics.heard_position.labels(source).set(await self.runtime.log.heard(source))

    def _look_at_relay(self, relay: Relay) -> None:
        metrics = self.runtime.metrics
        # The supervisor tells of a relay that died or stopped; here of one that cannot publish at the moment.
        if "relay" not in self.runtime.status.stopped:
            self._tell("stream", relay.problems())
        if relay.unpublished is not None and self.locks.holds("relay"):
            metrics.outbox_unpublished.set(relay.unpublished)
            metrics.outbox_oldest_age_seconds.set(relay.oldest_age_seconds)
            self.runtime.status.lags["relay"] = relay.unpublished
        for reason, more in self._more("relay", relay.errors).items():
            metrics.relay_publish_errors.labels(reason).inc(more)

    def _tell(self, name: str, problems: list[str]) -> None:
        if problems:
            self.runtime.status.ails(name, "; ".join(problems))
        else:
            self.runtime.status.well(name)

    def _more(self, name: str, counted: Counter[str]) -> Counter[str]:
        """What was added to a counter since it was last looked at."""
        more = counted - self._seen.get(name, Counter())
        self._seen[name] = Counter(counted)
        return more
