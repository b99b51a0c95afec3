"""How the demo tells what happens: one order in full, the others counted, and what it all came to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.cells import cell_len

from cli.output import SHANGHAI, print_line
from cli.seed.community import Community, Scale
from cli.seed.targets import Target

WEEKDAYS = "一二三四五六日"
COUNTED = {
    "点单": ("点单", "asked"),
    "询单": ("询单", "door"),
    "接单": ("接单", "taken"),
    "签到": ("签到", "begun"),
    "评单": ("评单", "rated"),
    "办结": ("办结", "closed"),
    "取消": ("取消", "cancelled"),
    "未能满足": ("未能", "unmet"),
    "收到捐款": ("捐款", "gifts"),
}
"""What is counted of a day, and what it is called in the heading."""
CLOSED = "办结"
DAY_CELLS = 10
NOTHING = "·"


class Telling:
    """Prints for people; says nothing when `quiet`."""

    def __init__(self, scale: Scale, *, quiet: bool) -> None:
        self.scale = scale
        self.quiet = quiet
        self._counts: Counter[str] = Counter()
        self._period: str | None = None
        self._closing = 0

    def line(self, text: str = "", style: str | None = None) -> None:
        """One line; in colour only where a terminal shows it and NO_COLOR does not forbid it."""
        if not self.quiet:
            print_line(text, style)

    def community(self, community: Community) -> None:
        """Who lives here."""
        self.line(
            f"朝阳里: {len(community.helpers)} volunteers and {len(community.residents)} residents register. "
            "Every one of them is invented."
        )

    def days_begin(self, orders: int, days: int, midnight: datetime) -> None:
        """What comes, and the heading of the table."""
        self.line(f"{orders} orders in {days} days, from {midnight:%Y-%m-%d} on. One is told in full: 王阿姨's.\n")
        for names in zip(*COUNTED.values(), strict=True):
            cells = zip(names, _widths(), strict=True)
            self.line(" " * DAY_CELLS + "".join(_right(name, width) for name, width in cells), "bold")

    def story(self, moment: datetime, number: int, words: str) -> None:
        """One thing that happened; printed when it belongs to the order that is told in full."""
        self._counts[words.split(maxsplit=1)[0]] += 1
        if number == 0:
            self.line(f"  {moment.astimezone(SHANGHAI):%m-%d %H:%M}  [王阿姨] {words}", "cyan")

    def moment(self, moment: datetime) -> None:
        """Time has come to a moment: a day that is over is summed up, in a full community a month."""
        local = moment.astimezone(SHANGHAI)
        day = f"{local:%m-%d} 周{WEEKDAYS[local.weekday()]}"
        period = day if self.scale == "small" else f"{local:%Y-%m}"
        if self._period is not None and period != self._period:
            self.period_ends()
        self._period = period

    def period_ends(self) -> None:
        """Sum up what was counted since the last time. Orders only being closed, day after day, make one line."""
        counted = {word for word in COUNTED if self._counts[word]}
        if self.scale == "small" and counted == {CLOSED}:
            self._closing += self._counts[CLOSED]
        elif self._period is not None and counted:
            row = [str(self._counts[word] or NOTHING) for word in COUNTED]
            cells = zip(row, _widths(), strict=True)
            padding = " " * (DAY_CELLS - cell_len(self._period))
            self.line(self._period + padding + "".join(_right(cell, width) for cell, width in cells))
        self._counts.clear()

    def days_end(self) -> None:
        """The last day is over."""
        self.period_ends()
        if self._closing:
            self.line(f"and in the weeks after {self._closing} more were closed (办结)")

    def results(self, result: Mapping[str, Any], targets: Sequence[Target]) -> None:
        """What it all came to."""
        if self.quiet:
            return
        states = ", ".join(f"{state} {count}" for state, count in sorted(result["orders"].items()))
        self.line(f"\norders      {states}")
        self.line(f"hours       {result['minutes_logged']} minutes credited and posted")
        self.line(f"fund        扶危济困基金 {result['fund_balance_fen'] / 100:.2f} 元")
        if targets:
            self.line("\nheld against the design (domain.md §5)", "bold")
            for target in targets:
                self.line(_compared(target), {True: None, False: "yellow", None: "dim"}[target.met])
            self.line()
        for breach in result["breaches"]:
            self.line(f"  ✗ {breach}", "bold red")
        events = sum(result["events"].values())
        verdict = "logs whole, streams identical, tables equal to their replay, no rule broken ✓"
        whole = result["verified"]
        self.line(f"verified    {verdict if whole else 'NO ✗'}", "bold green" if whole else "bold red")
        self.line(f"            {events} events, {result['seconds']} s")


def _widths() -> list[int]:
    return [max(map(cell_len, names)) + 2 for names in COUNTED.values()]


def _right(text: str, cells: int) -> str:
    return " " * (cells - cell_len(text)) + text


def _compared(target: Target) -> str:
    outcome = "–" if target.outcome is None else f"{target.outcome:g}{target.unit}"
    mark = {True: "✓", False: "✗", None: " "}[target.met]
    padding = " " * (44 - cell_len(target.what))
    return f"  {target.what}{padding}{f'{target.target:g}{target.unit}':>8}{outcome:>9}  {mark} {target.note}".rstrip()
