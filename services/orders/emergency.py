"""Emergency words in what a resident writes: the numbers are shown first, and nothing is refused for them (I8).

A plain list of words on purpose: it must miss nothing that a frightened person types, and may well ring too often.
"""

_WORDS = {
    "120": """
        摔倒 摔伤 跌倒 胸痛 胸闷 心口疼 喘不上气 呼吸困难 昏倒 晕倒 昏迷 叫不醒 没有知觉 抽搐 中风 偏瘫 半身不能动
        大出血 流血 骨折 休克 心脏病 心梗 噎住 中毒 吃错药 烫伤 触电 自杀 轻生 不想活
    """,
    "119": "着火 起火 失火 火灾 冒烟 煤气 燃气泄漏 漏气 天然气味 爆炸 困在电梯 电梯困人",
    "110": "抢劫 入室 小偷 打人 被打 家暴 行凶 有人闯 走失 走丢 失踪 被骗 诈骗 转账给",
}
_NAMES = {"120": "急救", "119": "火警", "110": "报警"}
_NUMBERS = {number: tuple(words.split()) for number, words in _WORDS.items()}
ADVICE_ZH = "如果有危险，请先拨打：{numbers}。您的单子我们照样收下。"
ADVICE = "If anybody is in danger, call first: {numbers}. Your order is taken all the same."


def numbers_for(text: str) -> tuple[str, ...]:
    """The numbers to show first, in the order 120, 119, 110; none for a text without an emergency word."""
    plain = "".join(text.split())
    return tuple(number for number, words in _NUMBERS.items() if any(word in plain for word in words))


def advice(numbers: tuple[str, ...]) -> dict[str, object]:
    """What an answer says before anything else; nothing when there is no number to show."""
    if not numbers:
        return {}
    chinese = "、".join(f"{number}（{_NAMES[number]}）" for number in numbers)
    return {
        "emergency_numbers": list(numbers),
        "emergency_advice_zh": ADVICE_ZH.format(numbers=chinese),
        "emergency_advice": ADVICE.format(numbers=", ".join(numbers)),
    }
