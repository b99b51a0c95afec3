"""HTTP: request → command → answer. Every command's body is a JSON object, `{}` where there is nothing to say."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.orders.api import beside, dispatching, placing, reading, serving

ROUTERS: Sequence[APIRouter] = (
    placing.router,
    dispatching.router,
    serving.router,
    beside.router,
    reading.router,
)
