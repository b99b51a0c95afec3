"""What a service process does beside answering requests: relay, consumers, signer, timers, its own background tasks.

Each is kept going by the supervisor; what only one replica should do is under that role's lock.
"""

from collections.abc import Awaitable, Callable

import structlog
from faststream.nats.prometheus import NatsPrometheusMiddleware

from eventstore.broker import Connection, make_broker
from eventstore.consumer import Consumer
from eventstore.locks import OneActive
from eventstore.relay import Relay
from eventstore.timers import Timer
from servicekit import adoption
from servicekit.definition import Background, Runtime, ServiceDefinition
from servicekit.observation import Observation
from servicekit.publishing import PublishingTask
from servicekit.signing import SigningTask
from servicekit.supervisor import Supervisor
from servicekit.surroundings import Surroundings

_log = structlog.get_logger("servicekit.roles")


def start_roles(definition: ServiceDefinition, runtime: Runtime, supervisor: Supervisor) -> None:
    """Start everything. Nothing here waits for NATS."""
    settings = runtime.settings
    counting = NatsPrometheusMiddleware(registry=runtime.metrics.registry, app_name=settings.service)
    broker = make_broker(
        settings.nats_url,
        settings.service,
        seed=settings.nats_seed,
        heard_api=settings.heard_api,
        middlewares=[counting],
    )
    connection = Connection(broker)
    locks = OneActive(settings.log_config())
    observation = Observation(runtime, connection, locks)

    def one_active(role: str, run: Callable[[], Awaitable[None]]) -> None:
        locks.add(role, supervisor.kept(role, run))

    relay = Relay(runtime.log, connection)
    relay.attach()
    observation.relay = relay
    one_active("relay", relay.run)
    # Who holds the relay's lock signs, and nobody else (architecture.md §3).
    signing = SigningTask(runtime.signer, runtime.log, runtime.metrics)
    locks.add("relay", supervisor.kept("signer", signing.run))
    publishing = PublishingTask(
        runtime.signer,
        runtime.log,
        settings.published_path,
        runtime.witnesses,
        runtime.status,
        settings.publish_seconds,
    )
    locks.add("relay", supervisor.kept("publisher", publishing.run))
    if definition.timers is not None:
        timer = Timer(runtime.executor, runtime.clock, definition.timers(runtime), _timer_outcome(runtime))
        one_active("timer", timer.run)
    for reactions in definition.reactions_of(runtime):
        consumer = Consumer(runtime.executor, reactions, connection, runtime.clock, vault=runtime.vault)
        observation.consumers.append(consumer)
        one_active(f"consumer:{consumer.source}", consumer.run)
    for background in map(_named, definition.background):
        run = _bound(background, runtime)
        if background.one_active:
            one_active(background.name, run)
        else:
            supervisor.start(background.name, run)
    if definition.policy is not None:
        section = definition.policy
        supervisor.start("policy", lambda: adoption.keep_in_force(section, runtime))
    supervisor.start("feed", runtime.tail.run)
    supervisor.start("surroundings", Surroundings(runtime, definition.counted).run)
    supervisor.start("nats", connection.run)
    supervisor.start("locks", locks.run)
    supervisor.start("observation", observation.run)


def _named(background: Background | Callable[[Runtime], Awaitable[None]]) -> Background:
    if isinstance(background, Background):
        return background
    return Background(getattr(background, "__name__", "background"), background)


def _bound(background: Background, runtime: Runtime) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        await background.run(runtime)

    return run


def _timer_outcome(runtime: Runtime) -> Callable[[str, str], None]:
    def observe(key: str, outcome: str) -> None:
        runtime.metrics.timer_outcomes.labels(outcome).inc()
        if outcome != "fired":
            # The key's first word only: the rest is an id.
            _log.info("deadline did not fire", timer=key.partition(":")[0], outcome=outcome)

    return observe
