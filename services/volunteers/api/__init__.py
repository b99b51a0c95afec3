"""HTTP: request → command → answer. Every command's body is a JSON object, `{}` where there is nothing to say."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.volunteers.api import helping, hours, people, ties

ROUTERS: Sequence[APIRouter] = (people.router, ties.router, helping.router, hours.router)
