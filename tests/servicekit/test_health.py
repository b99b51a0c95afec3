import json
import logging
from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import asyncpg
import httpx
import pytest

from eventstore.checkpoint import Checkpoint, ForkRefused, open_checkpoint
from eventstore.errors import Tampered
from servicekit import logs
from servicekit.backups import LAST_BACKUP
from servicekit.observation import Observation
from servicekit.signing import SigningTask, sign
from servicekit.surroundings import Surroundings
from servicekit.verified import Verified, write_last_verified
from tests.servicekit.sample_service import sample
from tests.servicekit.world import Served, World, served


async def test_a_healthy_service_is_ready_and_tells_its_positions(service: Served) -> None:
    await service.publish()
    assert (await service.client.get("/livez")).json() == {"status": "ok"}
    answer = await service.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["positions"] == {"orders": 1, "volunteers": 0}


async def test_what_is_late_degrades_and_does_not_refuse(service: Served) -> None:
    service.runtime.status.ails("nats", "NATS cannot be reached")
    answer = await service.client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["degraded"] == ["nats: NATS cannot be reached"]
    assert (await service.publish()).status_code == 201


async def test_lags_are_told_by_whoever_holds_the_role(service: Served) -> None:
    """A process that lost it would tell a lag that stands still."""
    runtime, held = service.runtime, {"relay", "consumer:volunteers"}
    consumer: Any = SimpleNamespace(
        source="volunteers",
        durable="orders-reactions",
        lag=7,
        duplicates=0,
        redelivered=0,
        resubscribed=2,
        problems=list,
    )
    relay: Any = SimpleNamespace(unpublished=5, oldest_age_seconds=3.0, errors=Counter(), problems=list)
    there: Any = SimpleNamespace(connected=True, problems=list, holds=lambda role: role in held)
    observation = Observation(runtime, there, there, relay, [consumer])
    await observation.look()
    assert runtime.status.lags == {"relay": 5, "volunteers": 7}
    assert b'consumer_lag{durable="orders-reactions:volunteers"} 7.0' in runtime.metrics.render()
    await observation.look()
    assert b'consumer_resubscribed_total{source="volunteers"} 2.0' in runtime.metrics.render()
    held.clear()
    await observation.look()
    assert runtime.status.lags == {}
    assert b"consumer_lag{" not in runtime.metrics.render()
    assert b"outbox_unpublished 0.0" in runtime.metrics.render()


async def test_read_models_of_another_version_make_it_unready(service: Served) -> None:
    await _as_superuser(service.world, "UPDATE orders.read_model_state SET version = 'older'")
    answer = await service.client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert "of version older" in answer.json()["reasons"][0]
    refused = await service.publish()
    assert (refused.status_code, refused.json()["reason_code"]) == (503, "log_unavailable")
    assert await service.size() == 0


async def test_a_command_is_answered_that_the_log_is_in_doubt(service: Served) -> None:
    """Somebody with a superuser's rights put an event behind the head: what to do is said, and nothing is recorded."""
    await service.publish()
    await _as_superuser(
        service.world,
        """SET session_replication_role = replica; ALTER TABLE orders.events DISABLE TRIGGER ALL;
           INSERT INTO orders.events SELECT position + 1, stream, version + 1000, gen_random_uuid(), type, recorded_at,
                                            body, leaf_hash FROM orders.events""",
    )
    refused = await service.publish("meal")
    document = refused.json()
    assert (refused.status_code, document["reason_code"], document["facts"]) == (503, "log_in_doubt", {"position": 2})
    assert "chaoyangli verify" in document["title_zh"]
    assert await service.size() == 1


async def test_metrics_count_what_was_asked_and_hold_no_ids(service: Served) -> None:
    published = (await service.publish()).json()
    await service.client.post("/v1/items", json={}, headers=service.headers())
    text = (await service.client.get("/metrics")).text
    assert 'commands_total{command="PublishItem",outcome="recorded"} 1.0' in text
    assert 'refusals_total{reason_code="invalid_request"} 1.0' in text
    assert 'http_requests_total{status="2xx"}' in text
    assert published["item_id"] not in text


async def test_the_last_backup_and_the_last_verify_are_told_and_what_is_unknown_is_no_number(service: Served) -> None:
    runtime = service.runtime
    around = Surroundings(runtime)
    async with httpx.AsyncClient() as http:
        await around.look(http)
        text = runtime.metrics.render().decode()
        assert "last_backup_timestamp_seconds 0.0" in text
        assert "nats_healthz NaN" in text
        assert "disk_free_bytes NaN" not in text
        state = runtime.settings.state_dir
        note: dict[str, Any] = {"finished_at": "2026-10-03T02:00:00+08:00", "path": "/backups/one.tar", "bytes": 7}
        (state / LAST_BACKUP).write_text(json.dumps(note))
        at = datetime(2026, 10, 4, tzinfo=UTC)
        assert write_last_verified(state, "orders", Verified(finished_at=at, size=0, ok=False))
        await around.look(http)
    told = runtime.metrics.registry.get_sample_value
    assert told("last_backup_timestamp_seconds") == datetime.fromisoformat(note["finished_at"]).timestamp()
    assert told("ledger_last_verified_timestamp_seconds") == at.timestamp()
    assert told("ledger_last_verify_ok") == 0


async def test_the_openapi_document_shows_headers_bodies_and_problems(service: Served) -> None:
    document = (await service.client.get("/openapi.json")).json()
    route = document["paths"]["/v1/items"]["post"]
    assert {parameter["name"] for parameter in route["parameters"]} == {
        "Idempotency-Key",
        "If-Version",
        "X-Role",
        "X-Channel",
        "After",
    }
    assert route["responses"]["409"] == {"$ref": "#/components/responses/Conflict"}
    assert document["components"]["schemas"]["ItemAsk"]["additionalProperties"] is False
    assert route["security"] == [{"HTTPBearer": []}]


async def test_the_last_signed_head_is_served(service: Served) -> None:
    log, signer = service.runtime.log, service.runtime.signer
    await service.publish()
    await sign(signer, log)
    text = (await service.client.get("/v1/checkpoint")).text
    found = open_checkpoint(text, signer.verifier_key).checkpoint
    head = await log.head()
    assert found == Checkpoint("chaoyangli/orders", 1, head.root)


async def test_heads_are_signed_as_the_tree_grows_across_tiles(service: Served) -> None:
    log, signer = service.runtime.log, service.runtime.signer
    last = signer.last_signed()
    assert last is not None
    assert last.size == 0
    for number in range(3):
        await service.publish(f"code-{'abc'[number]}")
        await sign(signer, log)
    last = signer.last_signed()
    assert last is not None
    assert last.size == 3


async def test_a_shorter_log_than_the_last_head_does_not_start(world: World) -> None:
    async with served(world, sample()) as service:
        signer = service.runtime.signer
        head = signer.head_path
        await service.publish("haircut")
        await sign(signer, service.runtime.log)
        before = head.read_text()
        await service.publish("shopping")
        await sign(signer, service.runtime.log)
        after = head.read_text()
    assert before != after
    fork = Checkpoint("chaoyangli/orders", 3, bytes(32))
    signer._write(fork)
    with pytest.raises(Tampered, match="restore the missing tail"):
        async with served(world, sample()):
            pass
    signer._write(Checkpoint("chaoyangli/orders", 2, bytes(32)))
    with pytest.raises(Tampered, match="do not hash"):
        async with served(world, sample()):
            pass
    head.write_text(after)
    async with served(world, sample()) as service:
        assert (await service.client.get("/readyz")).status_code == 200


async def test_a_signer_that_finds_a_fork_refuses(service: Served) -> None:
    log, signer = service.runtime.log, service.runtime.signer
    await service.publish()
    signer._write(Checkpoint("chaoyangli/orders", 1, bytes(32)))
    await service.publish("shopping")
    with pytest.raises(ForkRefused):
        await SigningTask(signer, log, service.runtime.metrics).run()


def test_logs_are_json_without_what_exceptions_say(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.configure("orders")
        try:
            raise ValueError("王奶奶 lives at 3号楼")
        except ValueError:
            logging.getLogger("somewhere").exception("it failed")
        logging.getLogger("uvicorn.error").error("Exception in ASGI application\n")
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    finally:
        root.handlers[:], root.level = handlers, level
    assert [line["event"] for line in lines] == ["it failed"]
    assert lines[0]["exception"] == "builtins.ValueError"
    assert lines[0]["service"] == "orders"
    assert "王奶奶" not in json.dumps(lines, ensure_ascii=False)
    assert any("test_logs_are_json" in frame for frame in lines[0]["frames"])


async def _as_superuser(world: World, sql: str) -> None:
    connection = await asyncpg.connect(world.database.dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
