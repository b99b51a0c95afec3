"""Into here: each volunteer of a checked file is one command; who is here already is skipped."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from cli.client import Actor, Answer, Client, ProblemError
from cli.records.checking import Found
from cli.records.problems import Problem
from contracts.command import Role

AT_ONCE = 16
"""Volunteers on their way at one time: the log commits them together."""
OF_THE_ROW = frozenset({404, 409, 413, 422})
"""Refusals that concern one volunteer; anything else concerns whoever imports, and ends it."""
SERVICE = "volunteers"


@dataclass
class Tally:
    """What became of the volunteers of a file."""

    done: int = 0
    skipped: int = 0
    refused: int = 0


@dataclass(frozen=True)
class Import:
    """One import: by whom, how the people agreed, and which file it is."""

    client: Client
    actor_id: UUID
    consent_form: str
    file_sha256: str
    tell: Callable[[Problem], None]

    async def run(
        self, volunteers: Iterable[tuple[Found, dict[str, Any]]], tally: Tally, moved: Callable[[], None]
    ) -> None:
        """Import them. Raises what ends it: ProblemError, httpx.TransportError."""
        health = await self.client.health(SERVICE)
        begun_at: int = health["positions"][SERVICE]
        for some in _batches(volunteers):
            await asyncio.gather(*(self._one(found, body, begun_at, tally) for found, body in some))
            moved()

    async def _one(self, found: Found, body: dict[str, Any], begun_at: int, tally: Tally) -> None:
        whole = {**body, "consent_form": self.consent_form, "file_sha256": self.file_sha256}
        actor = Actor.of(self.actor_id, Role.STATION_MANAGER)
        try:
            answer = await self._command("/v1/external-records", whole, actor)
            path = f"/v1/volunteers/{answer.body['volunteer_id']}/external-records"
            for number, records in enumerate(found.later, 1):
                _ = await self._command(path, {"part": number, "records": records}, actor)
        except ProblemError as problem:
            if problem.status not in OF_THE_ROW:
                raise
            tally.refused += 1
            self.tell(_refusal(found, problem))
            return
        # A repeated key is answered as it was the first time, with the positions of then.
        if answer.body["imported"] and answer.positions[SERVICE] > begun_at:
            tally.done += 1
        else:
            tally.skipped += 1

    async def _command(self, path: str, body: dict[str, Any], actor: Actor) -> Answer:
        key = key_of({"path": path, **body})
        return await self.client.command(SERVICE, path, body, actor=actor, channel="api", after={}, key=key)


def _batches(volunteers: Iterable[tuple[Found, dict[str, Any]]]) -> Iterator[list[tuple[Found, dict[str, Any]]]]:
    left = iter(volunteers)
    while some := list(islice(left, AT_ONCE)):
        yield some


def key_of(body: dict[str, Any]) -> str:
    """The key of a volunteer's import: the same content, the same key, in every run."""
    canonical = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f"import-{hashlib.sha256(canonical.encode()).hexdigest()}"


def _refusal(found: Found, problem: ProblemError) -> Problem:
    document = problem.document
    chinese = str(document.get("detail_zh") or document.get("title_zh") or "没有接受")
    english = str(document.get("title") or problem.reason_code)
    return Problem(found.row, None, problem.reason_code, chinese.rstrip("。"), english.rstrip("."))
