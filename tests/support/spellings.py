"""Looking for words wherever they may lie, however they may be written there."""

import base64
import json
from collections.abc import Iterable


def spellings(text: str) -> list[bytes]:
    """How a text may lie in a file: as it is, escaped as JSON, in hex, in base64 from any byte on."""
    raw = text.encode()
    escaped = json.dumps(text)[1:-1].encode()
    # What stands before and behind shifts base64's groups of three: only whole groups of the text are looked for.
    groups = [base64.b64encode(raw[start:])[:-4] for start in range(3)]
    return [raw, escaped, raw.hex().encode(), raw.hex().upper().encode(), *(each for each in groups if len(each) >= 12)]


def words_in(content: bytes, words: Iterable[str]) -> list[str]:
    """Which of these words lie in this, in any spelling."""
    return [word for word in words if any(each in content for each in spellings(word))]
