"""The published head as the public pages and the receipts show it: whatever they say is as of it."""

import asyncio
from dataclasses import dataclass

from eventstore.checkpoint import Checkpoint
from eventstore.note import parse_note
from servicekit.definition import Runtime
from servicekit.publishing import cosigners, read_published


@dataclass(frozen=True, slots=True)
class Head:
    """The published head: everything here is as of it."""

    note: str
    size: int
    witnesses: tuple[str, ...]


async def published_head(runtime: Runtime) -> Head | None:
    """The head as it was published last, with the names of its witnesses; None before the first one."""
    note = await asyncio.to_thread(read_published, runtime.settings.published_path)
    if note is None:
        return None
    signed = cosigners(note, runtime.witnesses)
    names = tuple(witness.name for witness in runtime.witnesses.witnesses if witness.key in signed)
    return Head(note, Checkpoint.parse(parse_note(note).text).size, names)
