"""爽约, 扑空, 补录: who did not come, who was not there, and what was done without a check-in."""

from uuid import UUID

from contracts.command import Channel
from contracts.event import Code, Count, Digest, Instant, Minutes
from contracts.orders.facts import OnAbsence, OrderNotice


class VolunteerNoShowRecorded(OrderNotice, service="orders", audience="partner"):
    """志愿者爽约 — somebody recorded that a volunteer did not come; the volunteer may contest it."""

    assignment_id: UUID
    volunteer_id: UUID
    reported_by: UUID
    """A person, never a timer."""
    late_minutes: Minutes
    """Whole minutes from the window's start to the record."""
    slots_filled: Count
    slots_required: Count
    remaining: tuple[UUID, ...] = ()
    """The volunteers who still hold a slot."""
    contest_until: Instant
    recorded_at: Instant


class ResidentAbsentRecorded(OrderNotice, service="orders", audience="partner"):
    """居民不在，扑空 — the volunteer came and nobody was there."""

    reported_by: UUID
    on_absence: OnAbsence
    """What was agreed for this case; with `welfare_check` the same append raises one."""
    check_id: UUID | None = None
    came: tuple[UUID, ...]
    """The volunteers whose slots are released: they came."""
    released_assignments: tuple[UUID, ...]
    recorded_at: Instant


class ServiceRecordedAfterwards(OrderNotice, service="orders", audience="partner"):
    """补录服务 — a service agreed on paper or by phone was entered afterwards, by somebody who did not serve."""

    assignment_id: UUID
    volunteer_id: UUID
    project_code: Code | None = None
    started_at: Instant
    finished_at: Instant
    minutes: Minutes
    """Whole minutes between the two as they were written down; evidence of grade C."""
    attachment_hash: Digest
    """SHA-256 of the sheet or note that shows it."""
    recorded_by: UUID
    channel: Channel
    new_assignment: bool
    """True when the volunteer had not accepted before: this record takes the slot."""
    slots_filled: Count
    served: bool
    """True when no slot is held or in service any more: the order waits for confirmation."""
    recorded_at: Instant
