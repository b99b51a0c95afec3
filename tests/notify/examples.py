"""Named samples for notify: invented people, one order, and notices about it. Nobody here lives anywhere."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.command import SYSTEM, By, Channel, Role
from contracts.notify import NoticeParams
from services.notify import commands as c

WANG, DAUGHTER, ANNA, BO, LEE, QIAN, ZHAO = (
    UUID(int=(0x0197 << 112) | (7 << 76) | (2 << 62) | number) for number in range(1, 8)
)
"""Wang the resident and her daughter, Anna and Bo the volunteers, Lee and Zhao the dispatchers, Qian of the grid."""
ORDER, ASSIGNMENT, OTHER_ASSIGNMENT, OFFER, EVENT, DONOR, DONATION, NOTICE, NOTICE_2, HOUSEHOLD, CLAIM = (
    UUID(int=100 + number) for number in range(11)
)
NOON = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
"""12:00 in Shanghai, a Tuesday."""
START = datetime(2026, 11, 25, 1, 0, tzinfo=UTC)
"""9:00 in Shanghai, the day after."""
END = START + timedelta(hours=1)
DIGEST = "ab" * 32
NUMBER = "20417788"
PARAMS = NoticeParams(
    order_no=NUMBER, item_code="haircut", window_start=START, window_end=END, due_at=START, slots_filled=1,
    slots_required=2, minutes=55, amount_fen=12_050, fund="fund-relief", receipt_no="A-17", reason_code="emergency",
    level=1, score=2, on_date=NOON.date(), orders=(NUMBER, "20417789"),
)  # fmt: skip


def by(person: UUID | None, role: Role) -> By:
    return SYSTEM if person is None else By(actor_id=person, role=role, channel=Channel.WEB)


STAFF = by(ZHAO, Role.DISPATCHER)


def queue(**changes: Any) -> c.QueueNotice:
    asked: dict[str, Any] = {
        "by": SYSTEM,
        "at": NOON,
        "topic_id": ORDER,
        "notification_id": NOTICE,
        "ref": WANG,
        "template": "all_found",
        "params": PARAMS,
        "channels": ("console", "in_app"),
        "not_before": NOON,
        "cancels_with": (f"order:{ORDER}",),
        "source": "orders",
        "source_event_id": EVENT,
    }
    return c.QueueNotice(**asked | changes)


def about(**changes: Any) -> dict[str, Any]:
    return {"by": SYSTEM, "at": NOON, "topic_id": ORDER, "notification_id": NOTICE, **changes}
