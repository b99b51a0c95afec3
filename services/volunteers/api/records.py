"""Routes about service records: issue, read, print, revoke; and whether a paper stands, for whoever holds it."""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import JSONResponse, Response

from contracts.command import Refused
from contracts.event import Digest
from contracts.ids import uuid7
from eventstore.executor import Plan
from eventstore.merkle import ProofError, verify_inclusion
from servicekit.http import Commanding, Reading, command, not_found
from servicekit.process import Runtime
from servicekit.reference import reference
from services.volunteers.access import READ_RECORDS
from services.volunteers.api.shared import ERASED, Running, asked_again, json_answer, profile_of
from services.volunteers.commands.hours import SHANGHAI, day_of
from services.volunteers.commands.records import (
    IssueServiceRecord,
    IssueServiceRecordAsk,
    RevokeServiceRecord,
    RevokeServiceRecordAsk,
)
from services.volunteers.paper import render
from services.volunteers.read_models import queries, star_queries
from services.volunteers.read_models.tables import persons, volunteers

router = APIRouter(prefix="/v1", tags=["service records"])
Code = Annotated[str, Path(pattern=r"^[0-9]{16}$")]
SERVICES_SHOWN_MAX = 200
STATES = {"SUPERSEDED": "这份记录里的时长后来有更正，已经不作数，可以免费换一份新的。", "REVOKED": "这份记录已经撤销。"}
_SHOWN_BY_CODE = (
    *("record_no", "state", "period_from", "period_until", "minutes_a", "minutes_b", "minutes_c"),
    *("entries", "ledger_size", "issued_at", "reason_code", "ended_at"),
)


@dataclass(frozen=True)
class AskedProof:
    """An inclusion proof of the record's last entry, from the ledger's public files; printed only if it holds."""

    size: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None
    root: Annotated[Digest | None, Query()] = None
    hashes: Annotated[list[Digest] | None, Query(max_length=64)] = None


@router.post("/service-records", status_code=201)
async def issue_service_record(ask: IssueServiceRecordAsk, context: Commanding) -> JSONResponse:
    """Issue a 平台服务记录 over a period, free of charge; its totals are the ledger's."""
    runtime, record_id = context.runtime, uuid7()
    verify_code = f"{secrets.randbelow(10**16):016}"

    async def build() -> Plan:
        at = runtime.clock.now()
        ledger_size = await runtime.log.heard("ledger")
        async with runtime.log.queries() as connection:
            relations = await queries.relations_to(connection, context.actor_id, ask.volunteer_id, at)
            by = context.by(IssueServiceRecord, relations)
            found = await queries.row_of(connection, volunteers, ask.volunteer_id)
            recorded = await star_queries.recorded_minutes(
                connection, ask.volunteer_id, ask.period_from, ask.period_until, ledger_size
            )
            prefix = f"PT-{day_of(at).year}-"
            number = await star_queries.last_number(connection, prefix) + 1
        issued = IssueServiceRecord(
            by=by,
            at=at,
            record_id=record_id,
            volunteer_id=ask.volunteer_id,
            volunteer_known=found is not None,
            record_no=f"{prefix}{number:06}",
            verify_code=verify_code,
            period_from=ask.period_from,
            period_until=ask.period_until,
            today=day_of(at),
            recorded=recorded,
        )
        answer = {"record_id": record_id, "record_no": issued.record_no, "verify_code": verify_code}
        return Plan([issued], answer, expected_versions=context.expecting(issued.stream))

    return await asked_again(lambda: command(context, build, IssueServiceRecord, status=201))


@router.post("/service-records/{record_id}/revoke")
async def revoke_service_record(record_id: UUID, ask: RevokeServiceRecordAsk, context: Commanding) -> JSONResponse:
    """Take a record back."""
    runtime = context.runtime

    async def build() -> Plan:
        at = runtime.clock.now()
        async with runtime.log.queries() as connection:
            found = await star_queries.record(connection, record_id)
            relations = frozenset[str]()
            if found is not None:
                relations = await queries.relations_to(connection, context.actor_id, found["volunteer_id"], at)
        by = context.by(RevokeServiceRecord, relations)
        revoked = RevokeServiceRecord(by=by, at=at, record_id=record_id, reason_code=ask.reason_code)
        return Plan([revoked], {"record_id": record_id}, expected_versions=context.expecting(revoked.stream))

    return await command(context, build, RevokeServiceRecord)


@router.get("/service-records/by-code/{verify_code}")
async def check_service_record(verify_code: Code, runtime: Running) -> JSONResponse:
    """Whether a paper stands. Needs no token: the code is on the paper, and the answer names nobody."""
    async with runtime.log.queries() as connection:
        found = await star_queries.record_by_code(connection, verify_code)
    if found is None:
        raise not_found(verify_code=verify_code)
    return json_answer({"valid": found["state"] == "ISSUED"} | {name: found[name] for name in _SHOWN_BY_CODE})


@router.get("/volunteers/{volunteer_id}/service-records")
async def read_service_records(volunteer_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """A volunteer's service records, newest first."""
    async with runtime.log.queries() as connection:
        relations = await queries.relations_to(connection, caller.actor_id, volunteer_id, runtime.clock.now())
        caller.by(READ_RECORDS, relations)
        found = await star_queries.records_of(connection, volunteer_id)
    return json_answer({"volunteer_id": volunteer_id, "records": [dict(row) for row in found]})


@router.get("/service-records/{record_id}/pdf", response_class=Response)
async def print_service_record(
    record_id: UUID, asked: Annotated[AskedProof, Depends()], caller: Reading, runtime: Running
) -> Response:
    """The record as a PDF with the volunteer's name from the vault; with a proof, when it holds for the last entry."""
    async with runtime.log.queries() as connection:
        found = await star_queries.record(connection, record_id)
        relations = frozenset[str]()
        if found is not None:
            relations = await queries.relations_to(
                connection, caller.actor_id, found["volunteer_id"], runtime.clock.now()
            )
        caller.by(READ_RECORDS, relations)
        if found is None:
            raise not_found(record_id=record_id)
        content = await _content(runtime, connection, found, asked)
    pdf = await asyncio.to_thread(render, content)
    name = f"{found['record_no']}.pdf"
    return Response(pdf, media_type="application/pdf", headers={"Content-Disposition": f'inline; filename="{name}"'})


async def _content(runtime: Runtime, connection: Any, found: queries.Row, asked: AskedProof) -> dict[str, Any]:
    volunteer_id, last = found["volunteer_id"], found["ledger_positions"][-1]
    volunteer = await queries.row_of(connection, volunteers, volunteer_id)
    person = await queries.row_of(connection, persons, volunteer_id)
    leaf = await star_queries.leaf_of(connection, last)
    services = await star_queries.services_in(connection, volunteer_id, found["period_from"], found["period_until"])
    profile = None if person is None else await profile_of(runtime, person["profile_ref"])
    assert leaf is not None
    community = next(unit.name for unit in reference().organisation if unit.kind == "community")
    recorded = set(found["ledger_positions"])
    shown = [row for row in services if row["position"] in recorded]
    return {
        "community": community,
        "issuer": community,
        "record_no": found["record_no"],
        "issued": list(day_of(found["issued_at"]).timetuple()[:3]),
        "issued_on": _day(day_of(found["issued_at"])),
        "name": ERASED if profile is None else profile["name"],
        "volunteer_no": "" if volunteer is None else volunteer["volunteer_no"],
        "period_from": _day(found["period_from"]),
        "period_until": _day(found["period_until"]),
        "entries": found["entries"],
        "state": STATES.get(found["state"]),
        **{f"minutes_{grade}": found[f"minutes_{grade}"] for grade in "abc"},
        **{f"shown_{grade}": _hours(found[f"minutes_{grade}"]) for grade in "abc"},
        "services": [_service(row) for row in shown[:SERVICES_SHOWN_MAX]],
        "services_left_out": max(0, found["entries"] - SERVICES_SHOWN_MAX),
        "code": " ".join(found["verify_code"][at : at + 4] for at in range(0, 16, 4)),
        "ledger_size": found["ledger_size"],
        "last_position": last,
        "leaf_hash": leaf["leaf_hash"].hex(),
        "proof": _proof(asked, leaf["leaf_hash"], last),
    }


def _proof(asked: AskedProof, leaf_hash: bytes, position: int) -> dict[str, Any] | None:
    """The proof as it is printed. Raises Refused for one that does not lead from the entry to the root."""
    if asked.size is None or asked.root is None:
        return None
    try:
        hashes = [bytes.fromhex(one) for one in asked.hashes or ()]
        verify_inclusion(position - 1, asked.size, leaf_hash, hashes, bytes.fromhex(asked.root))
    except ProofError:
        raise Refused("proof_does_not_hold", position=position) from None
    return {"size": asked.size, "root": asked.root, "hashes": asked.hashes or []}


def _service(row: queries.Row) -> dict[str, Any]:
    item = reference().items.get(row["item_code"] or "")
    times = [moment.astimezone(SHANGHAI) for moment in (row["started_at"], row["finished_at"])]
    return {
        "date": row["service_date"].isoformat(),
        "times": "–".join(_clock(moment) for moment in times),
        "item": "志愿服务" if item is None else item.name,
        "minutes": row["minutes"],
        "grade": row["grade"],
        "position": str(row["position"]),
    }


def _clock(moment: datetime) -> str:
    return f"{moment.hour:02}:{moment.minute:02}"


def _day(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def _hours(minutes: int) -> str:
    whole = timedelta(minutes=minutes)
    hours, rest = divmod(whole // timedelta(minutes=1), 60)
    return f"{hours}小时{rest}分"
