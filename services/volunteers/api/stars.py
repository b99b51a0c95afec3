"""Routes about stars: nominate, publicise, object, award; who has which."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse

from contracts.ids import uuid7
from eventstore.executor import Plan
from servicekit.http import CommandContext, Commanding, Reading, command
from servicekit.working_days import due_after
from services.volunteers.access import READ_CLAIMS, READ_HOURS, READ_STARS
from services.volunteers.api.hours import Limit
from services.volunteers.api.shared import NothingMore, Running, json_answer
from services.volunteers.commands.stars import (
    AwardStar,
    NominateStar,
    ObjectToStar,
    ObjectToStarAsk,
    PublicizeStar,
    StarCommand,
)
from services.volunteers.commands.words import star_id_of
from services.volunteers.policy import current_policy
from services.volunteers.read_models import queries, star_queries
from services.volunteers.read_models.tables import volunteers

router = APIRouter(prefix="/v1", tags=["stars"])
Level = Annotated[int, Path(ge=1, le=5)]
StarStateName = Literal["REACHED", "NOMINATED", "PUBLICIZED", "OBJECTED", "AWARDED", "REVIEW"]
OBJECTION, EXPLANATION = "star_objection", "explanation"
"""The vault's purpose and field for what an objector says."""
PUBLIC_STATES = frozenset({"PUBLICIZED", "AWARDED"})
GOOD_STANDING = frozenset({"ACTIVE", "PAUSED"})


@router.post("/volunteers/{volunteer_id}/stars/{level}/nominate")
async def nominate_star(volunteer_id: UUID, level: Level, ask: NothingMore, context: Commanding) -> JSONResponse:
    """Put a volunteer of one's team forward for a level that the minutes reach."""
    return await _ask(context, volunteer_id, level, NominateStar, dict(ask))


@router.post("/volunteers/{volunteer_id}/stars/{level}/publicize")
async def publicize_star(volunteer_id: UUID, level: Level, ask: NothingMore, context: Commanding) -> JSONResponse:
    """Show it to everybody for five working days; again, from the start, when an objection was looked into."""
    return await _ask(context, volunteer_id, level, PublicizeStar, dict(ask))


@router.post("/volunteers/{volunteer_id}/stars/{level}/award")
async def award_star(volunteer_id: UUID, level: Level, ask: NothingMore, context: Commanding) -> JSONResponse:
    """Award it after the publicity, when nobody's objection is open."""
    return await _ask(context, volunteer_id, level, AwardStar, dict(ask))


@router.post("/volunteers/{volunteer_id}/stars/{level}/object", status_code=201)
async def object_to_star(volunteer_id: UUID, level: Level, ask: ObjectToStarAsk, context: Commanding) -> JSONResponse:
    """Object within the publicity; the words are for those who look into it."""
    objection_id, words_ref, runtime = uuid7(), uuid7(), context.runtime

    async def build() -> Plan:
        at = runtime.clock.now()
        async with runtime.log.queries() as connection:
            relations = await queries.relations_to(connection, context.actor_id, volunteer_id, at)
        by = context.by(ObjectToStar, relations)
        sealed = None
        if ask.explanation is not None:
            words = {EXPLANATION: ask.explanation}
            sealed = await runtime.vault.seal(context.actor_id, OBJECTION, words_ref, words)
        objected = ObjectToStar(
            by=by,
            at=at,
            volunteer_id=volunteer_id,
            level=level,
            objection_id=objection_id,
            reason_code=ask.reason_code,
            explanation_ref=None if sealed is None else sealed.ref,
            explanation_commitment=None if sealed is None else sealed.commitments[EXPLANATION],
        )
        answer = {"star_id": objected.star_id, "objection_id": objection_id}
        return Plan([objected], answer, () if sealed is None else sealed.changes, context.expecting(objected.stream))

    return await command(context, build, ObjectToStar, status=201)


async def _ask(
    context: CommandContext, volunteer_id: UUID, level: int, command_class: type[StarCommand], answer: dict[str, Any]
) -> JSONResponse:
    runtime = context.runtime

    async def build() -> Plan:
        at = runtime.clock.now()
        async with runtime.log.queries() as connection:
            relations = await queries.relations_to(connection, context.actor_id, volunteer_id, at)
            by = context.by(command_class, relations)
            minutes = await star_queries.minutes_of(connection, volunteer_id)
            found = await queries.row_of(connection, volunteers, volunteer_id)
        more: dict[str, Any] = {"minutes": minutes}
        if command_class in {NominateStar, AwardStar}:
            more["in_good_standing"] = found is not None and found["state"] in GOOD_STANDING
        if command_class is PublicizeStar:
            more["due_at"] = _publicity_ends(at)
        asked = command_class(
            by=by, at=at, volunteer_id=volunteer_id, level=level, policy=current_policy().stars, **more
        )
        return Plan(
            [asked],
            {**answer, "star_id": star_id_of(volunteer_id, level)},
            expected_versions=context.expecting(asked.stream),
        )

    return await command(context, build, command_class)


def _publicity_ends(at: datetime) -> datetime:
    return due_after(at, current_policy().stars.publicity_working_days)


@router.get("/volunteers/{volunteer_id}/stars")
async def read_stars_of(volunteer_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """A volunteer's stars, and what counts towards the next, by grade."""
    async with runtime.log.queries() as connection:
        relations = await queries.relations_to(connection, caller.actor_id, volunteer_id, runtime.clock.now())
        caller.by(READ_HOURS, relations)
        found = await star_queries.stars_of(connection, volunteer_id)
        minutes = await star_queries.minutes_of(connection, volunteer_id)
    policy = current_policy().stars
    counted = policy.counted(minutes.minutes_a, minutes.minutes_b, minutes.minutes_c)
    return json_answer(
        {
            "volunteer_id": volunteer_id,
            "stars": [dict(row) for row in found],
            "minutes_by_grade": {"A": minutes.minutes_a, "B": minutes.minutes_b, "C": minutes.minutes_c},
            "counted_minutes": counted,
            "thresholds_minutes": list(policy.thresholds_minutes),
        }
    )


@router.get("/stars")
async def read_stars(
    caller: Reading, runtime: Running, state: StarStateName = "PUBLICIZED", limit: Limit = 200
) -> JSONResponse:
    """Stars in a state: what is publicised or awarded is shown to everybody, the rest to the desk."""
    caller.by(READ_STARS if state in PUBLIC_STATES else READ_CLAIMS)
    async with runtime.log.queries() as connection:
        found = await star_queries.stars_in(connection, state, limit)
    return json_answer({"stars": [dict(row) for row in found]})
