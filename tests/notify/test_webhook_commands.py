"""`chaoyangli webhooks` against a running notify."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from cli.commands import webhooks
from tests.notify.examples import ZHAO
from tests.notify.hooks import DECLINED, Hooks, declined
from tests.notify.receiver import status
from tests.notify.test_webhooks_killed import notify_process
from tests.support.waiting import eventually


async def test_an_administrator_adds_lists_tries_replays_and_disables(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = hooks.desk.served.world
    (world.secrets / "nats_notify.nk").unlink(missing_ok=True)
    url = f"http://127.0.0.1:{hooks.desk.runtime.settings.port}"

    @contextlib.contextmanager
    def located(_: Path | None, **__: Any) -> Iterator[Any]:
        yield SimpleNamespace(urls={"notify": url}, secrets_dir=world.secrets)

    monkeypatch.setattr(webhooks, "located", located)

    async def say(*words: str, code: int = 0) -> Any:
        words = (*words, "--actor", str(ZHAO), "--json")
        result = await asyncio.to_thread(CliRunner().invoke, webhooks.app, words)
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    async def answers() -> bool:
        async with httpx.AsyncClient() as client:
            with contextlib.suppress(httpx.TransportError):
                return (await client.get(f"{url}/readyz")).status_code == 200
        return False

    await hooks.say(declined(1), declined(2))
    process = await notify_process(hooks)
    try:
        await eventually(answers, 120)
        added = (await say("add", hooks.receiver.url(), DECLINED, "--from-start"))["webhook_id"]
        await hooks.stands_at(added, 2)
        (listed,) = await say("list")
        assert (listed["url"], listed["state"], listed["logs"][0]["delivered"]) == (hooks.receiver.url(), "ENABLED", 2)
        assert hooks.receiver.sent[0].verified((await say("secret", added))["secret"])
        assert (await say("test", added))["delivered"]
        hooks.receiver.answer = lambda _: status(500)
        assert (await say("test", added, code=1))["reason_code"] == "status_500"
        hooks.receiver.answer = lambda _: status(204)
        await say("rotate-secret", added, "--overlap-hours", "1")
        await say("replay", added, "orders", "1")
        await hooks.stands_at(added, 2)
        await say("disable", added)
        assert (await say("list"))[0]["state"] == "DISABLED"
        await say("enable", added)
        assert (await say("list"))[0]["state"] == "ENABLED"
    finally:
        process.kill()
        await process.wait()
