"""The receiver of examples/ does what its first lines say."""

import asyncio
import contextlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx

from contracts.envelope import encode
from contracts.ids import uuid7
from services.notify.senders.posting import Keys, Poster, new_secret
from tests.support.logs import declined, stream
from tests.support.ports import free_port
from tests.support.waiting import eventually

PROGRAM = Path(__file__).parents[2] / "examples" / "webhook_receiver.py"


@contextlib.asynccontextmanager
async def received(port: int, *words: Path):
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), str(port), *map(str, words), stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    lines: list[str] = []

    async def listen() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            lines.append(line.decode().strip())

    listening = asyncio.create_task(listen())

    async def answers() -> bool:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        return False

    try:
        await eventually(answers)
        yield lines
    finally:
        process.kill()
        await process.wait()
        await listening


def message(position: int) -> tuple[str, bytes]:
    event = declined(position)
    event_id = uuid7()
    body = encode(
        event.to_json(), type="OfferDeclined", service="orders", version=event.version, community="chaoyangli",
        position=position, stream=stream(), streamversion=1, event_id=event_id, time=datetime.now(UTC),
    )  # fmt: skip
    return str(event_id), body


async def test_the_receiver_believes_what_is_signed_and_handles_each_event_once(tmp_path: Path) -> None:
    secret, place = tmp_path / "secret", tmp_path / "place"
    secret.write_text(new_secret())
    port = free_port()
    right = Keys(f"http://127.0.0.1:{port}/", (new_secret(), secret.read_text()))
    wrong = Keys(right.url, (new_secret(),))
    poster = Poster(private=True)
    first, second = message(1), message(2)
    async with received(port, secret, place) as lines:
        assert (await poster.post(right, *first)).delivered
        assert (await poster.post(right, *first)).delivered, "a repeat is answered as well"
        assert (await poster.post(wrong, *second)).reason_code == "status_401"
        unsigned = await asyncio.to_thread(
            httpx.post, right.url, content=second[1], headers={"webhook-id": str(uuid4())}
        )
        assert unsigned.status_code == 401
        assert (await poster.post(right, *second)).delivered
        await eventually(lambda: [line.split(" ")[0] for line in lines] == ["1", "2"])
    async with received(port, secret, place) as lines:
        assert (await poster.post(right, *second)).delivered, "sent again after a crash of the sender"
        assert (await poster.post(right, *message(3))).delivered
        await eventually(lambda: [line.split(" ")[0] for line in lines] == ["3"])
    await poster.close()
