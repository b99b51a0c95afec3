"""People who live here and what they ask for, over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from contracts.command import Role
from tests.doors.doors import EVERY_ROLE, STAFF, Doors
from tests.support.waiting import eventually_blocking


class Neighbourhood:
    """What they do; each command waits for what the one before it said elsewhere."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors
        self.after = ""

    def done(self, service: str, path: str, body: Any, actor: UUID = STAFF, *roles: Role, method: str = "POST") -> Any:
        headers = self.doors.headers()
        headers["Authorization"] = f"Bearer {self.doors.token(*(roles or EVERY_ROLE), actor_id=actor)}"
        if self.after and not self.after.startswith(service):
            headers["After"] = self.after

        def taken() -> httpx.Response | None:
            """Nothing was done where the service has not heard of it in time: it says to ask again."""
            answer = self.doors.ask(service, method, path, json=body, headers=headers)
            waits = answer.status_code == 503 and answer.json()["reason_code"] == "not_caught_up"
            return None if waits else answer

        answer = eventually_blocking(taken, what=f"{service} hears {self.after}")
        assert answer.status_code in {200, 201}, (path, answer.text)
        self.after = answer.headers["Position"]
        return answer.json()

    def read(self, service: str, path: str, actor: UUID = STAFF, *roles: Role) -> Any:
        token = self.doors.token(*(roles or EVERY_ROLE), actor_id=actor)
        answer = self.doors.ask(service, "GET", path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    def person(self, name: str = "王示例") -> UUID:
        person = {
            "name": name,
            "phone": "13800000000",
            "birth_date": "1955-05-01",
            "entrance_id": "entrance-001",
            "grid_id": "grid-01",
            "consents": ["personal_data", "contact", "service", "volunteering"],
            "consent_form": "written",
        }
        return UUID(self.done("volunteers", "/v1/persons", person)["person_id"])

    def order(self, resident: UUID, details: str) -> str:
        """点单 of a haircut in a week, with these words as address and note; the order's path."""
        start = datetime.now(UTC).replace(hour=2, minute=0, second=0, microsecond=0) + timedelta(days=7)
        order = {
            "item_code": "haircut",
            "window_start": start.isoformat(),
            "window_end": (start + timedelta(hours=1)).isoformat(),
            "details": {"address": details, "note": details},
        }
        placed = self.done("orders", "/v1/orders", order, resident, Role.RESIDENT)
        return f"/v1/orders/{placed['order_id']}"
