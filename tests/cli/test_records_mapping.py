"""The mapping of volunteer records: the shipped one is whole; every mistake in another is told with line and field."""

from pathlib import Path
from typing import get_args

import pytest

from cli.records.mapping import FieldName, MappingWrong, mapping_of
from services.volunteers.commands.external import ExternalRecord

SHIPPED = Path("cli/records/mapping.yaml")


def changed(directory: Path, old: str, new: str) -> Path:
    text = SHIPPED.read_text(encoding="utf-8")
    _, _, settings = text.partition("version: 1")
    assert old in f"version: 1{settings}"
    file = directory / "ours.yaml"
    file.write_text("\n" * text.count("\n", 0, text.index("version: 1")) + f"version: 1{settings}".replace(old, new, 1))
    return file


def line_of(words: str) -> int:
    return SHIPPED.read_text(encoding="utf-8").splitlines().index(words) + 1


def test_the_shipped_mapping_has_every_field_with_a_heading_of_its_own():
    mapping = mapping_of(None)
    assert [column.field for column in mapping.written] == list(get_args(FieldName))
    assert len({column.heading for column in mapping.written}) == len(mapping.written)
    assert set(ExternalRecord.model_fields) <= {column.field for column in mapping.written}


def test_the_groups_stand_in_the_order_of_the_rule():
    assert [words[0] for words in mapping_of(None).kinds.values()] == [
        "基本信息", "志愿服务", "培训", "表彰奖励", "评价",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        (
            "field: name,",
            "field: nmae,",
            "  - {field: name, heading: 姓名}",
            "'nmae' is none of ours; did you mean 'name'?",
        ),
        ("version: 1", "version: 2", "version: 1", "version: 2 is none of ours; there are 1"),
        ("keep_numbers:", "keep_number:", "keep_numbers: true", "keep_number: there is no such setting"),
        (
            "keep_numbers: true",
            "keep_numbers: 7",
            "keep_numbers: true",
            "keep_numbers: input should be a valid bool",
        ),
        (
            "{field: kind, heading: 记录类别}",
            "{field: kind}",
            "  - {field: kind, heading: 记录类别}",
            "columns.1: a column has a heading, or the value of every row",
        ),
        (
            "{field: title, heading: 名称}",
            "{field: title, heading: 名称, unit: hours}",
            "  - {field: title, heading: 名称}",
            "columns.9: unit belongs to a field of minutes",
        ),
        ("source: chaoyangli", "source: 朝阳里", "source: chaoyangli", "source: string should match"),
        ("source: chaoyangli", "source: a\nsource: b", "keep_numbers: true", "source stands twice"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_field(tmp_path, old, new, at, said):
    file = changed(tmp_path, old, new)
    with pytest.raises(MappingWrong) as told:
        mapping_of(file)
    assert str(told.value).startswith(f"{file}, line {line_of(at)}: ")
    assert said in str(told.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("heading: 姓名", "heading: 记录类别", "the heading 记录类别 stands twice"),
        ("field: phone", "field: name", "the field name stands twice"),
        ("  - {field: birth_date, heading: 出生日期}\n", "", "there is no column for birth_date"),
        ("  award: [表彰奖励]\n", "", "kinds has no word for award"),
        ("award: [表彰奖励]", "award: [培训]", "the word for a kind 培训 stands twice"),
    ],
)
def test_columns_that_do_not_go_together_are_told(tmp_path, old, new, said):
    with pytest.raises(MappingWrong, match=said):
        mapping_of(changed(tmp_path, old, new))


def test_all_mistakes_are_told_at_once(tmp_path):
    file = tmp_path / "ours.yaml"
    file.write_text("version: 3\nsource: OLD\nkinds: {}\ncolumns: []\n")
    with pytest.raises(MappingWrong) as told:
        mapping_of(file)
    assert [line.split(", ")[1][:6] for line in str(told.value).splitlines()] == ["line 1", "line 2", "line 4"]


@pytest.mark.parametrize(
    ("content", "said"), [(b"columns: [", "not YAML"), (b"\xd6\xd0", "not UTF-8"), (b"", "should be an object")]
)
def test_a_file_that_is_no_mapping_is_told(tmp_path, content, said):
    file = tmp_path / "ours.yaml"
    file.write_bytes(content)
    with pytest.raises(MappingWrong, match=said):
        mapping_of(file)
