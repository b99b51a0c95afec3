"""The lifecycles drawn from their tables, for services/volunteers/README.md: a state diagram, and a line a command.

`make contracts` puts them there (cli/lifecycles.py), and `make check` says when they are not current.
"""

import re
from collections.abc import Mapping

from services.volunteers.decider import hours
from services.volunteers.decider.lifecycle import TEAM_LIFECYCLE, VOLUNTEER_LIFECYCLE
from services.volunteers.decider.records import RECORD_LIFECYCLE
from services.volunteers.decider.stars import STAR_LIFECYCLE
from services.volunteers.decider.transitions import Lifecycle

BEGINS, ENDS = "<!-- drawn from decider/lifecycle.py by `make contracts` -->", "<!-- end of what is drawn -->"
LIFECYCLES: Mapping[str, Lifecycle] = {
    "A volunteer": VOLUNTEER_LIFECYCLE,
    "A team": TEAM_LIFECYCLE,
    "A claim of hours": hours.LIFECYCLE,
    "A star": STAR_LIFECYCLE,
    "A service record": RECORD_LIFECYCLE,
}
"""Heading → what is drawn under it."""


def diagram(lifecycle: Lifecycle) -> str:
    """A Mermaid state diagram: an arrow for every two states, with all commands that may lead from one to the other."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in lifecycle.rows:
        for origin in lifecycle.states:
            if origin not in row.allowed:
                continue
            for target in lifecycle.states:
                if target != origin and _leads(row.leads_to, origin, target):
                    arrows.setdefault((origin.value, target.value), []).append(row.chinese)
    order = {state.value: number for number, state in enumerate(lifecycle.states)}
    lines = ["```mermaid", "stateDiagram-v2"]
    for (start, end), names in sorted(arrows.items(), key=lambda arrow: (order[arrow[0][0]], order[arrow[0][1]])):
        begins = "[*]" if start == lifecycle.nothing else start
        lines.append(f"    {begins} --> {end}: {' · '.join(names)}")
    return "\n".join([*lines, "```"])


def _leads(leads_to: str, origin: str, target: str) -> bool:
    """`PENDING, under …` leads to PENDING from anywhere; `ACTIVE from DORMANT` from there only."""
    for part in leads_to.split(";"):
        named, _, only = part.partition(" from ")
        if re.search(rf"\b{target}\b", named) and (not only or origin == only.strip()):
            return True
    return False


def drawn() -> str:
    """What stands in the README between the two marks, marks included."""
    parts = [f"### {title}\n\n{diagram(each)}\n\n{each.table()}" for title, each in LIFECYCLES.items()]
    return "\n\n".join([BEGINS, *parts, ENDS])


def put_into(readme: str) -> str:
    """The README with what is drawn now. Raises ValueError when it has no place for it."""
    before, began, rest = readme.partition(BEGINS)
    _, ended, after = rest.partition(ENDS)
    if not began or not ended:
        raise ValueError("the README has no marks to draw between")
    return f"{before}{drawn()}{after}"
