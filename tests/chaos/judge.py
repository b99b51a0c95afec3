"""Drains, then holds the eight checkers against everything, and counts what is lost, doubled or cannot be explained."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from cli.audit.run import SERVICES as RULED
from cli.audit.run import breaches
from cli.place import SERVICES
from tests.faults import checkers, hours, proof
from tests.faults.findings import Doubled, Lost
from tests.faults.harness import Scene
from tests.faults.subscriber import Outsider, saw_everything

COMMANDS = "1 every answered command once, every other at most once"
STREAMS = "2 log = stream, byte for byte, without a gap"
EFFECTS = "3 every effect of every event once"
BOOKS = "4 the books balance, and hours are what was logged"
TREE = "5 the tree verifies, and every old head is a prefix"
ORDERS = "6 no slot taken twice, every order in a legal state"
REPLAY = "7 replay from nothing = the live tables"
LETTERS = "8 no dead letter, no key of nothing"
TIMER_PATIENCE = timedelta(seconds=60)
"""A timer that failed again and again is started again after half a minute at most, or waits for its lock, while
business time and people go on. At rest nothing is overdue, and what was due was done once (deadlines_once)."""


@dataclass
class Verdict:
    """What each checker found wrong."""

    wrong: dict[str, list[str]] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)

    def add(self, check: str, problems: Iterable[str]) -> None:
        """More of what a checker found."""
        found = list(problems)
        if found:
            self.wrong.setdefault(check, []).extend(found)

    @property
    def problems(self) -> list[str]:
        """All of them."""
        return [problem for problems in self.wrong.values() for problem in problems]

    @property
    def lost(self) -> int:
        """Promised and not there: commands, effects, messages of a stream."""
        return sum(isinstance(problem, Lost) for problem in self.problems)

    @property
    def doubled(self) -> int:
        """There more often than once."""
        return sum(isinstance(problem, Doubled) for problem in self.problems)

    @property
    def unexplained(self) -> int:
        """Everything else that a checker found."""
        return len(self.problems) - self.lost - self.doubled


async def judge(scene: Scene, outsider: Outsider | None, drain_seconds: float = proof.DRAIN_SECONDS) -> Verdict:
    """Wait until everything is at rest, or for so long; then look at everything."""
    verdict = Verdict()
    await _rest(scene, drain_seconds, verdict)
    scene.keep_heads()
    logs = await checkers.read_logs(scene.place.connect, SERVICES)
    verdict.events = {service: len(log) for service, log in logs.items()}
    verdict.add(COMMANDS, checkers.commands_once(scene.history, logs))
    statuses = scene.history.statuses
    verdict.add(COMMANDS, [f"status {each}, {times} times" for each, times in statuses.items() if each == 500])
    for check in (hours.hours_once, checkers.gifts_once, checkers.notices_once, checkers.copies_erased_once):
        verdict.add(EFFECTS, check(logs))
    verdict.add(EFFECTS, checkers.shown_once(logs, scene.shown()))
    if outsider is not None:
        await _tried(verdict, EFFECTS, lambda: _seen_outside(scene, outsider))
    verdict.add(BOOKS, checkers.books_balance(logs))
    verdict.add(TREE, checkers.no_gaps(logs))
    verdict.add(TREE, checkers.heads_are_prefixes(logs, scene.heads, proof.keys_of(scene.place)))
    await _tried(verdict, TREE, lambda: proof.verified(scene.place))
    verdict.add(ORDERS, checkers.slots_once(logs))
    verdict.add(ORDERS, checkers.deadlines_once(logs))
    history = (one for service in RULED for one in logs[service])
    verdict.add(ORDERS, breaches(history, open_allowed=True, patience=TIMER_PATIENCE))
    await _tried(verdict, REPLAY, lambda: proof.replayed(scene.place))
    await _tried(verdict, LETTERS, lambda: proof.database(scene, scene.place, dict(logs)))
    return verdict


async def _rest(scene: Scene, seconds: float, verdict: Verdict) -> None:
    """What is not at rest in time is wrong: a stream that lacks events, a source that is not heard to its end."""
    try:
        await proof.drained(scene, seconds)
    except AssertionError:
        for one in (await proof.look(scene))["late"]:
            if "the stream of" in one:
                verdict.add(STREAMS, [Lost(one)])
            elif " heard " in one:
                verdict.add(EFFECTS, [Lost(one)])
            else:
                verdict.add(STREAMS if "stream" in one or "relay" in one else LETTERS, [one])


async def _tried(verdict: Verdict, check: str, look: Callable[[], Awaitable[Iterable[str]]]) -> None:
    try:
        found = list(await look())
    except Exception as error:  # noqa: BLE001 — a checker that cannot look proves nothing: that is told
        found = [f"could not be looked at: {error!r}"]
    streams = [one for one in found if "stream" in one]
    verdict.add(STREAMS if check == TREE else check, streams)
    verdict.add(check, [one for one in found if one not in streams])


async def _seen_outside(scene: Scene, outsider: Outsider) -> Iterable[str]:
    sizes = await scene.sizes()
    try:
        await saw_everything(outsider, sizes)
    except AssertionError:
        missed = outsider.misses(sizes).items()
        return [Lost(f"a subscriber never saw {service} {at}") for service, many in missed for at in many]
    return []
