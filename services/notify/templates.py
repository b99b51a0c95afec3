"""The words of every notice: templates.yaml, checked whole when loaded, and how numbers and times read in Chinese."""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.command import Role
from contracts.notify import NoticeChannel, NoticeParams
from servicekit.reference import reference
from services.notify.commands import SHANGHAI

FIELDS = frozenset(
    {
        "order_no", "item", "when", "due", "due_receipt", "day", "filled", "required", "minutes", "amount", "fund",
        "receipt_no", "reason", "level", "score", "orders", "count",
    }
)  # fmt: skip
"""All that a template may be filled with. None of it is about another person."""
_WEEKDAYS = "一二三四五六日"


class Template(BaseModel):
    """One notice's words, and how they travel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: Literal["resident", "volunteer", "donor", "staff"]
    channels: Annotated[tuple[NoticeChannel, ...], Field(min_length=1)]
    call: Role | None = None
    """Who telephones when no channel took it, or who makes the call when it is one."""
    title: Annotated[str, Field(min_length=2, max_length=40)]
    body: Annotated[str, Field(min_length=4, max_length=160)]

    @property
    def fields(self) -> frozenset[str]:
        """What the words are filled with."""
        return frozenset(name for _, name, _, _ in string.Formatter().parse(self.title + self.body) if name is not None)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        unknown = self.fields - FIELDS
        if unknown:
            raise ValueError(f"a notice is not filled with {', '.join(sorted(unknown))}")
        if "phone" in self.channels and (self.channels != ("phone",) or self.call is None):
            raise ValueError("a call is a notice of its own and names who makes it")
        return self


class TemplateBook(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    templates: Mapping[Annotated[str, Field(pattern=r"^[a-z_]{2,64}$")], Template]
    reasons: Mapping[str, str]
    funds: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Text:
    """A notice as a person reads it."""

    title: str
    body: str


@cache
def book() -> TemplateBook:
    """The templates. Raises ValueError when the file is not whole."""
    text = resources.files("services.notify").joinpath("templates.yaml").read_text(encoding="utf-8")
    return TemplateBook.model_validate(yaml.safe_load(text))


def template(code: str) -> Template:
    """One template. Raises KeyError for a code that is not there."""
    return book().templates[code]


def render(code: str, params: NoticeParams) -> Text:
    """The words of a notice. Raises KeyError for an unknown code, ValueError when a needed value is missing."""
    chosen = template(code)
    values = {name: _value(name, params) for name in chosen.fields}
    missing = sorted(name for name, value in values.items() if value is None)
    if missing:
        raise ValueError(f"{code} needs {', '.join(missing)}")
    return Text(chosen.title.format_map(values), chosen.body.format_map(values))


def _value(name: str, params: NoticeParams) -> str | None:
    match name:
        case "order_no":
            return None if params.order_no is None else shown_no(params.order_no)
        case "item":
            return item_name(params.item_code)
        case "when":
            if params.window_start is None or params.window_end is None:
                return None
            return window(params.window_start, params.window_end)
        case "due":
            return None if params.due_at is None else moment(params.due_at)
        case "due_receipt":
            return "" if params.due_at is None else f"票据 {moment(params.due_at)} 前开好。"
        case "day":
            return None if params.on_date is None else _day(params.on_date)
        case "amount":
            return None if params.amount_fen is None else yuan(params.amount_fen)
        case "fund":
            return None if params.fund is None else book().funds.get(params.fund, "社区基金")
        case "reason":
            return "" if params.reason_code is None else book().reasons.get(params.reason_code, "")
        case "orders":
            return "、".join(map(shown_no, params.orders)) or None
        case "count":
            return str(len(params.orders)) if params.orders else None
        case "filled":
            return _number(params.slots_filled)
        case "required":
            return _number(params.slots_required)
        case _:
            value = getattr(params, name)
            return None if value is None else str(value)


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)


def item_name(item_code: str | None) -> str:
    """What people call a service; one published later than this program is “帮忙”."""
    item = reference().items.get(item_code or "")
    return "帮忙" if item is None else item.name


def shown_no(order_no: str) -> str:
    """An order's number as people read it out: 4-4."""
    return f"{order_no[:4]}-{order_no[4:]}"


def yuan(amount_fen: int) -> str:
    """分 as 元, without a fraction where there is none."""
    whole, fen = divmod(abs(amount_fen), 100)
    sign = "-" if amount_fen < 0 else ""
    return f"{sign}{whole}.{fen:02d}元" if fen else f"{sign}{whole}元"


def window(start: datetime, end: datetime) -> str:
    """“11月25日 星期三 上午9点到10点”; the half of the day again where it changes, the date where the day does."""
    first, last = start.astimezone(SHANGHAI), end.astimezone(SHANGHAI)
    if first.date() != last.date():
        return f"{moment(start)}到{moment(end)}"
    until = _clock(last) if _half(first) == _half(last) else _half(last) + _clock(last)
    return f"{_day(first.date())} {_half(first)}{_clock(first)}到{until}"


def moment(at: datetime) -> str:
    """“11月25日 星期三 下午5点”, Asia/Shanghai; seconds are rounded up to the minute, so nobody is promised less."""
    local = at.astimezone(SHANGHAI)
    if local.second or local.microsecond:
        local = local.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return f"{_day(local.date())} {_half(local)}{_clock(local)}"


def _day(day: date) -> str:
    return f"{day.month}月{day.day}日 星期{_WEEKDAYS[day.weekday()]}"


def _half(local: datetime) -> str:
    for until, name in ((6, "凌晨"), (12, "上午"), (13, "中午"), (18, "下午")):
        if local.hour < until:
            return name
    return "晚上"


def _clock(local: datetime) -> str:
    hour = local.hour - 12 if local.hour > 12 else local.hour
    return f"{hour}点{local.minute:02d}分" if local.minute else f"{hour}点"
