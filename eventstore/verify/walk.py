"""A log from its first event to its head: hashes, columns, numbering, tree."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import asyncpg
import orjson

from eventstore.compact_range import CompactRange, FullTile, PartialTiles
from eventstore.config import LogConfig
from eventstore.merkle import EMPTY_ROOT, HASH_BYTES, range_nodes
from eventstore.origins import log_name, stream_of_losses
from eventstore.tiles import TILE_HEIGHT, TILE_WIDTH, TileRef, group_roots
from eventstore.verify.findings import Findings

BATCH_EVENTS = 5_000
_COLUMNS = "position, stream, version, event_id, type, recorded_at, body, leaf_hash"


class Walk:
    """One pass over the events of a snapshot. `size` and `root` are of what was read so far."""

    def __init__(
        self, config: LogConfig, connection: asyncpg.Connection, findings: Findings, checkpoint_size: int | None
    ) -> None:
        self._schema = config.schema
        self._config = config
        self._generation = 1
        self._connection = connection
        self._findings = findings
        self._checkpoint_size = checkpoint_size
        self.root_at_checkpoint: bytes | None = EMPTY_ROOT if checkpoint_size == 0 else None
        self.head_size = 0
        self._head: Any = None
        self._tree = PartialTiles()
        self._events = 0
        self._versions: dict[str, int] = {}
        self._recorded_at: datetime | None = None
        self._gap = False

    @property
    def size(self) -> int:
        """The last position read."""
        return self._events

    @property
    def root(self) -> bytes:
        """The root over the bodies read."""
        return self._tree.compact_range().root()

    async def batches(self) -> AsyncIterator[Sequence[Any]]:
        """Read and check the events; the rows are given out for what else they are compared with."""
        self._head = await self._connection.fetchrow(f"SELECT size, range, recorded_at FROM {self._schema}.head")
        self.head_size = self._head["size"] if self._head is not None else 0
        cursor = await self._connection.cursor(f"SELECT {_COLUMNS} FROM {self._schema}.events ORDER BY position")
        while rows := await cursor.fetch(BATCH_EVENTS):
            await self._grow([self._leaf(row) for row in rows])
            yield rows

    async def end(self) -> None:
        """Hold the head row and the number of tiles against what was read."""
        if self._generation != self._config.generation:
            recorded = log_name(self._config.service, self._generation)
            found = f"by its events the log is {recorded}, by the file beside its signed head {self._config.name}"
            self._findings.add("origin", found)
        if self._head is None:
            self._findings.add("head", "the head row is missing")
            return
        if self.head_size > self.size:
            missing = f"events {self.size + 1} to {self.head_size} are missing: the head counts them"
            self._findings.add("gap", missing, self.size + 1)
        elif self.head_size < self.size:
            surplus = f"the head counts {self.head_size} events, {self.size} are there"
            self._findings.add("head", surplus, self.head_size + 1)
        elif not self._gap:
            self._check_range()
        if self._head["recorded_at"] != self._recorded_at:
            self._findings.add("head", f"the head's recording time is not that of event {self.size}", self.size or None)
        for row in await self._connection.fetch(
            f"SELECT level, max(index) AS last FROM {self._schema}.tiles GROUP BY level ORDER BY level"
        ):
            full = self.size >> (TILE_HEIGHT * (row["level"] + 1))
            if row["last"] >= full:
                last = TileRef(row["level"], row["last"])
                self._findings.add("tile", f"{last.path} is there, and no {last.first_leaf + TILE_WIDTH} events are")

    # --- one event ---

    def _leaf(self, row: Any) -> bytes:
        """Check one event by itself and against those before; the leaf hash that its body has."""
        position, body = row["position"], row["body"]
        if position != self._events + 1:
            self._gap = True
            which = f"{self._events + 1} to {position - 1}" if position > self._events + 2 else f"{position - 1}"
            self._findings.add("gap", f"event {which} is missing", self._events + 1)
        self._events = position
        leaf = sha256(b"\x00" + body).digest()
        if leaf != row["leaf_hash"]:
            self._findings.add("body", f"event {position}: the body does not hash to the stored leaf hash", position)
        self._check_columns(row)
        stream, version = row["stream"], row["version"]
        if version != self._versions.get(stream, 0) + 1:
            before = self._versions.get(stream, 0)
            self._findings.add("version", f"event {position}: {stream} goes from {before} to {version}", position)
        self._versions[stream] = version
        recorded_at = row["recorded_at"]
        if self._recorded_at is not None and recorded_at < self._recorded_at:
            self._findings.add("time", f"event {position} was recorded before the one before it", position)
        self._recorded_at = recorded_at
        return leaf

    def _check_columns(self, row: Any) -> None:
        position, recorded_at = row["position"], row["recorded_at"]
        try:
            said = orjson.loads(row["body"])
            in_body = (
                said["position"],
                said["subject"],
                said["streamversion"],
                said["id"],
                said["type"],
                said["source"],
            )
            time = said["time"]
        except (ValueError, KeyError, TypeError) as error:
            self._findings.add("body", f"event {position}: the body is no event: {error!r}", position)
            return
        if row["stream"] == stream_of_losses(self._config.community, self._config.service):
            self._generation += 1
        source = f"/{self._config.community}/{log_name(self._config.service, self._generation)}"
        columns = (position, row["stream"], row["version"], str(row["event_id"]), row["type"], source)
        wrong = []
        if in_body != columns:
            names = ("position", "stream", "version", "event_id", "type", "source")
            wrong = [name for name, a, b in zip(names, in_body, columns, strict=True) if a != b]
        if time != recorded_at.isoformat(timespec="microseconds")[:-6] + "Z" and _instant(time) != recorded_at:
            wrong.append("recorded_at")
        if wrong:
            found = f"event {position}: {', '.join(wrong)} beside the body is not what the body says"
            self._findings.add("column", found, position)

    # --- the tree ---

    async def _grow(self, leaves: Sequence[bytes]) -> None:
        if self._gap:
            return  # leaves after a gap have other numbers: nothing can be said about the tree
        before = self._tree.size
        wanted = self._checkpoint_size
        full: list[FullTile] = []
        if wanted is not None and before < wanted <= before + len(leaves):
            self._tree, full = self._tree.extend(leaves[: wanted - before])
            self.root_at_checkpoint = self._tree.compact_range().root()
            leaves = leaves[wanted - before :]
        self._tree, more = self._tree.extend(leaves)
        await self._check_tiles([*full, *more])

    async def _check_tiles(self, expected: Sequence[FullTile]) -> None:
        if not expected:
            return
        rows = await self._connection.fetch(
            f"""SELECT t.level, t.index, t.hashes, t.root, t.group_roots FROM {self._schema}.tiles t
                JOIN unnest($1::integer[], $2::bigint[]) AS w (level, index) USING (level, index)""",
            [tile.level for tile in expected],
            [tile.index for tile in expected],
        )
        stored = {(row["level"], row["index"]): row for row in rows}
        for tile in expected:
            ref = TileRef(tile.level, tile.index)
            row = stored.get((tile.level, tile.index))
            if row is None:
                self._findings.add("tile", f"{ref.path} is missing", ref.first_leaf + 1)
            elif row["hashes"] != tile.hashes:
                number = _first_difference(row["hashes"], tile.hashes)
                width = 1 << (TILE_HEIGHT * tile.level)
                position = (tile.index * TILE_WIDTH + number) * width + 1
                if tile.level and self._findings.explain(position, position + width - 1):
                    continue
                found = f"event {position} or {ref.path} was changed: hash {number} there is not what the events give"
                self._findings.add("tile", found, position)
            elif row["root"] != tile.root:
                self._findings.add("tile", f"the root beside {ref.path} is not that of its hashes", ref.first_leaf + 1)
            elif row["group_roots"] != group_roots(tile.hashes):
                found = f"the roots of groups beside {ref.path} are not those of its hashes"
                self._findings.add("tile", found, ref.first_leaf + 1)

    def _check_range(self) -> None:
        found = self._tree.compact_range()
        try:
            stored = CompactRange.from_bytes(self._head["range"])
        except ValueError as error:
            self._findings.add("head", f"the head's compact range cannot be read: {error}")
            return
        if stored.size != found.size:
            self._findings.add("head", f"the head's compact range is of {stored.size} events")
            return
        nodes = range_nodes(0, found.size)
        for (level, index), a, b in zip(nodes, stored.hashes, found.hashes, strict=True):
            if a != b:
                first, last = (index << level) + 1, (index + 1) << level
                if self._findings.explain(first, last):
                    continue
                self._findings.add("head", f"events {first} to {last} do not hash to what the head row says", first)


def _instant(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def _first_difference(left: bytes, right: bytes) -> int:
    """Number of the first hash that is not the same."""
    for at in range(0, len(right), HASH_BYTES):
        if left[at : at + HASH_BYTES] != right[at : at + HASH_BYTES]:
            return at // HASH_BYTES
    return 0
