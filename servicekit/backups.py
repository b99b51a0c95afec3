"""What the last backup left in the state directory: `last-backup.json`, written by whatever makes backups."""

from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

LAST_BACKUP = "last-backup.json"


class BackupUnreadable(ValueError):
    """The file is there and is not what it was written as; the message names it."""


class BackupNote(BaseModel):
    """When the last backup was finished, where it lies, and its size."""

    finished_at: AwareDatetime
    path: str
    bytes: int = Field(ge=0)

    @property
    def timestamp(self) -> float:
        """Unix seconds."""
        return datetime.timestamp(self.finished_at)


def read_last_backup(state_dir: Path) -> BackupNote | None:
    """The last backup; None when there never was one. Raises BackupUnreadable."""
    path = state_dir / LAST_BACKUP
    try:
        return BackupNote.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise BackupUnreadable(f"{path} is not what a backup writes: {type(error).__name__}") from error
