"""What is told when a service does not go by the book (domain.md §4.9, rows 12, 14, 24)."""

from contracts.command import Role
from contracts.notify import NoticeParams
from contracts.orders import (
    ResidentAbsentRecorded,
    ServiceRecordedAfterwards,
    VolunteerNoShowRecorded,
    WelfareCheckRaised,
)
from services.notify.reactions.about_orders import ask_to_confirm, order_key, orders, slot_lost, to_call, to_volunteer
from services.notify.reactions.telling import Tell, Telling, tells


@tells(orders, VolunteerNoShowRecorded)
def on_volunteer_no_show_recorded(event: VolunteerNoShowRecorded) -> Telling:
    """The resident is telephoned, others are looked for, and the volunteer hears until when they may contest it."""
    told = slot_lost(event)
    told.append(to_volunteer(event, "no_show_recorded", event.volunteer_id, due_at=event.contest_until))
    return Telling(event.order_id, told, [f"assignment:{event.assignment_id}", f"visit:{event.order_id}"])


@tells(orders, ResidentAbsentRecorded)
def on_resident_absent_recorded(event: ResidentAbsentRecorded) -> Telling:
    """The resident is telephoned; who came is thanked and need not come again."""
    told = [to_call(event, "call_absent", f"visit:{event.order_id}", order_key(event.order_id))]
    told += [to_volunteer(event, "absent_thanks", volunteer_id) for volunteer_id in dict.fromkeys(event.came)]
    gone = [f"assignment:{each}" for each in event.released_assignments]
    return Telling(event.order_id, told, [*gone, f"visit:{event.order_id}"])


@tells(orders, ServiceRecordedAfterwards)
def on_service_recorded_afterwards(event: ServiceRecordedAfterwards) -> Telling:
    """The resident confirms it as usual."""
    gone = [f"assignment:{event.assignment_id}", f"visit:{event.order_id}", f"looking:{event.order_id}"]
    return Telling(event.order_id, ask_to_confirm(event), gone)


@tells(orders, WelfareCheckRaised)
def on_welfare_check_raised(event: WelfareCheckRaised) -> Telling:
    """The grid worker of the place goes and looks, and the person is on the list of calls."""
    params = NoticeParams(
        order_no=event.order_no,
        item_code=event.item_code,
        window_start=event.window_start,
        window_end=event.window_end,
        due_at=event.due_at,
    )
    grid_id, keys = event.grid_id, (f"check:{event.check_id}",)
    # Nobody opened, or somebody is worried: whoever goes hears which.
    code = "welfare_check" if event.cause == "resident_absent" else "welfare_check_worry"
    goes = Tell(code, params, role=Role.GRID_WORKER, grid_id=grid_id, keys=keys)
    call = Tell(f"call_{code}", params, ref=event.beneficiary_id, grid_id=grid_id, keys=keys)
    return Telling(event.check_id, [goes, call])
