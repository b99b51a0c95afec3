"""Files of volunteer records as people bring them: read whole, or told what is wrong, row by row, in both tongues."""

import csv
import io
import json
import tracemalloc
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cli.records.checking import Check
from cli.records.exporting import Rows
from cli.records.mapping import Mapping, mapping_of
from cli.records.problems import FileWrong, Problem
from cli.records.reading import RecordsFile
from services.volunteers.commands.words import AgePolicy
from tests.cli.program import say

HEADINGS = ("记录类别", "志愿者编号", "姓名", "出生日期", "名称", "日期", "乙类分钟")
SUN = ("基本信息", "100001", "孙示例", "1960-02-03", "", "2019-05-01", "")
HAIRCUT = ("志愿服务", "100001", "", "", "义务理发", "2024-03-05", "60")
SUN_OBJECT = '{"kind": "basic", "volunteer_no": 100001, "name": "孙示例", "birth_date": "1960-02-03"}'
TODAY = date(2026, 3, 18)
NOBODY = "00000000-0000-0000-0000-000000000000"


def as_csv(*rows: tuple[str, ...], headings: tuple[str, ...] = HEADINGS) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([headings, *rows])
    return text.getvalue()


def check_of(
    path: Path, *, mapping: Mapping | None = None, encoding: str = "utf-8"
) -> tuple[Check, list[Any], list[Problem]]:
    """The check, whoever can be imported, and every problem."""
    told: list[Problem] = []
    file = RecordsFile(path, mapping or mapping_of(None), encoding)
    check = Check(file, told.append, source="old-app", ages=AgePolicy(), today=TODAY)
    try:
        found = list(check.volunteers())
    except FileWrong as wrong:
        return check, [], [*told, wrong.problem]
    return check, found, told


def problems_of(tmp_path: Path, content: str | bytes, name: str = "records.csv", **more: Any) -> list[Problem]:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return check_of(path, **more)[2]


def mapped(directory: Path, text: str) -> Mapping:
    file = directory / "theirs.yaml"
    file.write_text(text, encoding="utf-8")
    return mapping_of(file)


def test_a_good_file_is_volunteers_with_their_records(tmp_path):
    path = tmp_path / "records.csv"
    path.write_text("\ufeff" + as_csv(SUN, HAIRCUT, ("",) * 7, ("评价", "100001", "", "", "", "2024-03-06", "")))
    _, found, (problem,) = check_of(path)
    assert (found, problem.row, problem.column, problem.code) == ([], 5, "内容", "evaluation_empty")
    path.write_text("\ufeff" + as_csv(SUN, HAIRCUT), encoding="utf-8")
    check, [(sun, body)], none = check_of(path)
    assert (none, check.rows, check.people, sun.row) == ([], 2, 1, 2)
    assert body == {
        "source_code": "old-app",
        "original_no": "100001",
        "volunteer_no": "100001",
        "name": "孙示例",
        "birth_date": "1960-02-03",
        "registered_on": "2019-05-01",
        "records": [{"kind": "service", "title": "义务理发", "date": "2024-03-05", "minutes_b": 60}],
    }


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        ({"出生日期": "1955-13-40"}, "出生日期", "no_such_day"),
        ({"出生日期": "1955-02-29"}, "出生日期", "no_such_day"),
        ({"出生日期": "昨天"}, "出生日期", "not_a_day"),
        ({"出生日期": "0955-01-01"}, "出生日期", "no_such_day"),
        ({"出生日期": "2036-01-01"}, "出生日期", "day_to_come"),
        ({"出生日期": "2016-01-01"}, "出生日期", "guardian_required"),
        ({"姓名": ""}, "姓名", "missing"),
        ({"姓名": "长" * 41}, "姓名", "string_too_long"),
        ({"姓名": "11010519491231002X"}, "姓名", "identity_number"),
        ({"志愿者编号": "11010519491231002X"}, "志愿者编号", "identity_number"),
        ({"志愿者编号": ""}, "志愿者编号", "missing"),
        ({"志愿者编号": "TJ-17"}, "志愿者编号", "string_pattern_mismatch"),
        ({"记录类别": "别的"}, "记录类别", "kind_unknown"),
        ({"记录类别": ""}, "记录类别", "missing"),
    ],
)
def test_what_is_wrong_with_a_person_is_told_at_its_row_and_column(tmp_path, row, column, code):
    sun = tuple(row.get(heading, cell) for heading, cell in zip(HEADINGS, SUN, strict=True))
    (problem,) = problems_of(tmp_path, as_csv(sun))
    assert (problem.row, problem.column, problem.code) == (2, column, code)
    assert str(problem).startswith(f"第2行“{column}”：{problem.chinese} / row 2 column {column}: ")
    # What stands in a cell is about a person.
    assert not any(cell in str(problem) for cell in row.values() if cell)


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        ({"乙类分钟": "-60"}, "乙类分钟", "negative_minutes"),
        ({"乙类分钟": "60.5"}, "乙类分钟", "not_a_whole_number"),
        ({"乙类分钟": "一小时"}, "乙类分钟", "not_a_whole_number"),
        ({"乙类分钟": "NaN"}, "乙类分钟", "negative_minutes"),
        ({"乙类分钟": "1441"}, "乙类分钟", "minutes_impossible"),
        ({"乙类分钟": "0"}, "乙类分钟", "minutes_impossible"),
        ({"乙类分钟": ""}, "未分类分钟", "minutes_in_one_grade"),
        ({"名称": ""}, "名称", "title_missing"),
        ({"日期": ""}, "日期", "missing"),
        ({"日期": "2026-03-19"}, "日期", "day_to_come"),
        ({"姓名": "别人"}, "姓名", "basic_differs"),
        ({"记录类别": "培训"}, "乙类分钟", "minutes_of_no_service"),
    ],
)
def test_what_is_wrong_with_a_record_is_told_at_its_row_and_column(tmp_path, row, column, code):
    haircut = tuple(row.get(heading, cell) for heading, cell in zip(HEADINGS, HAIRCUT, strict=True))
    (problem,) = problems_of(tmp_path, as_csv(SUN, haircut))
    assert (problem.row, problem.column, problem.code) == (3, column, code)


def test_every_problem_is_told_and_whoever_has_none_is_found(tmp_path):
    path = tmp_path / "records.csv"
    other = ("基本信息", "100002", "周示例", "1961-01-01", "", "", "")
    path.write_text(as_csv((*SUN[:3], "?", *SUN[4:]), (*HAIRCUT[:6], "-1"), other), encoding="utf-8")
    check, found, told = check_of(path)
    assert [(problem.row, problem.code) for problem in told] == [(2, "not_a_day"), (3, "negative_minutes")]
    assert [one.number for one, _ in found] == ["100002"]
    assert check.problems == 2


def test_two_volunteers_with_one_number_are_told(tmp_path):
    other = ("基本信息", "100002", "周示例", "1961-01-01", "", "", "")
    (problem,) = problems_of(tmp_path, as_csv(SUN, other, SUN))
    assert (problem.row, problem.code) == (4, "number_twice")
    (problem,) = problems_of(tmp_path, as_csv(SUN, SUN))
    assert (problem.row, problem.code) == (3, "number_twice")


def test_a_file_with_identity_cards_for_numbers_is_told_once_a_row(tmp_path):
    other = ("基本信息", "110105194912310020", "周示例", "1961-01-01", "", "", "")
    problems = problems_of(tmp_path, as_csv((SUN[0], "11010519491231002X", *SUN[2:]), other))
    assert [(problem.row, problem.code) for problem in problems] == [
        (2, "identity_number"),
        (3, "string_pattern_mismatch"),
    ]
    twice = as_csv(*[(SUN[0], "11010519491231002X", name, *SUN[3:]) for name in ("孙示例", "周示例")])
    assert [(problem.row, problem.code) for problem in problems_of(tmp_path, twice)] == [
        (2, "identity_number"),
        (3, "identity_number"),
    ]


def test_one_record_that_stands_twice_is_told(tmp_path):
    headings = (*HEADINGS, "记录编号")
    (problem,) = problems_of(tmp_path, as_csv((*SUN, ""), (*HAIRCUT, "S-1"), (*HAIRCUT, "S-1"), headings=headings))
    assert (problem.row, problem.column, problem.code) == (4, "记录编号", "record_twice")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file_empty"),
        (as_csv().encode(), "no_rows"),
        (as_csv(SUN).encode("gb18030"), "wrong_encoding"),
        (as_csv(SUN).encode("utf-16"), "wrong_encoding"),
        (b"PK\x03\x04rest of a workbook", "not_a_text"),
        (as_csv(SUN[:3], headings=HEADINGS[:3]).encode(), "column_missing"),
        (as_csv(SUN).replace(",", ";").encode(), "column_missing"),
        (as_csv((*SUN, "x"), headings=(*HEADINGS, "姓名")).encode(), "column_twice"),
        (as_csv((*SUN, "x")).encode(), "too_many_cells"),
        ((as_csv(SUN) + '志愿服务,"100001" x,,,,,\r\n').encode(), "csv_malformed"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path, content, code):
    assert [problem.code for problem in problems_of(tmp_path, content)] == [code]


def test_a_file_of_excel_is_read_when_its_encoding_is_named(tmp_path):
    path = tmp_path / "records.csv"
    path.write_bytes(as_csv(SUN, HAIRCUT).encode("gb18030"))
    assert check_of(path, encoding="gb18030")[0].people == 1
    path.write_bytes(b"\xff\xff\xff")
    assert check_of(path, encoding="gb18030")[2][0].code == "wrong_encoding"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("{}", "json_malformed"),
        ("[1]", "json_malformed"),
        (f"[{SUN_OBJECT}", "json_malformed"),
        (f"[{SUN_OBJECT}] more", "json_malformed"),
        (f"[{SUN_OBJECT.replace('孙', chr(92) + 'ud800')}]", "text_has_control_character"),
        ('[{"kind": {}}]', "wrong_type"),
        ("[]", "no_rows"),
        (f"[{SUN_OBJECT.replace('02-03', '02-31')}]", "no_such_day"),
    ],
)
def test_json_that_is_none_of_ours_is_told(tmp_path, content, code):
    assert [problem.code for problem in problems_of(tmp_path, content, "records.json")] == [code]


def test_another_apps_flat_file_is_read_by_the_mapping_that_the_page_for_operators_shows(tmp_path):
    page = Path("docs/operating/volunteer-records.md").read_text(encoding="utf-8")
    mapping = mapped(tmp_path, page.split("```yaml\n", 1)[1].split("```", 1)[0])
    headings = ("工号", "志愿者", "生日", "身份证号", "活动名称", "活动日期", "时长（小时）")
    rows = [
        ("TJ-17", "孙示例", "1960/2/3", "11010519491231002X", "读报", "2024年3月5日", "1.5"),
        ("TJ-17", "孙示例", "1960/2/3", "11010519491231002X", "读报", "2024/03/06", "0.75"),
    ]
    path = tmp_path / "theirs.csv"
    path.write_text(as_csv(*rows, headings=headings), encoding="utf-8")
    check, [(_, body)], told = check_of(path, mapping=mapping)
    assert told == []
    # The number is the other app's, so a new one is given; the identity card's number is not even read.
    assert (body["original_no"], "volunteer_no" in body, check.file.ignored) == ("TJ-17", False, ["身份证号"])
    assert [record["minutes_ungraded"] for record in body["records"]] == [90, 45]
    path.write_text(as_csv((*rows[0][:6], "0.01"), headings=headings), encoding="utf-8")
    assert [problem.code for problem in check_of(path, mapping=mapping)[2]] == ["not_a_whole_number"]


@pytest.mark.parametrize("text", ["=1+1", "+8613800000000", "-1", "@SUM(A1)", "\tx"])
def test_no_cell_is_a_formula_and_the_text_comes_back(tmp_path, text):
    sun = {"volunteer_no": "100001", "name": "孙示例", "birth_date": "1960-02-03"}
    path = tmp_path / "records.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = Rows(file, mapping_of(None), "csv")
        rows.begin()
        rows.write({**sun, "kind": "service", "date": "2024-03-05", "title": "读报", "content": text, "minutes_a": 30})
        rows.end()
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    (_, written) = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))
    assert written[12] == f"'{text}"
    _, [(_, body)], _ = check_of(path)
    assert body["records"][0]["content"] == text.strip()


def test_a_history_that_no_request_holds_is_divided(tmp_path):
    rows = [(*HAIRCUT[:4], f"义务理发{number:04}" * 10, *HAIRCUT[5:]) for number in range(1_500)]
    path = tmp_path / "records.csv"
    path.write_text(as_csv(SUN, *rows), encoding="utf-8")
    _, [(sun, body)], told = check_of(path)
    assert told == []
    parts = [body["records"], *sun.later]
    assert [record["title"] for part in parts for record in part] == [row[4] for row in rows]
    assert len(body["later_sha256"]) == len(sun.later) > 3
    for sent in (body, *({"part": number, "records": part} for number, part in enumerate(sun.later, 1))):
        assert len(json.dumps(sent, ensure_ascii=False).encode()) < 60_000


def test_more_records_than_anybody_has_are_told(tmp_path):
    rows = [HAIRCUT] * 10_002
    problems = problems_of(tmp_path, as_csv(SUN, *rows))
    assert [(problem.row, problem.code) for problem in problems] == [
        (10_003, "too_many_records"),
        (10_004, "too_many_records"),
    ]


@pytest.mark.long
@pytest.mark.timeout(900)  # each allocation is traced: a busy machine took more than two minutes
def test_a_hundred_thousand_rows_are_checked_in_bounded_memory(tmp_path):
    path, people = tmp_path / "records.csv", 20_000
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADINGS)
        for number in range(people):
            no = str(100_000 + number)
            writer.writerow((SUN[0], no, *SUN[2:]))
            writer.writerows([(HAIRCUT[0], no, *HAIRCUT[2:])] * 4)
    told: list[Problem] = []
    check = Check(RecordsFile(path, mapping_of(None)), told.append, source="old-app", ages=AgePolicy(), today=TODAY)
    tracemalloc.start()
    try:
        assert sum(1 for _ in check.volunteers()) == people
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (check.rows, told) == (5 * people, [])
    assert peak < 16_000_000


def test_the_command_tells_problems_and_writes_nothing(tmp_path):
    path = tmp_path / "records.csv"
    path.write_text(as_csv((*SUN[:3], "?", *SUN[4:])), encoding="utf-8")
    said = say("import", "volunteer-records", path, "--check")
    assert said.code == 1
    assert said.out.decode().splitlines() == [
        "第2行“出生日期”：日期写成 2026-03-05 这样 / row 2 column 出生日期: a day is written like 2026-03-05",
        "1 problems in 1 rows; nothing was written",
    ]
    # Without --check the same: a file with a problem is not begun.
    assert say("import", "volunteer-records", path).out == said.out
    told = [json.loads(line) for line in say("import", "volunteer-records", path, "--check", "--json").lines]
    assert told[0]["problem"]["code"] == "not_a_day"
    assert told[1] == {"ok": False, "rows": 1, "volunteers": 0, "problems": 1}
    path.write_text(as_csv(SUN), encoding="utf-8")
    said = say("import", "volunteer-records", path, "--check")
    assert (said.code, said.out) == (0, b"ok: 1 rows of 1 volunteers can be imported\n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("import volunteer-records none.csv", "does not exist"),
        ("import volunteer-records FILE", "an import takes --actor and --consent"),
        ("import volunteer-records FILE --encoding latin-1", "--encoding is utf-8 or gb18030"),
        ("import volunteer-records FILE --source 朝阳里", "--source is a code"),
        ("import volunteer-records FILE --mapping none.yaml", "does not exist"),
        ("export volunteer-records", "--actor"),
        ("export volunteer-records --actor 12", "--actor"),
        (
            f"export volunteer-records --actor {NOBODY} --format xls",
            "--format is csv or json",
        ),
    ],
)
def test_words_that_are_off_are_a_usage_error(tmp_path, words, why):
    path = tmp_path / "records.csv"
    path.write_text(as_csv(SUN), encoding="utf-8")
    said = say(*(path if word == "FILE" else word for word in words.split()))
    assert said.code == 2, said
    assert why in said.err


def test_a_mapping_that_is_wrong_is_told(tmp_path):
    path, mapping = tmp_path / "records.csv", tmp_path / "ours.yaml"
    path.write_text(as_csv(SUN), encoding="utf-8")
    mapping.write_text("version: 2\n")
    said = say("import", "volunteer-records", path, "--check", "--mapping", mapping)
    assert (said.code, said.out) == (1, b"")
    assert f"{mapping}, line 1: version" in said.err
