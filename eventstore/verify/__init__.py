"""Everything that is stored about a log, held against what its events hash to.

One snapshot is read from the first event to the head: each body's hash, every column against the body, the numbering,
the tree with its tiles and head row, the signed checkpoint, and the stream. What is found is listed with the position.

It shows that nothing was changed since the last checkpoint that somebody else holds. Who could rewrite the tables, the
stream, the head's file and knew the signing key is only caught by such a checkpoint: pass it as `checkpoint`.
"""

import asyncio
import base64
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from nats.aio.client import Client

from eventstore.checkpoint import Checkpoint, open_checkpoint
from eventstore.config import LogConfig
from eventstore.errors import LogUnavailable
from eventstore.nats_api import API
from eventstore.note import NoteError, VerifierKey
from eventstore.stream_reader import StreamReader
from eventstore.verify.findings import Findings, Problem
from eventstore.verify.stream import StreamCheck, StreamComparison
from eventstore.verify.walk import Walk

__all__ = ["Problem", "SignedHead", "StreamCheck", "VerifyReport", "verify"]

Progress = Callable[[int, int], None]
"""Called with (events verified, events there are) after each batch. It must not block."""


@dataclass(frozen=True, slots=True)
class SignedHead:
    """The checkpoint that the log was held against. `ok`: signed by the log's key, and the log had that root then."""

    size: int
    root: bytes
    ok: bool


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was found. `root` is recomputed from the events. `stream` is None when it was not looked at."""

    service: str
    size: int
    root: bytes
    checkpoint: SignedHead | None
    stream: StreamCheck | None
    problems: Sequence[Problem]
    problem_count: int

    @property
    def ok(self) -> bool:
        """Nothing is wrong. A stream that lags is not wrong."""
        return self.problem_count == 0

    @property
    def stream_identical(self) -> bool | None:
        """Whether the stream holds the log's first events byte for byte and nothing else; None: not looked at."""
        return None if self.stream is None else self.stream.identical

    def to_json(self) -> dict[str, Any]:
        """For `--json`. Roots are in base64, as in a checkpoint."""
        signed, stream = self.checkpoint, self.stream
        return {
            "service": self.service,
            "ok": self.ok,
            "size": self.size,
            "root": _base64(self.root),
            "checkpoint": signed and {"size": signed.size, "root": _base64(signed.root), "ok": signed.ok},
            "stream_identical": self.stream_identical,
            "stream": stream
            and {"last": stream.last, "behind": stream.behind, "first_difference": stream.first_difference},
            "problem_count": self.problem_count,
            "problems": [
                {"kind": problem.kind, "position": problem.position, "message": problem.message}
                for problem in self.problems
            ],
        }


async def verify(
    config: LogConfig,
    *,
    log_key: VerifierKey | None = None,
    other_keys: Collection[VerifierKey] = (),
    checkpoint: str | bytes | None = None,
    head_path: Path | None = None,
    nats: Client | None = None,
    api: str = API,
    progress: Progress | None = None,
) -> VerifyReport:
    """Verify one service's log in one snapshot, while writes go on.

    `config`: of a role that may read it, the auditor's for choice. `log_key`: the key that signs its checkpoints,
    `other_keys`: those that signed before it or are to follow.
    `head_path`: the file of the last signed head, which must be there once the log has events; or `checkpoint`: a
    signed head from elsewhere. `nats`: a client that may read the log's stream directly; without it the stream is not
    looked at; `api` as in `streams.context`. Raises LogUnavailable and StreamUnreadable; whatever is wrong with the log
    is in the report.
    """
    if log_key is None and (checkpoint is not None or head_path is not None):
        raise ValueError("a checkpoint can only be verified with the log's key")
    findings = Findings()
    # The checkpoint and the stream's end are read before the snapshot: what they speak of, the log has by then.
    if checkpoint is None and head_path is not None:
        checkpoint = await asyncio.to_thread(_read, head_path)
    signed = _opened(findings, checkpoint, log_key, other_keys)
    connection = await _connect(config)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(connection.close)
        comparison = None
        if nats is not None:
            reader = await stack.enter_async_context(StreamReader(nats, config.name, api))
            comparison = StreamComparison(config, reader, findings)
            await comparison.begin()
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            walk = Walk(config, connection, findings, signed.size if signed is not None else None)
            async for rows in walk.batches():
                if comparison is not None:
                    await comparison.check(rows)
                if progress is not None:
                    progress(walk.size, max(walk.size, walk.head_size))
            await walk.end()
            if comparison is not None:
                await comparison.catch_up(connection, walk.size)
        stream = await comparison.end(connection, walk.size) if comparison is not None else None
    if head_path is not None and checkpoint is None and walk.size:
        findings.add("checkpoint", f"the log has {walk.size} events and no last signed head in {head_path}")
    head = _held_against(findings, signed, walk)
    return VerifyReport(config.service, walk.size, walk.root, head, stream, tuple(findings.listed), findings.count)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _opened(
    findings: Findings, text: str | bytes | None, log_key: VerifierKey | None, other_keys: Collection[VerifierKey]
) -> Checkpoint | None:
    if text is None or log_key is None:
        return None
    try:
        return open_checkpoint(text, log_key, others=other_keys).checkpoint
    except NoteError as error:
        findings.add("checkpoint", f"the checkpoint is not one of this log: {error}")
        return None


def _held_against(findings: Findings, signed: Checkpoint | None, walk: Walk) -> SignedHead | None:
    if signed is None:
        return None
    if signed.size > walk.size:
        missing = f"events {walk.size + 1} to {signed.size} are missing: {signed.size} were signed"
        findings.add("checkpoint", missing, walk.size + 1)
    elif walk.root_at_checkpoint != signed.root:
        findings.add("checkpoint", f"the first {signed.size} events do not hash to the signed root")
    ok = signed.size <= walk.size and walk.root_at_checkpoint == signed.root
    return SignedHead(signed.size, signed.root, ok)


async def _connect(config: LogConfig) -> asyncpg.Connection:
    arguments = config.connect_arguments("verify")
    arguments["server_settings"] |= {"jit": "off"}
    try:
        return await asyncpg.connect(**arguments)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise LogUnavailable(f"the log of {config.service} cannot be reached: {error!r}") from error


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
