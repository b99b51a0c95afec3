"""Looks at the process every second and writes what it sees into the gauges and the status that /readyz tells."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from eventstore.broker import Connection
from eventstore.consumer import Consumer
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
    consumers: list[Consumer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._seen: dict[str, Counter[str]] = {}
        self._letters: set[str] = set()

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
        for consumer in self.consumers:
            self._look_at_consumer(consumer)
        await self._look_at_letters()
        metrics.ledger_tree_size.set((await self.runtime.log.head()).size)
        for source in self.runtime.hears:
            metrics.heard_position.labels(source).set(await self.runtime.log.heard(source))

    def _look_at_relay(self, relay: Relay) -> None:
        metrics = self.runtime.metrics
        # The supervisor tells of a relay that died or stopped; here of one that cannot publish at the moment.
        if "relay" not in self.runtime.status.stopped:
            self._tell("stream", relay.problems())
        if not self.locks.holds("relay"):
            # Whoever holds the role tells how far it is; what was known before is no news any more.
            metrics.outbox_unpublished.set(0)
            metrics.outbox_oldest_age_seconds.set(0)
            self.runtime.status.lags.pop("relay", None)
        elif relay.unpublished is not None:
            metrics.outbox_unpublished.set(relay.unpublished)
            metrics.outbox_oldest_age_seconds.set(relay.oldest_age_seconds)
            self.runtime.status.lags["relay"] = relay.unpublished
        for reason, more in self._more("relay", relay.errors).items():
            metrics.relay_publish_errors.labels(reason).inc(more)

    def _look_at_consumer(self, consumer: Consumer) -> None:
        metrics, status = self.runtime.metrics, self.runtime.status
        self._tell(f"hears:{consumer.source}", consumer.problems())
        label = f"{consumer.durable}:{consumer.source}"
        if not self.locks.holds(f"consumer:{consumer.source}"):
            if status.lags.pop(consumer.source, None) is not None:
                metrics.consumer_lag.remove(label)
                metrics.consumer_redelivered.remove(label)
        elif consumer.lag is not None:
            metrics.consumer_lag.labels(label).set(consumer.lag)
            metrics.consumer_redelivered.labels(label).set(consumer.redelivered)
            status.lags[consumer.source] = consumer.lag
        for name, counter, count in (
            ("duplicates", metrics.inbox_duplicates, consumer.duplicates),
            ("resubscribed", metrics.consumer_resubscribed, consumer.resubscribed),
        ):
            for source, more in self._more(f"{name}:{consumer.source}", Counter({consumer.source: count})).items():
                counter.labels(source).inc(more)

    async def _look_at_letters(self) -> None:
        """Open dead letters are for a person to decide about: they degrade until somebody has."""
        log = self.runtime.log
        rows = await log.pool.fetch(
            f"""SELECT source, count(*) AS letters FROM {log.config.schema}.dead_letters
                WHERE state = 'open' GROUP BY source"""  # noqa: S608 - schema names come from configuration
        )
        found = {row["source"]: row["letters"] for row in rows}
        for source in self._letters | found.keys() | self.runtime.hears:
            self.runtime.metrics.dead_letters.labels(source).set(found.get(source, 0))
            open_letters = found.get(source, 0)
            self._tell(f"dead_letters:{source}", [f"{open_letters} open"] if open_letters else [])
        self._letters |= found.keys()

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
