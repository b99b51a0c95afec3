"""The lifecycle drawn from its table, for services/orders/README.md: a state diagram, and a line for each command.

`make contracts` puts it there (cli/lifecycles.py), and `make check` says when it is not current.
"""

from typing import Any

from contracts.orders import OrderState
from services.orders.decider import dispute_state, follow_up_state, welfare_check
from services.orders.decider.lifecycle import LIFECYCLE
from services.orders.decider.states import ENDED, At, Row
from services.orders.decider.tables import Table

BEGINS, ENDS = "<!-- drawn from decider/lifecycle.py by `make contracts` -->", "<!-- end of what is drawn -->"
_STATES: tuple[At, ...] = (None, *OrderState)


def diagram() -> str:
    """A Mermaid state diagram: an arrow for every two states, with all commands that may lead from one to the other."""
    arrows: dict[tuple[At, OrderState], list[str]] = {}
    for row in LIFECYCLE:
        for origin, targets in row.ways.items():
            for target in targets:
                if origin is not target:
                    arrows.setdefault((origin, target), []).append(row.chinese)
    order = {state: number for number, state in enumerate(_STATES)}
    lines = ["```mermaid", "stateDiagram-v2"]
    for (origin, target), names in sorted(arrows.items(), key=lambda arrow: (order[arrow[0][0]], order[arrow[0][1]])):
        lines.append(f"    {_name(origin)} --> {target.value}: {' · '.join(names)}")
    reached = {target for _, target in arrows}
    lines += [f"    {state.value} --> [*]" for state in OrderState if state in ENDED & reached]
    return "\n".join([*lines, "```"])


def table() -> str:
    """One line a command: from where to where, by which events, and what it answers everywhere else."""
    lines = ["| 命令 | command | from → to | events | refused elsewhere with |", "|---|---|---|---|---|"]
    for row in LIFECYCLE:
        codes = sorted({code for state in _STATES if (code := row.refusal(state)) is not None})
        cells = (row.chinese, row.command.__name__, _ways(row), ", ".join(row.events), ", ".join(codes))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def drawn() -> str:
    """What stands in the README between the two marks, marks included."""
    beside = [part for one in BESIDE for part in (f"### `{one.name}`", beside_diagram(one), beside_table(one))]
    return "\n\n".join([BEGINS, diagram(), table(), *beside, ENDS])


BESIDE: tuple[Table[Any], ...] = (follow_up_state.TABLE, dispute_state.TABLE, welfare_check.TABLE)


def beside_diagram(drawn_table: Table[Any]) -> str:
    """The same for what goes on beside the order's way."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for line in drawn_table.lines:
        for origin, targets in line.ways.items():
            for target in targets:
                if origin is not target:
                    arrows.setdefault(("[*]" if origin is None else origin, target), []).append(line.chinese)
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    {origin} --> {target}: {' · '.join(names)}" for (origin, target), names in arrows.items()]
    lines += [f"    {state} --> [*]" for state in drawn_table.states if state in drawn_table.ended]
    return "\n".join([*lines, "```"])


def beside_table(drawn_table: Table[Any]) -> str:
    """One line a command: from where to where, by which events, and what it answers elsewhere."""
    lines = ["| 命令 | command | from → to | events | refused elsewhere with |", "|---|---|---|---|---|"]
    for line in drawn_table.lines:
        ways = "; ".join(
            f"{origin or '–'} → {' or '.join('=' if target is origin else target for target in targets)}"
            for origin, targets in line.ways.items()
        )
        told = f"{ways} ({line.note})" if line.note else ways
        cells = (line.chinese, line.command.__name__, told, ", ".join(line.events))
        lines.append(f"| {' | '.join(cells)} | {', '.join(sorted(set(line.refusals.values())))} |")
    return "\n".join(lines)


def put_into(readme: str) -> str:
    """The README with what is drawn now. Raises ValueError when it has no place for it."""
    before, began, rest = readme.partition(BEGINS)
    _, ended, after = rest.partition(ENDS)
    if not began or not ended:
        raise ValueError("the README has no marks to draw between")
    return f"{before}{drawn()}{after}"


def _ways(row: Row) -> str:
    """`PLACED → VERIFIED`; origins that lead to the same are told together, and `=` is the same state."""
    by_targets: dict[tuple[str, ...], list[str]] = {}
    for origin in _STATES:
        if origin in row.ways:
            targets = tuple("=" if target is origin else target.value for target in row.ways[origin])
            by_targets.setdefault(targets, []).append("–" if origin is None else origin.value)
    ways = [f"{', '.join(origins)} → {' or '.join(targets)}" for targets, origins in by_targets.items()]
    return "; ".join(ways) + (f" ({row.note})" if row.note else "")


def _name(state: At) -> str:
    return "[*]" if state is None else state.value
