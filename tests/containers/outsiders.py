"""Whoever hears from outside: the programs of examples/ as they are, run on this machine as anybody would run them."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import unkept_port

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
HOST = "127.0.0.1"
PIECE_BYTES = 65_536


class Crossing:
    """Carries connections from one address to another, as a proxy does that stands before replicas."""

    def __init__(self, host: str, target: Callable[[], tuple[str, int]]) -> None:
        self._target = target
        self._listening = socket.create_server((host, 0))
        self.address = f"http://{host}:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listening.close()

    def _listen(self) -> None:
        while True:
            try:
                asking, _ = self._listening.accept()
            except OSError:
                return  # closed
            try:
                answering = socket.create_connection(self._target(), 5)
            except OSError:
                asking.close()
                continue
            answering.settimeout(None)
            for one, other in ((asking, answering), (answering, asking)):
                threading.Thread(target=_carry, args=(one, other), daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    """All that comes; an end on either side ends both."""
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE_BYTES):
            target.sendall(piece)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Outsider:
    """One of them, and what it wrote down."""

    process: "subprocess.Popen[bytes]"
    journal: Path
    said: Path
    position_of: Callable[[str], int]

    def heard(self) -> list[int]:
        """Positions of the events of orders, in the order in which they were handled."""
        lines = self.journal.read_text(encoding="utf-8").splitlines(keepends=True) if self.journal.exists() else []
        return [self.position_of(line) for line in lines if line.endswith("\n")]

    def words(self) -> str:
        """What it said beside."""
        return self.said.read_text(encoding="utf-8")


class Outsiders:
    """All of them; ended together."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.all: dict[str, Outsider] = {}

    def hear_over_nats(self, url: str, credentials: str) -> None:
        """examples/subscribe.py."""
        self._subscribe("python", [sys.executable, str(EXAMPLES / "subscribe.py")], url, credentials)

    def hear_over_nats_in_javascript(self, url: str, credentials: str) -> None:
        """examples/subscribe.mjs, with what npm fetches for it."""
        there = self._home / "javascript"
        there.mkdir()
        for file in ("package.json", "subscribe.mjs"):
            shutil.copy(EXAMPLES / file, there)
        install = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(install, cwd=there, check=True, capture_output=True, timeout=180)
        self._subscribe("javascript", ["node", str(there / "subscribe.mjs")], url, credentials)

    def _subscribe(self, name: str, program: list[str], url: str, credentials: str) -> None:
        file, journal = self._home / f"{name}.json", self._home / f"{name}.ndjson"
        file.write_text(credentials, encoding="utf-8")
        self._start(name, [*program, url, str(file), str(journal)], journal, _position)

    def hear_the_feed(self, url: str, feed_key: str) -> None:
        """examples/subscribe_http.py: server-sent events."""
        kept = self._home / "feed.key"
        kept.write_text(feed_key + "\n", encoding="utf-8")
        words = [sys.executable, str(EXAMPLES / "subscribe_http.py"), f"{url}/events", str(self._home / "last-id")]
        self._start("feed", words, self._home / "feed.out", _position, {"FEED_KEY_FILE": str(kept)})

    def be_called(self, secret: str) -> int:
        """examples/webhook_receiver.py; the port it listens on."""
        port, kept = unkept_port(), self._home / "webhook.secret"
        kept.write_text(secret + "\n", encoding="utf-8")
        words = [sys.executable, str(EXAMPLES / "webhook_receiver.py"), str(port), str(kept), str(self._home / "place")]
        self._start("webhook", words, self._home / "webhook.out", lambda line: int(line.split(" ")[0]))
        return port

    def _start(
        self,
        name: str,
        words: Sequence[str],
        journal: Path,
        position_of: Callable[[str], int],
        environment: dict[str, str] | None = None,
    ) -> None:
        said = self._home / f"{name}.err"
        # What writes its journal itself prints something else.
        out = self._home / f"{name}.out"
        with out.open("ab") as stdout, said.open("ab") as stderr:
            process = subprocess.Popen(
                words, stdout=stdout, stderr=stderr, env={**os.environ, **(environment or {}), "PYTHONUNBUFFERED": "1"}
            )
        self.all[name] = Outsider(process, journal, said, position_of)

    def end(self) -> None:
        """Kill every program."""
        for one in self.all.values():
            one.process.kill()
            one.process.wait()


def _position(line: str) -> int:
    return int(json.loads(line)["position"])


@contextlib.contextmanager
def outsiders(home: Path) -> Iterator[Outsiders]:
    """Nobody listens so far."""
    found = Outsiders(home)
    try:
        yield found
    finally:
        found.end()
