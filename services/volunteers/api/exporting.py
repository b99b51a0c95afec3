"""The route that shows whole records of volunteers, a page at a time: what an export is made of (民政部令第67号 §4)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.volunteers import VolunteerNo
from servicekit.http import Reading
from servicekit.process import Runtime
from servicekit.reference import reference
from services.volunteers.access import EXPORT_RECORDS
from services.volunteers.api.external import external_of
from services.volunteers.api.shared import Running, json_answer, profile_of
from services.volunteers.commands.hours import SHANGHAI, day_of
from services.volunteers.read_models import record_queries
from services.volunteers.read_models.queries import Row

router = APIRouter(prefix="/v1", tags=["service records"])
_log = structlog.get_logger("services.volunteers.exporting")
STARS = "一二三四五"
Limit = Annotated[int, Query(ge=1, le=50)]
After = Annotated[VolunteerNo | None, Query(description="The last volunteer_no of the page before.")]


@dataclass
class _Parts:
    """What a page of volunteers has, by volunteer."""

    skills: dict[UUID, list[str]] = field(default_factory=lambda: defaultdict(list))
    records: dict[UUID, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, volunteer_id: UUID, **record: Any) -> None:
        """One line; what there is not to say is left out."""
        self.records[volunteer_id].append({name: value for name, value in record.items() if value is not None})


@router.get("/volunteer-records")
async def read_volunteer_records(
    caller: Reading,
    runtime: Running,
    after: After = None,
    volunteer_no: Annotated[VolunteerNo | None, Query()] = None,
    limit: Limit = 20,
) -> JSONResponse:
    """Volunteers in the order of their numbers with everything recorded of them: what the ledger holds and, apart
    from it under `external`, what another app says. With whole names; who asked is logged.
    """
    by = caller.by(EXPORT_RECORDS)
    async with runtime.log.queries() as connection:
        rows = await record_queries.volunteers_after(connection, after or "", limit, volunteer_no)
        parts = await _parts(connection, [row["volunteer_id"] for row in rows])
    _log.info("records shown in full", actor=str(by.actor_id), role=by.role.value, volunteers=len(rows))
    shown = [await _shown(runtime, row, parts) for row in rows]
    following = rows[-1]["volunteer_no"] if len(rows) == limit else None
    return json_answer({"volunteers": [one for one in shown if one is not None], "after": following})


async def _parts(connection: AsyncConnection, ids: Sequence[UUID]) -> _Parts:
    parts = _Parts()
    names = {row.code: row.name for row in reference().skills}
    for row in await record_queries.skills_of(connection, ids):
        parts.skills[row["volunteer_id"]].append(names.get(row["skill"], row["skill"]))
    services = await record_queries.posted_services_of(connection, ids)
    _services(parts, services)
    _trainings(parts, await record_queries.trainings_of(connection, ids))
    _awards(parts, await record_queries.awards_of(connection, ids))
    _evaluations(parts, services)
    return parts


def _services(parts: _Parts, rows: Iterable[Row]) -> None:
    known = reference()
    projects = {row.code: row.name for row in known.projects}
    for row in rows:
        item = known.items.get(row["item_code"] or "")
        project_code = row["project_code"] or (None if item is None else item.project)
        content = "志愿服务" if item is None else item.name
        parts.add(
            row["volunteer_id"],
            kind="service",
            record_no=str(row["claim_id"]),
            title=projects.get(project_code or "", content),
            date=row["service_date"],
            # The unit is called after the party's committee; where the service was is the community (no door is told).
            place=community_name().removesuffix("党委"),
            # Whom it was for is not told: who was helped is kept private (志愿服务条例 §21).
            recipient="社区居民",
            content=content,
            started_at=row["started_at"].astimezone(SHANGHAI),
            finished_at=row["finished_at"].astimezone(SHANGHAI),
            **{f"minutes_{row['grade'].lower()}": row["minutes"]},
            organisation=community_name(),
            ledger_position=row["position"],
        )


def _trainings(parts: _Parts, rows: Iterable[Row]) -> None:
    names = {row.code: row.name for row in reference().trainings}
    for row in rows:
        parts.add(
            row["volunteer_id"],
            kind="training",
            record_no=str(row["training_id"]),
            title=names.get(row["training"], row["training"]),
            date=row["completed_on"],
            organisation=community_name(),
        )


def _awards(parts: _Parts, rows: Iterable[Row]) -> None:
    for row in rows:
        level = f"{STARS[row['level'] - 1]}星级"
        parts.add(
            row["volunteer_id"],
            kind="award",
            record_no=str(row["star_id"]),
            title=f"{level}志愿者",
            date=day_of(row["awarded_at"]),
            organiser=community_name(),
            level=level,
            organisation=community_name(),
        )


def _evaluations(parts: _Parts, services: Iterable[Row]) -> None:
    for row in services:
        if row["score"] is not None:
            parts.add(
                row["volunteer_id"],
                kind="evaluation",
                # An evaluation goes by the number of the service that it is about.
                record_no=str(row["claim_id"]),
                date=day_of(row["rated_at"]),
                score=row["score"],
                evaluator="服务对象",
                organisation=community_name(),
            )


async def _shown(runtime: Runtime, row: Row, parts: _Parts) -> dict[str, Any] | None:
    profile = await profile_of(runtime, row["profile_ref"])
    if profile is None:
        # Erased between the two looks.
        return None
    external = await external_of(runtime, row)
    registered_on = (external or {}).get("registered_on") or day_of(row["registered_at"])
    grid_id = row["home_grid_id"]
    return {
        "volunteer_no": row["volunteer_no"],
        **profile,
        "residence": None if grid_id is None else reference().names.get(grid_id, grid_id),
        "skills": parts.skills[row["volunteer_id"]],
        "registered_on": registered_on,
        "records": parts.records[row["volunteer_id"]],
        "external": external,
    }


def community_name() -> str:
    """What the community is called, as whoever recorded it."""
    return next(unit.name for unit in reference().organisation if unit.kind == "community")
