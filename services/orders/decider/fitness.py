"""Whether a volunteer may serve an order: the gates that dispatch, pool and acceptance share (domain.md §2, §4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from contracts.command import Refused
from services.orders.commands.words import Policy, VolunteerFacts
from services.orders.decider.deadlines import SHANGHAI
from services.orders.decider.state import Order

KEPT_APART = "kept_apart"
"""The gate of PersonBlocked: for staff only. Whoever meets it is told `not_suited` and nothing else."""


@dataclass(frozen=True, slots=True)
class Need:
    """What an order asks of whoever serves it."""

    beneficiary_id: UUID
    household_id: UUID | None
    grid_id: str
    entrance_id: str | None
    slots: int
    licence: str | None
    skills: tuple[str, ...]
    insurance_required: bool
    home_visit: bool
    window_start: datetime
    window_end: datetime
    servers: frozenset[UUID] = frozenset()
    """Who fills a slot already."""
    answered: frozenset[UUID] = frozenset()
    """Who need not be asked again."""
    order_id: UUID | None = None
    """Whose slots do not count as taken time: a volunteer is not kept from an order by the same order."""


def need_of(order: Order) -> Need:
    """What this order asks for."""
    return Need(
        beneficiary_id=order.beneficiary_id,
        household_id=order.household_id,
        grid_id=order.grid_id,
        entrance_id=order.entrance_id,
        slots=order.item.slots,
        licence=order.item.licence,
        skills=order.item.skills,
        insurance_required=order.item.insurance_required,
        home_visit=order.item.home_visit,
        window_start=order.window_start,
        window_end=order.window_end,
        servers=frozenset(order.servers),
        answered=order.answered | frozenset(order.servers),
        order_id=order.order_id,
    )


def unfit(volunteer: VolunteerFacts, need: Need) -> list[str]:
    """Every reason why this volunteer may not serve, as refusal codes, the weightiest first; none: they may."""
    last_day = need.window_end.astimezone(SHANGHAI).date()
    first_day = need.window_start.astimezone(SHANGHAI).date()
    reasons: list[str] = []
    if volunteer.state != "ACTIVE":
        reasons.append("volunteer_not_active")
    if volunteer.volunteer_id == need.beneficiary_id:
        reasons.append("own_order")
    elif need.household_id is not None and volunteer.household_id == need.household_id:
        reasons.append("same_household")
    if volunteer.kept_apart:
        reasons.append(KEPT_APART)
    if need.licence is not None:
        expires_on = volunteer.licences.get(need.licence)
        if expires_on is None or expires_on < last_day:
            reasons.append("licence_needed")
    if any(skill not in volunteer.skills for skill in need.skills):
        reasons.append("skill_needed")
    if need.insurance_required and not _insured(volunteer, first_day, last_day):
        reasons.append("insurance_needed")
    if volunteer.accompanied_only and need.slots < 2:
        reasons.append("accompanied_only")
    if volunteer.busy:
        reasons.append("time_overlap")
    return reasons


def untrained(volunteer: VolunteerFacts, need: Need, policy: Policy) -> list[str]:
    """The gate that a community may shut: nobody visits a home without the training `safety`."""
    reasons: list[str] = []
    if policy.home_visit_training and need.home_visit and not volunteer.trained:
        reasons.append("training_needed")
    return reasons


def told(reasons: Sequence[str]) -> Refused:
    """The refusal that a volunteer reads: a block shows neither in the code nor among the other reasons."""
    if KEPT_APART in reasons:
        return Refused("not_suited")
    return Refused(reasons[0], why=", ".join(reasons))


def not_to_be_asked(volunteer: VolunteerFacts, need: Need, policy: Policy) -> list[str]:
    """The reasons why a fit volunteer is not offered this order: asked before, or asked enough today."""
    reasons: list[str] = []
    if volunteer.volunteer_id in need.answered:
        reasons.append("asked_before")
    if volunteer.offers_today >= policy.offers_per_day_max:
        reasons.append("offers_today_reached")
    return reasons


def checked(volunteer: VolunteerFacts, need: Need) -> Sequence[str]:
    """What `unfit` looked up in others' facts and found in order, as it is recorded in the acceptance."""
    facts = ["active"]
    facts += ["other_household"] if volunteer.household_id is not None and need.household_id is not None else []
    facts += [f"licence:{need.licence}"] if need.licence is not None else []
    facts += [f"skill:{skill}" for skill in need.skills]
    facts += ["insured"] if need.insurance_required else []
    return facts


def _insured(volunteer: VolunteerFacts, first_day: date, last_day: date) -> bool:
    if volunteer.insured_from is None or volunteer.insured_until is None:
        return False
    return volunteer.insured_from <= first_day and volunteer.insured_until >= last_day
