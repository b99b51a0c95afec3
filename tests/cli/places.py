"""A system that has run and was stopped, with a witness and a bundle of it: losses are tried on copies of it."""

import contextlib
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cli.program import Said, running, say
from tests.support.ports import free_port
from tests.support.waiting import eventually_blocking

NAME = "witness.example/w1"


@dataclass(frozen=True)
class Lived:
    """Where everything lies."""

    data: Path
    bundle: Path
    witness_url: str

    def copy(self, name: str) -> Path:
        """Another data directory, as this one is now."""
        return Path(shutil.copytree(self.data, self.data.with_name(name)))

    def head(self, service: str) -> Path:
        return self.data / "state" / service / "head"


def vkey_of(said: Said) -> str:
    """The key that `witness init` or `witness show` printed."""
    return next(line for line in said.out.decode().splitlines() if line.startswith("vkey ")).removeprefix("vkey ")


def size_in(note: Path | str | bytes) -> int:
    """How many events a head counts."""
    text = note.read_text() if isinstance(note, Path) else note if isinstance(note, str) else note.decode()
    return int(text.split("\n")[1])


@contextlib.contextmanager
def lived(place: Path) -> Iterator[Lived]:
    """Run a system with a witness until every log is witnessed, take a bundle, stop it; the witness goes on."""
    data, bundle = place / "data", place / "bundle"
    with running("up", "--data", data, "--json") as up:
        assert up.line()
        assert up.end(signal.SIGTERM) == 0
    vkey = vkey_of(say("witness", "init", place / "w1", "--name", NAME))
    port = free_port()
    (data / "witnesses").write_text(f"witness w1 {vkey} http://127.0.0.1:{port}\nquorum w1\n")
    for line in say("trust-policy", "--data", data).out.decode().splitlines():
        if line.startswith("log "):
            assert say("witness", "trust", place / "w1", line.split()[1]).code == 0
    with running("witness", "serve", place / "w1", "--port", port) as witness:
        assert NAME in witness.line()
        with running("up", "--data", data, "--json") as up:
            assert up.line()
            assert say("token", "--bootstrap", "--data", data, "--json").code == 0
            eventually_blocking(lambda: _all_witnessed(data), 240, every=0.5, what="every log is witnessed")
            assert say("audit", "export", bundle, "--data", data).code == 0
            assert up.end(signal.SIGTERM) == 0
        yield Lived(data, bundle, f"http://127.0.0.1:{port}")


def _all_witnessed(data: Path) -> bool:
    said = say("witness", "status", "--data", data, "--json")
    sizes = {log["log"]: log["size"] or 0 for log in said.document["logs"]}
    signed = size_in(data / "state" / "volunteers" / "head")
    return said.code == 0 and sizes["chaoyangli/volunteers"] == signed >= 4
