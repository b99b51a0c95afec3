"""The witness over HTTP: POST /add-checkpoint, GET /<hash of the origin>/checkpoint, and a page that says who it is."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from eventstore.checkpoint import Checkpoint
from eventstore.errors import EngineError
from eventstore.note import parse_note
from eventstore.trust_policy import PolicyError
from witness.cosigning import TEXT, Answer, Cosigner
from witness.directory import WitnessDirectory

BODY_BYTES_MAX = 400_000
"""63 hashes, and a note with a hundred signatures of the longest kind there is."""
_HASH = re.compile(r"[0-9a-f]{64}")
_log = logging.getLogger("witness")


class _TooLong(Exception):
    pass


def build(directory: WitnessDirectory) -> Starlette:
    """The app of one witness."""
    cosigner = Cosigner(directory, lambda: int(time.time()))

    async def add_checkpoint(request: Request) -> Response:
        try:
            body = await _body(request.stream())
        except _TooLong:
            return PlainTextResponse(f"at most {BODY_BYTES_MAX} bytes are read\n", status_code=413)
        answer = await asyncio.to_thread(_answered, cosigner, body)
        _log.info("add-checkpoint %d", answer.status)
        # Given as a header: to a media type of text a charset would be added, and this one is compared as it stands.
        return Response(answer.body, status_code=answer.status, headers={"content-type": answer.media_type})

    async def checkpoint(request: Request) -> Response:
        hashed = request.path_params["hashed"]
        note = await asyncio.to_thread(directory.last_by_hash, hashed) if _HASH.fullmatch(hashed) else None
        if note is None:
            return PlainTextResponse("no head of such a log was cosigned\n", status_code=404)
        return Response(note, media_type=TEXT, headers={"cache-control": "no-store"})

    async def about(_request: Request) -> Response:
        try:
            return PlainTextResponse(await asyncio.to_thread(describe, directory))
        except PolicyError:
            _log.exception("the list of logs is off")
            return PlainTextResponse("this witness's list of logs cannot be read\n", status_code=503)

    async def livez(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/{hashed}/checkpoint", checkpoint),
            Route("/livez", livez),
            Route("/", about),
        ]
    )


def describe(directory: WitnessDirectory) -> str:
    """Who the witness is, and how far it has seen each log, in words. Raises PolicyError."""
    lines = [f"witness {directory.name}", f"vkey {directory.verifier_key}", ""]
    for key in directory.known.logs:
        note = directory.last(key.name)
        if note is None:
            lines.append(f"{key.name}: nothing cosigned yet")
        else:
            head = Checkpoint.parse(parse_note(note).text)
            lines.append(f"{key.name}: {head.size} events, root {head.root.hex()}")
    return "\n".join(lines) + "\n"


def serve(directory: WitnessDirectory, host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    uvicorn.run(build(directory), host=host, port=port, access_log=False, log_level="warning", server_header=False)


def _answered(cosigner: Cosigner, body: bytes) -> Answer:
    try:
        return cosigner.add(body)
    except (EngineError, PolicyError, OSError) as error:
        # Whoever asks is not told more than that: it is the keeper's to mend.
        _log.exception("nothing was signed: %s", type(error).__name__)
        return Answer(503, "this witness cannot sign now\n")


async def _body(stream: AsyncIterator[bytes]) -> bytes:
    body = bytearray()
    async for chunk in stream:
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise _TooLong
    return bytes(body)
