import asyncio
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.entry import healthcheck
from servicekit.heartbeat import beat
from tests.servicekit.sample_service import sample
from tests.servicekit.test_process import running
from tests.servicekit.world import World
from tests.support.servers import TestNats
from tests.support.waiting import PATIENCE_SECONDS, eventually, eventually_blocking


class _SaysYes(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Says nothing."""


@pytest.fixture
def answering() -> Iterator[str]:
    """Where somebody answers 200 to everything, from a thread of its own."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _SaysYes)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_loop_that_stands_still_is_noticed_although_the_port_answers(answering: str, tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(beat(file, 0.01), loop)
    stands, goes_on = threading.Event(), threading.Event()

    def stand_still() -> None:
        stands.set()
        goes_on.wait()

    try:
        for look in ("first", "second"):
            eventually_blocking(file.exists, what=f"a heartbeat before the {look} look")
            assert healthcheck(answering, str(file)) == 0
        eventually_blocking(file.exists, what="a heartbeat before it stands still")
        loop.call_soon_threadsafe(stand_still)
        assert stands.wait(PATIENCE_SECONDS)
        assert healthcheck(answering, str(file)) == 0, "it beat since the last look"
        assert healthcheck(answering, str(file)) == 1
        assert healthcheck(answering) == 0, "the port alone would not show it"
    finally:
        goes_on.set()
    eventually_blocking(file.exists, what="a heartbeat once it goes on")
    assert healthcheck(answering, str(file)) == 0
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    for task in asyncio.all_tasks(loop):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
    loop.close()


async def test_a_service_beats_from_its_first_moment_to_its_last(
    world: World, nats_server: TestNats, tmp_path: Path
) -> None:
    file = tmp_path / "heartbeat"
    async with running(world, sample(), nats_server.url, heartbeat_file=file) as service:
        await eventually(lambda: asyncio.to_thread(file.exists), what="a heartbeat")
        url = f"{service.client.base_url}/livez".replace("//livez", "/livez")
        assert await asyncio.to_thread(healthcheck, url, str(file)) == 0
    assert "heartbeat" not in {task.get_name() for task in asyncio.all_tasks()}
