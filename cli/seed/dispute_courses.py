"""争议: what is contested of a service or a rating, who decides, who decides again, what becomes of the minutes."""

import asyncio
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from cli.client import Actor
from cli.seed.errors import NotHeard
from cli.seed.missing_courses import nobody_comes, served_late
from cli.seed.order_life import OrderLife
from cli.seed.rating_courses import rated
from cli.seed.service_courses import close, closed, confirm, judge_and_close, rate, serve, until_staffed
from contracts.command import Role
from services.volunteers.commands.words import claim_id_of

A_DAY = timedelta(days=1)
SETTLED_MINUTES = 2 * 24 * 60
"""After two days minutes are credited, or an auditor has looked at them."""
TOO_MANY_MINUTES = 10
SHORTEST_MINUTES = 5
"""An entry of hours is at least so long (servicekit/policy.yaml)."""
POSTED_SECONDS = 60.0
POLL_SECONDS = 0.05
FIRST, OTHER = 0, 1
"""Of the social workers: who decides, and who decides after an appeal."""


async def contest_rejected(life: OrderLife) -> None:
    """The resident finds it badly done, and nobody else does: the minutes were held, and are credited after all."""
    if not await serve(life, await until_staffed(life)):
        return
    dispute_id = await _contest(life, life.resident_side, "badly_done", "没做好")
    await _resolve(life, dispute_id, "rejected", "看过照片，做好了，时长照记")
    await judge_and_close(life)


async def contest_upheld(life: OrderLife) -> None:
    """It was not done at all: the order ends as unfulfilled, and the minutes are rejected."""
    if not await serve(life, await until_staffed(life)):
        return
    dispute_id = await _contest(life, life.resident_side, "not_done", "人来了，事没做")
    await _resolve(life, dispute_id, "upheld", "确实没做，时长不记", "order_unfulfilled")
    life.tell("未能满足  争议裁定，事没有办成")


async def contest_corrected(life: OrderLife) -> None:
    """The resident appeals, and somebody else decides: some of the minutes are taken back, by two people, in public."""
    if not await serve(life, await until_staffed(life)):
        return
    await confirm(life)
    await life.pause(SETTLED_MINUTES)
    dispute_id = await _contest(life, life.resident_side, "minutes_wrong", "没有那么久")
    await _resolve(life, dispute_id, "rejected", "签到签退都在，维持")
    await _appeal(life, dispute_id, life.resident_side)
    await _resolve(life, dispute_id, "partly_upheld", "中间歇了十分钟，扣掉", "hours_corrected", by=OTHER)
    await _correct(life, "minutes_wrong")
    await rate(life)
    await close(life)


async def contest_voided(life: OrderLife) -> None:
    """Credited, and then it comes out that somebody else did it: all minutes are taken back."""
    if not await serve(life, await until_staffed(life)):
        return
    await confirm(life)
    await life.pause(SETTLED_MINUTES)
    dispute_id = await _contest(life, life.resident_side, "wrong_person", "来的是他邻居")
    await _resolve(life, dispute_id, "upheld", "不是本人服务，时长作废", "hours_rejected")
    await _correct(life, "wrong_person")
    await rate(life)
    await close(life)


async def contest_settled(life: OrderLife) -> None:
    """The volunteer contests what was rated; the two sides talk, and agree."""
    if not await rated(life):
        return
    await life.pause(SETTLED_MINUTES)
    server = await _server(life)
    dispute_id = await _contest(life, server, "minutes_wrong", "多做了半小时没算")
    await _resolve(life, dispute_id, "settled", "两边说开了", "apology")
    await _correct(life, "upheld")
    await closed(life)


async def rating_disputed(life: OrderLife) -> None:
    """The volunteer does not accept the score. The order does not wait; the score stays, outside the mean."""
    if not await rated(life):
        return
    await life.until(life.now + A_DAY)
    server = await _server(life)
    body = {"about": "rating", "reason_code": "unfair", "order_id": str(life.order_id), "words": "那天下雨，路上耽误了"}
    raised = await life.send("orders", "/v1/disputes", body, server)
    life.tell("提出异议  志愿者觉得评分不公道")
    dispute_id = UUID(raised["dispute_id"])
    await _resolve(life, dispute_id, "rejected", "居民有居民的感受")
    await _appeal(life, dispute_id, server)
    await _resolve(life, dispute_id, "upheld", "天气原因，不计入平均", "rating_excluded", by=OTHER)
    await close(life)


async def no_show_disputed(life: OrderLife) -> None:
    """Who is said not to have come was at another door: the word of a social worker clears it."""
    late, serving = await nobody_comes(life)
    served = await served_late(life, serving)
    if late is not None:
        words = "我到了，楼门写错了，敲的是隔壁楼"
        body = {"about": "conduct", "reason_code": "was_there", "subject_id": str(late), "words": words}
        raised = await life.send("orders", "/v1/disputes", body, life.helper(late))
        life.tell("提出异议  志愿者说自己到了")
        await _resolve(life, UUID(raised["dispute_id"]), "upheld", "楼门确实写错了，不算爽约")
    if served:
        await judge_and_close(life)


async def _server(life: OrderLife) -> Actor:
    return life.helper(UUID((await life.look())["servers"][0]))


async def _contest(life: OrderLife, actor: Actor, reason_code: str, words: str) -> UUID:
    """提出异议, two hours later: the order waits, and its hours with it."""
    await life.pause(120)
    contested = await life.command("contest", actor, {"reason_code": reason_code, "words": words})
    life.tell(f"提出异议  {words}；时长先压着")
    return UUID(contested["dispute_id"])


async def _resolve(
    life: OrderLife, dispute_id: UUID, decision: str, words: str, *consequences: str, by: int = FIRST
) -> None:
    """裁定 by a social worker, the next day."""
    await life.until(life.now + A_DAY)
    social_worker = life.town.staff(Role.SOCIAL_WORKER, number=by)
    body = {"decision": decision, "consequences": list(consequences), "words": words}
    await life.send("orders", f"/v1/disputes/{dispute_id}/resolve", body, social_worker)
    life.tell(f"裁定  {words}")


async def _appeal(life: OrderLife, dispute_id: UUID, actor: Actor) -> None:
    """复议, the next day."""
    await life.until(life.now + A_DAY)
    await life.send("orders", f"/v1/disputes/{dispute_id}/appeal", {"reason_code": "not_convinced"}, actor)
    life.tell("申请复议  换一个人再看")


async def _correct(life: OrderLife, reason_code: Literal["minutes_wrong", "wrong_person", "upheld"]) -> None:
    """What a decision says of credited minutes: the supervisor asks for it, the auditor does it, both in public."""
    supervisor, auditor = life.town.staff(Role.SUPERVISOR), life.town.staff(Role.HOURS_AUDITOR)
    for assignment_id in (await life.look())["served"]:
        claim_id = claim_id_of(UUID(assignment_id))
        minutes = await _credited(life, claim_id, auditor)
        if not minutes:
            continue
        path = f"/v1/hours/{claim_id}"
        cause = "other" if reason_code == "upheld" else reason_code
        asked = await life.send("volunteers", f"{path}/corrections", {"cause": cause}, supervisor)
        named = {"correction_id": asked["correction_id"]}
        if reason_code == "wrong_person":
            said = {"reason_code": reason_code, "explanation": "争议裁定：不是本人服务，全部作废。"}
            await life.send("volunteers", f"{path}/void", named | said, auditor)
            life.tell("时长作废  公开说明理由")
        else:
            taken = max(0, min(TOO_MANY_MINUTES, minutes - SHORTEST_MINUTES)) if reason_code == "minutes_wrong" else 0
            await life.send("volunteers", f"{path}/adjust", named | _adjusted(taken), auditor)
            life.tell("时长更正  公开说明理由")


def _adjusted(taken: int) -> dict[str, Any]:
    if taken:
        words = f"争议裁定：中间休息，扣除 {taken} 分钟。"
        return {"delta": -taken, "reason_code": "minutes_wrong", "explanation": words}
    return {"delta": 0, "reason_code": "upheld", "explanation": "争议裁定：时长不变。"}


async def _credited(life: OrderLife, claim_id: UUID, auditor: Actor) -> int:
    """The minutes that stand in the books for a claim, once they are posted; 0 when they were not credited."""

    async def do(_key: str) -> int:
        try:
            async with asyncio.timeout(POSTED_SECONDS):
                while True:
                    claim = await life.town.client.query("volunteers", f"/v1/hours/{claim_id}", actor=auditor)
                    if claim["state"] != "LOGGED":
                        return 0
                    if claim["ledger_entry_no"] is not None:
                        return int(claim["minutes"])
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise NotHeard(f"claim {claim_id} was not posted within {POSTED_SECONDS:.0f} s") from None

    return int(await life.steps.take("credited", life.now, do))
