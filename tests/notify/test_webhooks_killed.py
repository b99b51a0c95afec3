"""A sender that is killed at the worst moment: between the receiver's taking an event and the noting of it."""

import asyncio
import os
import sys

from servicekit.settings import ServiceSettings
from tests.notify.hooks import Hooks, declined
from tests.notify.receiver import Sent, status
from tests.support.waiting import eventually


def environment(settings: ServiceSettings) -> dict[str, str]:
    """The settings as a process is told them."""
    given = settings.model_dump(mode="json", exclude_none=True)
    return {**os.environ, **{f"CHAOYANGLI_{name.upper()}": str(value) for name, value in given.items()}}


async def notify_process(hooks: Hooks) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.notify", env=environment(hooks.desk.runtime.settings),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


async def test_killed_before_it_is_noted_an_event_comes_again_under_the_same_id_and_none_is_lost(hooks: Hooks) -> None:
    # The tests' NATS has no users.
    (hooks.desk.served.world.secrets / "nats_notify.nk").unlink(missing_ok=True)
    webhook_id = await hooks.register(starts=[{"log": "orders", "after": 0}])
    await hooks.say(*map(declined, range(1, 6)))
    process = await notify_process(hooks)
    killed = asyncio.Event()

    def kill_at_the_third(sent: Sent) -> bytes:
        if sent.event["position"] == 3 and not killed.is_set():
            process.kill()  # SIGKILL: it has handed the event over, and will never read the answer
            killed.set()
        return status(204)

    hooks.receiver.answer = kill_at_the_third
    try:
        await asyncio.wait_for(killed.wait(), 120)
        assert await process.wait() == -9
        place = await hooks.place(webhook_id)
        assert place.position == 2, "the third is not noted"
        process = await notify_process(hooks)
        await eventually(lambda: 5 in hooks.receiver.positions(), 120)
        await hooks.stands_at(webhook_id, 5)
        await eventually(lambda: len(hooks.receiver.sent) == 6)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    assert hooks.receiver.positions() == [1, 2, 3, 3, 4, 5]
    ids = [sent.headers["webhook-id"] for sent in hooks.receiver.sent]
    assert ids[2] == ids[3]
    assert len(set(ids)) == 5
