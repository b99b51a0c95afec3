"""What happens beside the orders: gifts, somebody who is forgotten, desks with their lists, people who change."""

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Literal

from cli.client import ProblemError
from cli.seed import (
    aid_stories,
    goods_stories,
    hours_stories,
    oversight_stories,
    people_stories,
    star_stories,
    statement_stories,
    team_stories,
)
from cli.seed.community import Gift, Helper
from cli.seed.days import Days
from cli.seed.journal import Steps
from cli.seed.plan import DAYS
from contracts.command import Role

FUND = "fund-relief"
DESK_DAYS = 36
"""Desks go on after the last day of orders: a call may be due, and hours held, as long as orders are open."""
CALLERS = (Role.DISPATCHER, Role.REVIEWER, Role.GRID_WORKER, Role.FUND_CLERK)
CALLS_A_DAY = 20
OUTCOMES: tuple[Literal["reached", "no_answer", "not_needed"], ...] = (
    "reached", "reached", "no_answer", "reached", "reached", "not_needed",
)  # fmt: skip
"""How calls go, in turn. Nobody answers now and then; they are called again the next day."""
NOT_TO_BE_APPROVED = {
    "overlap_not_approvable": "overlap",
    "entry_too_long_not_approvable": "over_cap",
    "day_over_maximum": "over_cap",
}
"""Why an approval is refused → why the hours are then rejected."""
CONTESTED = "in_dispute"
"""Whoever decides the dispute decides about the hours."""


def stories(days: Days) -> list[Coroutine[Any, Any, None]]:
    """Everything beside the orders, each as a life of its own."""
    lives = [give(days, gift, number) for number, gift in enumerate(days.town.community.gifts, 1)]
    others = [forget(days), call_people(days), audit_hours(days), end_ties(days), change_volunteers(days)]
    parts = (
        aid_stories, goods_stories, statement_stories, oversight_stories, team_stories, people_stories, hours_stories,
        star_stories,
    )  # fmt: skip
    return [*lives, *others, *(story for part in parts for story in part.stories(days))]


async def give(days: Days, gift: Gift, number: int) -> None:
    """认捐, 收到, 票据: three steps by two people (会计法 §25)."""
    steps, town, simulation = days.journal.steps(f"gift-{number}"), days.town, days.simulation
    await days.at(gift.day, 10, number % 50)
    person_id = str(town.ids[gift.donor.person_key])
    donor = {"name": gift.donor.name, "phone": gift.donor.phone, "person_id": person_id}
    body = {"fund": FUND, "amount_fen": gift.amount_fen, "donor": donor}
    clerk, cashier = town.staff(Role.FUND_CLERK), town.staff(Role.CASHIER)
    pledged = await days.send(steps, "ledger", "/v1/donations", body, clerk)
    donation = f"/v1/donations/{pledged['donation_id']}"
    # Whoever opens a case posts its contact to notify, under the ref of this one gift.
    contact = {"ref": pledged["donor_ref"], "channel": "phone", "address": gift.donor.phone, "person_id": person_id}
    await days.send(steps, "notify", "/v1/contacts", contact, clerk, method="PUT")
    await simulation.until(simulation.now + timedelta(hours=20))
    await days.send(steps, "ledger", f"{donation}/receive", {"method": gift.method}, cashier)
    days.say(-1, f"收到捐款  {gift.amount_fen // 100} 元，入扶危济困基金")
    await simulation.until(simulation.now + timedelta(hours=26))
    if gift.receipt:
        receipt = {"receipt_no": f"JZ{simulation.now:%Y}-{number:05d}"}
        await days.send(steps, "ledger", f"{donation}/receipt", receipt, clerk)
    else:
        await days.send(steps, "ledger", f"{donation}/waive-receipt", {"reason_code": "donor_waived"}, clerk)


async def forget(days: Days) -> None:
    """Somebody asks to be forgotten: every service destroys its keys for them (个人信息保护法 §47)."""
    person = days.town.community.forgotten
    if person is None:
        return
    steps = days.journal.steps("forget")
    await days.at(3, 11)
    person_id = str(days.town.ids[person.person_key])
    body = {"confirmed_person_id": person_id}
    admin = days.town.staff(Role.ADMIN)
    await days.send(steps, "volunteers", f"/v1/persons/{person_id}/erase", body, admin)
    days.say(-1, "删除个人信息  一位搬走的居民")


async def call_people(days: Days) -> None:
    """Every afternoon the staff work off the list of people to be telephoned."""
    steps, made = days.journal.steps("calls"), 0
    for day in range(DAYS[days.town.community.scale] + DESK_DAYS):
        await days.at(day, 16, 40)
        for role in CALLERS:
            for notification_id in await _calls(days, steps, role):
                outcome = OUTCOMES[made % len(OUTCOMES)]
                made += 1
                path = f"/v1/phone-list/{notification_id}/outcome"
                await _unless_settled(days.send(steps, "notify", path, {"outcome": outcome}, days.town.staff(role)))
                days.say(-1, "打电话")


async def _calls(days: Days, steps: Steps, role: Role) -> list[str]:
    actor, client = days.town.staff(role), days.town.client

    async def do(_key: str) -> list[str]:
        found = await client.query("notify", "/v1/phone-list", actor=actor, params={"limit": CALLS_A_DAY})
        return [call["notification_id"] for call in found["calls"] if call["to_role"] == role.value]

    listed: list[str] = await steps.take(f"phone-list {role.value}", days.simulation.now, do)
    return listed


async def _unless_settled(step: Coroutine[Any, Any, Any]) -> None:
    """What was settled since the list was read needs no more."""
    try:
        await step
    except ProblemError as problem:
        if problem.reason_code not in {"notice_ended", "call_not_due", "claim_ended"}:
            raise


async def audit_hours(days: Days) -> None:
    """Every evening the auditor looks at held hours: long days are approved, minutes served twice are not."""
    steps = days.journal.steps("audit")
    auditor, second = days.town.staff(Role.HOURS_AUDITOR), days.town.staff(Role.SOCIAL_WORKER)
    for day in range(DAYS[days.town.community.scale] + DESK_DAYS):
        await days.at(day, 17, 40)
        for claim_id in await _held(days, steps):
            path = f"/v1/hours/{claim_id}"
            try:
                await days.send(steps, "volunteers", f"{path}/approve", {}, auditor)
                days.say(-1, "时长复核  同意")
                if (await _state(days, steps, claim_id)) == "HELD":
                    # Above twelve hours a second person signs as well.
                    await days.send(steps, "volunteers", f"{path}/approve", {}, second)
            except ProblemError as problem:
                if problem.reason_code == CONTESTED:
                    continue
                if problem.reason_code not in NOT_TO_BE_APPROVED:
                    raise
                reason = {"reason_code": NOT_TO_BE_APPROVED[problem.reason_code]}
                await days.send(steps, "volunteers", f"{path}/reject", reason, auditor)
                days.say(-1, "时长复核  不同意")


async def _held(days: Days, steps: Steps) -> list[str]:
    auditor, client = days.town.staff(Role.HOURS_AUDITOR), days.town.client

    async def do(_key: str) -> list[str]:
        found = await client.query("volunteers", "/v1/hours", actor=auditor, params={"state": "HELD"})
        return [claim["claim_id"] for claim in found["claims"] if claim["confirmed_at"] is not None]

    held: list[str] = await steps.take("held hours", days.simulation.now, do)
    return held


async def _state(days: Days, steps: Steps, claim_id: str) -> str:
    auditor, client = days.town.staff(Role.HOURS_AUDITOR), days.town.client

    async def do(_key: str) -> str:
        return str((await client.query("volunteers", f"/v1/hours/{claim_id}", actor=auditor))["state"])

    return str(await steps.take("claim", days.simulation.now, do))


async def end_ties(days: Days) -> None:
    """When the orders are over: a role ends, a proxy, a relation that was put down by mistake, a consent."""
    steps, town = days.journal.steps("ties"), days.town
    admin, social = town.staff(Role.ADMIN), town.staff(Role.SOCIAL_WORKER)
    first, other = town.community.helpers[0].person, town.community.residents[-1]
    who, whose = (str(town.ids[person.person_key]) for person in (first, other))
    await days.at(DAYS[town.community.scale] + 4, 9)
    related = {"person_a_id": who, "person_b_id": whose, "kind": "relative"}
    declared = await days.send(steps, "volunteers", "/v1/relations", related, social)
    await days.send(steps, "volunteers", f"/v1/relations/{declared['relation_id']}/end", {}, social)
    grant = town.grants["staff-dispatcher-2", Role.DISPATCHER]
    await days.send(steps, "volunteers", f"/v1/roles/{grant}/revoke", {"reason_code": "moved_on"}, admin)
    principal, _ = town.community.proxies[0]
    ended = {"reason_code": "not_needed_any_more"}
    proxy = f"/v1/proxies/{town.proxies[principal.person_key]}/end"
    await days.send(steps, "volunteers", proxy, ended, town.resident(principal))
    consents, own = f"/v1/persons/{whose}/consents", town.resident(other)
    await days.send(steps, "volunteers", consents, {"purpose": "publish_name", "form": "web"}, own)
    await days.send(steps, "volunteers", f"{consents}/publish_name/withdraw", {}, own)
    # From now on they are not called: what they have to know stands on their page.
    await days.send(steps, "volunteers", f"{consents}/contact/withdraw", {}, own)


async def change_volunteers(days: Days) -> None:
    """When the orders are over: one volunteer is suspended by two people and comes back, another moves away."""
    steps, town = days.journal.steps("volunteers"), days.town
    suspended, gone = (_path(days, helper) for helper in town.community.helpers[1:3])
    social, station = town.staff(Role.SOCIAL_WORKER), town.staff(Role.STATION_MANAGER)
    day = DAYS[town.community.scale] + 5
    await days.at(day, 9)
    body = {
        "reason_code": "investigation",
        "suspended_until": (days.midnight + timedelta(days=day + 30)).isoformat(),
        "seconded_by": str(station.person_id),
    }
    await days.send(steps, "volunteers", f"{suspended}/suspend", body, social)
    leaving = {"reason_code": "moved_away"}
    await days.send(steps, "volunteers", f"{gone}/withdraw", leaving, town.volunteer(town.community.helpers[2]))
    await days.at(day + 3, 15)
    await days.send(steps, "volunteers", f"{suspended}/reinstate", {}, social)


def _path(days: Days, helper: Helper) -> str:
    return f"/v1/volunteers/{days.town.ids[helper.person.person_key]}"
