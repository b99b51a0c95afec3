"""Amounts in capital numerals, after 支付结算办法, annex 1, and read back by other code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.paper.amounts import figures, in_words

DIGITS = {word: value for value, word in enumerate("零壹贰叁肆伍陆柒捌玖")}
UNITS = {"拾": 10, "佰": 100, "仟": 1_000}
GROUPS = {"万": 10**4, "亿": 10**8}


def read_back(words: str) -> int:
    """What a person reads, in 分: digit times place, group by group."""
    total, group, digit, fen = 0, 0, 0, 0
    for character in words.removesuffix("整"):
        if character in DIGITS:
            digit = DIGITS[character]
        elif character in UNITS:
            group, digit = group + digit * UNITS[character], 0
        elif character in GROUPS:
            total = (
                (total + group + digit) * GROUPS[character] if character == "亿" else total + (group + digit) * 10**4
            )
            group = digit = 0
        elif character == "元":
            fen, total, group, digit = (total + group + digit) * 100, 0, 0, 0
        else:
            fen, digit = fen + digit * {"角": 10, "分": 1}[character], 0
    return fen


@pytest.mark.parametrize(
    ("fen", "words"),
    [
        (0, "零元整"),
        (5, "伍分"),
        (50, "伍角整"),
        (20_000, "贰佰元整"),
        (140_950, "壹仟肆佰零玖元伍角整"),
        (600_714, "陆仟零柒元壹角肆分"),
        (168_032, "壹仟陆佰捌拾元叁角贰分"),
        (1_640_902, "壹万陆仟肆佰零玖元零贰分"),
        (32_504, "叁佰贰拾伍元零肆分"),
        (10_700_053, "壹拾万柒仟元伍角叁分"),
        (100_000_000_000, "壹拾亿元整"),
    ],
)
def test_the_examples_of_the_rule(fen: int, words: str):
    assert in_words(fen) == words


@given(st.integers(min_value=0, max_value=10**13))
def test_whatever_is_written_reads_back(fen: int):
    words = in_words(fen)
    assert read_back(words) == fen
    assert "零零" not in words
    assert words.endswith(("分", "整"))


def test_less_than_nothing_is_not_written_in_words():
    assert figures(-123_450) == "−1,234.50"
    with pytest.raises(ValueError, match="cannot be written"):
        in_words(-1)
