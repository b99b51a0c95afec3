"""The log as anybody may check it: /checkpoint and hash tiles, public and cacheable; entries for auditors (C2SP
tlog-tiles). What earlier origins of the log signed last stays below /1/, /2/, … (decision 0010).

Only what the published head commits to is given out. Hashes say nothing of what was hashed; the entries themselves
would publish everybody's hours for ever, so they take an auditor's credential.
"""

import asyncio
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from contracts.command import Refused, Role
from eventstore.checkpoint import Checkpoint
from eventstore.losses import read_earlier
from eventstore.note import parse_note
from eventstore.proofs import read_entries, read_tile
from eventstore.tiles import TILE_HEIGHT, TILE_WIDTH, TileError, parse_entries_path, parse_tile_path
from servicekit.http import Reading, not_found
from servicekit.problems import MEDIA_TYPE
from servicekit.publishing import read_published

if TYPE_CHECKING:
    from servicekit.definition import Runtime

KEPT_SECONDS = 10
"""A head may be kept so long by who stands between; the next one comes a minute later at the earliest."""
FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}
OCTETS = "application/octet-stream"
_NOT_THERE = {
    "description": "Nothing is published yet, or the published head does not reach so far.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_BYTES = {200: {"content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}}}, 404: _NOT_THERE}


def router(runtime: "Runtime") -> APIRouter:
    """The routes /checkpoint, /tile/… and /tile/entries/…."""
    routes = APIRouter(tags=["transparency"])

    async def published() -> str:
        text = await asyncio.to_thread(read_published, runtime.settings.published_path)
        if text is None:
            raise not_found(origin=runtime.signer.origin)
        return text

    async def published_size() -> int:
        return Checkpoint.parse(parse_note(await published()).text).size

    @routes.get("/checkpoint", response_class=PlainTextResponse, responses={404: _NOT_THERE})
    async def read_published_head() -> Response:
        """The published head: a C2SP checkpoint with the cosignatures of the log's witnesses."""
        headers = {"cache-control": f"public, max-age={KEPT_SECONDS}"}
        return PlainTextResponse(await published(), headers=headers)

    @routes.get("/tile/entries/{path:path}", response_class=Response, responses=_BYTES)  # type: ignore[arg-type]
    async def read_entry_tile(path: str, caller: Reading) -> Response:
        """Up to 256 events, each as two bytes of length and its exact bytes. For AUDITOR only."""
        if Role.AUDITOR not in caller.roles:
            raise Refused("forbidden", command="read_entry_tile")
        try:
            index, width = parse_entries_path(f"tile/entries/{path}")
        except TileError:
            raise not_found(path=path[:80]) from None
        if index * TILE_WIDTH + width > await published_size():
            raise not_found(path=path)
        bundle = await read_entries(runtime.log.pool, runtime.log.config.schema, index, width)
        if bundle is None:
            raise not_found(path=path)
        return Response(bundle, media_type=OCTETS)

    @routes.get("/tile/{path:path}", response_class=Response, responses=_BYTES)  # type: ignore[arg-type]
    async def read_hash_tile(path: str) -> Response:
        """Up to 256 hashes of the tree, 32 bytes each, at `<level>/<index>` or, of a partial tile, `….p/<width>`."""
        return await _hashes(runtime, path, await published_size())

    _earlier(routes, runtime)
    return routes


def _earlier(routes: APIRouter, runtime: "Runtime") -> None:
    """What the origins that a loss has ended left behind."""

    def lost_from(origin: int) -> int:
        """The first number that an earlier origin lost."""
        if not 1 <= origin <= len(runtime.losses):
            raise not_found(origin=origin)
        return runtime.losses[origin - 1].first_lost

    @routes.get("/{origin:int}/checkpoint", response_class=PlainTextResponse, responses={404: _NOT_THERE})
    async def read_earlier_head(origin: int) -> Response:
        """The last head of an origin that a loss has ended; part of what it counts is lost."""
        lost_from(origin)
        text = await asyncio.to_thread(read_earlier, runtime.settings.published_path.parent, origin)
        if text is None:
            raise not_found(origin=origin)
        return PlainTextResponse(text, headers=FOR_EVER)

    @routes.get("/{origin:int}/tile/{path:path}", response_class=Response, responses=_BYTES)  # type: ignore[arg-type]
    async def read_earlier_tile(origin: int, path: str) -> Response:
        """Hashes of the events that an earlier origin still has."""
        return await _hashes(runtime, path, lost_from(origin) - 1)


async def _hashes(runtime: "Runtime", path: str, size: int) -> Response:
    """A hash tile of the first `size` events."""
    try:
        tile = parse_tile_path(f"tile/{path}")
    except TileError:
        raise not_found(path=path[:80]) from None
    if (tile.index * TILE_WIDTH + tile.width) << (TILE_HEIGHT * tile.level) > size:
        raise not_found(path=path)
    hashes = await read_tile(runtime.log.pool, runtime.log.config.schema, tile)
    if hashes is None:
        raise not_found(path=path)
    return Response(hashes, media_type=OCTETS, headers=FOR_EVER)
