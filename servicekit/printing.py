"""Papers: a sheet and what stands on it in, a PDF out, by typst with the fonts of a wheel; no network, no system font.

Equal content gives equal bytes: a sheet takes its date from its content, never from a clock.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, Literal

Standard = Literal["a-2b", "a-3b"]
"""PDF/A for keeping; only a-3b takes other files along."""


@cache
def _fonts() -> Path:
    """The folder of Noto Sans SC and Noto Serif SC (SIL OFL 1.1), as the wheel brings them."""
    import pylopdf_fonts_zh_cn

    return Path(str(pylopdf_fonts_zh_cn.__file__)).parent


def print_sheet(sheet: Path, content: dict[str, Any], standard: Standard = "a-2b") -> bytes:
    """The sheet as a PDF. `content` is what it reads from sys.inputs, JSON values only. Blocks for about 0.1 s."""
    # typst weighs 80 MB on disk: only whoever prints loads it.
    import typst

    made = typst.compile(
        sheet,
        font_paths=[_fonts()],
        ignore_system_fonts=True,
        sys_inputs={"content": json.dumps(content, ensure_ascii=False)},
        pdf_standards=standard,
    )
    assert isinstance(made, bytes)
    return made
