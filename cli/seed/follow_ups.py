"""回访整改: what a bad rating comes to. A reviewer calls, somebody puts it right, and the resident is asked again."""

from datetime import timedelta

from cli.seed.order_life import OrderLife
from contracts.command import Role

LOOKED_INTO = 2
"""At most so many stars are followed up (servicekit/policy.yaml)."""
CALLED_AFTER = timedelta(hours=3)
MEASURES = ("retrain", "apology")


async def follow_up(life: OrderLife) -> None:
    """The call the same day, a measure within two days, and a second score beside the first."""
    score = life.planned.score
    if score is None or score > LOOKED_INTO:
        return
    reviewer, social_worker = life.town.staff(Role.REVIEWER), life.town.staff(Role.SOCIAL_WORKER)
    await life.until(life.now + CALLED_AFTER)
    await life.command("follow-up/contact", reviewer, channel="phone")
    measure = {"measure": MEASURES[score - 1], "responsible_id": str(social_worker.person_id)}
    await life.command("follow-up/rectification", reviewer, measure)
    life.tell("回访  问清楚哪里没做好，责令整改")
    await life.until(life.now + timedelta(days=1))
    await life.command("follow-up/report", social_worker)
    await life.until(life.now + timedelta(hours=20))
    if score == 1:
        await life.command("follow-up/verify", life.resident_side, {"accepted": False, "reason_code": "not_yet"})
        await life.command("follow-up/report", social_worker)
    await life.command("follow-up/verify", life.resident_side, {"accepted": True})
    await life.command("follow-up/close", reviewer, {"second_score": score + 2})
    life.tell(f"整改  居民说好了，再打 {score + 2} 分；第一次的 {score} 分不改")
