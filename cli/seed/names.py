"""Invented people's names. Whoever finds their own here shares it by chance: every pair was drawn by a generator."""

from random import Random

SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧"
    "程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜"
)
GIVEN_FIRST = "秀桂玉淑凤春建国志文永德明世宝金立学庆福家海云雪晓子思宇佳欣浩梓俊嘉"
GIVEN_SECOND = "英兰珍芳霞梅华荣琴萍强军民平生林山川成峰辉杰宁涛悦涵怡轩彤博妍睿航琪"


def draw_name(random: Random) -> str:
    """A surname and a given name of one or two characters."""
    given = random.choice(GIVEN_SECOND)
    if random.random() < 0.8:
        given = random.choice(GIVEN_FIRST) + given
    return random.choice(SURNAMES) + given


def draw_phone(random: Random) -> str:
    """A number that belongs to nobody: 100 is no mobile network's prefix in China."""
    return f"100{random.randrange(10**8):08d}"
