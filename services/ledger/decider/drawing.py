"""The lifecycles of a case of aid and of a market drawn from their tables, for services/ledger/README.md.

`make contracts` puts it there (cli/lifecycles.py), and `make check` says when it is not current.
"""

from collections.abc import Iterable
from enum import StrEnum

from contracts.ledger import AidState, MarketState
from services.ledger.decider import aid_table as aid
from services.ledger.decider import market_table as market

AID_MARKS = ("<!-- drawn from decider/aid_table.py by `make contracts` -->", "<!-- end of what is drawn -->")
MARKET_MARKS = ("<!-- drawn from decider/market_table.py by `make contracts` -->", "<!-- end of the market -->")


def diagram(states: type[StrEnum], ways: Iterable[tuple[StrEnum | None, StrEnum, str]]) -> str:
    """A Mermaid state diagram of (from, to, command): an arrow for every two states, with all commands on it."""
    arrows: dict[tuple[StrEnum | None, StrEnum], list[str]] = {}
    for origin, target, chinese in ways:
        arrows.setdefault((origin, target), []).append(chinese)
    order = {state: number for number, state in enumerate((None, *states))}
    lines = ["```mermaid", "stateDiagram-v2"]
    for (origin, target), names in sorted(arrows.items(), key=lambda arrow: (order[arrow[0][0]], order[arrow[0][1]])):
        begins = "[*]" if origin is None else origin.value
        lines.append(f"    {begins} --> {target.value}: {' · '.join(names)}")
    return "\n".join([*lines, "```"])


def aid_table() -> str:
    """One line a command: the states that take it, and those that take it in the urgent lane besides."""
    lines = ["| 命令 | command | taken in | in the urgent lane also in |", "|---|---|---|---|"]
    for command, states in aid.TAKEN.items():
        more = [state for state in aid.URGENT[command] if state not in states]
        cells = (aid.CHINESE[command], command.__name__, _names(states), _names(more))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _names(states: Iterable[StrEnum | None]) -> str:
    return ", ".join("–" if state is None else state.value for state in states)


def market_table() -> str:
    """One line a command: the states that take it."""
    lines = ["| 命令 | command | taken in |", "|---|---|---|"]
    for command, states in market.TAKEN.items():
        lines.append(f"| {market.CHINESE[command]} | {command.__name__} | {_names(states)} |")
    return "\n".join(lines)


def put_into(readme: str) -> str:
    """The README with what is drawn now. Raises ValueError when it has no place for it."""
    of_aid = [
        (origin, target, aid.CHINESE[command])
        for command, ways in aid.LEADS_TO.items()
        for origin, target in ways.items()
    ]
    of_market = [
        (origin, target, market.CHINESE[command])
        for command, ways in market.LEADS_TO.items()
        for origin, targets in ways.items()
        for target in targets
    ]
    with_aid = _between(readme, *AID_MARKS, diagram(AidState, of_aid), aid_table())
    return _between(with_aid, *MARKET_MARKS, diagram(MarketState, of_market), market_table())


def _between(readme: str, begins: str, ends: str, *parts: str) -> str:
    before, began, rest = readme.partition(begins)
    _, ended, after = rest.partition(ends)
    if not began or not ended:
        raise ValueError("the README has no marks to draw between")
    return before + "\n\n".join([begins, *parts, ends]) + after
