"""What is told of follow-ups, disputes and welfare checks (domain.md §4.9, rows 21, 22, 24, 25)."""

from contracts.command import Role
from contracts.notify import NoticeParams
from contracts.orders import (
    DisputeAppealed,
    DisputeRaised,
    DisputeResolved,
    FollowUpClosed,
    FollowUpContacted,
    FollowUpFact,
    FollowUpOpened,
    FollowUpOverdue,
    RectificationOrdered,
    RectificationRejected,
    RectificationReported,
    RectificationVerified,
    WelfareCheckClosed,
    WelfareCheckEscalated,
)
from services.notify.reactions.about_orders import order_key, orders, to_call, to_staff, to_volunteer
from services.notify.reactions.telling import Tell, Telling, tells


def _key(event: FollowUpFact) -> str:
    return f"follow_up:{event.follow_up_id}"


def _keys(event: FollowUpFact) -> tuple[str, str]:
    return _key(event), order_key(event.order_id)


@tells(orders, FollowUpOpened)
def on_follow_up_opened(event: FollowUpOpened) -> Telling:
    """A reviewer telephones; the call about a low score is on the list already, by the rating itself."""
    told = [to_staff(event, "follow_up_opened", Role.REVIEWER, _key(event), due_at=event.due_at)]
    if event.cause != "low_rating":
        told.append(to_call(event, "call_follow_up", *_keys(event), due_at=event.due_at))
    return Telling(event.order_id, told)


@tells(orders, FollowUpContacted)
def on_follow_up_contacted(event: FollowUpContacted) -> Telling:
    """The call was made."""
    return Telling(event.order_id, cancels=[_key(event)])


@tells(orders, RectificationOrdered)
def on_rectification_ordered(event: RectificationOrdered) -> Telling:
    """Whoever is responsible hears of it, and until when."""
    due_at = event.due_at
    told = [to_volunteer(event, "rectification_ordered", event.responsible_id, *_keys(event), due_at=due_at)]
    return Telling(event.order_id, told)


@tells(orders, RectificationReported)
def on_rectification_reported(event: RectificationReported) -> Telling:
    """The resident is asked within two days whether it is right now."""
    told = [to_call(event, "call_rectified", *_keys(event), due_at=event.due_at)]
    return Telling(event.order_id, told, [_key(event)])


@tells(orders, RectificationVerified)
def on_rectification_verified(event: RectificationVerified) -> Telling:
    """Nobody needs to ask any more."""
    return Telling(event.order_id, cancels=[_key(event)])


@tells(orders, RectificationRejected)
def on_rectification_rejected(event: RectificationRejected) -> Telling:
    """Back to whoever is responsible."""
    due_at = event.due_at
    told = [to_volunteer(event, "rectification_rejected", event.responsible_id, *_keys(event), due_at=due_at)]
    return Telling(event.order_id, told, [_key(event)])


@tells(orders, FollowUpOverdue)
def on_follow_up_overdue(event: FollowUpOverdue) -> Telling:
    """The role it went up to."""
    return Telling(
        event.order_id, [to_staff(event, "follow_up_overdue", event.to_role, _key(event), level=event.level)]
    )


@tells(orders, FollowUpClosed)
def on_follow_up_closed(event: FollowUpClosed) -> Telling:
    """Nothing of it needs to be told any more."""
    return Telling(event.order_id, cancels=[_key(event)])


def _dispute_key(event: DisputeRaised | DisputeResolved | DisputeAppealed) -> str:
    return f"dispute:{event.dispute_id}"


@tells(orders, DisputeRaised)
def on_dispute_raised(event: DisputeRaised) -> Telling:
    """Somebody mediates."""
    return Telling(event.dispute_id, [_to_mediators(event, "dispute_raised")])


@tells(orders, DisputeAppealed)
def on_dispute_appealed(event: DisputeAppealed) -> Telling:
    """Another one decides."""
    return Telling(event.dispute_id, [_to_mediators(event, "dispute_appealed")])


def _to_mediators(event: DisputeRaised | DisputeAppealed, code: str) -> Tell:
    params = NoticeParams(due_at=event.due_at)
    return Tell(code, params, role=Role.SOCIAL_WORKER, keys=(_dispute_key(event),))


@tells(orders, DisputeResolved)
def on_dispute_resolved(event: DisputeResolved) -> Telling:
    """Every side hears that it is decided, and until when it may be taken further."""
    sides = {event.raised_by: None, **{one.volunteer_id: None for one in event.assignments}}
    for concerned in (event.beneficiary_id, event.raised_for):
        if concerned is not None:
            sides[concerned] = None
    code = "dispute_final" if event.appeal_until is None else "dispute_decided"
    params = NoticeParams(due_at=event.appeal_until)
    return Telling(event.dispute_id, [Tell(code, params, ref=side) for side in sides], [_dispute_key(event)])


@tells(orders, WelfareCheckEscalated)
def on_welfare_check_escalated(event: WelfareCheckEscalated) -> Telling:
    """More people of the place are told; whoever goes already is told again."""
    params = NoticeParams(
        order_no=event.order_no,
        item_code=event.item_code,
        window_start=event.window_start,
        window_end=event.window_end,
        level=event.level,
    )
    keys = (f"check:{event.check_id}",)
    roles = (event.to_role, Role.GRID_WORKER)
    told = [Tell("welfare_check_escalated", params, role=role, grid_id=event.grid_id, keys=keys) for role in roles]
    return Telling(event.check_id, told)


@tells(orders, WelfareCheckClosed)
def on_welfare_check_closed(event: WelfareCheckClosed) -> Telling:
    """Nobody needs to go any more."""
    return Telling(event.check_id, cancels=[f"check:{event.check_id}"])
