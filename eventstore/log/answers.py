"""What an append is told when it is not recorded."""

from collections.abc import Sequence
from typing import Any

from eventstore.errors import EngineError, KeyReused, StepConflict, VersionConflict
from eventstore.log.batch import Waiting


class Outcome(EngineError):
    """The append function found something that did not hold, for one append."""

    def __init__(self, problem: str, detail: Any) -> None:
        super().__init__(problem)
        self.problem, self.detail = problem, detail


def conflict_error(item: Waiting, conflict: dict[str, Any]) -> EngineError:
    """The error for one of the append function's conflicts."""
    match conflict["kind"]:
        case "version":
            return VersionConflict(conflict["stream"], conflict["expected"], conflict["actual"])
        case "step":
            return StepConflict(conflict["source"], conflict["expected"], conflict["actual"])
        case _:
            call = item.append.call
            return KeyReused(call.scope if call else "", call.key if call else "")


def refuse(items: Sequence[Waiting], error: Exception) -> None:
    """Tell the callers that still wait."""
    for item in items:
        if not item.done.done():
            item.done.set_exception(error)
