"""The lifecycles of a case of aid and of a market drawn from their tables, for services/ledger/README.md.

`make contracts` puts it there (cli/lifecycles.py), and `make check` says when it is not current.
"""

from collections.abc import Iterable

from contracts.ledger import AidState
from services.ledger.decider import market_drawing
from services.ledger.decider.aid_table import CHINESE, LEADS_TO, TAKEN, URGENT

BEGINS, ENDS = "<!-- drawn from decider/aid_table.py by `make contracts` -->", "<!-- end of what is drawn -->"
_STATES: tuple[AidState | None, ...] = (None, *AidState)


def diagram() -> str:
    """A Mermaid state diagram of the ordinary lane: an arrow for every two states, with all commands on it."""
    arrows: dict[tuple[AidState | None, AidState], list[str]] = {}
    for command, ways in LEADS_TO.items():
        for origin, target in ways.items():
            arrows.setdefault((origin, target), []).append(CHINESE[command])
    order = {state: number for number, state in enumerate(_STATES)}
    lines = ["```mermaid", "stateDiagram-v2"]
    for (origin, target), names in sorted(arrows.items(), key=lambda arrow: (order[arrow[0][0]], order[arrow[0][1]])):
        begins = "[*]" if origin is None else origin.value
        lines.append(f"    {begins} --> {target.value}: {' · '.join(names)}")
    return "\n".join([*lines, "```"])


def table() -> str:
    """One line a command: the states that take it, and those that take it in the urgent lane besides."""
    lines = ["| 命令 | command | taken in | in the urgent lane also in |", "|---|---|---|---|"]
    for command, states in TAKEN.items():
        more = [state for state in URGENT[command] if state not in states]
        cells = (CHINESE[command], command.__name__, _names(states), _names(more))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _names(states: Iterable[AidState | None]) -> str:
    return ", ".join("–" if state is None else state.value for state in states)


def drawn() -> str:
    """What stands in the README between the two marks, marks included."""
    return "\n\n".join([BEGINS, diagram(), table(), ENDS])


def put_into(readme: str) -> str:
    """The README with what is drawn now. Raises ValueError when it has no place for it."""
    with_aid = _between(readme, BEGINS, ENDS, drawn())
    return _between(with_aid, market_drawing.BEGINS, market_drawing.ENDS, market_drawing.drawn())


def _between(readme: str, begins: str, ends: str, text: str) -> str:
    before, began, rest = readme.partition(begins)
    _, ended, after = rest.partition(ends)
    if not began or not ended:
        raise ValueError("the README has no marks to draw between")
    return f"{before}{text}{after}"
