"""The lifecycle of a market drawn from its table, for services/ledger/README.md."""

from contracts.ledger import MarketState
from services.ledger.decider.market_table import CHINESE, LEADS_TO, TAKEN

BEGINS, ENDS = "<!-- drawn from decider/market_table.py by `make contracts` -->", "<!-- end of the market -->"
_STATES: tuple[MarketState | None, ...] = (None, *MarketState)


def diagram() -> str:
    """A Mermaid state diagram: an arrow for every two states, with all commands on it."""
    arrows: dict[tuple[MarketState | None, MarketState], list[str]] = {}
    for command, ways in LEADS_TO.items():
        for origin, targets in ways.items():
            for target in targets:
                arrows.setdefault((origin, target), []).append(CHINESE[command])
    order = {state: number for number, state in enumerate(_STATES)}
    lines = ["```mermaid", "stateDiagram-v2"]
    for (origin, target), names in sorted(arrows.items(), key=lambda arrow: (order[arrow[0][0]], order[arrow[0][1]])):
        begins = "[*]" if origin is None else origin.value
        lines.append(f"    {begins} --> {target.value}: {' · '.join(names)}")
    return "\n".join([*lines, "```"])


def table() -> str:
    """One line a command: the states that take it."""
    lines = ["| 命令 | command | taken in |", "|---|---|---|"]
    for command, states in TAKEN.items():
        names = ", ".join("–" if state is None else state.value for state in states)
        lines.append(f"| {CHINESE[command]} | {command.__name__} | {names} |")
    return "\n".join(lines)


def drawn() -> str:
    """What stands in the README between the two marks, marks included."""
    return "\n\n".join([BEGINS, diagram(), table(), ENDS])
