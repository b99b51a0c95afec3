"""HTTP of notify: contacts, the inbox, the phone list, notices; and webhooks."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.notify.api import notices, webhooks

ROUTERS: Sequence[APIRouter] = (notices.router, webhooks.router)
