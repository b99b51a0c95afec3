"""A year of the community held against the design's figures (domain.md §5), read from the logs as an auditor reads."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.place import Place
from cli.reading import read_page
from cli.seed.community import Community
from contracts.command import Channel
from contracts.event import EVENTS
from contracts.orders import OrderPlaced, OrderRated

WITHIN = 1.0
"""A share is met within so many points of a hundred; a number within so many of a hundred of it."""
OLD_YEARS = 60
SCORE_TARGETS = {5: 70.0, 4: 20.0, 3: 6.0, 2: 3.0, 1: 1.0}


@dataclass(frozen=True, slots=True)
class Target:
    """One figure of the design and what became of it. `outcome` is None where the event it counts is not built yet."""

    what: str
    target: float
    outcome: float | None
    unit: str
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the outcome is near enough; None when there is none."""
        if self.outcome is None:
            return None
        near = WITHIN if self.unit == "%" else self.target * WITHIN / 100
        return abs(self.outcome - self.target) <= near

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "what": self.what,
            "target": self.target,
            "outcome": self.outcome,
            "unit": self.unit,
            "met": self.met,
            "note": self.note,
        }


@dataclass(slots=True)
class Year:
    """What the logs say of the year."""

    events: Counter[str] = field(default_factory=Counter)
    """By type, of orders and volunteers."""
    inquiries: int = 0
    phone_or_proxy: int = 0
    scores: Counter[int] = field(default_factory=Counter)

    def share(self, part: float, whole: float) -> float:
        """Of a hundred."""
        return round(100 * part / whole, 1) if whole else 0.0


async def read_year(place: Place) -> Year:
    """Count what orders and volunteers said."""
    year = Year()
    for service in ("orders", "volunteers"):
        connection = await place.connect(service)
        try:
            rows = await connection.fetch(f"SELECT type, count(*) FROM {service}.events GROUP BY type")  # noqa: S608
            year.events.update({row["type"]: row["count"] for row in rows})
            if service == "orders":
                after = 0
                while page := await read_page(connection, service, after):
                    after = page[-1].position
                    for recorded in page:
                        _count(year, recorded.event)
        finally:
            await connection.close()
    return year


def _count(year: Year, event: Any) -> None:
    if isinstance(event, OrderPlaced):
        by_proxy = event.requested_by != event.beneficiary_id
        if event.mode == "inquiry":
            year.inquiries += 1
        elif by_proxy or event.channel is Channel.PHONE:
            year.phone_or_proxy += 1
    elif isinstance(event, OrderRated):
        year.scores[event.score] += 1


def compare(year: Year, states: Mapping[str, int], community: Community) -> list[Target]:
    """The design's figures, each with what became of it. `states` are the orders' ends."""
    orders = year.events["OrderPlaced"]
    resident = orders - year.inquiries
    rated = sum(year.scores.values())
    old = sum(helper.person.age >= OLD_YEARS for helper in community.helpers)
    completed = year.events["CompletionConfirmed"] + year.events["CompletionPresumed"]
    share = year.share
    return [
        Target("volunteers", 3_966, year.events["VolunteerActivated"], ""),
        Target("volunteers of 60 years or more", 55, share(old, len(community.helpers)), "%"),
        Target("residents, volunteers among them", 4_900, year.events["PersonRegistered"], ""),
        Target("orders in the year", 5_600, orders, ""),
        Target("asked for by residents (点单)", 70, share(resident, orders), "%"),
        Target("asked at the door (询单)", 30, share(year.inquiries, orders), "%"),
        Target("of residents' orders: by phone or proxy", 55, share(year.phone_or_proxy, resident), "%"),
        Target("completed", 86, share(completed, orders), "%"),
        Target("cancelled", 5, share(states.get("CANCELLED", 0), orders), "%"),
        Target("refused or referred", 3, share(states.get("REFUSED", 0), orders), "%"),
        _counted(year, "merged", 2, "OrderMerged", orders),
        Target("unfulfilled", 4, share(states.get("UNFULFILLED", 0), orders), "%"),
        Target("of the completed: rated", 62, share(rated, completed), "%"),
        *(
            Target(f"of the ratings: {score} ★", target, share(year.scores[score], rated), "%")
            for score, target in SCORE_TARGETS.items()
        ),
        _counted(year, "volunteer did not come", 1.5, "VolunteerNoShowRecorded", orders),
        _counted(year, "resident was not there", 1, "ResidentAbsentRecorded", orders),
        _counted(year, "welfare checks", 5, "WelfareCheckRaised"),
        _counted(year, "activities", 300, "ActivityPublished"),
        _counted(year, "pairings", 40, "PairingConsented"),
    ]


def _counted(year: Year, what: str, target: float, event_type: str, of: int | None = None) -> Target:
    if not _built(event_type):
        return Target(what, target, None, "" if of is None else "%", "not built yet")
    count = year.events[event_type]
    return Target(what, target, count if of is None else year.share(count, of), "" if of is None else "%")


def _built(event_type: str) -> bool:
    return any(event_type == known for _, known in EVENTS)
