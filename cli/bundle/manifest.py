"""`manifest.json`: what a bundle holds beside the logs' own files. Bundles were made without one before it had tables.

Nothing in it is believed: it says what is to be checked, and a part that lies there unnamed is told.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

NAME = "manifest.json"
KIND = 2
"""What this program writes and the highest that it reads; without a manifest it is 1."""
TABLES = "parquet"


class ManifestUnreadable(ValueError):
    """It is malformed, or of a later kind than this program knows."""


class BundledLogFiles(BaseModel):
    """What belongs to one log."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    origin: str
    events: int
    table: str | None = None
    """The table of its events, by its path in the bundle."""


class Manifest(BaseModel):
    """What a bundle holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: int
    logs: Mapping[str, BundledLogFiles]

    def to_bytes(self) -> bytes:
        """As it lies in the bundle."""
        return (json.dumps(self.model_dump(), ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()


def table_of(service: str) -> str:
    """Where the table of a log lies."""
    return f"{TABLES}/{service}.parquet"


def read_manifest(bundle: Path) -> Manifest | None:
    """None in a bundle of the first kind. Raises ManifestUnreadable, OSError."""
    path = bundle / NAME
    if not path.exists():
        return None
    try:
        said: Any = json.loads(path.read_bytes())
        if isinstance(said, dict) and isinstance(said.get("kind"), int) and said["kind"] > KIND:
            raise ManifestUnreadable(f"{path}: a bundle of kind {said['kind']}, this program reads {KIND} at most")
        found = Manifest.model_validate(said)
    except ManifestUnreadable:
        raise
    except ValidationError as error:
        raise ManifestUnreadable(f"{path}: {error.errors()[0]['msg']}") from error
    except (ValueError, RecursionError) as error:  # also a number that is too long, lists within lists
        raise ManifestUnreadable(f"{path}: {error}") from error
    if found.kind != KIND:
        raise ManifestUnreadable(f"{path}: there is no bundle of kind {found.kind} with a manifest")
    for service, log in found.logs.items():
        if log.table not in {None, table_of(service)}:
            raise ManifestUnreadable(f"{path}: the table of {service} can only be {table_of(service)}")
    return found
