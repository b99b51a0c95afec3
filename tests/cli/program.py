"""The program as people run it: short commands within this process, those that keep running as processes."""

import contextlib
import io
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.entry import main

PROGRAM = Path(sys.executable).with_name("chaoyangli")
LINE_SECONDS = 240.0
"""Patience for a line that a loaded machine will print in the end."""


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    code: int
    out: bytes
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document that it printed."""
        (line,) = self.out.splitlines()
        return json.loads(line)

    @property
    def lines(self) -> list[bytes]:
        return self.out.splitlines()


def say(*words: object) -> Said:
    """Run `chaoyangli` with these words: the same code, without a new interpreter each time."""
    out, err = io.BytesIO(), io.StringIO()
    argv, columns = sys.argv, os.environ.get("COLUMNS")
    sys.argv, os.environ["COLUMNS"] = ["chaoyangli", *map(str, words)], "400"
    try:
        with contextlib.redirect_stdout(io.TextIOWrapper(out, encoding="utf-8", write_through=True)) as stdout:
            with contextlib.redirect_stderr(err):
                code = main()
            stdout.flush()
            return Said(code, out.getvalue(), err.getvalue())
    finally:
        sys.argv = argv
        if columns is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = columns


class Running:
    """The installed program as a process of its own."""

    def __init__(self, *words: object) -> None:
        self.process = subprocess.Popen(
            [str(PROGRAM), *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read_out, daemon=True),
            threading.Thread(target=self._read_err, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def words(self) -> str:
        """What it has said on standard error so far."""
        return "".join(self.said)

    def line(self) -> str:
        """The next line that it prints."""
        line = self._lines.get(timeout=LINE_SECONDS)
        assert line is not None, f"it ended with {self.process.wait()}: {self.words}"
        return line

    def end(self, number: signal.Signals | None = None) -> int:
        """Wait until it ends, of itself or by a signal; its exit code."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(LINE_SECONDS)
        for reader in self._readers:
            reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return code

    def rest(self) -> list[str]:
        """What it printed that nobody has taken, once it has ended."""
        return list(iter(self._lines.get_nowait, None))

    def _read_out(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _read_err(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)


@contextlib.contextmanager
def running(*words: object) -> Iterator[Running]:
    """The program, killed afterwards if it still runs; everything that it started dies with it."""
    program = Running(*words)
    try:
        yield program
    finally:
        if program.process.poll() is None:
            program.end(signal.SIGKILL)
