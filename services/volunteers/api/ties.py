"""Routes about two people: relations and blocks, which keep them apart, and proxies, who act for another."""

from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter
from fastapi.responses import JSONResponse

from contracts.command import Refused
from contracts.ids import uuid7
from eventstore.executor import Plan
from servicekit.http import CommandContext, Commanding, Reading, command
from services.volunteers.access import READ_BLOCKS
from services.volunteers.api.shared import NothingMore, Running, json_answer, words_sealed
from services.volunteers.commands.people import (
    AuthoriseProxy,
    AuthoriseProxyAsk,
    BlockPerson,
    BlockPersonAsk,
    DeclareRelation,
    DeclareRelationAsk,
    EndProxy,
    EndProxyAsk,
    EndRelation,
    UnblockPerson,
)
from services.volunteers.read_models import queries
from services.volunteers.read_models import tables as t
from services.volunteers.read_models.tie_queries import blocks_of

router = APIRouter(prefix="/v1", tags=["ties"])
REASON = "reason"
"""The sealed field: why somebody does not want to meet another."""


@router.post("/relations", status_code=201)
async def declare_relation(ask: DeclareRelationAsk, context: Commanding) -> JSONResponse:
    """Declare that person a is person b's parent, spouse, guardian, …"""
    relation_id = uuid7()

    async def build() -> Plan:
        relations, other_known = await _sides(context, ask.person_a_id, ask.person_b_id)
        declared = DeclareRelation(
            by=context.by(DeclareRelation, relations),
            at=context.runtime.clock.now(),
            person_id=ask.person_a_id,
            relation_id=relation_id,
            person_b_id=ask.person_b_id,
            kind=ask.kind,
            other_known=other_known,
        )
        return Plan([declared], {"relation_id": relation_id}, expected_versions=context.expecting(declared.stream))

    return await command(context, build, DeclareRelation, status=201)


@router.post("/relations/{relation_id}/end")
async def end_relation(relation_id: UUID, ask: NothingMore, context: Commanding) -> JSONResponse:
    """Record that a relation ended; never one of one's own."""
    row = await _row(context, t.relations, relation_id)
    if row is None:
        context.by(EndRelation)
        raise Refused("relation_unknown")

    async def build() -> Plan:
        relations, _ = await _sides(context, row["person_a_id"], row["person_b_id"])
        by, at = context.by(EndRelation, relations), context.runtime.clock.now()
        ended = EndRelation(by=by, at=at, person_id=row["person_a_id"], relation_id=relation_id, **dict(ask))
        return Plan([ended], {"relation_id": relation_id}, expected_versions=context.expecting(ended.stream))

    return await command(context, build, EndRelation)


@router.post("/proxies", status_code=201)
async def authorise_proxy(ask: AuthoriseProxyAsk, context: Commanding) -> JSONResponse:
    """Let another person act for the principal."""
    proxy_authorisation_id = uuid7()

    async def build() -> Plan:
        relations, other_known = await _sides(context, ask.principal_id, ask.proxy_id)
        authorised = AuthoriseProxy(
            by=context.by(AuthoriseProxy, relations),
            at=context.runtime.clock.now(),
            person_id=ask.principal_id,
            proxy_authorisation_id=proxy_authorisation_id,
            proxy_id=ask.proxy_id,
            scope=ask.scope,
            valid_until=ask.valid_until,
            other_known=other_known,
        )
        answer = {"proxy_authorisation_id": proxy_authorisation_id}
        return Plan([authorised], answer, expected_versions=context.expecting(authorised.stream))

    return await command(context, build, AuthoriseProxy, status=201)


@router.post("/proxies/{proxy_authorisation_id}/end")
async def end_proxy(proxy_authorisation_id: UUID, ask: EndProxyAsk, context: Commanding) -> JSONResponse:
    """End an authorisation: either side may, and staff."""
    row = await _row(context, t.proxies, proxy_authorisation_id)
    if row is None:
        context.by(EndProxy)
        raise Refused("proxy_unknown")

    async def build() -> Plan:
        relations, _ = await _sides(context, row["principal_id"], row["proxy_id"])
        ended = EndProxy(
            by=context.by(EndProxy, relations),
            at=context.runtime.clock.now(),
            person_id=row["principal_id"],
            proxy_authorisation_id=proxy_authorisation_id,
            reason_code=ask.reason_code,
        )
        answer = {"proxy_authorisation_id": proxy_authorisation_id}
        return Plan([ended], answer, expected_versions=context.expecting(ended.stream))

    return await command(context, build, EndProxy)


@router.post("/blocks", status_code=201)
async def block_person(ask: BlockPersonAsk, context: Commanding) -> JSONResponse:
    """Keep two people apart from now on, in both directions; the other is not asked and not told."""
    runtime, block_id = context.runtime, uuid7()

    async def build() -> Plan:
        relations, other_known = await _sides(context, ask.person_id, ask.other_id)
        by, at = context.by(BlockPerson, relations), runtime.clock.now()
        ref, commitment, changes = await words_sealed(runtime, ask.person_id, REASON, ask.reason)
        blocked = BlockPerson(
            by=by,
            at=at,
            person_id=ask.person_id,
            block_id=block_id,
            other_id=ask.other_id,
            other_known=other_known,
            reason_ref=ref,
            reason_commitment=commitment,
        )
        return Plan([blocked], {"block_id": block_id}, changes, context.expecting(blocked.stream))

    return await command(context, build, BlockPerson, status=201)


@router.post("/blocks/{block_id}/end")
async def unblock_person(block_id: UUID, ask: NothingMore, context: Commanding) -> JSONResponse:
    """Take a block back; never by the one who is blocked."""
    row = await _row(context, t.blocks, block_id)
    if row is None:
        context.by(UnblockPerson)
        raise Refused("block_unknown")

    async def build() -> Plan:
        relations, _ = await _sides(context, row["person_id"], row["other_id"])
        by, at = context.by(UnblockPerson, relations), context.runtime.clock.now()
        ended = UnblockPerson(by=by, at=at, person_id=row["person_id"], block_id=block_id, **dict(ask))
        return Plan([ended], {"block_id": block_id}, expected_versions=context.expecting(ended.stream))

    return await command(context, build, UnblockPerson)


@router.get("/persons/{person_id}/blocks")
async def read_blocks(person_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """Whom a person does not want to meet, and why; nobody reads by whom they are blocked themselves."""
    async with runtime.log.queries() as connection:
        relations = await queries.relations_to(connection, caller.actor_id, person_id, runtime.clock.now())
        caller.by(READ_BLOCKS, relations)
        rows = await blocks_of(connection, person_id)
    opened = await runtime.vault.open_many([row["reason_ref"] for row in rows if row["reason_ref"] is not None])
    blocks = [
        {name: row[name] for name in ("block_id", "other_id", "blocked_at")}
        | {"reason": opened.get(row["reason_ref"], {}).get(REASON)}
        for row in rows
    ]
    return json_answer({"person_id": person_id, "blocks": blocks})


async def _sides(context: CommandContext, first_id: UUID, other_id: UUID) -> tuple[frozenset[str], bool]:
    """How the caller stands to the first person, `party` when they are the other; and whether the other is known."""
    runtime, actor_id = context.runtime, context.actor_id
    async with runtime.log.queries() as connection:
        relations = await queries.relations_to(connection, actor_id, first_id, runtime.clock.now())
        other_known = await queries.is_known(connection, other_id)
    return relations | ({"party"} if actor_id == other_id else frozenset()), other_known


async def _row(context: CommandContext, table: sa.Table, key: UUID) -> queries.Row | None:
    async with context.runtime.log.queries() as connection:
        return await queries.row_of(connection, table, key)
