"""HTTP: request → command → answer. Every command's body is a JSON object, `{}` where there is nothing to say."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.orders.api import (
    beside,
    dispatching,
    disputes,
    follow_ups,
    missing,
    placing,
    reading,
    serving,
    turning,
    welfare,
)

ROUTERS: Sequence[APIRouter] = (
    placing.router,
    dispatching.router,
    serving.router,
    missing.router,
    turning.router,
    follow_ups.router,
    disputes.router,
    welfare.router,
    beside.router,
    reading.router,
)
