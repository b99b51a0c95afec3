"""Each checker is shown something wrong: what it cannot notice it does not prove."""

import base64
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import nats
import pytest

from cli.place import SERVICES
from contracts.envelope import Recorded
from eventstore.log import RawEvent
from eventstore.publish import Target, publish
from eventstore.streams import context, ensure_stream, stream_name
from tests.faults import checkers, proof
from tests.faults.erasing import found_in, in_streams
from tests.faults.harness import Scene
from tests.faults.load import live_a_day
from tests.faults.nemesis import lose_store
from tests.faults.subscriber import Outsider, admin_arguments
from tests.support.spellings import spellings
from tests.support.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture
async def lived(scene: Scene) -> Scene:
    if scene.day == 0:
        await live_a_day(scene)
    await proof.everything_holds(scene)
    return scene


async def test_the_checkers_notice_what_is_lost_or_doubled(lived):
    logs = await checkers.read_logs(lived.place.connect, SERVICES)

    def wrong(**doctored: Sequence[Recorded]) -> set[str]:
        shown = {**logs, **doctored}
        found = {each.__name__ for each in checkers.CHECKERS if list(each(shown))}
        found |= {"commands_once"} if list(checkers.commands_once(lived.history, shown)) else set()
        return found | ({"shown_once"} if list(checkers.shown_once(shown, lived.shown())) else set())

    def without(service: str, kind: str, **what: Any) -> list[Recorded]:
        first = _first(logs[service], kind, **what)
        return [one for one in logs[service] if one is not first]

    def twice(service: str, kind: str, **what: Any) -> list[Recorded]:
        return [*logs[service], _first(logs[service], kind, **what)]

    assert wrong() == set()
    assert {"no_gaps", "hours_once", "books_balance"} <= wrong(volunteers=without("volunteers", "HoursLogged"))
    assert {"hours_once", "books_balance"} <= wrong(ledger=twice("ledger", "EntryPosted", book="hours"))
    assert {"gifts_once", "books_balance"} <= wrong(ledger=twice("ledger", "EntryPosted", book="fund"))
    assert "gifts_once" in wrong(ledger=without("ledger", "EntryPosted", book="fund"))
    assert "hours_once" in wrong(orders=without("orders", "ServiceFinished"))
    assert "gifts_once" in wrong(ledger=without("ledger", "DonationReceived"))
    assert "notices_once" in wrong(notify=twice("notify", "NotificationQueued"))
    assert "notices_once" in wrong(notify=twice("notify", "NotificationHandedOver"))
    assert "notices_once" in wrong(notify=without("notify", "NotificationQueued", template="order_received"))
    assert "slots_once" in wrong(orders=twice("orders", "OrderAccepted"))
    assert "deadlines_once" in wrong(orders=twice("orders", "OfferExpired"))
    assert "commands_once" in wrong(orders=without("orders", "OrderRated"))
    assert "commands_once" in wrong(orders=twice("orders", "OrderPlaced"))
    assert "shown_once" in wrong(notify=without("notify", "NotificationHandedOver", channel="console"))


def _first(log: Sequence[Recorded], kind: str, **what: Any) -> Recorded:
    return next(
        one
        for one in log
        if one.type == kind and all(getattr(one.event, name) == value for name, value in what.items())
    )


async def test_a_notice_shown_twice_or_never_is_noticed(lived):
    logs = await checkers.read_logs(lived.place.connect, SERVICES)
    shown = lived.shown()
    assert shown
    assert not list(checkers.shown_once(logs, shown))
    some = next(iter(shown))
    assert list(checkers.shown_once(logs, shown + Counter({some: 1})))
    assert list(checkers.shown_once(logs, shown - Counter({some: 1})))
    assert list(checkers.shown_once(logs, shown + Counter({"somebody else's": 1})))


async def test_a_head_that_the_log_does_not_extend_is_noticed(lived):
    logs = await checkers.read_logs(lived.place.connect, SERVICES)
    keys = proof.keys_of(lived.place)
    assert not list(checkers.heads_are_prefixes(logs, lived.heads, keys))
    first, *rest = logs["orders"]
    other = replace(first, body=first.body.replace(b"{", b"{ ", 1))
    assert list(checkers.heads_are_prefixes({**logs, "orders": [other, *rest]}, lived.heads, keys))
    assert list(checkers.heads_are_prefixes({**logs, "orders": [first]}, lived.heads, keys))


def test_an_outsider_who_misses_one_notices():
    sizes = {"orders": 9, "volunteers": 0, "ledger": 3, "notify": 4}
    somebody = Outsider(seen={name: Counter(range(1, size + 1)) for name, size in sizes.items()})
    assert somebody.misses(sizes) == {}
    del somebody.seen["orders"][7]
    assert somebody.misses(sizes) == {"orders": [7]}


async def test_a_byte_changed_in_a_log_or_in_a_stream_is_noticed(lived):
    assert [*await proof.verified(lived.place)] == []
    connection = await lived.superuser()
    try:
        body = await connection.fetchval("SELECT body FROM notify.events WHERE position = 3")
        change = "UPDATE notify.events SET body = $1 WHERE position = 3"
        await connection.execute("ALTER TABLE notify.events DISABLE TRIGGER ALL")
        await connection.execute(change, body.replace(b"notify", b"notifY", 1))
        found = [*await proof.verified(lived.place)]
        assert any("verify notify" in one and " 3 " in one for one in found), found
        await connection.execute(change, body)
        for name in await connection.fetch("SELECT tgname FROM pg_trigger WHERE tgrelid = 'notify.events'::regclass"):
            await connection.execute(f"ALTER TABLE notify.events ENABLE ALWAYS TRIGGER {name['tgname']}")
    except Exception:
        lived.proven = False
        raise
    finally:
        await connection.close()
    assert [*await proof.verified(lived.place)] == []
    await _another_stream(lived, "ledger")
    found = [*await proof.verified(lived.place)]
    assert any("verify ledger" in one for one in found), found
    assert not any("verify orders" in one for one in found), found
    # The relay has refused to go on. A wiped store is filled again by one that begins anew.
    await lose_store(lived, None)
    lived.stack.services["ledger"].start()
    await proof.everything_holds(lived)


async def _another_stream(scene: Scene, service: str) -> None:
    """The stream of a service is replaced by one that differs in one byte; the service is dead meanwhile."""
    scene.stack.services[service].kill()
    connection = await scene.place.connect(service)
    try:
        rows = await connection.fetch(
            f"SELECT position, event_id, type, body, leaf_hash FROM {service}.events ORDER BY position"
        )
    finally:
        await connection.close()
    events = [RawEvent(*row) for row in rows]
    events[4] = replace(events[4], body=events[4].body.replace(b"ledger", b"ledgeR", 1))
    client = await nats.connect(**admin_arguments(scene))
    try:
        js = context(client, scene.place.streams_api)
        await js.delete_stream(stream_name(service))
        await ensure_stream(js, scene.place.community, service)
        target, last = Target(client, scene.place.community, service), 0
        while last < len(events):
            last = await publish(target, events[last : last + 100])
    finally:
        await client.close()


async def test_a_row_of_a_read_model_that_is_changed_lost_or_added_is_noticed(lived):
    connection = await lived.superuser()
    try:
        for change in (
            "UPDATE orders_read.orders SET state = 'MERGED' WHERE ctid = (SELECT min(ctid) FROM orders_read.orders)",
            "DELETE FROM orders_read.offers WHERE ctid = (SELECT min(ctid) FROM orders_read.offers)",
        ):
            assert [*await proof.replayed(lived.place)] == []
            await connection.execute("SET session_replication_role = replica")
            assert (await connection.execute(change)).endswith(" 1")
            found = [*await proof.replayed(lived.place)]
            assert [one.split()[1] for one in found] == ["orders:"], found
            await proof.rebuilt(lived.place, "orders")
    finally:
        await connection.close()
    await proof.everything_holds(lived)


async def test_a_dead_letter_and_a_key_of_nothing_are_noticed(lived):
    logs = await checkers.read_logs(lived.place.connect, SERVICES)
    connection = await lived.superuser()
    try:
        await connection.execute(
            """INSERT INTO notify.dead_letters (source, position, handler, event_id, error, body, blocks)
               VALUES ('orders', 1, 'x', gen_random_uuid(), 'x', '', false)"""
        )
        assert len([*await proof.database(lived, lived.place, logs)]) == 1
        await connection.execute("DELETE FROM notify.dead_letters")
        kept = await connection.fetchval("SELECT key FROM orders.idempotency WHERE scope NOT LIKE 'timer%' LIMIT 1")
        await connection.execute("UPDATE orders.idempotency SET key = 'nobody''s' WHERE key = $1", kept)
        assert len([*await proof.database(lived, lived.place, logs)]) == 1
        await connection.execute("UPDATE orders.idempotency SET key = $1 WHERE key = 'nobody''s'", kept)
    finally:
        await connection.close()
    assert [*await proof.database(lived, lived.place, logs)] == []


async def test_a_service_that_is_away_or_behind_is_not_at_rest(lived):
    assert not (await proof.look(lived))["late"]
    lived.stack.services["notify"].kill()
    try:
        assert any("notify" in one for one in (await proof.look(lived))["late"])
    finally:
        lived.stack.services["notify"].start()
    await eventually(lambda: _at_rest(lived), 60)


async def _at_rest(scene: Scene) -> bool:
    return not (await proof.look(scene))["late"]


async def test_words_are_found_wherever_and_however_they_lie(lived, tmp_path):
    word = "虚构欧阳离"
    raw = word.encode()
    planted = [raw, json.dumps(word).encode(), raw.hex().encode(), raw.hex().upper().encode()]
    planted += [base64.b64encode(b"x" * shift + raw + b"y" * 5) for shift in range(3)]
    for number, content in enumerate(planted):
        (tmp_path / f"{number}").write_bytes(b"before " + content + b" after")
    assert len(found_in(tmp_path, [word])) == len(planted)
    assert found_in(tmp_path, ["虚构别的人"]) == []
    assert len(spellings(word)) > 4
    # Where the services' words lie, others' are found: what they said, and what they published.
    log = await checkers.read_logs(lived.place.connect, ["orders"])
    assert len(await in_streams(lived, [str(log["orders"][0].event_id)])) == 1
    assert found_in(lived.stack.data / "logs", ["Started server process"])
