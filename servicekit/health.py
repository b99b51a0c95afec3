"""What a service says of itself: alive, ready, its gauges, and its last signed checkpoint. Needs no token.

/readyz answers 503 only when commands cannot be accepted (PostgreSQL away, read models of another version); whatever
else is late or broken is a `degraded` reason in a 200, because a full or dead NATS never refuses a command.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel

from eventstore.errors import EngineError
from eventstore.read_model import models_version
from servicekit.http import not_found
from servicekit.metrics import CONTENT_TYPE_LATEST
from servicekit.problems import MEDIA_TYPE, STORE_TROUBLE

if TYPE_CHECKING:
    from servicekit.definition import Runtime

PROBE_SECONDS = 1.5
_UNREACHABLE: tuple[type[Exception], ...] = (EngineError, OSError, *STORE_TROUBLE)


class Readiness(BaseModel):
    """The answer of /readyz."""

    status: str
    """`ok`, `degraded` (commands are accepted all the same) or `unavailable`."""
    degraded: list[str] = []
    reasons: list[str] = []
    """Why commands cannot be accepted."""
    positions: dict[str, int] = {}
    """Own log's size, and how far each source is heard."""
    lags: dict[str, int] = {}
    """Events behind: `relay`, and one per source."""
    origin: str = ""
    """The origin that the log is signed under; another one than the first tells of a loss."""
    losses: list[str] = []
    """Losses of this log that were accepted."""


async def readiness(runtime: "Runtime") -> Readiness:
    """Ask the log itself; everything else is what the process's tasks noted last."""
    status = runtime.status
    reasons = [f"{name}: {reason}" for name, reason in sorted(status.not_ready.items())]
    positions: dict[str, int] = {}
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            positions[runtime.service] = (await runtime.log.head()).size
            for source in sorted(runtime.hears):
                positions[source] = await runtime.log.heard(source)
        await _check_read_models(runtime, reasons)
    except _UNREACHABLE as error:
        reasons.append(f"log: PostgreSQL does not answer ({type(error).__name__})")
    degraded = [f"{name}: {reason}" for name, reason in sorted(status.degraded.items())]
    word = "unavailable" if reasons else "degraded" if degraded else "ok"
    return Readiness(
        status=word,
        degraded=degraded,
        reasons=reasons,
        positions=positions,
        lags=dict(status.lags),
        origin=runtime.signer.origin,
        losses=[
            f"{loss.old_origin}: events {loss.first_lost} to {loss.last_lost}, accepted {loss.accepted_at.isoformat()}"
            for loss in runtime.losses
        ],
    )


async def _check_read_models(runtime: "Runtime", reasons: list[str]) -> None:
    """Commands are refused while the read models are of another version, or are not folded to the head."""
    config = runtime.log.config
    expected = models_version(runtime.log.read_models)
    if expected is None:
        return
    found = await runtime.log.pool.fetchrow(
        f"""SELECT s.version, s.position, h.size FROM {config.schema}.head h
            LEFT JOIN {config.schema}.read_model_state s ON s.schema_name = $1""",  # noqa: S608 - configured names
        config.read_schema,
    )
    if found["version"] != expected:
        reasons.append(f"read_models: of version {found['version']}, the code has {expected}: replay with --swap")
    elif found["position"] != found["size"]:
        reasons.append(f"read_models: folded to {found['position']} of {found['size']}: replay with --swap")


def router(runtime: "Runtime") -> APIRouter:
    """The routes /livez, /readyz, /metrics and /v1/checkpoint."""
    routes = APIRouter(tags=["plumbing"])

    @routes.get("/livez", summary="The process answers.")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @routes.get("/readyz", summary="Commands are accepted.", responses={503: {"model": Readiness}})
    async def readyz() -> JSONResponse:
        found = await readiness(runtime)
        document: dict[str, Any] = found.model_dump()
        return JSONResponse(document, status_code=503 if found.reasons else 200)

    @routes.get("/metrics", summary="Prometheus text exposition.", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(runtime.metrics.render(), media_type=CONTENT_TYPE_LATEST)

    unsigned = {
        "description": "Nothing is signed yet.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }

    @routes.get(
        "/v1/checkpoint",
        summary="The last signed head (C2SP checkpoint).",
        response_class=PlainTextResponse,
        responses={404: unsigned},
    )
    async def checkpoint() -> Response:
        text = await asyncio.to_thread(runtime.signer.last_signed_text)
        if text is None:
            raise not_found(origin=runtime.signer.origin)
        return PlainTextResponse(text)

    return routes
