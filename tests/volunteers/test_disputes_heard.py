"""What becomes of a claim when its service is contested, disputed, decided, appealed (domain.md §4.9, rows 20, 21)."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from contracts import orders
from contracts.command import Channel, Role
from contracts.ids import uuid7
from contracts.volunteers import CorrectionRequested, HoursHeld, HoursLogged, HoursRejected
from tests.volunteers.town import MORNING, Service, Town

SOON = MORNING + timedelta(hours=3)


class Quarrel:
    """One dispute about one service, as orders tells it."""

    def __init__(self, service: Service, about: str = "order") -> None:
        self.service, self.about, self.dispute_id = service, about, uuid7()
        self.staffing = tuple(
            orders.Staffing(assignment_id=assignment_id, volunteer_id=volunteer_id, minutes=service.minutes)
            for volunteer_id, assignment_id in service.assignments.items()
        )

    def _fact(self, role: Role) -> dict[str, Any]:
        return {
            "dispute_id": self.dispute_id,
            "about": self.about,
            "order_id": self.service.order_id,
            "beneficiary_id": self.service.beneficiary_id,
            "role": role,
            "assignments": self.staffing,
            "raised_by": self.service.beneficiary_id,
        }

    def contested(self) -> orders.CompletionContested:
        return orders.CompletionContested(
            order_id=self.service.order_id,
            role=Role.RESIDENT,
            state=orders.OrderState.DISPUTED,
            order_no="12345678",
            item_code="haircut",
            beneficiary_id=self.service.beneficiary_id,
            requested_by=self.service.beneficiary_id,
            grid_id="grid-01",
            window_start=self.service.start,
            window_end=self.service.finish,
            dispute_id=self.dispute_id,
            side="resident",
            from_state=orders.OrderState.SERVED,
            contested_by=self.service.beneficiary_id,
            channel=Channel.WEB,
            reason_code="not_done",
            assignments=self.staffing,
            contested_at=SOON,
        )

    def raised(self) -> orders.DisputeRaised:
        asked: dict[str, Any] = {"channel": Channel.WEB, "reason_code": "too_many_minutes"}
        return orders.DisputeRaised(**self._fact(Role.RESIDENT), **asked, due_at=SOON, raised_at=SOON)

    def resolved(self, *consequences: Any, final: bool = False) -> orders.DisputeResolved:
        return orders.DisputeResolved(
            **self._fact(Role.SOCIAL_WORKER),
            decision="upheld" if consequences else "rejected",
            consequences=consequences,
            resolved_by=uuid4(),
            final=final,
            resolved_at=SOON + timedelta(days=1),
        )

    def appealed(self) -> orders.DisputeAppealed:
        return orders.DisputeAppealed(
            **self._fact(Role.VOLUNTEER),
            appealed_by=uuid4(),
            first_resolved_by=uuid4(),
            channel=Channel.WEB,
            reason_code="not_heard",
            due_at=SOON,
            appealed_at=SOON + timedelta(days=2),
        )


async def finished(town: Town) -> tuple[Service, UUID]:
    anna = uuid4()
    service = Service(uuid4(), anna)
    await town.hear(service.started(anna), service.finished(anna))
    return service, anna


async def test_a_contested_service_holds_its_claim_and_a_rejected_dispute_credits_it(town: Town):
    service, _ = await finished(town)
    quarrel = Quarrel(service)
    await town.hear(quarrel.contested())
    held = (await town.events("claim"))[-1]
    assert isinstance(held, HoursHeld)
    assert held.reason_code == "disputed"
    await town.hear(quarrel.resolved())
    assert (await town.types())[-1] == "HoursHeld", "nobody has confirmed it yet"
    await town.hear(service.confirmed())
    assert isinstance((await town.events("claim"))[-1], HoursLogged)


async def test_an_upheld_dispute_rejects_what_was_held(town: Town):
    service, _ = await finished(town)
    quarrel = Quarrel(service)
    await town.hear(quarrel.contested())
    messages = await town.hear(quarrel.resolved("order_unfulfilled"))
    rejected = (await town.events("claim"))[-1]
    assert isinstance(rejected, HoursRejected)
    assert rejected.reason_code == "dispute_upheld"
    await town.hear_again(messages)
    await town.hear(quarrel.appealed(), quarrel.resolved("hours_corrected", final=True))
    assert (await town.types())[-1] == "HoursRejected", "what was rejected is claimed anew by hand, if at all"


async def test_credited_minutes_are_only_put_in_doubt(town: Town):
    service, _ = await finished(town)
    await town.hear(service.confirmed())
    quarrel = Quarrel(service, "hours")
    await town.hear(quarrel.raised())
    asked = (await town.events("claim"))[-1]
    assert isinstance(asked, CorrectionRequested)
    assert (asked.cause, asked.requested_by) == ("disputed", None)
    await town.hear(quarrel.resolved("hours_corrected"))
    again = (await town.events("claim"))[-1]
    assert isinstance(again, CorrectionRequested)
    assert again.cause == "dispute_upheld"
    assert "HoursAdjusted" not in await town.types()


async def test_disputes_about_other_things_leave_hours_alone(town: Town):
    service, _ = await finished(town)
    quarrel = Quarrel(service, "conduct")
    await town.hear(quarrel.raised(), quarrel.resolved("apology"))
    assert await town.types() == ["HoursClaimed"]


async def test_an_appeal_puts_in_doubt_what_the_first_decision_released(town: Town):
    service, _ = await finished(town)
    await town.hear(service.confirmed())
    quarrel = Quarrel(service)
    await town.hear(quarrel.contested(), quarrel.resolved(), quarrel.appealed())
    causes = [event.cause for event in await town.events("claim") if isinstance(event, CorrectionRequested)]
    assert causes == ["contested", "appealed"]
