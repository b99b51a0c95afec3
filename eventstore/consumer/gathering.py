"""What a batch of heard events comes to, gathered into one append."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from contracts.command import Command, Refused
from contracts.envelope import Recorded
from eventstore.consumer.blame import HandlerEffects
from eventstore.consumer.reactions import Handler
from eventstore.executor import Executor, Plan, StreamState
from eventstore.model import Append, DeadLetter, Metadata, Step, StreamAppend, VaultChange
from eventstore.tracing import Span

REFUSALS_DEEP = 3
"""Commands issued in place of refused ones may be refused in turn, so often."""


@dataclass(slots=True)
class Gathering:
    """One append in the making: consecutive heard events, their effects, and the streams as they will be then."""

    source: str
    start: int
    """Position before the first event."""
    position: int = 0
    """Position of the last event."""
    events: int = 0
    """Events heard."""
    recorded: int = 0
    """Events to be recorded."""
    streams: dict[str, StreamState] = field(default_factory=dict)
    parts: list[StreamAppend] = field(default_factory=list)
    heard: list[Recorded] = field(default_factory=list)
    vault: list[VaultChange] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    active: list[HandlerEffects] = field(default_factory=list)
    """What each handler wants recorded, in the order called."""
    spans: list[Span] = field(default_factory=list)
    """One an event, over when the append is."""

    def __post_init__(self) -> None:
        self.position = self.start

    def skip(self, position: int) -> None:
        """Pass an event that means nothing here."""
        self.position = position
        self.events += 1

    def append(self) -> Append:
        """All of it, with the step."""
        step = Step(self.source, self.start, self.position)
        traces = {recorded.traceparent for recorded in self.heard}
        metadata = Metadata("system", traceparent=traces.pop() if len(traces) == 1 else None)
        return Append(self.parts, metadata, step=step, heard=self.heard, vault=self.vault, dead_letters=self.letters)


class EventEffects:
    """The effects of one heard event, apart from the gathering until all its handlers have answered."""

    def __init__(self, gathering: Gathering, executor: Executor, recorded: Recorded, span: Span) -> None:
        self._gathering = gathering
        self._span = span
        self._executor = executor
        self._recorded = recorded
        self._streams: dict[str, StreamState] = {}
        self.parts: list[StreamAppend] = []
        self.vault: list[VaultChange] = []
        self._letters: list[DeadLetter] = []
        self._active: list[HandlerEffects] = []

    async def stream(self, name: str) -> StreamState:
        """A stream as this batch has it so far. What a handler has looked at is what its commands are decided on."""
        known = self._streams.get(name) or self._gathering.streams.get(name)
        if known is None:
            self._streams |= await self._executor.states([name])
            known = self._streams[name]
        return known

    async def take(self, handler: Handler, answer: Sequence[Command] | Plan) -> None:
        """Decide a handler's commands, all or none. Raises Refused for one that the handler maps to a dead letter."""
        plan = answer if isinstance(answer, Plan) else Plan(answer)
        if plan.expected_versions:
            raise ValueError(f"{handler.name}: a reaction cannot insist on versions, it decides on what is there")
        trial: dict[str, StreamState] = {}
        parts: list[StreamAppend] = []
        for command in plan.commands:
            parts += await self._decide(handler, command, trial, REFUSALS_DEEP)
        self._streams |= trial
        cause = self._recorded.event_id
        correlation = self._recorded.correlation_id or cause
        trace = self._span.traceparent
        self.parts += [
            replace(part, causation_id=cause, correlation_id=correlation, traceparent=trace) for part in parts
        ]
        self.vault += plan.vault
        if parts or plan.vault:
            self._active.append(HandlerEffects(handler.name, parts, plan.vault))

    async def _decide(
        self, handler: Handler, command: Command, trial: dict[str, StreamState], depth: int
    ) -> list[StreamAppend]:
        if command.stream not in trial:
            known = await self.stream(command.stream)
            trial[command.stream] = StreamState(known.version, known.state)
        try:
            return self._executor.decide([command], trial)
        except Refused as refused:
            parts: list[StreamAppend] = []
            for other in self._instead(handler, refused, depth):
                parts += await self._decide(handler, other, trial, depth - 1)
            return parts

    def _instead(self, handler: Handler, refused: Refused, depth: int) -> Sequence[Command]:
        """The commands that the handler declares for this refusal. Raises it again when that is a dead letter."""
        outcome = handler.outcome_of(refused)
        if outcome == "ignore":
            return ()
        if outcome == "dead_letter" or depth == 0:
            raise refused
        return outcome(refused, self._recorded)

    async def take_refusal(self, handler: Handler, refused: Refused) -> None:
        """The handler as a whole was refused: by itself, or by a constraint when its events were written."""
        await self.take(handler, self._instead(handler, refused, REFUSALS_DEEP))

    def bury(self, letter: DeadLetter) -> None:
        """Record a dead letter that does not block, with everything else."""
        self._letters.append(letter)

    def settle(self, change: VaultChange) -> None:
        """Close a letter with the effect it waited for."""
        self.vault.append(change)

    def merge(self, *, copied: bool) -> None:
        """Make it part of the gathering. `copied`: the event is folded into this service's copies."""
        gathering = self._gathering
        gathering.streams |= self._streams
        gathering.parts += self.parts
        gathering.vault += self.vault
        gathering.letters += self._letters
        gathering.active += self._active
        gathering.spans.append(self._span)
        gathering.recorded += events_in(self.parts)
        gathering.skip(self._recorded.position)
        if copied:
            gathering.heard.append(self._recorded)


def events_in(parts: Iterable[StreamAppend]) -> int:
    """How many events these appends hold."""
    return sum(len(part.events) for part in parts)
