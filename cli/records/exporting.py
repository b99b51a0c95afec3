"""Out of here: every volunteer's record as rows, page by page, into a file that is whole or not there."""

import csv
import io
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal
from uuid import UUID

from cli.client import Actor, Client
from cli.records.cells import written_cell
from cli.records.mapping import Mapping
from contracts.command import Role

Format = Literal["csv", "json"]
PAGE = 20


class Rows:
    """Writes rows in the mapping's columns, as CSV with a mark that Excel knows, or as a JSON list of objects."""

    def __init__(self, file: IO[str], mapping: Mapping, chosen: Format) -> None:
        self._file, self._mapping, self._format = file, mapping, chosen
        self._csv = csv.writer(file, lineterminator="\r\n")
        self.written = 0

    def begin(self) -> None:
        """What stands before the first row."""
        if self._format == "json":
            self._file.write("[")
            return
        self._file.write("\ufeff")
        self._csv.writerow([column.heading for column in self._mapping.written])

    def write(self, row: dict[str, Any]) -> None:
        """One row; what the mapping has no column for is left out."""
        columns = self._mapping.written
        if self._format == "csv":
            self._csv.writerow([written_cell(row.get(c.field), c.field, self._mapping) for c in columns])
        else:
            found = {c.json_name: row[c.field] for c in columns if row.get(c.field) not in (None, [])}
            self._file.write((",\n" if self.written else "\n") + json.dumps(found, ensure_ascii=False))
        self.written += 1

    def end(self) -> None:
        """What stands after the last row."""
        if self._format == "json":
            self._file.write("\n]\n")


def rows_of(volunteer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of one volunteer: who they are, then what was recorded here, then what another app had recorded."""
    number = volunteer["volunteer_no"]
    basic = {name: volunteer[name] for name in ("name", "birth_date", "phone", "residence", "skills")}
    yield {"kind": "basic", "volunteer_no": number, **basic, "date": volunteer["registered_on"]}
    external = volunteer["external"]
    for record in volunteer["records"]:
        yield {"volunteer_no": number, "external": False, **record}
    for record in external["records"] if external is not None else ():
        yield {"volunteer_no": number, "external": True, "organisation": external["source_code"], **record}


async def volunteers_of(client: Client, actor_id: UUID, volunteer_no: str | None) -> AsyncIterator[dict[str, Any]]:
    """Every volunteer's record in the order of their numbers, or one's."""
    actor, after = Actor.of(actor_id, Role.STATION_MANAGER), None
    while True:
        asked = {"limit": PAGE, "after": after, "volunteer_no": volunteer_no}
        params = {name: value for name, value in asked.items() if value is not None}
        page = await client.query("volunteers", "/v1/volunteer-records", actor=actor, params=params, after={})
        for volunteer in page["volunteers"]:
            yield volunteer
        after = page["after"]
        if after is None:
            return


@contextmanager
def private_file(path: Path | None) -> Iterator[IO[str]]:
    """A file only its owner can read, there when it is whole; standard output when no path is given."""
    if path is None:
        # Whatever the terminal's own encoding is: the rows are UTF-8 and say how lines end.
        plain = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="", write_through=True)
        try:
            yield plain
        finally:
            plain.detach()
        return
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
