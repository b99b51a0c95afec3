import json
import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, Field

from contracts.command import Ask
from servicekit import validation
from servicekit.problems import SHARED_SENTENCES
from servicekit.validation import field_errors, validate_body

ITEM = "0199a0c0-0000-7000-8000-000000000001"


class Colour(StrEnum):
    RED = "red"


class Visit(Ask):
    item_id: UUID
    minutes: Annotated[int, Field(ge=1, le=480)]
    starts_at: AwareDatetime
    words: Annotated[str, Field(max_length=500)] = ""
    colour: Colour = Colour.RED
    urgent: bool = False
    tags: tuple[str, ...] = ()


def body(**changes: Any) -> bytes:
    document = {"item_id": ITEM, "minutes": 30, "starts_at": "2026-03-02T08:00:00Z", **changes}
    return json.dumps({name: value for name, value in document.items() if value is not ...}).encode()


def wrong(raw: bytes) -> list[tuple[str, str]]:
    with pytest.raises(RequestValidationError) as refused:
        validate_body(Visit, raw)
    found = field_errors(refused.value.errors())
    assert all(item["detail"] and item["detail_zh"] for item in found)
    return [(item["pointer"], item["reason_code"]) for item in found]


def test_a_good_body_is_read_with_ids_and_times_as_text() -> None:
    visit = validate_body(Visit, body(tags=["a"], words="奶奶家\n三楼"))
    assert isinstance(visit, Visit)
    assert visit.item_id == UUID(ITEM)
    assert visit.starts_at == datetime.fromisoformat("2026-03-02T08:00:00Z")
    assert visit.tags == ("a",)


@pytest.mark.parametrize(
    ("changes", "pointer", "reason_code"),
    [
        ({"minutes": 30.0}, "/minutes", "not_a_whole_number"),
        ({"minutes": 30.5}, "/minutes", "not_a_whole_number"),
        ({"minutes": "30"}, "/minutes", "not_a_whole_number"),
        ({"minutes": True}, "/minutes", "not_a_whole_number"),
        ({"minutes": None}, "/minutes", "not_a_whole_number"),
        ({"minutes": ...}, "/minutes", "missing"),
        ({"minutes": 0}, "/minutes", "too_small"),
        ({"minutes": 10**30}, "/minutes", "too_large"),
        ({"minute": 30}, "/minute", "unknown_field"),
        ({"a/b~c": 1}, "/a~1b~0c", "unknown_field"),
        ({"item_id": "nobody"}, "/item_id", "not_an_id"),
        ({"item_id": 7}, "/item_id", "not_an_id"),
        ({"starts_at": "2026-03-02T08:00:00"}, "/starts_at", "time_without_zone"),
        ({"starts_at": "2026-02-30T08:00:00Z"}, "/starts_at", "not_a_time"),
        ({"starts_at": 1772438400}, "/starts_at", "not_a_time"),
        ({"colour": "blue"}, "/colour", "unknown_value"),
        ({"urgent": 1}, "/urgent", "wrong_type"),
        ({"words": 5}, "/words", "wrong_type"),
        ({"words": "x" * 501}, "/words", "text_too_long"),
        ({"tags": "a"}, "/tags", "wrong_type"),
        ({"tags": ["ok", 3]}, "/tags/1", "wrong_type"),
        ({"words": "a\x00b"}, "/words", "text_has_nul"),
        ({"words": "a\x07b"}, "/words", "text_has_control_character"),
        ({"words": "\ud83d"}, "/words", "text_has_lone_surrogate"),
        ({"words": "e\u0301"}, "/words", "text_not_nfc"),
        ({"tags": ["ok", "\x00"]}, "/tags/1", "text_has_nul"),
    ],
)
def test_each_mistake_is_named_where_it_is(changes: dict[str, Any], pointer: str, reason_code: str) -> None:
    assert (pointer, reason_code) in wrong(body(**changes))


def test_all_mistakes_are_told_at_once() -> None:
    assert set(wrong(body(minutes=0, colour="blue", more=1))) == {
        ("/minutes", "too_small"),
        ("/colour", "unknown_value"),
        ("/more", "unknown_field"),
    }


@pytest.mark.parametrize(
    ("raw", "pointer", "reason_code"),
    [
        (b"", "", "json_malformed"),
        (b"{", "", "json_malformed"),
        (b"\xff\xfe", "", "json_malformed"),
        (b'{"minutes": NaN}', "", "json_malformed"),
        (b'{"minutes": ' + b"9" * 5000 + b"}", "", "json_malformed"),
        (b"[]", "", "wrong_type"),
        (b"null", "", "wrong_type"),
        (b'{"minutes": 1, "minutes": 2}', "/minutes", "duplicate_field"),
        (b"[" * 40_000, "", "too_deep"),
        (b'{"a\\u0000": 1}', "", "unknown_field"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_such_json_is_refused(raw: bytes, pointer: str, reason_code: str) -> None:
    assert wrong(raw) == [(pointer, reason_code)]


def test_no_sentence_blames_whoever_reads_it() -> None:
    shared = {code: chinese for code, (_, chinese, _) in SHARED_SENTENCES.items()}
    for code, chinese in (shared | validation._CHINESE).items():
        assert not re.search("请(?!求)|非法|无效|错误", chinese), code


def test_brackets_in_a_text_are_not_depth() -> None:
    visit = validate_body(Visit, body(words="[" * 300 + '\\"{'))
    assert isinstance(visit, Visit)
    assert visit.words.startswith("[[[")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"minutes": 0}, "minutes：数值太小，最小 1"),
        ({"minutes": 481}, "minutes：数值太大，最大 480"),
        ({"words": "字" * 501}, "words：文字太长，最多 500"),
        ({"colour": "蓝"}, "colour：不是可选的值，可选 red"),
        ({"starts_at": "明天"}, "starts_at：时间格式不对，写成 2026-11-01 或 2026-11-01T09:00:00+08:00"),
    ],
)
def test_who_reads_chinese_alone_knows_what_would_be_right(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestValidationError) as refused:
        validate_body(Visit, body(**changes))
    assert [one["detail_zh"] for one in field_errors(refused.value.errors())] == [told]


def test_where_json_breaks_off_is_no_fields_name() -> None:
    (told,) = field_errors([{"loc": ("body", 8), "type": "json_invalid", "msg": "JSON decode error"}])
    assert (told["pointer"], told["detail"], told["detail_zh"]) == (
        "",
        "JSON decode error at character 8",
        "写得不是 JSON",
    )
