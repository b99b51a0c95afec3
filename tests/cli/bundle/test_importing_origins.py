"""What an import makes of losses, of causes that are in no log, and of services at work: small logs, a real database.

The place is one that variables describe, as containers are: no file says whether its services run.
"""

import asyncio
import json
import shutil
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from cli.bundle.earlier import earlier_path
from cli.stack import Stack
from eventstore.note import format_note, sign
from tests.cli.audit.histories import EXAMPLES
from tests.cli.bundle.bundles import KEYS, put, write
from tests.cli.program import Said, say
from tests.support.servers import temporary_directory

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]
OK, CHECK_FAILED = 0, 1
SERVICES = ("orders", "volunteers", "ledger", "notify")
FIRST = {service: f"chaoyangli/{service}" for service in SERVICES}
LATER = FIRST | {"volunteers": "chaoyangli/volunteers/2"}
LOST = "01900000-0000-7000-8000-00000000dead"
BEFORE_THE_LOSS, LOSS, AFTER_THE_LOSS = (f"2026-03-05T0{hour}:00:00.000000Z" for hour in (1, 2, 3))


def event(service: str, event_type: str, position: int, time: str, cause: str | None = None) -> bytes:
    """An example at another place and time; `cause`: the id of what it was recorded for."""
    said = json.loads((EXAMPLES / service / f"{event_type}.json").read_text(encoding="utf-8"))
    said |= {"position": position, "time": time, "streamversion": 1}
    del said["causationid"]
    if cause is not None:
        said["causationid"] = cause
    return json.dumps(said, separators=(",", ":")).encode()


REGISTERED = event("volunteers", "PersonRegistered", 1, BEFORE_THE_LOSS)


def logs(*, loss: bool, erased_at: str, cause: str | None) -> dict[str, list[bytes]]:
    """orders has forgotten somebody because of `cause`; notify heard of the first event of volunteers."""
    lost = [event("volunteers", "LossAccepted", 2, LOSS)] if loss else []
    return {
        "orders": [event("orders", "PersonDataErased", 1, erased_at, cause)],
        "volunteers": [REGISTERED, *lost],
        "ledger": [event("ledger", "PersonDataErased", 1, AFTER_THE_LOSS)],
        "notify": [event("notify", "ContactSet", 1, AFTER_THE_LOSS, json.loads(REGISTERED)["id"])],
    }


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with temporary_directory() as directory:
        stack = Stack(directory / "data", durable=False)
        stack.claim()
        try:
            stack.prepare()
            yield stack
        finally:
            stack.stop()


@pytest.fixture(autouse=True)
def _described(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)


async def put_in(target: Path, content: Mapping[str, list[bytes]], origins: Mapping[str, str]) -> Said:
    bundle = write(target, dict(content), origins)
    return await asyncio.to_thread(say, "audit", "import", bundle, "--json")


async def asked(stack: Stack, question: str) -> Any:
    connection = await asyncpg.connect(stack.servers.postgres.dsn("chaoyangli"))
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def sizes(stack: Stack) -> list[int]:
    return [await asked(stack, f"SELECT size FROM {service}.head") for service in SERVICES]


async def test_nothing_is_imported_while_a_service_is_at_work_there(stack: Stack, tmp_path: Path):
    password = (stack.secrets_dir / "orders_app.password").read_text().strip()
    address = f"127.0.0.1:{stack.servers.postgres.port}"
    service = await asyncpg.connect(f"postgresql://orders_app:{password}@{address}/chaoyangli")
    whole = logs(loss=False, erased_at=AFTER_THE_LOSS, cause=None)
    said = await put_in(tmp_path / "bundle", whole, FIRST)
    await service.close()
    assert said.code == CHECK_FAILED
    assert "stop the services before a bundle is imported: orders is up" in said.err
    assert await sizes(stack) == [0, 0, 0, 0]


@pytest.mark.parametrize(("loss", "erased_at"), [(False, BEFORE_THE_LOSS), (True, AFTER_THE_LOSS)])
async def test_an_event_whose_cause_is_in_no_log_is_refused_where_no_loss_explains_it(
    stack: Stack, tmp_path: Path, loss: bool, erased_at: str
):
    cut = logs(loss=loss, erased_at=erased_at, cause=LOST)
    said = await put_in(tmp_path / "bundle", cut, LATER if loss else FIRST)
    assert said.code == CHECK_FAILED
    assert "events of orders whose causes came after its heads of other logs: nothing was imported" in said.err
    assert await sizes(stack) == [0, 0, 0, 0]


async def test_a_log_of_a_later_origin_comes_with_all_its_origins_and_goes_on_in_the_last(stack: Stack, tmp_path: Path):
    bundle = write(tmp_path / "bundle", logs(loss=True, erased_at=BEFORE_THE_LOSS, cause=LOST), LATER)
    last_of_the_first = _head_of_the_first_origin()
    put(earlier_path(bundle / "logs/volunteers", 1), last_of_the_first.encode())
    packed = shutil.make_archive(str(tmp_path / "carried"), "zip", tmp_path, "bundle")
    said = await asyncio.to_thread(say, "audit", "import", packed, "--json")
    assert said.code == OK, said
    found = said.document["services"]
    assert {name: one["origin"] for name, one in found.items()} == LATER
    assert found["orders"]["orphans"] == [{"service": "orders", "position": 1, "type": "PersonDataErased"}]
    assert found["notify"]["heard"] == {"volunteers": 1}
    assert await sizes(stack) == [1, 2, 1, 1]
    state = stack.data / "state"
    assert (state / "volunteers" / "origin").read_text() == "chaoyangli/volunteers/2\n"
    assert not (state / "orders" / "origin").exists()
    assert (state / "volunteers" / "head").read_text().split("\n")[:2] == ["chaoyangli/volunteers/2", "2"]
    # As if killed between the log and the files that say in which origin it is.
    shutil.rmtree(state / "volunteers")
    again = await asyncio.to_thread(say, "audit", "import", bundle, "--json")
    assert again.code == OK, again
    assert (state / "volunteers" / "origin").read_text() == "chaoyangli/volunteers/2\n"
    other = await put_in(tmp_path / "other", logs(loss=False, erased_at=AFTER_THE_LOSS, cause=None), FIRST)
    assert (other.code, "volunteers goes on as volunteers/2" in other.err) == (CHECK_FAILED, True)
    # What was put in can be taken away again, as the same log.
    assert (await asyncio.to_thread(say, "audit", "export", tmp_path / "taken")).code == OK
    assert (await asyncio.to_thread(say, "audit", "verify", tmp_path / "taken", "--before", packed)).code == OK
    assert earlier_path(tmp_path / "taken/logs/volunteers", 1).read_text() == last_of_the_first


def _head_of_the_first_origin() -> str:
    """What LossAccepted says was signed, part of which is lost."""
    loss = json.loads(event("volunteers", "LossAccepted", 2, LOSS))["data"]
    root = b64encode(bytes.fromhex(loss["signed_root"])).decode()
    text = f"{loss['old_origin']}\n{loss['signed_size']}\n{root}\n"
    return format_note(text, [sign(text, loss["old_origin"], KEYS["volunteers"])])
