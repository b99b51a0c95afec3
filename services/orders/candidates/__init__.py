"""Who might serve an order, best first, each with the reasons for and against (domain.md §4.1; 个人信息保护法 §24).

Pure: facts in, ranking out. The gates (licence, household, overlap …) are the decider's own; here they exclude. Who is
left is ranked by nearness, skill, past service for this person, days since the last service (fairness) and this week's
load. Among equals whoever was asked longest ago is asked first, however they answered; among those, chance decides by a
hash of the order, so that nobody's id is always the first. What the codes say in words is in saying.py.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from contracts.command import Refused
from services.orders.commands.words import Policy, VolunteerFacts
from services.orders.decider.fitness import Need, not_to_be_asked, unfit, untrained

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""When whoever was never offered anything was asked last."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One volunteer, ranked. Reasons are codes, such as `same_grid` or `load_2`."""

    facts: VolunteerFacts
    eligible: bool
    """May be offered the order now."""
    score: int
    reasons_for: tuple[str, ...]
    reasons_against: tuple[str, ...]

    @property
    def volunteer_id(self) -> UUID:
        """Who."""
        return self.facts.volunteer_id

    @property
    def reasons(self) -> tuple[str, ...]:
        """Both kinds, as an offer records them: `for:same_grid`, `against:load_2`."""
        return (
            *(f"for:{reason}" for reason in self.reasons_for),
            *(f"against:{reason}" for reason in self.reasons_against),
        )


def rank(volunteers: Iterable[VolunteerFacts], need: Need, at: datetime, policy: Policy) -> list[Candidate]:
    """Every volunteer, the eligible ones first, best first; equals take turns. The same facts give the same ranking."""
    ranked = [_candidate(volunteer, need, at, policy) for volunteer in volunteers]
    return sorted(ranked, key=lambda one: (not one.eligible, -one.score, *_turn(one.facts, need)))


def _turn(volunteer: VolunteerFacts, need: Need) -> tuple[datetime, bytes]:
    """Whose turn it is among equals: who was offered something longest ago, then by lot."""
    lot = f"{need.beneficiary_id} {need.window_start.isoformat()} {volunteer.volunteer_id}"
    return volunteer.last_offered_at or LONG_AGO, hashlib.sha256(lot.encode()).digest()


def next_wave(ranked: list[Candidate], waves_before: int, policy: Policy) -> list[Candidate]:
    """Whom the next wave goes to, after so many in this search; nobody when nobody is eligible."""
    size = policy.wave_sizes[min(waves_before, len(policy.wave_sizes) - 1)]
    return [one for one in ranked if one.eligible][:size]


def waves_are_over(waves_before: int, policy: Policy) -> bool:
    """Whether the pool comes next (3 → 8 → pool)."""
    return waves_before >= len(policy.wave_sizes)


def chosen_for(
    known: Sequence[VolunteerFacts],
    need: Need,
    at: datetime,
    policy: Policy,
    *,
    named: Sequence[UUID] | None,
    waves_before: int,
) -> list[Candidate]:
    """Those named, in their order, whatever speaks against them; with none named, the next wave.

    Raises Refused("nobody_to_ask").
    """
    if named is not None:
        found = {one.volunteer_id for one in known}
        unknown = [VolunteerFacts(volunteer_id=one, state=None) for one in named if one not in found]
        by_id = {one.volunteer_id: one for one in rank([*known, *unknown], need, at, policy)}
        chosen = [by_id[volunteer_id] for volunteer_id in named]
    else:
        chosen = next_wave(rank(known, need, at, policy), waves_before, policy)
    if not chosen:
        raise Refused("nobody_to_ask", known=len(known))
    return chosen


def invited(ranked: list[Candidate], need: Need, policy: Policy) -> tuple[UUID, ...]:
    """Who is told that the order is in the pool: all who may serve it and did not say no, the best ranked first.

    The daily cap on offers does not count here: a digest asks nobody by name.
    """
    fit = [one for one in ranked if not _gates(one.facts, need, policy) and one.volunteer_id not in need.answered]
    return tuple(one.volunteer_id for one in fit[: policy.invited_max])


def _gates(volunteer: VolunteerFacts, need: Need, policy: Policy) -> list[str]:
    return unfit(volunteer, need) + untrained(volunteer, need, policy)


def _candidate(volunteer: VolunteerFacts, need: Need, at: datetime, policy: Policy) -> Candidate:
    gates = _gates(volunteer, need, policy) + not_to_be_asked(volunteer, need, policy)
    score = 0
    good: list[str] = []
    bad: list[str] = []
    for points, reason in _reasons(volunteer, need, at, policy):
        score += points
        (good if points >= 0 else bad).append(reason)
    return Candidate(volunteer, not gates, score, tuple(good), (*gates, *bad))


def _reasons(volunteer: VolunteerFacts, need: Need, at: datetime, policy: Policy) -> list[tuple[int, str]]:
    weigh = policy.ranking
    reasons: list[tuple[int, str]] = []
    if need.entrance_id is not None and volunteer.entrance_id == need.entrance_id:
        reasons.append((weigh.same_entrance, "same_entrance"))
    elif volunteer.grid_id == need.grid_id:
        reasons.append((weigh.same_grid, "same_grid"))
    for skill in need.skills:
        level = volunteer.skills.get(skill, 0)
        reasons.append((weigh.skill_level * level, f"skill_level_{level}"))
    if need.licence is not None and need.licence in volunteer.licences:
        reasons.append((0, f"licence:{need.licence}"))
    if need.home_visit and volunteer.trained:
        reasons.append((weigh.trained, "trained"))
    if volunteer.team_mate:
        reasons.append((weigh.team_mate, "team_mate"))
    if volunteer.served_here:
        reasons.append((weigh.served_here_before, "served_here_before"))
    if volunteer.last_served_at is None:
        reasons.append((weigh.never_served, "never_served"))
    else:
        days = min(max(0, (at - volunteer.last_served_at) // timedelta(days=1)), weigh.idle_days_max)
        reasons.append((weigh.idle_day * days, f"idle_{days}_days"))
    if volunteer.offers_lately:
        asked = volunteer.offers_lately
        reasons.append((weigh.offer_lately * asked, f"asked_{asked}_times_lately"))
    if volunteer.services_this_week:
        load = volunteer.services_this_week
        reasons.append((weigh.service_this_week * load, f"load_{load}_this_week"))
    if volunteer.related:
        reasons.append((weigh.declared_relation, "declared_relation"))
    if volunteer.available is False:
        reasons.append((weigh.outside_stated_hours, "outside_stated_hours"))
    return reasons
