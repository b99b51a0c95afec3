"""Contacts, the inbox, the phone list, and what became of notices. Words are put together when they are read."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, TypeAdapter

from contracts.command import Refused, Role
from contracts.ids import uuid7
from contracts.notify import NoticeParams
from eventstore.executor import Plan
from eventstore.model import VaultChange
from eventstore.vault import PersonIsErased
from servicekit.definition import Runtime
from servicekit.http import Caller, Commanding, Reading, command, not_found
from services.notify.access import CALLERS, OF_THE_FUND, READ_CONTACTS, READ_INBOX, READ_NOTICES, READ_PHONE_LIST
from services.notify.commands import (
    CallOutcomeAsk,
    ContactChannel,
    RecordCall,
    RemoveContact,
    RemoveContactAsk,
    SetContact,
    SetContactAsk,
    address_ref_of,
    contact_stream,
)
from services.notify.policy import current_policy
from services.notify.read_models import queries
from services.notify.templates import Text, render

router = APIRouter(prefix="/v1", tags=["notify"])
_log = structlog.get_logger("services.notify.api")
_ANY: TypeAdapter[Any] = TypeAdapter(Any)

CONTACT = "contact"
"""The vault's purpose for addresses."""
ADDRESS = "address"
Limit = Annotated[int, Query(ge=1, le=200)]


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


Running = Annotated[Runtime, Depends(_runtime)]


def _json(content: Any) -> JSONResponse:
    return JSONResponse(_ANY.dump_python(content, mode="json"))


async def _relations(runtime: Runtime, caller: Caller, ref: UUID | None) -> frozenset[str]:
    if ref is None:
        return frozenset()
    async with runtime.log.queries() as connection:
        return await queries.relations_to(connection, caller.actor_id, ref, runtime.clock.now())


@router.put("/contacts")
async def set_contact(ask: SetContactAsk, context: Commanding) -> JSONResponse:
    """Say how a ref can be reached; a phone number goes to the vault and replaces the one before."""
    runtime, contact_id, ref = context.runtime, uuid7(), ask.ref

    async def build() -> Plan:
        relations = await _relations(runtime, context.caller, ref)
        by = context.by(SetContact, relations)
        if ask.person_id is not None and relations.isdisjoint(OF_THE_FUND):
            raise Refused("person_not_taken", ref=str(ref))
        if ask.address is not None and ask.person_id is None and "case" in relations:
            # Who applies is registered: their number goes when they are erased.
            raise Refused("person_required", ref=str(ref))
        changes: tuple[VaultChange, ...] = ()
        fields: dict[str, Any] = {}
        _, known = await runtime.executor.state(contact_stream(ref))
        if known.erased:
            raise Refused("person_erased")
        if ask.address is not None:
            address_ref = address_ref_of(ref, ask.channel)
            try:
                sealed = await runtime.vault.seal(ask.person_id or ref, CONTACT, address_ref, {ADDRESS: ask.address})
            except PersonIsErased:
                raise Refused("person_erased") from None
            changes = sealed.changes
            fields = {"address_ref": address_ref, "address_commitment": sealed.commitments[ADDRESS]}
        setting = SetContact(
            by=by, at=runtime.clock.now(), ref=ref, contact_id=contact_id, channel=ask.channel, **fields
        )
        answer = {"contact_id": contact_id, "ref": ref}
        return Plan([setting], answer, changes, context.expecting(setting.stream))

    return await command(context, build, SetContact)


@router.post("/contacts/{ref}/{channel}/remove")
async def remove_contact(
    ref: UUID, channel: ContactChannel, ask: RemoveContactAsk, context: Commanding
) -> JSONResponse:
    """Use a channel no longer; its address is deleted."""
    runtime = context.runtime

    async def build() -> Plan:
        by = context.by(RemoveContact, await _relations(runtime, context.caller, ref))
        removal = RemoveContact(by=by, at=runtime.clock.now(), ref=ref, channel=channel, reason_code=ask.reason_code)
        changes = runtime.vault.remove(address_ref_of(ref, channel))
        return Plan([removal], {"ref": ref, "channel": channel}, changes, context.expecting(removal.stream))

    return await command(context, build, RemoveContact)


@router.get("/contacts/{ref}")
async def read_contacts(ref: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """The channels a ref chose, with the phone number."""
    relations = await _relations(runtime, caller, ref)
    by = caller.by(READ_CONTACTS, relations)
    async with runtime.log.queries() as connection:
        rows = await queries.contacts_of(connection, [ref])
    numbers = await _numbers(runtime, rows)
    if numbers and "own" not in relations:
        _log.info("phone number shown", actor=str(by.actor_id), role=by.role.value, ref=str(ref))
    chosen = [
        {"channel": row["channel"], "address": numbers.get(row["address_ref"]), "set_at": row["set_at"]} for row in rows
    ]
    return _json({"ref": ref, "contacts": chosen})


async def _numbers(runtime: Runtime, rows: Any) -> dict[UUID, str]:
    refs = [row["address_ref"] for row in rows if row["address_ref"] is not None]
    opened = await runtime.vault.open_many(refs) if refs else {}
    return {ref: fields[ADDRESS] for ref, fields in opened.items()}


@router.get("/inbox/{ref}")
async def read_inbox(
    ref: UUID, caller: Reading, runtime: Running, before: AwareDatetime | None = None, limit: Limit = 50
) -> JSONResponse:
    """What was handed to a ref's inbox, the newest first; `before`: the `handed_over_at` of the last one seen."""
    caller.by(READ_INBOX, await _relations(runtime, caller, ref))
    async with runtime.log.queries() as connection:
        erased = await queries.erased_among(connection, [ref])
        rows = [] if erased else await queries.inbox(connection, ref, before, limit)
    shown = [
        {
            "notification_id": row["notification_id"],
            "template": row["template"],
            **_words(row),
            "order_no": row["params"].get("order_no"),
            "topic_id": row["topic_id"],
            "handed_over_at": row["ended_at"],
        }
        for row in rows
    ]
    return _json({"ref": ref, "erased": bool(erased), "notices": shown})


def _words(row: queries.Row) -> dict[str, str]:
    try:
        text = render(row["template"], NoticeParams.model_validate_json(_ANY.dump_json(row["params"])))
    except (KeyError, ValueError):
        # An old notice whose template is gone: its number and time are still shown.
        text = Text("通知", "这条通知的文字已经不用了。")
    return {"title": text.title, "body": text.body}


@router.get("/phone-list")
async def read_phone_list(caller: Reading, runtime: Running, limit: Limit = 50) -> JSONResponse:
    """The calls to be made now in the caller's role and place, the longest waiting first, with number and words."""
    by = caller.by(READ_PHONE_LIST)
    scopes = caller.scopes(by.role)
    now = runtime.clock.now()
    async with runtime.log.queries() as connection:
        rows = await queries.phone_list(connection, now, [role.value for role in _calls_for(by.role)], limit)
        rows = [row for row in rows if not scopes or _concerns(scopes, row["scope_id"])]
        refs = {row["ref"] for row in rows if row["ref"] is not None}
        contacts = [row for row in await queries.contacts_of(connection, refs) if row["channel"] == "phone"]
    numbers = await _numbers(runtime, contacts)
    if numbers:
        _log.info("phone numbers shown", actor=str(by.actor_id), role=by.role.value, numbers=len(numbers))
    number_of = {row["ref"]: numbers.get(row["address_ref"]) for row in contacts}
    calls = [
        {
            "notification_id": row["notification_id"],
            "ref": row["ref"],
            "phone": number_of.get(row["ref"]),
            "to_role": row["to_role"],
            "scope_id": row["scope_id"],
            "template": row["template"],
            **_words(row),
            "order_no": row["params"].get("order_no"),
            "topic_id": row["topic_id"],
            "due_at": row["due_at"],
            "expires_at": row["expires_at"],
            "attempts": row["attempts"],
        }
        for row in rows
    ]
    return _json({"calls": calls})


def _calls_for(role: Role) -> tuple[Role, ...]:
    """Whose calls a role makes: its own; the dispatchers' desk and the stations stand in for every other.

    Not for the fund clerk: whom aid reached is no desk's business.
    """
    return CALLERS if role in {Role.DISPATCHER, Role.STATION_MANAGER} else (role,)


def _concerns(scopes: frozenset[str], grid_id: str | None) -> bool:
    return grid_id is None or any(queries.covers(queries.scope_of(scope), scope, grid_id) for scope in scopes)


@router.post("/phone-list/{notification_id}/outcome")
async def record_call(notification_id: UUID, ask: CallOutcomeAsk, context: Commanding) -> JSONResponse:
    """Say how a call went. Only what the caller says is recorded: they were reached, or not."""
    runtime = context.runtime
    async with runtime.log.queries() as connection:
        row = await queries.notice(connection, notification_id)

    async def build() -> Plan:
        relations = await _relations(runtime, context.caller, None if row is None else row["ref"])
        by = context.by(RecordCall, relations)
        if row is None:
            raise Refused("notice_unknown")
        call = RecordCall(
            by=by,
            at=runtime.clock.now(),
            topic_id=row["topic_id"],
            notification_id=notification_id,
            outcome=ask.outcome,
            policy=current_policy(),
        )
        return Plan([call], {"notification_id": notification_id}, expected_versions=context.expecting(call.stream))

    return await command(context, build, RecordCall)


STATE_WORDS = {
    "HANDED_OVER": {"in_app": "已交给收件箱", "console": "已交给值班屏", "phone": "打电话说了"},
    "FAILED": "没交出去",
    "CANCELLED": "不用说了",
    "UNKNOWN": "不清楚交出去没有",
}
"""What is known of a notice, and not a word more (A11Y-19)."""


def _known(row: queries.Row, now: datetime) -> str:
    words: Any = STATE_WORDS.get(row["state"])
    if isinstance(words, dict):
        return str(words.get(row["channel"], "已交出"))
    if words is not None:
        return str(words)
    if row["by_phone"]:
        return "等着打电话"
    return "等着交出" if row["due_at"] <= now else "到时候再说"


@router.get("/notices")
async def read_notices(
    caller: Reading, runtime: Running, topic_id: UUID | None = None, notification_id: UUID | None = None
) -> JSONResponse:
    """What became of the notices about one thing (an order, a gift, a claim), or of one notice."""
    caller.by(READ_NOTICES)
    now = runtime.clock.now()
    async with runtime.log.queries() as connection:
        if topic_id is not None:
            rows = list(await queries.of_topic(connection, topic_id))
        else:
            row = None if notification_id is None else await queries.notice(connection, notification_id)
            rows = [] if row is None else [row]
    if not rows and topic_id is None:
        raise not_found(notification_id=notification_id)
    shown = ("notification_id", "topic_id", "ref", "to_role", "scope_id", "template", "state", "channel", "channels")
    times = ("attempts", "reason_code", "queued_at", "due_at", "expires_at", "ended_at")
    return _json(
        {"notices": [{**{name: row[name] for name in shown + times}, "known_zh": _known(row, now)} for row in rows]}
    )
