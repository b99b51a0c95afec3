"""Minutes are claimed, from orders or by hand, and the service behind them confirmed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.command import Refused, Role
from contracts.volunteers import HoursClaimed, HoursClaimEvent, HoursConfirmed, HoursFlagged, HoursHeld, HoursRejected
from services.volunteers.commands.hours import ClaimHours, ClaimHoursManually, ConfirmHours, UnusualFacts
from services.volunteers.commands.words import HoursPolicy
from services.volunteers.decider.hours.state import ENTRY_TOO_LONG, HAND_ENTRY, LATE_ENTRY, TOO_SHORT, Claim

Events = Sequence[HoursClaimEvent]
ONE_MINUTE = timedelta(minutes=1)


def claim_service(command: ClaimHours) -> Events:
    """Whole minutes between the two times, or fewer if orders counted fewer; nothing is rounded up."""
    if command.volunteer_id == command.beneficiary_id:
        raise Refused("own_service")
    _require_interval(command)
    policy = command.policy
    claimed = HoursClaimed(
        claim_id=command.claim_id,
        volunteer_id=command.volunteer_id,
        source="order",
        order_id=command.order_id,
        assignment_id=command.assignment_id,
        beneficiary_id=command.beneficiary_id,
        item_code=command.item_code,
        project_code=command.project_code,
        started_at=command.started_at,
        finished_at=command.finished_at,
        minutes=min(command.minutes, (command.finished_at - command.started_at) // ONE_MINUTE),
        service_date=command.service_date,
        grade=command.grade,
        source_event_id=command.source_event_id,
        recorded_by=command.recorded_by,
        attachment_sha256=command.attachment_sha256,
        claimed_at=command.at,
    )
    made = [claimed, *_flagged(command, claimed, command.recorded_by)]
    if claimed.minutes < policy.entry_minutes_min:
        rejected = HoursRejected(
            claim_id=command.claim_id,
            volunteer_id=claimed.volunteer_id,
            reason_code=TOO_SHORT,
            role=command.by.role,
            rejected_at=command.at,
        )
        return [*made, rejected]
    if claimed.minutes > policy.entry_minutes_max:
        return [*made, _held(command, claimed, ENTRY_TOO_LONG)]
    return made


def claim_by_hand(command: ClaimHoursManually) -> Events:
    """Grade C, held from the start: somebody who was there confirms, somebody else approves (domain.md §4.4)."""
    recorder, policy = command.by.actor_id, command.policy
    if not command.volunteer_active:
        raise Refused("volunteer_unknown")
    source = _source(command)
    if command.volunteer_id == source["beneficiary_id"]:
        raise Refused("own_service")
    if command.same_household:
        raise Refused("same_household")
    _require_interval(command)
    minutes = (command.finished_at - command.started_at) // ONE_MINUTE
    if not policy.entry_minutes_min <= minutes <= policy.entry_minutes_max:
        raise Refused(
            "minutes_out_of_range", minutes_min=policy.entry_minutes_min, minutes_max=policy.entry_minutes_max
        )
    if command.at > command.finished_at + timedelta(days=policy.manual_days_max):
        raise Refused("too_late", days_max=policy.manual_days_max)
    if command.unusual.entries_that_day >= policy.flags.recorder_entries_per_day:
        raise Refused("recorder_over_limit", entries_max=policy.flags.recorder_entries_per_day)
    free = [number for number in range(1, policy.pairs_per_day_max + 1) if number not in command.pairs_taken]
    if not free:
        raise Refused("pairs_over_maximum", pairs_max=policy.pairs_per_day_max)
    claimed = HoursClaimed(
        claim_id=command.claim_id,
        volunteer_id=command.volunteer_id,
        source="manual",
        started_at=command.started_at,
        finished_at=command.finished_at,
        minutes=minutes,
        service_date=command.service_date,
        grade="C",
        recorded_by=recorder,
        attachment_sha256=command.attachment_sha256,
        pair_no=free[0] if source["project_code"] is not None else None,
        claimed_at=command.at,
        **source,
    )
    held_for = LATE_ENTRY if is_late(policy, command.finished_at, command.at) else HAND_ENTRY
    return [claimed, *_flagged(command, claimed, recorder), _held(command, claimed, held_for)]


def is_late(policy: HoursPolicy, finished_at: datetime, claimed_at: datetime) -> bool:
    """Whether an entry by hand came so late that an auditor has to approve it."""
    return claimed_at > finished_at + timedelta(days=policy.manual_days)


def _source(command: ClaimHoursManually) -> dict[str, Any]:
    """What was served, for whom: from orders when it closed the assignment by itself, else as entered."""
    if command.assignment_id is None:
        if command.item_code is None or command.project_code is None:
            raise Refused("service_unnamed")
        return {
            "beneficiary_id": command.beneficiary_id,
            "item_code": command.item_code,
            "project_code": command.project_code,
        }
    presence = command.presence
    if presence is None or presence.volunteer_id != command.volunteer_id:
        raise Refused("presence_unknown")
    if not presence.closed_by_itself:
        raise Refused("presence_recorded")
    closed_at = presence.closed_at
    if command.started_at < presence.started_at or (closed_at is not None and command.finished_at > closed_at):
        raise Refused("outside_presence", started_at=presence.started_at, closed_at=closed_at)
    return {
        "order_id": presence.order_id,
        "assignment_id": command.assignment_id,
        "beneficiary_id": presence.beneficiary_id,
        "item_code": presence.item_code,
        "project_code": presence.project_code,
    }


def _require_interval(command: ClaimHours | ClaimHoursManually) -> None:
    if command.finished_at <= command.started_at:
        raise Refused("interval_impossible")
    if command.at < command.finished_at:
        raise Refused("before_finish", finished_at=command.finished_at)


def _flagged(command: ClaimHours | ClaimHoursManually, claimed: HoursClaimed, recorder: UUID | None) -> Events:
    flags = _flags(command.policy, command.unusual, claimed, recorder)
    if not flags:
        return []
    flagged = HoursFlagged(
        claim_id=claimed.claim_id,
        volunteer_id=claimed.volunteer_id,
        flags=flags,
        minutes=claimed.minutes,
        recorded_by=recorder,
        flagged_at=command.at,
    )
    return [flagged]


def _flags(policy: HoursPolicy, facts: UnusualFacts, claimed: HoursClaimed, recorder: UUID | None) -> tuple[str, ...]:
    limits = policy.flags
    found: list[str] = []
    if recorder is not None:
        if facts.entries_within_minute + 1 >= limits.recorder_entries_per_minute:
            found.append("many_in_a_minute")
        if facts.entries_that_day >= limits.recorder_entries_per_day:
            found.append("recorder_over_limit")
        if facts.recorder_is_kin:
            found.append("recorder_is_kin")
    if facts.order_placed_at is not None:
        soon = facts.order_placed_at + timedelta(minutes=limits.creation_minutes)
        if claimed.started_at < soon or (recorder is not None and claimed.claimed_at < soon):
            found.append("soon_after_creation")
    if facts.pair_days + 1 >= limits.pair_days:
        found.append("same_pair_daily")
    return tuple(found)


def _held(command: ClaimHours | ClaimHoursManually, claimed: HoursClaimed, cause: str) -> HoursHeld:
    return HoursHeld(
        claim_id=claimed.claim_id,
        volunteer_id=claimed.volunteer_id,
        reason_code=cause,
        minutes=claimed.minutes,
        day_minutes=claimed.minutes,
        approvals_required=0 if cause == ENTRY_TOO_LONG else 1,
        due_at=command.due_at,
        held_at=command.at,
    )


def confirm(command: ConfirmHours, claim: Claim) -> Events:
    """A person who was there, or the order's confirmation, or its presumption."""
    interval = claim.interval
    if claim.confirmed:
        raise Refused("confirmed_already")
    if command.by.role is not Role.SYSTEM and interval.source == "order":
        raise Refused("confirm_the_order")
    if command.confirmed_by == interval.volunteer_id:
        raise Refused("own_hours")
    if command.confirmed_by is not None and command.confirmed_by == interval.recorded_by and interval.source != "order":
        raise Refused("second_person_required")
    # Grade A takes the recipient's own confirmation; presumed, or said by somebody else, it is B (domain.md §4.4).
    weaker = command.presumed or not command.by_recipient
    confirmed = HoursConfirmed(
        claim_id=command.claim_id,
        volunteer_id=interval.volunteer_id,
        confirmed_by=command.confirmed_by,
        presumed=command.presumed,
        grade="B" if claim.grade == "A" and weaker else claim.grade,
        source_event_id=command.source_event_id,
        confirmed_at=command.at,
    )
    return [confirmed]
