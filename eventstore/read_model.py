"""Read models: tables folded from exactly one log, disposable, rebuilt by replay."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa

from contracts.envelope import Recorded
from eventstore.rows import Rows


class ReadModel:
    """Subclass it once per log that is folded: the service's own, or another's that it hears.

    `apply` is the same code live, for a consumer's copies, and in replay; it knows the event and its own tables only:
    no clock, no vault, no other table. Tables are declared without a schema; the engine puts them in `<service>_read`.
    """

    source: ClassVar[str]
    """The service whose log this folds."""
    metadata: ClassVar[sa.MetaData]
    version: ClassVar[int]
    """Raise it on any change of the tables or of `apply`: the writer then refuses to run until a replay."""
    ddl: ClassVar[tuple[str, ...]] = ()
    """Statements to run after the tables are made, with `{schema}` (theirs) and `{engine}` (the log's) to fill in."""

    of_one_stream: ClassVar[frozenset[sa.Table]] = frozenset()
    """Tables in which a row is made, changed and read by the events of one stream alone.

    A replay may then fold half of the streams in a second process. It counts only for tables that most events change;
    where it is not so, the replay sees it and begins again in one process.
    """

    def needs(self, recorded: Recorded) -> Iterable[tuple[sa.Table, Any]]:  # noqa: ARG002 — for subclasses
        """The rows that `apply` will `get` for this event, as (table, primary key); fetched before, many at once."""
        return ()

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        """Change this model's tables. Unknown events are ignored."""
        raise NotImplementedError


def models_version(read_models: Sequence[ReadModel]) -> str | None:
    """The version of a whole read-model schema; None when there are no read models."""
    parts = sorted(f"{model.source}:{type(model).__name__}.{model.version}" for model in read_models)
    return ",".join(parts) or None
