"""Amounts as they stand on papers: in figures, and in the capital numerals that nobody turns into others."""

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_PLACES = ("", "拾", "佰", "仟")
_GROUPS = ("", "万", "亿", "万亿")


def figures(fen: int) -> str:
    """`1,234.50`; of less than nothing with a minus."""
    sign = "−" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def in_words(fen: int) -> str:
    """Capital numerals (人民币大写) after 支付结算办法, annex 1: 整 unless there are 分, one 零 for any gap.

    Raises ValueError below zero, or from 万万亿 yuan.
    """
    if not 0 <= fen < 10**18:
        raise ValueError(f"{fen} 分 cannot be written in words")
    yuan, jiao, rest = fen // 100, fen // 10 % 10, fen % 10
    words = _whole(yuan) + "元" if yuan or not fen else ""
    if jiao:
        words += _DIGITS[jiao] + "角"
    elif rest and yuan:
        words += "零"
    return words + (_DIGITS[rest] + "分" if rest else "整")


def _whole(number: int) -> str:
    """A whole number of yuan, in groups of four digits."""
    if number == 0:
        return _DIGITS[0]
    words, gap = "", False
    for power in range(len(_GROUPS) - 1, -1, -1):
        group = number // 10_000**power % 10_000
        if group == 0:
            gap = bool(words)
            continue
        if words and (gap or group < 1_000):
            words += _DIGITS[0]
        words += _group(group) + _GROUPS[power]
        gap = False
    return words


def _group(group: int) -> str:
    """One to four digits, 1 … 9999, without a 零 at either end."""
    words, gap = "", False
    for place in range(3, -1, -1):
        digit = group // 10**place % 10
        if digit == 0:
            gap = bool(words)
            continue
        words += (_DIGITS[0] if gap else "") + _DIGITS[digit] + _PLACES[place]
        gap = False
    return words
