"""What a log does, said in fifty lines without a database."""

from dataclasses import dataclass, field

from eventstore.errors import ConstraintBroken, KeyReused, StepConflict, VersionConflict
from eventstore.model import Append
from tests.support.logs import number_of


@dataclass(repr=False)
class ReferenceLog:
    """Events in order, versions by stream, first answers by key, consumer positions, and the test read model's rows."""

    events: list[tuple[str, int, int]] = field(default_factory=list)  # stream, version, number
    versions: dict[str, int] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[bytes, int, int]] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)
    tallies: dict[str, list[int]] = field(default_factory=dict)

    def append(self, append: Append) -> tuple[int, int]:
        """The first and last position, or the error the log owes."""
        call, step = append.call, append.step
        if call is not None and (call.scope, call.key) in self.answers:
            body, first, last = self.answers[call.scope, call.key]
            if body != call.body:
                raise KeyReused(call.scope, call.key)
            return first, last
        versions, tallies, added = dict(self.versions), dict(self.tallies), []
        for part in append.streams:
            actual = versions.get(part.stream, 0)
            if actual != part.expected_version:
                raise VersionConflict(part.stream, part.expected_version, actual)
            for event in part.events:
                versions[part.stream] = versions.get(part.stream, 0) + 1
                added.append((part.stream, versions[part.stream], number_of(event)))
                tallies[part.stream] = [*tallies.get(part.stream, []), number_of(event)]
        if step is not None and self.heard.get(step.source, 0) != step.expected:
            raise StepConflict(step.source, step.expected, self.heard.get(step.source, 0))
        lasts = [numbers[-1] for numbers in tallies.values()]
        if 66 in lasts:
            raise ConstraintBroken("not_66", "")
        unique = [last for last in lasts if last > 100]
        if len(unique) != len(set(unique)):
            raise ConstraintBroken("one_of_each", "")
        first = len(self.events) + 1
        self.events += added
        self.versions, self.tallies = versions, tallies
        if step is not None:
            self.heard[step.source] = step.position
        if call is not None:
            self.answers[call.scope, call.key] = (call.body, first, len(self.events))
        return first, len(self.events)
