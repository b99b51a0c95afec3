"""HTTP: request → command → answer. Every command's body is a JSON object, `{}` where there is nothing to say."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.volunteers.api.corrections import router as of_corrections
from services.volunteers.api.exporting import router as of_exports
from services.volunteers.api.external import router as of_external
from services.volunteers.api.helping import router as of_helping
from services.volunteers.api.hours import router as of_hours
from services.volunteers.api.people import router as of_people
from services.volunteers.api.records import router as of_records
from services.volunteers.api.standing import router as of_standing
from services.volunteers.api.stars import router as of_stars
from services.volunteers.api.teams import router as of_teams
from services.volunteers.api.ties import router as of_ties

ROUTERS: Sequence[APIRouter] = (
    of_people,
    of_ties,
    of_helping,
    of_standing,
    of_teams,
    of_hours,
    of_corrections,
    of_stars,
    of_records,
    of_external,
    of_exports,
)
