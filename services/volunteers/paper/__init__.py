"""The service record as a paper: data in, PDF out, by typst with the fonts of a wheel; no network, no system font."""

import json
from functools import cache
from pathlib import Path
from typing import Any

_SHEET = Path(__file__).parent / "record.typ"


@cache
def _fonts() -> Path:
    """The folder of Noto Sans SC and Noto Serif SC (SIL OFL 1.1), as the wheel brings them."""
    import pylopdf_fonts_zh_cn

    return Path(str(pylopdf_fonts_zh_cn.__file__)).parent


def render(content: dict[str, Any]) -> bytes:
    """The record as PDF/A-2b. `content` is what record.typ reads, JSON values only. Blocks for about 0.1 s."""
    # typst weighs 80 MB on disk: only whoever prints loads it.
    import typst

    made = typst.compile(
        _SHEET,
        font_paths=[_fonts()],
        ignore_system_fonts=True,
        sys_inputs={"content": json.dumps(content, ensure_ascii=False)},
        pdf_standards="a-2b",
    )
    assert isinstance(made, bytes)
    return made
