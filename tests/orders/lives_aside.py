"""Short lives beside the order's way: followed up, disputed, looked after."""

from datetime import timedelta

from contracts.command import Role
from tests.orders.aside import QIN, SONG, TAN
from tests.orders.lives import window
from tests.orders.quarter import Quarter
from tests.orders.samples import CHEN, DUAN, GUO, RUI, WANG

RESIDENT, REVIEWER, MEDIATOR, VOLUNTEER = Role.RESIDENT, Role.REVIEWER, Role.SOCIAL_WORKER, Role.VOLUNTEER


async def followed_up(quarter: Quarter) -> None:
    """One bad rating is dismissed, one put right at the second try, and one that nobody sees to goes up."""
    await quarter.hear(quarter.granted(QIN, REVIEWER))
    for life in ("dismissed", "rectified", "overdue"):
        order_id = await quarter.served_order(CHEN, **window(quarter.now() + timedelta(hours=1)))
        await quarter.done(f"/orders/{order_id}/confirm", {}, WANG, RESIDENT)
        await quarter.done(f"/orders/{order_id}/rate", {"score": 1}, WANG, RESIDENT)
        path = f"/orders/{order_id}/follow-up"
        if life == "overdue":
            return
        await quarter.done(f"{path}/contact", {"words": "一句话"}, RUI, REVIEWER, X_Channel="phone")
        if life == "dismissed":
            dismissal = {"reason_code": "meant_another", "seconded_by": str(QIN)}
            await quarter.done(f"{path}/dismiss", dismissal, RUI, REVIEWER)
        else:
            measure = {"measure": "apology", "responsible_id": str(CHEN)}
            await quarter.done(f"{path}/rectification", measure, RUI, REVIEWER)
            for accepted in (False, True):
                await quarter.done(f"{path}/report", {}, CHEN, VOLUNTEER)
                verdict = {"accepted": accepted, "reason_code": None if accepted else "not_done"}
                await quarter.done(f"{path}/verify", verdict, WANG, RESIDENT)
        await quarter.done(f"{path}/close", {}, RUI, REVIEWER)


async def disputed(quarter: Quarter) -> None:
    """One service is contested, decided, appealed and decided again; another's hours are disputed."""
    order_id = await quarter.served_order(CHEN, **window(quarter.now() + timedelta(hours=1)))
    asked = {"about": "hours", "reason_code": "too_few_minutes", "order_id": str(order_id)}
    beside = await quarter.done("/disputes", asked, CHEN, VOLUNTEER)
    await quarter.done(f"/disputes/{beside['dispute_id']}/resolve", {"decision": "rejected"}, SONG, MEDIATOR)
    contest = {"reason_code": "not_done"}
    contested = await quarter.done(f"/orders/{order_id}/contest", contest, WANG, RESIDENT)
    path = f"/disputes/{contested['dispute_id']}"
    await quarter.done(f"{path}/resolve", {"decision": "rejected"}, SONG, MEDIATOR)
    await quarter.done(f"{path}/appeal", {"reason_code": "not_heard"}, WANG, RESIDENT)
    upheld = {"decision": "upheld", "consequences": ["order_unfulfilled"]}
    await quarter.done(f"{path}/resolve", upheld, TAN, MEDIATOR)


async def looked_after(quarter: Quarter) -> None:
    """A check rises once, and is closed with words."""
    order_id = await quarter.accepted(CHEN, **window(quarter.now() + timedelta(hours=1)))
    raised = await quarter.done(f"/orders/{order_id}/welfare-check", {}, DUAN, Role.DISPATCHER)
    await quarter.later(minutes=31)
    await quarter.fire()
    outcome = {"outcome": "safe", "words": "在午睡"}
    path = f"/welfare-checks/{raised['check_id']}/outcome"
    await quarter.done(path, outcome, GUO, Role.GRID_WORKER)
