"""Whether a server serves is asked while it starts and while it may die: half an answer is none, and no accident."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.embedded import HOST, NatsServer
from cli.stack import ServiceServer

HALF_A_BODY = b'HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{"status": '
ANSWERS = {"half a body": HALF_A_BODY, "half a head": b"HTTP/1.1 2", "no HTTP": b"\x00\x01\x02\r\n\r\n"}


@contextlib.contextmanager
def dying(said: bytes) -> Iterator[int]:
    """The port of somebody who says this much of an answer and is gone."""
    with socket.create_server((HOST, 0)) as listener:

        def answer() -> None:
            asking, _ = listener.accept()
            with asking:
                asking.recv(4096)
                asking.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.parametrize("said", ANSWERS.values(), ids=ANSWERS)
def test_a_service_that_dies_while_it_answers_is_not_ready(said: bytes, tmp_path: Path) -> None:
    with dying(said) as port:
        assert not ServiceServer("orders", tmp_path / "orders", {}, port).ready()


@pytest.mark.parametrize("said", ANSWERS.values(), ids=ANSWERS)
def test_of_nats_the_head_of_the_answer_counts(said: bytes, tmp_path: Path) -> None:
    with dying(said) as port:
        assert NatsServer(tmp_path / "nats", monitor_port=port).ready() is (said == HALF_A_BODY)
