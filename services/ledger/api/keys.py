"""Signing keys over HTTP: registered by their owner, confirmed by somebody else, ended by either."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse, PlainTextResponse

from contracts.command import Refused
from contracts.ledger import PublicKey
from eventstore.executor import Plan
from servicekit.http import CommandContext, Commanding, Reading, command
from services.ledger import access
from services.ledger.api.shared import Limit, Running, as_json
from services.ledger.commands import (
    ConfirmSigningKey,
    ConfirmSigningKeyAsk,
    RegisterSigningKey,
    RegisterSigningKeyAsk,
    RevokeSigningKey,
    RevokeSigningKeyAsk,
)
from services.ledger.read_models import aid_queries, queries
from services.ledger.signatures import key_id_of, registration_text

router = APIRouter(prefix="/v1", tags=["signing keys"])
KeyInPath = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


@router.get("/signing-keys/registration-text", response_class=PlainTextResponse)
async def read_registration_text(public_key: PublicKey, caller: Reading, runtime: Running) -> PlainTextResponse:
    """The text to sign, byte for byte, to show that the private half of `public_key` is one's own."""
    caller.by(access.READ_KEYS)
    return PlainTextResponse(registration_text(runtime.settings.community, public_key, caller.actor_id))


@router.post("/signing-keys", status_code=201)
async def register_signing_key(ask: RegisterSigningKeyAsk, context: Commanding) -> JSONResponse:
    """Register one's own key. It counts once somebody else has confirmed it."""

    async def build() -> Plan:
        registered = RegisterSigningKey(
            by=context.by(RegisterSigningKey),
            at=context.runtime.clock.now(),
            person_id=context.actor_id,
            community=context.runtime.settings.community,
            public_key=ask.public_key,
            proof=ask.proof,
        )
        return Plan([registered], {"key_id": key_id_of(ask.public_key)})

    return await command(context, build, RegisterSigningKey, status=201)


@router.post("/signing-keys/{key_id}/confirm")
async def confirm_signing_key(key_id: KeyInPath, ask: ConfirmSigningKeyAsk, context: Commanding) -> JSONResponse:
    """Say that this key belongs to this person: they showed it themselves, face to face."""

    async def build() -> Plan:
        await _require_known(context, ask.person_id)
        confirmed = ConfirmSigningKey(
            by=context.by(ConfirmSigningKey),
            at=context.runtime.clock.now(),
            person_id=ask.person_id,
            key_id=key_id,
        )
        return Plan([confirmed])

    return await command(context, build, ConfirmSigningKey)


async def _require_known(context: CommandContext, person_id: UUID) -> None:
    async with context.runtime.log.queries() as connection:
        if not await queries.are_known(connection, [person_id]):
            raise Refused("person_unknown")


@router.post("/signing-keys/{key_id}/revoke")
async def revoke_signing_key(key_id: KeyInPath, ask: RevokeSigningKeyAsk, context: Commanding) -> JSONResponse:
    """End a key: one's own, or as supervisor or administrator anybody's."""

    async def build() -> Plan:
        own = {"own"} if ask.person_id == context.actor_id else set()
        revoked = RevokeSigningKey(
            by=context.by(RevokeSigningKey, own),
            at=context.runtime.clock.now(),
            person_id=ask.person_id,
            key_id=key_id,
            reason_code=ask.reason_code,
        )
        return Plan([revoked])

    return await command(context, build, RevokeSigningKey)


@router.get("/signing-keys")
async def read_signing_keys(caller: Reading, runtime: Running, limit: Limit = 50) -> JSONResponse:
    """Every key there was, the newest first: with the events, all that is needed to check an approval."""
    caller.by(access.READ_KEYS)
    async with runtime.log.queries() as connection:
        rows = await aid_queries.keys(connection, limit)
    return as_json({"keys": [dict(row) for row in rows]})
