"""回访整改: what a bad rating comes to. A reviewer calls, somebody puts it right, and the resident is asked again."""

from datetime import datetime, timedelta

from cli.seed.order_life import OrderLife
from contracts.command import Role

LOOKED_INTO = 2
"""At most so many stars are followed up (servicekit/policy.yaml)."""
CALLED_AFTER = timedelta(hours=3)
MEASURES = ("retrain", "apology")
STANDS_IN = 1
"""The second social worker is a reviewer, too, as long as two are needed."""


async def follow_up(life: OrderLife, score: int | None) -> None:
    """The call the same day, a measure within two days, and a second score beside the first."""
    if score is None or score > LOOKED_INTO:
        return
    await life.until(life.now + CALLED_AFTER)
    await put_right(life, MEASURES[score - 1], score + 2, rejected_once=score == 1)
    life.tell(f"整改  居民说好了，再打 {score + 2} 分；第一次的 {score} 分不改")


async def put_right(life: OrderLife, measure: str, second_score: int, *, rejected_once: bool = False) -> None:
    """回访登记, 责令整改, 整改反馈, 复核, 回访办结."""
    reviewer, social_worker = life.town.staff(Role.REVIEWER), life.town.staff(Role.SOCIAL_WORKER)
    await life.command("follow-up/contact", reviewer, channel="phone")
    body = {"measure": measure, "responsible_id": str(social_worker.person_id)}
    await life.command("follow-up/rectification", reviewer, body)
    life.tell("回访  问清楚哪里没做好，责令整改")
    await life.until(life.now + timedelta(days=1))
    await life.command("follow-up/report", social_worker)
    await life.until(life.now + timedelta(hours=20))
    if rejected_once:
        await life.command("follow-up/verify", life.resident_side, {"accepted": False, "reason_code": "not_yet"})
        await life.command("follow-up/report", social_worker)
    await life.command("follow-up/verify", life.resident_side, {"accepted": True})
    await life.command("follow-up/close", reviewer, {"second_score": second_score})


async def dismiss(life: OrderLife) -> None:
    """误评: the resident meant another visit. Two reviewers stand for it, so somebody else becomes one for the day."""
    reviewer, admin = life.town.staff(Role.REVIEWER), life.town.staff(Role.ADMIN)
    second = life.town.staff(Role.SOCIAL_WORKER, number=STANDS_IN)
    await life.until(life.now + CALLED_AFTER)
    await life.command("follow-up/contact", reviewer, channel="phone")
    role = {"person_id": str(second.person_id), "granted_role": Role.REVIEWER.value}
    place = {"scope": "community", "scope_id": "chaoyangli"}
    granted = await life.send("volunteers", "/v1/roles", {**role, **place}, admin)
    body = {"reason_code": "meant_another_visit", "seconded_by": str(second.person_id)}
    await life.command("follow-up/dismiss", reviewer, body)
    life.tell("误评  居民记错了人，两位回访员都听明白了；分数不改，不算在这位志愿者头上")
    await life.command("follow-up/close", reviewer)
    revoked = {"reason_code": "stood_in"}
    await life.send("volunteers", f"/v1/roles/{granted['grant_id']}/revoke", revoked, admin)


async def leave_until_overdue(life: OrderLife) -> None:
    """Nobody calls by the end of the next working day: it goes up to who guides the volunteers."""
    due_at = (await life.look())["due_at"]
    await life.until(datetime.fromisoformat(due_at) + timedelta(minutes=10))
    await life.turns("overdue", lambda order: order.follow_up is not None and order.follow_up.level > 0)
    life.tell("回访超时  一个工作日里没有人打电话，升级了")
