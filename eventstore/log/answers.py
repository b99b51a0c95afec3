"""What an append is told when it is not recorded."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from eventstore.config import LogConfig
from eventstore.errors import (
    ConstraintBroken,
    EngineError,
    KeyReused,
    StepConflict,
    UncountedEvent,
    VersionConflict,
)
from eventstore.log.batch import Waiting
from eventstore.log.session import Session


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


async def constraint_error(
    session: Session, config: LogConfig, failure: asyncpg.IntegrityConstraintViolationError
) -> EngineError:
    """What a broken constraint means: a rule of a read model, or a log that somebody wrote into past the service."""
    if (failure.schema_name, failure.table_name) == (config.schema, "events"):
        uncounted = await session.uncounted()
        if uncounted is not None:
            return UncountedEvent(config.service, *uncounted)
    name = failure.constraint_name or failure.sqlstate or "unnamed"
    return ConstraintBroken(name, failure.detail or str(failure))


def refuse(items: Sequence[Waiting], error: Exception) -> None:
    """Tell the callers that still wait."""
    for item in items:
        if not item.done.done():
            item.done.set_exception(error)
