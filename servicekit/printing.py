"""Papers: a sheet and what stands on it in, a PDF out, by typst with the fonts of a wheel; no network, no system font.

Equal content gives equal bytes: a sheet takes its date from its content, never from a clock.
"""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from struct import iter_unpack, unpack_from
from typing import Any, Literal

Standard = Literal["a-2b", "a-3b"]
"""PDF/A for keeping; only a-3b takes other files along."""
_BREAKS = "\n\t"


@cache
def _fonts() -> Path:
    """The folder of Noto Sans SC and Noto Serif SC (SIL OFL 1.1), as the wheel brings them."""
    import pylopdf_fonts_zh_cn

    return Path(str(pylopdf_fonts_zh_cn.__file__)).parent


@cache
def _drawn(font: Path) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """First and last code points of the runs that a font has a shape for: its cmap, format 12 (OpenType 1.9).

    Raises ValueError for a font without that table.
    """
    data = font.read_bytes()
    tables = unpack_from(">H", data, 4)[0]
    offsets = {tag: offset for tag, _, offset, _ in iter_unpack(">4sIII", data[12 : 12 + 16 * tables])}
    start = offsets[b"cmap"]
    count = unpack_from(">H", data, start + 2)[0]
    for _, _, offset in iter_unpack(">HHI", data[start + 4 : start + 4 + 8 * count]):
        if unpack_from(">H", data, start + offset)[0] == 12:
            groups = unpack_from(">I", data, start + offset + 12)[0]
            first = start + offset + 16
            runs = list(iter_unpack(">III", data[first : first + 12 * groups]))
            return tuple(run[0] for run in runs), tuple(run[1] for run in runs)
    raise ValueError(f"{font} has no cmap of format 12")


def _has_shape(character: str) -> bool:
    """Whether every font of the papers can show it."""
    for font in sorted(_fonts().glob("*.otf")):
        firsts, lasts = _drawn(font)
        at = bisect_right(firsts, ord(character)) - 1
        if at < 0 or ord(character) > lasts[at]:
            return False
    return True


def printable(text: str) -> str:
    """The text with `〔U+20BB7〕` for what the fonts have no shape for: a rare Han character, an emoji.

    PDF/A forbids a character without a shape (ISO 19005-3 §6.2.11.8), and a name must not keep a paper from its owner.
    """
    return "".join(one if one in _BREAKS or _has_shape(one) else f"〔U+{ord(one):04X}〕" for one in text)


def _shown(content: Any) -> Any:
    match content:
        case str():
            return printable(content)
        case Mapping():
            return {name: _shown(value) for name, value in content.items()}
        case list() | tuple():
            return [_shown(value) for value in content]
        case _:
            return content


def print_sheet(
    sheet: Path,
    content: Mapping[str, Any],
    standard: Standard = "a-2b",
    *,
    attached: Sequence[Mapping[str, str]] = (),
) -> bytes:
    """The sheet as a PDF. `content` is what it reads from sys.inputs, JSON values only. Blocks for about 0.1 s.

    `attached`: name and text of files that go along as they are; the sheet finds them as `content.files`.
    """
    # typst weighs 80 MB on disk: only whoever prints loads it.
    import typst

    shown = {**_shown(content), "files": list(attached)}
    made = typst.compile(
        sheet,
        font_paths=[_fonts()],
        ignore_system_fonts=True,
        sys_inputs={"content": json.dumps(shown, ensure_ascii=False)},
        pdf_standards=standard,
    )
    assert isinstance(made, bytes)
    return made
