"""What a batch of events does to the read models, worked out before the head is locked where that is possible."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from contracts.envelope import Recorded
from eventstore.bulk import Connection, steps_json
from eventstore.read_model import ReadModel
from eventstore.rows import Rows


class ApplyFailed(Exception):
    """A read model's `needs` or `apply` raised; `cause` is what."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(frozen=True, slots=True)
class _Late:
    """Events of a model that reads rows: it can only be applied under the lock."""

    model: ReadModel
    appends: Sequence[Sequence[Recorded]]
    needs: Sequence[tuple[sa.Table, Any]]


class Folding:
    """One batch, folded into the read models of every log it has events of."""

    rows_json: str | None
    """What the append function has to write in the read models; None: nothing."""

    def __init__(
        self, models: Sequence[ReadModel], appends: Mapping[str, Sequence[Sequence[Recorded]]], schema: str
    ) -> None:
        """Apply what needs no rows. `appends` has, for each source, the events of each append. Raises ApplyFailed."""
        self._schema = schema
        self._late: list[_Late] = []
        rows = Rows()
        try:
            for model in models:
                of_source = appends.get(model.source, ())
                needs = [need for events in of_source for need in needed(model, events)]
                if needs:
                    self._late.append(_Late(model, of_source, needs))
                else:
                    apply_all(model, of_source, rows)
            steps = rows.steps()
            self.rows_json = steps_json(steps) if steps else None
        except Exception as error:
            raise ApplyFailed(error) from error

    @property
    def must_read(self) -> bool:
        """Whether rows must be fetched, and so more written, once the head is locked."""
        return bool(self._late)

    async def write_late(self, connection: Connection) -> None:
        """Fetch what the other models need, apply them, and write. The append function has locked the head."""
        if not self._late:
            return
        rows = Rows()
        await rows.fetch(connection, self._schema, [need for late in self._late for need in late.needs])
        try:
            for late in self._late:
                apply_all(late.model, late.appends, rows)
            steps = rows.steps()
            found = steps_json(steps) if steps else None
        except Exception as error:
            raise ApplyFailed(error) from error
        if found is not None:
            await connection.execute(f"SELECT {self._schema}.write_rows($1::jsonb)", found)


def needed(model: ReadModel, events: Sequence[Recorded]) -> list[tuple[sa.Table, Any]]:
    """The rows a model will read for these events."""
    if type(model).needs is ReadModel.needs:
        return []
    return [need for recorded in events for need in model.needs(recorded)]


def apply_all(model: ReadModel, appends: Sequence[Sequence[Recorded]], rows: Rows) -> None:
    """Apply a model to the events of one append after another."""
    apply = model.apply
    for events in appends:
        for recorded in events:
            apply(recorded, rows)
        rows.next_append()
