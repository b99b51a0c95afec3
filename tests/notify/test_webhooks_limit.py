"""How many webhooks are enabled at once: the limit of the policy, also for who asks at the same moment."""

import asyncio
from typing import Any

from contracts.command import Role
from services.notify.commands import SendingPolicy
from tests.notify.desk import Desk
from tests.notify.examples import ZHAO
from tests.notify.hooks import DECLINED


async def register(desk: Desk) -> Any:
    body = {"url": "https://hooks.example.org/", "events": [DECLINED]}
    return await desk.ask("POST", "/webhooks", body, ZHAO, Role.ADMIN)


async def turn(desk: Desk, webhook_id: str, what: str) -> Any:
    return await desk.ask("POST", f"/webhooks/{webhook_id}/{what}", {}, ZHAO, Role.ADMIN)


async def test_no_more_webhooks_are_enabled_than_the_policy_has_room_for(desk: Desk) -> None:
    most = SendingPolicy().webhooks_max
    there = [(await register(desk)).json()["webhook_id"] for _ in range(most)]
    refused = await register(desk)
    assert (refused.status_code, refused.json()["reason_code"]) == (409, "webhooks_full")
    assert str(most) in refused.json()["detail"]
    assert (await turn(desk, there[0], "disable")).status_code == 200
    assert (await register(desk)).status_code == 201
    again = await turn(desk, there[0], "enable")
    assert (again.status_code, again.json()["reason_code"]) == (409, "webhooks_full")


async def test_webhooks_asked_for_at_once_do_not_share_the_last_places(desk: Desk) -> None:
    most = SendingPolicy().webhooks_max
    there = [(await register(desk)).json()["webhook_id"] for _ in range(most)]
    for webhook_id in there[:2]:
        assert (await turn(desk, webhook_id, "disable")).status_code == 200
    answers = await asyncio.gather(
        *(register(desk) for _ in range(3)), *(turn(desk, webhook_id, "enable") for webhook_id in there[:2])
    )
    assert sorted(answer.status_code // 100 for answer in answers) == [2, 2, 4, 4, 4]
    refused = {answer.json()["reason_code"] for answer in answers if answer.status_code == 409}
    assert refused == {"webhooks_full"}, "who was slower is told what is so now"
    shown = (await desk.ask("GET", "/webhooks", None, ZHAO, Role.ADMIN)).json()["webhooks"]
    assert [each["state"] for each in shown].count("ENABLED") == most
