"""The service record as a paper."""

from pathlib import Path
from typing import Any

from servicekit.printing import print_sheet

_SHEET = Path(__file__).parent / "record.typ"


def render(content: dict[str, Any]) -> bytes:
    """The record as PDF/A-2b. `content` is what record.typ reads, JSON values only. Blocks for about 0.1 s."""
    return print_sheet(_SHEET, content)
