"""Webhooks: who outside is sent events, from where on, and how sending goes. Address and secrets lie in the vault."""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter

from contracts.command import Refused
from contracts.ids import uuid7
from contracts.notify import WebhookStart
from eventstore.deliveries import Delivery, deliveries, moved, tried_anew
from eventstore.executor import Plan
from servicekit.definition import Runtime
from servicekit.http import Commanding, Reading, command, not_found
from services.notify.access import READ_WEBHOOK_SECRET, READ_WEBHOOKS
from services.notify.commands import (
    DisableWebhook,
    DisableWebhookAsk,
    EnableWebhook,
    RegisterWebhook,
    RegisterWebhookAsk,
    ReplayWebhook,
    ReplayWebhookAsk,
    RotateSecretAsk,
    RotateWebhookSecret,
    TryWebhook,
    WebhookStartAsk,
)
from services.notify.policy import current_policy
from services.notify.read_models import queries
from services.notify.senders.addresses import AddressRefused, check_url
from services.notify.senders.posting import Keys, Poster, new_secret, signing

router = APIRouter(prefix="/v1", tags=["webhooks"])
_log = structlog.get_logger("services.notify.api")
_ANY: TypeAdapter[Any] = TypeAdapter(Any)

WEBHOOK = "webhook"
"""The vault's purpose for addresses and secrets; each webhook has a key of its own."""
_RACES_MAX = 8


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


Running = Annotated[Runtime, Depends(_runtime)]


def _json(content: Any) -> JSONResponse:
    return JSONResponse(_ANY.dump_python(content, mode="json"))


async def _starts(runtime: Runtime, ask: RegisterWebhookAsk) -> tuple[WebhookStart, ...]:
    """Where each log begins that events are asked of: as asked, else after what was heard so far."""
    asked: dict[str, WebhookStartAsk] = {start.log: start for start in ask.starts}
    found = []
    for log in dict.fromkeys([*asked, *(name.partition(".")[0] for name in ask.events)]):
        start = asked.get(log)
        if log not in runtime.hears:
            continue  # the decider refuses it
        heard = await runtime.log.heard(log)
        if start is not None and start.after is not None and start.after > heard:
            raise Refused("position_beyond_log", log=log, heard=heard)
        if start is not None and start.since is not None:
            found.append(WebhookStart(log=log, since=start.since))
        else:
            found.append(WebhookStart(log=log, after=heard if start is None or start.after is None else start.after))
    return tuple(found)


async def _room(runtime: Runtime) -> dict[str, int]:
    async with runtime.log.queries() as connection:
        enabled, place = await queries.webhook_room(connection)
    return {"enabled": enabled, "place": place}


async def _asked_again(attempt: Callable[[], Awaitable[JSONResponse]]) -> JSONResponse:
    """Run `attempt`; again, up to eight times, when another webhook took the place that was found free."""
    for _ in range(_RACES_MAX):
        try:
            return await attempt()
        except Refused as refused:
            if refused.reason_code != "webhooks_moved":
                raise
    return await attempt()


@router.post("/webhooks", status_code=201)
async def register_webhook(ask: RegisterWebhookAsk, context: Commanding) -> JSONResponse:
    """Have events of some kinds sent to an https address. Its secret is at /v1/webhooks/{webhook_id}/secret."""
    runtime, webhook_id = context.runtime, uuid7()

    async def build() -> Plan:
        by = context.by(RegisterWebhook)
        try:
            check_url(ask.url, private=runtime.settings.webhook_private == "allowed")
        except AddressRefused as refused:
            raise Refused("url_refused", why=str(refused)) from None
        fields = {"url": ask.url, "description": ask.description, "secret": new_secret()}
        sealed = await runtime.vault.seal(webhook_id, WEBHOOK, webhook_id, fields)
        registration = RegisterWebhook(
            by=by,
            at=runtime.clock.now(),
            webhook_id=webhook_id,
            events=tuple(dict.fromkeys(ask.events)),
            starts=await _starts(runtime, ask),
            target_ref=webhook_id,
            target_commitment=sealed.commitments["url"],
            **await _room(runtime),
            policy=current_policy(),
        )
        return Plan([registration], {"webhook_id": webhook_id}, sealed.changes)

    return await _asked_again(lambda: command(context, build, RegisterWebhook, status=201))


@router.get("/webhooks")
async def read_webhooks(caller: Reading, runtime: Running) -> JSONResponse:
    """Every webhook, with its place in each log and how sending goes."""
    caller.by(READ_WEBHOOKS)
    async with runtime.log.queries() as connection:
        rows = await queries.all_webhooks(connection)
    opened = await runtime.vault.open_many([row["webhook_id"] for row in rows])
    places: dict[UUID, list[Delivery]] = {}
    for place in await deliveries(runtime.log.pool, runtime.log.config.schema):
        places.setdefault(place.receiver, []).append(place)
    heard = {log: await runtime.log.heard(log) for log in sorted(runtime.hears)}
    shown = ("webhook_id", "state", "reason_code", "events", "starts", "registered_at", "changed_at")
    return _json(
        {
            "webhooks": [
                {
                    **{name: row[name] for name in shown},
                    **{name: opened.get(row["webhook_id"], {}).get(name) for name in ("url", "description")},
                    "logs": [_place(place, heard) for place in places.get(row["webhook_id"], ())],
                }
                for row in rows
            ]
        }
    )


def _place(place: Delivery, heard: Mapping[str, int]) -> dict[str, Any]:
    return {
        "log": place.source,
        "position": place.position,
        "behind": max(0, heard.get(place.source, 0) - place.position),
        "delivered": place.delivered,
        "failures": place.failures,
        "failing_since": place.failing_since,
        "next_try_at": place.due_at,
        "reason_code": place.reason_code,
    }


@router.get("/webhooks/{webhook_id}/secret")
async def read_webhook_secret(webhook_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """The secret that a receiver checks signatures with, and a former one as long as it signs, too."""
    by = caller.by(READ_WEBHOOK_SECRET)
    opened = await _opened(runtime, webhook_id)
    _log.info("webhook secret shown", actor=str(by.actor_id), webhook_id=str(webhook_id))
    both = len(signing(opened, datetime.now(UTC))) == 2
    return _json(
        {
            "webhook_id": webhook_id,
            "secret": opened["secret"],
            "previous_secret": opened["previous_secret"] if both else None,
            "previous_until": opened["previous_until"] if both else None,
        }
    )


async def _opened(runtime: Runtime, webhook_id: UUID) -> dict[str, str]:
    async with runtime.log.queries() as connection:
        row = await queries.webhook(connection, webhook_id)
    opened = None if row is None else await runtime.vault.open(webhook_id)
    if opened is None:
        raise not_found(webhook_id=webhook_id)
    return opened


@router.post("/webhooks/{webhook_id}/disable")
async def disable_webhook(webhook_id: UUID, ask: DisableWebhookAsk, context: Commanding) -> JSONResponse:
    """Send nothing more. What is under way may still arrive."""
    runtime = context.runtime

    async def build() -> Plan:
        by = context.by(DisableWebhook)
        disabling = DisableWebhook(by=by, at=runtime.clock.now(), webhook_id=webhook_id, reason_code=ask.reason_code)
        changes = tried_anew(runtime.log.config.schema, webhook_id)
        return Plan([disabling], {"webhook_id": webhook_id}, changes, context.expecting(disabling.stream))

    return await command(context, build, DisableWebhook)


@router.post("/webhooks/{webhook_id}/enable")
async def enable_webhook(webhook_id: UUID, context: Commanding) -> JSONResponse:
    """Go on where sending had stopped, at once."""
    runtime = context.runtime

    async def build() -> Plan:
        enabling = EnableWebhook(
            by=context.by(EnableWebhook),
            at=runtime.clock.now(),
            webhook_id=webhook_id,
            **await _room(runtime),
            policy=current_policy(),
        )
        changes = tried_anew(runtime.log.config.schema, webhook_id)
        return Plan([enabling], {"webhook_id": webhook_id}, changes, context.expecting(enabling.stream))

    return await _asked_again(lambda: command(context, build, EnableWebhook))


@router.post("/webhooks/{webhook_id}/rotate-secret")
async def rotate_webhook_secret(webhook_id: UUID, ask: RotateSecretAsk, context: Commanding) -> JSONResponse:
    """Make a new secret; the one before signs beside it for a while. No event: secrets are in no log."""
    runtime = context.runtime

    async def build() -> Plan:
        by = context.by(RotateWebhookSecret)
        rotation = RotateWebhookSecret(by=by, at=runtime.clock.now(), webhook_id=webhook_id)
        opened = await runtime.vault.open(webhook_id)
        if opened is None:
            raise Refused("webhook_unknown")
        until = datetime.now(UTC) + timedelta(hours=ask.overlap_hours)
        fields = {
            "secret": new_secret(),
            "previous_secret": opened["secret"],
            "previous_until": until.isoformat(),
        }
        sealed = await runtime.vault.seal(webhook_id, WEBHOOK, webhook_id, fields)
        return Plan([rotation], {"webhook_id": webhook_id, "previous_until": until.isoformat()}, sealed.changes)

    return await command(context, build, RotateWebhookSecret)


@router.post("/webhooks/{webhook_id}/replay")
async def replay_webhook(webhook_id: UUID, ask: ReplayWebhookAsk, context: Commanding) -> JSONResponse:
    """Go on after another position of one log, earlier or later than where the webhook stands."""
    runtime = context.runtime

    async def build() -> Plan:
        by = context.by(ReplayWebhook)
        replay = ReplayWebhook(by=by, at=runtime.clock.now(), webhook_id=webhook_id, log=ask.log)
        async with runtime.log.queries() as connection:
            row = await queries.webhook(connection, webhook_id)
        if row is not None and ask.log not in {name.partition(".")[0] for name in row["events"]}:
            raise Refused("start_unused", log=ask.log)
        heard = await runtime.log.heard(ask.log)
        if ask.after > heard:
            raise Refused("position_beyond_log", log=ask.log, heard=heard)
        changes = moved(runtime.log.config.schema, webhook_id, ask.log, ask.after)
        return Plan([replay], {"webhook_id": webhook_id, "log": ask.log, "after": ask.after}, changes)

    return await command(context, build, ReplayWebhook)


@router.post("/webhooks/{webhook_id}/test")
async def try_webhook(webhook_id: UUID, context: Commanding) -> JSONResponse:
    """Send one message that is no event of any log, now, and say what came of it; to disabled webhooks, too.

    A repeated key gets the first answer, and nothing is sent again.
    """
    runtime = context.runtime

    async def build() -> Plan:
        trial = TryWebhook(by=context.by(TryWebhook), at=runtime.clock.now(), webhook_id=webhook_id)
        opened = await runtime.vault.open(webhook_id)
        if opened is None:
            raise Refused("webhook_unknown")
        return Plan([trial], await _tried(runtime, webhook_id, opened))

    return await command(context, build, TryWebhook)


async def _tried(runtime: Runtime, webhook_id: UUID, opened: dict[str, str]) -> dict[str, Any]:
    now, message_id = datetime.now(UTC), str(uuid7())
    body = json.dumps(
        {
            "specversion": "1.0",
            "id": message_id,
            "source": f"/{runtime.settings.community}/{runtime.service}",
            "type": "WebhookTried",
            "time": now.isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "data": {"webhook_id": str(webhook_id)},
        },
        separators=(",", ":"),
    )
    poster = Poster(private=runtime.settings.webhook_private == "allowed")
    try:
        outcome = await poster.post(Keys(opened["url"], tuple(signing(opened, now))), message_id, body.encode())
    finally:
        await poster.close()
    return {
        "message_id": message_id,
        "delivered": outcome.delivered,
        "status": outcome.status,
        "reason_code": outcome.reason_code,
    }
