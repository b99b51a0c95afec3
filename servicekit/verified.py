"""What the last `chaoyangli verify` found of each log: `<state_dir>/<service>/verified`, for metrics and the doctor."""

from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from eventstore.durable import write_whole

VERIFIED = "verified"


class Verified(BaseModel):
    """One log, read whole."""

    finished_at: AwareDatetime
    size: int = Field(ge=0)
    ok: bool

    @property
    def timestamp(self) -> float:
        """Unix seconds."""
        return datetime.timestamp(self.finished_at)


def write_last_verified(state_dir: Path, service: str, verified: Verified) -> bool:
    """Keep it; False where this user may read the state directory only, as an auditor may."""
    try:
        write_whole(state_dir / service / VERIFIED, verified.model_dump_json().encode())
    except OSError:
        return False
    return True


def read_last_verified(state_dir: Path, service: str) -> Verified | None:
    """The last one; None before the first, and for a file that is not what was written."""
    try:
        return Verified.model_validate_json((state_dir / service / VERIFIED).read_bytes())
    except (OSError, ValidationError):
        return None
