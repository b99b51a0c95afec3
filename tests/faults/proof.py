"""Waits until everything has caught up, then looks at everything: logs, streams, heads, books, notices, read models."""

from collections.abc import Iterator
from typing import Any

import nats
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from cli.commands.proof import replay_all, verify_all
from cli.place import SERVICES, Place
from contracts.envelope import Recorded
from eventstore.checkpoint import load_key_file
from eventstore.note import VerifierKey
from services.notify.read_models.queries import attempted_and_cancelled
from services.orders.decider.due import FIRED
from tests.faults import checkers
from tests.faults.harness import Scene
from tests.support.waiting import eventually

DRAIN_SECONDS = 180.0
QUIET_LOOKS = 3
LOOK_SECONDS = 0.3
COMPARED_TRIES = 3


async def everything_holds(scene: Scene) -> dict[str, list[Recorded]]:
    """Wait, then fail with all that is wrong. The logs, for what a test wants to know besides."""
    place = scene.place
    await drained(scene)
    scene.keep_heads()
    logs = await checkers.read_logs(place.connect, SERVICES)
    wrong = [problem for checker in checkers.CHECKERS for problem in checker(logs)]
    wrong += checkers.commands_once(scene.history, logs)
    wrong += checkers.shown_once(logs, scene.shown())
    wrong += checkers.heads_are_prefixes(logs, scene.heads, keys_of(place))
    wrong += await verified(place)
    wrong += await replayed(place)
    wrong += await database(scene, place, logs)
    wrong += [f"status {status}, {times} times" for status, times in scene.history.statuses.items() if status == 500]
    assert not wrong, "\n".join([f"seed {scene.seed}: {scene.history.counted()}", *wrong[:40]])
    scene.proven = True
    return logs


def keys_of(place: Place) -> dict[str, VerifierKey]:
    """The keys that the heads of each log are signed with."""
    return {
        service: VerifierKey.of(
            f"{place.community}/{service}", load_key_file(place.secrets_dir / f"{service}.signing_key")
        )
        for service in SERVICES
    }


async def drained(scene: Scene, seconds: float = DRAIN_SECONDS) -> None:
    """Return when every process is well, every log is in its stream and heard to its end, and nothing grows."""
    seen: list[Any] = []

    async def quiet() -> bool:
        found = await look(scene)
        seen.append(found)
        assert not found["late"], found["late"]
        return len(seen) > QUIET_LOOKS and all(one == found for one in seen[-QUIET_LOOKS:])

    await eventually(quiet, seconds, every=LOOK_SECONDS, what="rest")


async def look(scene: Scene) -> dict[str, Any]:
    """Sizes of the logs, and all that is not as it should be at the end."""
    late: list[str] = []
    sizes = await scene.sizes()
    async with scene.speaker() as client:
        for server in scene.processes():
            if server.url in scene.hidden:
                continue
            health = await client.health_of(server.url)
            if health.get("status") != "ok":
                late.append(f"{server.service} at {server.url}: {health}")
            late += [
                f"{server.service} heard {source} to {position} of {sizes[source]}"
                for source, position in health.get("positions", {}).items()
                if position < sizes[source]
            ]
    streams = await _streams(scene)
    late += [
        f"the stream of {name} has {last} of {sizes[name]}" for name, last in streams.items() if last != sizes[name]
    ]
    late += await _overdue(scene)
    return {"late": late, "sizes": sizes}


async def _overdue(scene: Scene) -> list[str]:
    """What a timer has not come to: deadlines of orders that passed, hours that wait to be credited."""
    connection = await scene.place.connect("orders")
    try:
        rows = await connection.fetch(
            "SELECT order_id, next_due_for FROM orders_read.orders WHERE next_due_at <= $1 AND next_due_for = ANY($2)",
            scene.now,
            list(FIRED),
        )
    finally:
        await connection.close()
    found = [f"{row['next_due_for']} of order {row['order_id']} is overdue" for row in rows]
    connection = await scene.place.connect("volunteers")
    try:
        # One whose crediting lost a race; the timer credits it on fresh facts.
        rows = await connection.fetch("SELECT claim_id FROM volunteers_read.claims WHERE state = 'CONFIRMED'")
    finally:
        await connection.close()
    found += [f"the hours of claim {row['claim_id']} are confirmed, and neither credited nor held" for row in rows]
    connection = await scene.superuser()
    try:
        left = await attempted_and_cancelled(connection, "notify", "notify_read", hours=1)
    finally:
        await connection.close()
    return found + [f"notice {row['notification_id']} was attempted and cancelled, and has no outcome" for row in left]


async def _streams(scene: Scene) -> dict[str, int]:
    client = await nats.connect(**scene.place.nats_arguments())
    try:
        js = client.jetstream(prefix=scene.place.streams_api)
        return {service: await _last(js, service) for service in SERVICES}
    finally:
        await client.close()


async def _last(js: JetStreamContext, service: str) -> int:
    try:
        return (await js.stream_info(service.upper())).state.last_seq
    except NotFoundError:
        # Lost with its store, and not made again yet.
        return 0


async def verified(place: Place) -> Iterator[str]:
    """Log, tree, signed head and stream, byte for byte, by the command that auditors use."""
    wrong = []
    for report in await verify_all(place, SERVICES, lambda *_: None):
        wrong += [f"verify {report.service}: {one.kind} {one.position} {one.message}" for one in report.problems]
        if not report.stream_identical:
            wrong.append(f"verify {report.service}: the stream is not identical: {report.stream}")
        if report.checkpoint is None or not report.checkpoint.ok:
            wrong.append(f"verify {report.service}: the signed head: {report.checkpoint}")
    return iter(wrong)


async def replayed(place: Place) -> Iterator[str]:
    """Every read model, folded from nothing, equals the live one row by row."""
    wrong = []
    for report in await replay_all(place, SERVICES, lambda *_: None):
        if not report.compared:
            wrong.append(f"replay {report.service}: {report.note or 'not compared'}")
        wrong += [
            f"replay {report.service}: {table.name} differs: {table.first_difference}"
            for table in report.tables
            if table.equal is False
        ]
    return iter(wrong)


async def rebuilt(place: Place, service: str) -> None:
    """Put the read models of a service, folded from nothing, in the place of the live ones."""
    await replay_all(place, [service], lambda *_: None, swap=True)


async def database(scene: Scene, place: Place, logs: dict[str, list[Recorded]]) -> Iterator[str]:
    """No dead letter, no key left without its events, and PostgreSQL's own sums."""
    wrong = []
    sent = {said.key for said in scene.history.said}
    for service in SERVICES:
        connection = await place.connect(service, "migrator")
        try:
            for row in await connection.fetch(f"SELECT * FROM {service}.dead_letters"):
                wrong.append(f"{service} has a dead letter: {row['source']} {row['position']} {row['error']}")
            for row in await connection.fetch(f"SELECT scope, key, last_position FROM {service}.idempotency"):
                by_people = not row["scope"].startswith(("timer", "sender"))
                if row["last_position"] > len(logs[service]) or (by_people and row["key"] not in sent):
                    wrong.append(f"{service} keeps a key of nothing: {dict(row)}")
        finally:
            await connection.close()
    connection = await place.connect("ledger")
    try:
        sums = await connection.fetch("SELECT unit, sum(amount)::bigint AS sum FROM ledger_read.postings GROUP BY unit")
    finally:
        await connection.close()
    wrong += [f"the postings in {row['unit']} sum to {row['sum']}" for row in sums if row["sum"]]
    return iter(wrong)
