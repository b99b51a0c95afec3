"""A log's events as a table that pandas, DuckDB or a spreadsheet reads: `parquet/<service>.parquet`, a row an event.

Everything in a row follows from the event's bytes, so a check needs these and nothing else. Written and held against
the bytes tile by tile, in memory that does not grow with the log. Whoever imports this module waits for pyarrow: it is
imported where a table is made or read, and nowhere else.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from contracts.envelope import MAX_BODY_BYTES
from eventstore.merkle import leaf_hash
from eventstore.tiles import TILE_WIDTH

GROUP_ROWS_MAX = 64 * TILE_WIDTH
GROUP_BYTES_MAX = 8 << 20
"""A row group ends with the tile that brings it to so many rows, or to so many bytes of events."""
GROUP_UNPACKED_MAX = 4 * (GROUP_BYTES_MAX + TILE_WIDTH * MAX_BODY_BYTES)
"""More a row group of ours cannot come to, all columns unpacked; a table from somebody else may say anything."""
NAMED_MOST = 20
"""Rows of one table that are named; more are only counted."""

_TEXT = pa.string()
SCHEMA = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("recorded_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("origin", _TEXT, nullable=False),
        pa.field("event_id", _TEXT, nullable=False),
        pa.field("stream_type", _TEXT, nullable=False),
        pa.field("stream_id", _TEXT, nullable=False),
        pa.field("version", pa.int64(), nullable=False),
        pa.field("type", _TEXT, nullable=False),
        pa.field("schema_version", pa.int32(), nullable=False),
        pa.field("correlation_id", _TEXT),
        pa.field("causation_id", _TEXT),
        pa.field("actor", _TEXT),
        pa.field("traceparent", _TEXT),
        pa.field("payload", _TEXT, nullable=False),
        pa.field("leaf_hash", _TEXT, nullable=False),
    ]
)
"""`stream_type` and `stream_id` are the stream's name before and after its first dash, `payload` is RFC 8785 JSON."""
_OF_FEW_VALUES = ["origin", "stream_type", "type", "actor"]
_WITH_STATISTICS = ["position", "recorded_at", "stream_type", "stream_id", "type"]

_UNREADABLE = (OSError, ValueError, pa.ArrowException)

Row = tuple[Any, ...]


class TableUnreadable(ValueError):
    """The file is missing, is no Parquet, has other columns, or groups too large to read."""


def row_of(body: bytes) -> Row:
    """One event's values in the order of SCHEMA. Raises ValueError when the bytes are no event."""
    try:
        said = orjson.loads(body)
        stream_type, _, stream_id = said["subject"].partition("-")
        return (
            said["position"],
            datetime.fromisoformat(said["time"]),
            said["source"].removeprefix("/"),
            said["id"],
            stream_type,
            stream_id,
            said["streamversion"],
            said["type"],
            int(said["dataschema"].rpartition("/")[2]),
            said.get("correlationid"),
            said.get("causationid"),
            said.get("actor"),
            said.get("traceparent"),
            # Names are ASCII and there are no fractions in events: sorted and without blanks is RFC 8785 then.
            orjson.dumps(said["data"], option=orjson.OPT_SORT_KEYS).decode(),
            leaf_hash(body).hex(),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no event: {error!r}") from error


def _batch(bodies: Sequence[bytes]) -> pa.RecordBatch:
    """Raises ValueError when one of them is no event."""
    columns = zip(*(row_of(body) for body in bodies), strict=True)
    return pa.record_batch(
        [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


class TableWriter:
    """Takes a log's events in their order."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._waiting: list[bytes] = []
        self._bytes = 0

    def add(self, bodies: Sequence[bytes]) -> None:
        """The next tile of events. Raises ValueError when one is none."""
        self._waiting += bodies
        self._bytes += sum(map(len, bodies))
        if len(self._waiting) >= GROUP_ROWS_MAX or self._bytes >= GROUP_BYTES_MAX:
            self.flush()

    def flush(self) -> None:
        """Write what waits as one row group."""
        if self._waiting:
            table = pa.Table.from_batches([_batch(self._waiting)], schema=SCHEMA)
            self._writer.write_table(table, row_group_size=len(self._waiting))
        self._waiting, self._bytes = [], 0


@contextmanager
def table_writer(path: Path) -> Iterator[TableWriter]:
    """A new table; whole once this is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(
        path,
        SCHEMA,
        compression="zstd",
        use_dictionary=_OF_FEW_VALUES,
        write_statistics=_WITH_STATISTICS,
        write_page_checksum=True,
    ) as writer:
        rows = TableWriter(writer)
        yield rows
        rows.flush()


class TableCheck:
    """Holds a table against a log's events as they are read, tile by tile: each has its row, in its place, once."""

    def __init__(self, path: Path, name: str, size: int) -> None:
        """`size`: how many events the log has. Raises TableUnreadable."""
        try:
            self._file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16, page_checksum_verification=True)
            columns, groups = self._file.schema_arrow, _groups(self._file.metadata)
        except (OSError, pa.ArrowException) as error:
            raise TableUnreadable(f"{name} cannot be read: {error}") from error
        if not columns.equals(SCHEMA):
            self.close()
            raise TableUnreadable(f"{name} has other columns than a table of events")
        if max(groups, default=0) > GROUP_UNPACKED_MAX:
            self.close()
            raise TableUnreadable(f"{name} has a row group of {max(groups)} bytes, at most {GROUP_UNPACKED_MAX} fit")
        self._name, self._size = name, size
        self._batches = self._file.iter_batches(batch_size=TILE_WIDTH, use_threads=False)
        self._batch: pa.RecordBatch | None = None
        self._rows: list[Row] | None = None
        self._read = 0
        """Rows that were looked at."""
        self._next = 1
        """The event whose row is to come."""
        self._wrong = 0

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def hear(self, bodies: Sequence[bytes], first: int) -> Iterator[str]:
        """The events after the first `first`. Gives a sentence for what is wrong with their rows."""
        yield from self._named(self._held(bodies, first))

    def end(self) -> Iterator[str]:
        """After the last event."""
        yield from self._named(self._after_the_last())
        if self._wrong > NAMED_MOST:
            yield f"{self._name}: … and {self._wrong - NAMED_MOST} more"
        self.close()

    def _named(self, problems: Iterator[str]) -> Iterator[str]:
        for problem in problems:
            self._wrong += 1
            if self._wrong <= NAMED_MOST:
                yield f"{self._name}: {problem}"

    def _held(self, bodies: Sequence[bytes], first: int) -> Iterator[str]:
        try:
            if self._same(bodies):
                return
            while (row := self._row()) is not None and not first + len(bodies) < row[0] <= self._size:
                yield from self._place_of(row[0])
                if self._next <= row[0] <= self._size:
                    yield from self._differs(row, bodies[row[0] - first - 1])
                    self._next = row[0] + 1
                self._take()
        except _UNREADABLE as error:
            yield from self._broken(error)

    def _same(self, bodies: Sequence[bytes]) -> bool:
        """Take the next rows at once where they are just what these events say: so it is in every whole table."""
        batch = self._upcoming()
        if self._rows is not None or batch is None or batch.num_rows != len(bodies):
            return False
        try:
            same = bool(batch.equals(_batch(bodies)))
        except (ValueError, TypeError, OverflowError):
            return False  # bytes that are no event: said row by row
        if same and batch.column(0)[0].as_py() == self._next:
            self._read, self._next, self._batch = self._read + len(bodies), self._next + len(bodies), None
            return True
        return False

    def _place_of(self, position: int) -> Iterator[str]:
        row = f"row {self._read + 1}"
        if not 1 <= position <= self._size:
            yield f"{row} says that it is event {position}; the log has {self._size}"
        elif position < self._next:
            yield f"{row} is event {position}, out of its order or once more"
        elif position > self._next:
            last = position - 1
            yield f"{_events(self._next, last)} missing before {row}, which is event {position}"

    def _differs(self, row: Row, body: bytes) -> Iterator[str]:
        try:
            expected: Sequence[Any] = row_of(body)
        except ValueError as error:
            yield f"row {self._read + 1} stands for bytes that are {error}"
            return
        wrong = [field.name for field, is_, should in zip(SCHEMA, row, expected, strict=True) if is_ != should]
        if wrong:
            yield f"row {self._read + 1}: {', '.join(wrong)} {_be(len(wrong))} not what event {row[0]} says"

    def _after_the_last(self) -> Iterator[str]:
        try:
            while (row := self._row()) is not None:
                yield from self._place_of(row[0])
                self._take()
        except _UNREADABLE as error:
            yield from self._broken(error)
        if self._next <= self._size:
            yield f"{_events(self._next, self._size)} missing"

    def _broken(self, error: Exception) -> Iterator[str]:
        """Nothing more can be read, and whatever is not there is not missed again one by one."""
        self._batches, self._batch, self._rows, self._next = iter(()), None, None, self._size + 1
        yield f"it cannot be read after row {self._read}: {error}"

    def _upcoming(self) -> pa.RecordBatch | None:
        if self._batch is None:
            self._batch = next(self._batches, None)
        return self._batch

    def _row(self) -> Row | None:
        """The row that is next, not taken yet."""
        while not self._rows:
            batch = self._upcoming()
            if batch is None:
                self._rows = None
                return None
            self._rows = [*zip(*(column.to_pylist() for column in batch.columns), strict=True)][::-1]
            self._batch = None
        return self._rows[-1]

    def _take(self) -> None:
        assert self._rows
        self._rows.pop()
        self._read += 1
        if not self._rows:
            self._rows = None


def _groups(described: Any) -> list[int]:
    """How large each row group says that it is, unpacked."""
    return [described.row_group(number).total_byte_size for number in range(described.num_row_groups)]


def _events(first: int, last: int) -> str:
    return f"event {first} is" if first == last else f"events {first} to {last} are"


def _be(count: int) -> str:
    return "is" if count == 1 else "are"
