"""From the text of a cell to 分 and to words. Money is read as decimal text; nothing here is ever a binary fraction."""

import re
import unicodedata

from cli.records.cells import UNUSABLE
from cli.records.problems import CellWrong

_MONEY = re.compile(r"([+-]?)(\d{1,3}(?:,\d{3})+|\d{1,12})(?:\.(\d{1,2})0*)?")
AMOUNT_FEN_MAX = 100_000_000_000
EMPTY = {"", "-", "--", "—"}
"""What banks write where no money moved."""


def read_fen(text: str) -> int:
    """Yuan as people and banks write them (`1,234.5`, `￥1234.50`, `-8.00`) → 分. Raises CellWrong."""
    plain = unicodedata.normalize("NFKC", text).strip().removeprefix("¥").removeprefix("RMB").replace("−", "-")
    found = _MONEY.fullmatch(plain.replace(" ", ""))
    if found is None:
        raise CellWrong("not_an_amount", "金额写成 1234.56 这样，到分为止", "an amount is written like 1234.56")
    sign, whole, part = found.groups()
    fen = int(whole.replace(",", "")) * 100 + int((part or "").ljust(2, "0"))
    if fen > AMOUNT_FEN_MAX:
        raise CellWrong("amount_too_large", "金额太大", "the amount is too large")
    return -fen if sign == "-" else fen


def read_words(text: str, length_max: int) -> str | None:
    """The bank's words, at most so long; None where there are none. Raises CellWrong."""
    words = unicodedata.normalize("NFC", text).strip().lstrip("'").replace("\n", " ").replace("\t", " ")
    if any(unicodedata.category(mark) in UNUSABLE for mark in words):
        raise CellWrong("text_has_control_character", "文字里有不可用的字符", "it has a character that is none")
    return words[:length_max] or None
