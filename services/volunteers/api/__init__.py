"""HTTP: request → command → answer. Every command's body is a JSON object, `{}` where there is nothing to say."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.volunteers.api.helping import router as of_helping
from services.volunteers.api.hours import router as of_hours
from services.volunteers.api.people import router as of_people
from services.volunteers.api.ties import router as of_ties

ROUTERS: Sequence[APIRouter] = (of_people, of_ties, of_helping, of_hours)
